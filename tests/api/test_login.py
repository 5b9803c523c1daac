"""Login over HTTP: the accepted request, and each refusal by one change to it."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client

from dfns_login.models import (
    Account,
    CodeClosed,
    CodePurpose,
    Credential,
    CredentialKind,
    OneTimeCode,
    Organization,
    Session,
    SpentToken,
)
from dfns_login.proofs.key_release import set_encrypted_key
from dfns_login.verification.key_envelope import check_key_envelope
from dfns_login.verification.public_keys import KeyAlgorithm
from tests.support.api_client import (
    CHALLENGE_NOT_VALID,
    DEACTIVATED,
    INVALID_CODE,
    NOT_AUTHORIZED,
    ask_code,
    call,
    complete_login,
    list_credentials,
    log_out,
    login_body,
    open_login,
    post,
    sign_in,
    told,
)
from tests.support.authenticators import Client as Maker
from tests.support.authenticators import Fault, Kind, SoftwareKey, opaque_envelope
from tests.support.factories import Person, issue, make_account, make_credential, make_organization, make_person

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("without_rates")]


@pytest.fixture
def code(jane: Person) -> str:
    return issue(jane.account.recipient)


@pytest.fixture
def challenge(client: Client, jane: Person, code: str) -> dict[str, Any]:
    """Jane's challenge, opened with her code."""
    opened: dict[str, Any] = open_login(client, jane.names, loginCode=code).json()
    return opened


def test_a_code_gives_the_key_and_a_signature_gives_a_token(client: Client, jane: Person) -> None:
    assert ask_code(client, jane.names).json() == {"message": "success"}
    code = issue(jane.account.recipient)
    opened = open_login(client, jane.names, loginCode=code)
    assert opened.status_code == 200
    challenge = opened.json()
    assert challenge["allowCredentials"] == {
        "key": [],
        "webauthn": [],
        "passwordProtectedKey": [
            {
                "type": "public-key",
                "id": jane.key.credential_id,
                "encryptedPrivateKey": jane.key.encrypted_private_key,
            }
        ],
    }
    answered = complete_login(client, challenge, jane.key)
    assert answered.status_code == 200, answered.content
    token = answered.json()["token"]
    listed = list_credentials(client, token)
    assert [item["credentialId"] for item in listed.json()["items"]] == [jane.key.credential_id]
    assert log_out(client, token).json() == {"message": "success"}
    assert told(list_credentials(client, token)) == NOT_AUTHORIZED
    assert Session.objects.get().code_presented


def test_the_challenge_has_every_member_of_the_contract(challenge: dict[str, Any]) -> None:
    assert challenge | {"challenge": "", "challengeIdentifier": "", "allowCredentials": {}} == {
        "challenge": "",
        "challengeIdentifier": "",
        "rp": {"id": "localhost", "name": "localhost"},
        "supportedCredentialKinds": [
            {"kind": "Fido2", "factor": "either", "requiresSecondFactor": False},
            {"kind": "Key", "factor": "either", "requiresSecondFactor": False},
            {"kind": "PasswordProtectedKey", "factor": "either", "requiresSecondFactor": False},
        ],
        "userVerification": "required",
        "attestation": "none",
        "externalAuthenticationUrl": "",
        "allowCredentials": {},
    }


def test_without_a_code_no_key_is_released(client: Client, jane: Person) -> None:
    assert open_login(client, jane.names).json()["allowCredentials"] == {"key": [], "webauthn": []}


def test_without_a_name_nothing_is_listed(client: Client, kim: Person) -> None:
    opened = open_login(client, {"orgId": kim.names["orgId"]})
    assert opened.json()["allowCredentials"] == {"key": [], "webauthn": []}
    assert told(complete_login(client, opened.json(), kim.key)) == NOT_AUTHORIZED


# The code


def test_a_code_is_accepted_once(client: Client, jane: Person, code: str) -> None:
    assert open_login(client, jane.names, loginCode=code).status_code == 200
    assert told(open_login(client, jane.names, loginCode=code)) == INVALID_CODE


def test_a_wrong_code_is_counted(client: Client, jane: Person, code: str) -> None:
    assert told(open_login(client, jane.names, loginCode="0000-0000-0000-0000")) == INVALID_CODE
    assert OneTimeCode.objects.get().guesses == 1
    assert open_login(client, jane.names, loginCode=code).status_code == 200


def test_after_ten_wrong_guesses_the_right_one_is_refused(client: Client, jane: Person, code: str) -> None:
    for _ in range(10):
        assert told(open_login(client, jane.names, loginCode="1")) == INVALID_CODE
    assert told(open_login(client, jane.names, loginCode=code)) == INVALID_CODE
    assert OneTimeCode.objects.get().guesses == 10


@pytest.mark.parametrize("atomic_requests", [False, True])
def test_a_refusal_does_not_roll_back_the_count(
    client: Client, jane: Person, code: str, *, atomic_requests: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R-121."""
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", atomic_requests)
    for count in (1, 2, 3):
        open_login(client, jane.names, loginCode="1")
        assert OneTimeCode.objects.get().guesses == count
    ask_code(client, {**jane.names, "username": "somebody@example.co"})
    assert OneTimeCode.objects.count() == 2


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda row, now: {"expires_at": now}, id="expired"),
        pytest.param(lambda row, now: closed(now, CodeClosed.EXPIRED), id="swept"),
        pytest.param(lambda row, now: closed(now, CodeClosed.REVOKED), id="revoked"),
        pytest.param(lambda row, now: closed(now, CodeClosed.SUPERSEDED), id="superseded"),
        pytest.param(lambda row, now: {"salt": bytes(16)}, id="of another salt"),
        pytest.param(lambda row, now: {"purpose": CodePurpose.RECOVERY}, id="of another purpose"),
        pytest.param(lambda row, now: {"key_id": "gone"}, id="whose key has left the ring"),
    ],
)
def test_every_invalid_code_gets_the_same_reply(client: Client, jane: Person, code: str, change: Any) -> None:
    row = OneTimeCode.objects.get()
    OneTimeCode.objects.update(**change(row, row.issued_at))
    assert told(open_login(client, jane.names, loginCode=code)) == INVALID_CODE


def closed(now: Any, how: CodeClosed) -> dict[str, Any]:
    return {"closed_at": now, "closed_as": how, "salt": None}


def test_a_code_that_was_never_requested_is_refused(client: Client, jane: Person) -> None:
    assert told(open_login(client, jane.names, loginCode="0000-0000-0000-0000")) == INVALID_CODE


def test_a_code_opens_only_its_own_account(client: Client, jane: Person) -> None:
    """R-09. `test_matrix.py` has every purpose, and accounts of another organization."""
    neighbor = make_person(jane.account.organization, "ann@example.co").account
    assert told(open_login(client, names_of(neighbor), loginCode=issue(jane.account.recipient))) == INVALID_CODE
    assert open_login(client, names_of(neighbor), loginCode=issue(neighbor.recipient)).status_code == 200


def names_of(account: Account) -> dict[str, str]:
    return {"username": account.username, "orgId": account.organization_id}


def test_a_code_without_a_name_is_refused(client: Client, jane: Person, code: str) -> None:
    assert told(open_login(client, {"orgId": jane.names["orgId"]}, loginCode=code)) == INVALID_CODE


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(lambda code: code.replace("-", ""), id="without dashes"),
        pytest.param(lambda code: f"  {code}\n", id="with space around"),
        pytest.param(lambda code: code.replace("-", " "), id="with spaces"),
        pytest.param(lambda code: code.translate({ord(d): ord(d) + 0xFEE0 for d in "0123456789"}), id="full width"),
        pytest.param(lambda code: code.replace("0", "O").replace("1", "l"), id="with look-alikes"),
    ],
)
def test_a_code_may_be_typed_in_any_form(client: Client, jane: Person, code: str, write: Any) -> None:
    assert open_login(client, jane.names, loginCode=write(code)).status_code == 200


def test_a_name_may_be_typed_in_any_form(client: Client, jane: Person, code: str) -> None:
    assert jane.account.username == "jane@example.co"
    names = {**jane.names, "username": " \uff2aANE@EXAMPLE.CO "}
    assert open_login(client, names, loginCode=code).json()["allowCredentials"]["passwordProtectedKey"]


def test_a_code_alone_gives_no_access(client: Client, jane: Person, challenge: dict[str, Any], code: str) -> None:
    """R-20."""
    identifier = challenge["challengeIdentifier"]
    for bearer in (identifier, challenge["challenge"], code, jane.account.pk):
        assert told(list_credentials(client, bearer)) == NOT_AUTHORIZED
        assert told(log_out(client, bearer)) == NOT_AUTHORIZED
    unsigned = login_body(challenge, jane.key)
    unsigned["firstFactor"]["credentialAssertion"]["signature"] = ""
    assert told(post(client, "/auth/login", unsigned)) == NOT_AUTHORIZED


def test_no_password_protected_key_means_an_empty_list(client: Client, kim: Person) -> None:
    opened = open_login(client, kim.names, loginCode=issue(kim.account.recipient))
    assert opened.json()["allowCredentials"]["passwordProtectedKey"] == []
    assert len(opened.json()["allowCredentials"]["key"]) == 1


def test_active_keys_are_released_in_order(client: Client, jane: Person) -> None:
    more = [SoftwareKey.make(kind=Kind.PASSWORD_PROTECTED_KEY) for _ in range(3)]
    rows = [make_credential(jane.account, key) for key in more]
    Credential.objects.filter(pk=rows[1].pk).update(active=False)
    opened = open_login(client, jane.names, loginCode=issue(jane.account.recipient)).json()
    released = [each["id"] for each in opened["allowCredentials"]["passwordProtectedKey"]]
    assert released == [jane.key.credential_id, more[0].credential_id, more[2].credential_id]
    assert told(complete_login(client, opened, more[1])) == NOT_AUTHORIZED


# The challenge


def test_a_challenge_works_once(client: Client, jane: Person, challenge: dict[str, Any]) -> None:
    assert complete_login(client, challenge, jane.key).status_code == 200
    assert told(complete_login(client, challenge, jane.key)) == CHALLENGE_NOT_VALID
    assert Session.objects.count() == SpentToken.objects.count() == 1


@pytest.mark.parametrize(
    "tamper",
    [
        pytest.param(lambda text: "", id="empty"),
        pytest.param(lambda text: text[:-1], id="cut"),
        pytest.param(lambda text: text[1:], id="cut in front"),
        pytest.param(lambda text: text + "A", id="longer"),
        pytest.param(lambda text: text.swapcase(), id="of other case"),
        pytest.param(lambda text: text[:300] + ("A" if text[300] != "A" else "B") + text[301:], id="one digit changed"),
        pytest.param(lambda text: "é" + text[1:], id="not ASCII"),
        pytest.param(lambda text: text * 2, id="twice"),
        pytest.param(lambda text: "eyJhbGciOiJub25lIn0.e30.", id="a token without a signature"),
    ],
)
def test_a_tampered_challenge_is_refused(client: Client, jane: Person, challenge: dict[str, Any], tamper: Any) -> None:
    body = login_body(challenge, jane.key)
    refused = post(client, "/auth/login", {**body, "challengeIdentifier": tamper(body["challengeIdentifier"])})
    assert refused.status_code == 400
    assert Session.objects.count() == 0
    assert complete_login(client, challenge, jane.key).status_code == 200


def test_a_challenge_is_bound_to_its_account(
    client: Client, jane: Person, kim: Person, challenge: dict[str, Any]
) -> None:
    """R-52, R-55."""
    kims = open_login(client, kim.names).json()
    assert told(complete_login(client, challenge, kim.key)) == NOT_AUTHORIZED
    assert told(complete_login(client, kims, jane.key)) == NOT_AUTHORIZED
    swapped = {"challenge": kims["challenge"], "challengeIdentifier": challenge["challengeIdentifier"]}
    assert told(complete_login(client, swapped, jane.key)) == NOT_AUTHORIZED
    assert told(complete_login(client, swapped, kim.key)) == NOT_AUTHORIZED
    assert complete_login(client, kims, kim.key).status_code == 200


def test_the_challenge_of_an_unknown_name_signs_no_one_in(client: Client, kim: Person) -> None:
    opened = open_login(client, {**kim.names, "username": "nobody@example.co"}).json()
    assert told(complete_login(client, opened, kim.key)) == NOT_AUTHORIZED


def test_every_challenge_is_different(client: Client, kim: Person) -> None:
    """R-50, R-32."""
    opened = [open_login(client, kim.names).json() for _ in range(50)]
    assert len({each["challenge"] for each in opened}) == len({each["challengeIdentifier"] for each in opened}) == 50
    assert {len(each["challenge"]) for each in opened} == {43}
    unknown = open_login(client, {"username": "x@y.z", "orgId": "or-x"}).json()
    without_name = open_login(client, {"orgId": "o" * 64}).json()
    assert len({len(each["challengeIdentifier"]) for each in [*opened, unknown, without_name]}) == 1


# The assertion


@pytest.mark.parametrize("fault", Fault)
def test_every_faulty_assertion_gets_the_same_reply(client: Client, jane: Person, fault: Fault) -> None:
    challenge = open_login(client, jane.names, loginCode=issue(jane.account.recipient)).json()
    refused = complete_login(client, challenge, jane.key, fault=fault)
    if fault in {Fault.ONE_MEGABYTE, Fault.TEN_THOUSAND_DEEP}:
        assert refused.status_code in {400, 413}  # it is refused before verification
    else:
        assert told(refused) == NOT_AUTHORIZED
    assert complete_login(client, challenge, jane.key).status_code == 200


def test_a_password_protected_key_signs_no_challenge_without_a_code(client: Client, jane: Person) -> None:
    """R-24."""
    challenge = open_login(client, jane.names).json()
    assert told(complete_login(client, challenge, jane.key)) == NOT_AUTHORIZED


def test_the_kind_must_be_the_stored_one(client: Client, jane: Person, challenge: dict[str, Any]) -> None:
    body = login_body(challenge, jane.key)
    for kind, more in (("Key", {}), ("Fido2", {"authenticatorData": "AA"})):
        body["firstFactor"]["kind"] = kind
        body["firstFactor"]["credentialAssertion"] |= more
        assert told(post(client, "/auth/login", body)) == NOT_AUTHORIZED


def test_a_recovery_key_never_signs_in(client: Client, kim: Person) -> None:
    key = SoftwareKey.make(kind=Kind.RECOVERY_KEY)
    make_credential(kim.account, key)
    body = login_body(open_login(client, kim.names).json(), key)
    assert post(client, "/auth/login", body).status_code == 400
    body["firstFactor"]["kind"] = "Key"
    assert told(post(client, "/auth/login", body)) == NOT_AUTHORIZED


def test_an_unknown_credential_is_refused(client: Client, jane: Person, challenge: dict[str, Any]) -> None:
    stranger = SoftwareKey.make(kind=Kind.PASSWORD_PROTECTED_KEY)
    assert told(complete_login(client, challenge, stranger)) == NOT_AUTHORIZED


@pytest.mark.parametrize("named", ["SHA1", "none", "SHA512", "RSA-SHA256", "", None, 1])
def test_the_named_algorithm_is_ignored(client: Client, kim: Person, named: object) -> None:
    """R-63."""
    body = login_body(open_login(client, kim.names).json(), kim.key)
    body["firstFactor"]["credentialAssertion"]["algorithm"] = named
    assert post(client, "/auth/login", body).status_code == 200


@pytest.mark.parametrize("algorithm", KeyAlgorithm)
@pytest.mark.parametrize("maker", Maker)
def test_every_supported_key_signs_in(client: Client, algorithm: KeyAlgorithm, maker: Maker) -> None:
    person = make_person(make_organization(), "kim@example.co", SoftwareKey.make(algorithm, client=maker))
    assert list_credentials(client, sign_in(client, person)).status_code == 200


def test_a_credential_id_may_come_with_padding(client: Client, kim: Person) -> None:
    body = login_body(open_login(client, kim.names).json(), kim.key)
    body["firstFactor"]["credentialAssertion"]["credId"] += "="
    assert post(client, "/auth/login", body).status_code == 200


def test_a_key_needs_no_code(client: Client, kim: Person) -> None:
    assert open_login(client, kim.names).json()["allowCredentials"]["key"] == [
        {"type": "public-key", "id": kim.key.credential_id}
    ]
    assert sign_in(client, kim)
    assert not Session.objects.get().code_presented


# Who cannot sign in


@pytest.mark.parametrize(
    "deactivate",
    [
        pytest.param(lambda who: Account.objects.deactivate(account=who), id="account"),
        pytest.param(
            lambda who: Organization.objects.filter(pk=who.organization_id).update(active=False), id="organization"
        ),
        pytest.param(lambda who: type(who.user)._default_manager.update(is_active=False), id="user"),
    ],
)
def test_a_deactivated_account_is_told_after_proving_its_identity(client: Client, kim: Person, deactivate: Any) -> None:
    token = sign_in(client, kim)
    challenge = open_login(client, kim.names).json()
    deactivate(kim.account)
    assert told(list_credentials(client, token)) == NOT_AUTHORIZED
    assert told(complete_login(client, challenge, kim.key, fault=Fault.FLIPPED_BIT)) == NOT_AUTHORIZED
    assert told(complete_login(client, challenge, kim.key)) == DEACTIVATED
    assert Session.objects.count() == 1


@pytest.mark.parametrize("deactivate", ["account", "organization"])
def test_the_code_of_an_account_deactivated_meanwhile_is_refused(
    client: Client, jane: Person, code: str, deactivate: str
) -> None:
    """R-14."""
    if deactivate == "account":
        Account.objects.deactivate(account=jane.account)
    else:
        Organization.objects.update(active=False)
    assert told(open_login(client, jane.names, loginCode=code)) == INVALID_CODE


def test_an_invited_account_cannot_sign_in(client: Client, lee: Account) -> None:
    assert told(open_login(client, names_of(lee), loginCode=issue(lee.recipient))) == INVALID_CODE


def test_a_deactivated_credential_cannot_be_used(client: Client, kim: Person) -> None:
    """R-55."""
    token = sign_in(client, kim)
    challenge = open_login(client, kim.names).json()
    Credential.objects.update(active=False)
    assert told(list_credentials(client, token)) == NOT_AUTHORIZED
    assert told(complete_login(client, challenge, kim.key)) == NOT_AUTHORIZED
    assert open_login(client, kim.names).json()["allowCredentials"]["key"] == []


# What a project that reveals unknown users says (D-3)


@pytest.fixture
def revealing(configure: Any) -> None:
    configure(REVEAL_UNKNOWN_USERS=True)


@pytest.mark.usefixtures("revealing")
class TestRevealing:
    def test_an_unknown_user(self, client: Client, kim: Person) -> None:
        assert told(open_login(client, {**kim.names, "username": "x@y.z"})) == (401, "User not found")
        assert open_login(client, kim.names).status_code == 200

    def test_no_credential(self, client: Client) -> None:
        account = make_account(make_organization())
        opened = open_login(client, names_of(account), loginCode=issue(account.recipient))
        assert told(opened) == (
            401,
            "User does not have a credential that can be used for the application.",
        )


# The encrypted key appears nowhere else


def test_the_encrypted_key_is_in_no_other_reply(client: Client, jane: Person) -> None:
    secret = (jane.key.encrypted_private_key or "").encode()
    code = issue(jane.account.recipient)
    with_key = open_login(client, jane.names, loginCode=code)
    assert secret in with_key.content
    token = complete_login(client, with_key.json(), jane.key).json()["token"]
    answers = [
        open_login(client, jane.names),
        open_login(client, jane.names, loginCode=code),
        ask_code(client, jane.names),
        complete_login(client, with_key.json(), jane.key),
        list_credentials(client, token),
        log_out(client, token),
        call(client, "GET", "/.well-known/jwks.json"),
    ]
    assert not any(secret in answer.content for answer in answers)
    assert secret not in bytes(Credential.objects.get().encrypted_key_at_rest or b"")


def test_a_recovery_keys_envelope_is_not_released(client: Client, jane: Person) -> None:
    key = SoftwareKey.make(kind=Kind.RECOVERY_KEY)
    row = make_credential(jane.account, key)
    set_encrypted_key(row, check_key_envelope(opaque_envelope()))
    row.save()
    opened = open_login(client, jane.names, loginCode=issue(jane.account.recipient)).json()
    assert [each["id"] for each in opened["allowCredentials"]["passwordProtectedKey"]] == [jane.key.credential_id]
    assert Credential.objects.filter(kind=CredentialKind.RECOVERY_KEY, encrypted_key_at_rest__isnull=False).exists()


def test_asking_for_codes_changes_nothing_about_the_account(client: Client, kim: Person, token: str) -> None:
    """R-13."""
    before = Account.objects.values().get(pk=kim.account.pk)
    for _ in range(25):
        assert ask_code(client, kim.names).status_code == 200
    assert Account.objects.values().get(pk=kim.account.pk) == before
    assert list_credentials(client, token).status_code == 200
