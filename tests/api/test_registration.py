"""Registration over HTTP: the accepted request, and each refusal by one change to it."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.contrib.auth import get_user_model
from django.db.models import F
from django.test import Client

from dfns_login.models import (
    Account,
    AccountState,
    CodeClosed,
    CodePurpose,
    Credential,
    OneTimeCode,
    Organization,
    SpentToken,
)
from dfns_login.verification.public_keys import KeyAlgorithm
from tests.support.api_client import (
    INVALID_CODE,
    NOT_AUTHORIZED,
    ask_registration_code,
    complete_login,
    complete_registration,
    details,
    list_credentials,
    open_login,
    open_registration,
    post,
    sign_in,
    told,
)
from tests.support.authenticators import Client as Maker
from tests.support.authenticators import Fault, Kind, SoftwareKey, age_file, armor
from tests.support.factories import Person, issue, make_account, make_credential, make_organization, make_person

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("without_rates")]

CREDENTIAL_NOT_VALID = (400, "The credential is not valid.")
TAKEN = (400, "The credential id is taken.")


@pytest.fixture
def names(lee: Account) -> dict[str, str]:
    return {"username": lee.username, "orgId": lee.organization_id}


@pytest.fixture
def code(lee: Account) -> str:
    return issue(lee.recipient, purpose=CodePurpose.REGISTRATION)


@pytest.fixture
def opened(client: Client, names: dict[str, str], code: str) -> dict[str, Any]:
    """Lee's registration challenge."""
    challenge: dict[str, Any] = open_registration(client, names, code).json()
    return challenge


def test_an_invited_person_registers_and_signs_in(client: Client, names: dict[str, str], lee: Account) -> None:
    assert ask_registration_code(client, names).json() == {"message": "success"}
    code = issue(lee.recipient, purpose=CodePurpose.REGISTRATION)
    assert len(code.replace("-", "")) == 16
    opened = open_registration(client, names, code).json()
    key = SoftwareKey.with_age_envelope()
    registered = complete_registration(client, opened, key)
    credential = Credential.objects.get()
    assert set(registered.json().pop("loginChallenge")) == set(open_login(client, names).json())
    assert {name: value for name, value in registered.json().items() if name != "loginChallenge"} == {
        "credential": {
            "uuid": credential.pk,
            "kind": "PasswordProtectedKey",
            "credentialKind": "PasswordProtectedKey",
            "name": "Default Credential",
        },
        "user": {"id": lee.pk, "username": "lee@example.co", "orgId": lee.organization_id},
    }
    lee.refresh_from_db()
    assert lee.state == AccountState.REGISTERED
    assert lee.user is not None
    assert (lee.user.username, lee.user.email, lee.user.has_usable_password()) == (
        "lee@example.co",
        "lee@example.co",
        False,
    )
    assert sign_in(client, Person(account=lee, keys=(key,)), loginCode=issue(lee.recipient))


def test_the_challenge_has_every_member_of_the_contract(opened: dict[str, Any], lee: Account) -> None:
    assert opened | {"challenge": "", "temporaryAuthenticationToken": ""} == {
        "user": {"id": lee.pk, "name": "lee@example.co", "displayName": "lee@example.co"},
        "temporaryAuthenticationToken": "",
        "challenge": "",
        "rp": {"id": "localhost", "name": "localhost"},
        "supportedCredentialKinds": {
            "firstFactor": ["Fido2", "Key", "PasswordProtectedKey"],
            "secondFactor": ["Fido2", "Key", "PasswordProtectedKey"],
        },
        "authenticatorSelection": {
            "residentKey": "required",
            "requireResidentKey": True,
            "userVerification": "required",
        },
        "attestation": "none",
        "pubKeyCredParams": [{"type": "public-key", "alg": each} for each in (-7, -257, -8)],
        "excludeCredentials": [],
        "otpUrl": "",
    }


# The code


def test_a_registration_code_is_accepted_once(client: Client, names: dict[str, str], code: str) -> None:
    assert open_registration(client, names, code).status_code == 200
    assert told(open_registration(client, names, code)) == INVALID_CODE


def test_a_wrong_registration_code_is_counted(client: Client, names: dict[str, str], code: str) -> None:
    assert told(open_registration(client, names, "0000-0000-0000-0000")) == INVALID_CODE
    assert OneTimeCode.objects.get().guesses == 1
    assert open_registration(client, names, code.lower().replace("0", "o").replace("1", "I")).status_code == 200


def test_wrong_guesses_do_not_end_an_invitation(client: Client, names: dict[str, str], code: str) -> None:
    """R-04, R-125: a code of eighty bits needs no tight limit, and an invitation is valid for a day."""
    for _ in range(12):
        assert told(open_registration(client, names, "0000-0000-0000-0000")) == INVALID_CODE
    assert ask_registration_code(client, names).status_code == 200
    assert OneTimeCode.objects.get().guesses == 12
    assert open_registration(client, names, code).status_code == 200


@pytest.mark.parametrize("state", [AccountState.REGISTERED, AccountState.DEACTIVATED])
def test_only_an_invited_account_registers(client: Client, state: AccountState) -> None:
    account = make_account(make_organization(), state=state)
    names = {"username": account.username, "orgId": account.organization_id}
    code = issue(account.recipient, purpose=CodePurpose.REGISTRATION)
    assert told(open_registration(client, names, code)) == INVALID_CODE


# The temporary token


def test_a_registration_is_completed_once(client: Client, opened: dict[str, Any]) -> None:
    assert complete_registration(client, opened, SoftwareKey.make()).status_code == 200
    assert told(complete_registration(client, opened, SoftwareKey.make())) == NOT_AUTHORIZED
    assert Credential.objects.count() == SpentToken.objects.count() == 1


def test_of_two_tokens_of_an_account_only_one_registers(client: Client, lee: Account, names: dict[str, str]) -> None:
    both = [
        open_registration(client, names, issue(lee.recipient, purpose=CodePurpose.REGISTRATION)).json()
        for _ in range(2)
    ]
    assert complete_registration(client, both[0], SoftwareKey.make()).status_code == 200
    assert told(complete_registration(client, both[1], SoftwareKey.make())) == NOT_AUTHORIZED


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda who: Account.objects.deactivate(account=who), id="deactivated"),
        pytest.param(lambda who: Organization.objects.update(active=False), id="of a deactivated organization"),
        pytest.param(lambda who: who.delete(), id="deleted"),
        pytest.param(
            lambda who: Account.objects.filter(pk=who.pk).update(organization=make_organization()),
            id="moved to another organization",
        ),
    ],
)
def test_an_account_that_is_no_longer_invited_cannot_register(
    client: Client, opened: dict[str, Any], lee: Account, change: Any
) -> None:
    change(lee)
    assert told(complete_registration(client, opened, SoftwareKey.make())) == NOT_AUTHORIZED
    assert not Credential.objects.exists()
    assert not get_user_model()._default_manager.exists()


def test_a_failed_registration_can_be_repeated(client: Client, opened: dict[str, Any]) -> None:
    key = SoftwareKey.make()
    assert told(complete_registration(client, opened, key, fault=Fault.FLIPPED_BIT)) == CREDENTIAL_NOT_VALID
    assert not SpentToken.objects.exists()
    assert complete_registration(client, opened, key).status_code == 200


def test_a_challenge_is_bound_to_its_token(client: Client, opened: dict[str, Any]) -> None:
    other = {**opened, "challenge": opened["challenge"][::-1]}
    refused = complete_registration(client, other, SoftwareKey.make())
    assert details(refused) == {"credentialInfo.clientData": ["The challenge is not the one that was issued."]}


# The credential


@pytest.mark.slow
@pytest.mark.parametrize("fault", Fault)
def test_every_faulty_attestation_is_refused(client: Client, opened: dict[str, Any], fault: Fault) -> None:
    refused = complete_registration(client, opened, SoftwareKey.make(), fault=fault)
    if fault in {Fault.ONE_MEGABYTE, Fault.TEN_THOUSAND_DEEP, Fault.HUGE_NUMBER}:
        assert refused.status_code in {400, 413}
    else:
        assert refused.status_code == 400
        assert next(iter(details(refused))).split(".")[-1] in {"clientData", "attestationData"}
    assert not Credential.objects.exists()


@pytest.mark.parametrize("kind", [Kind.KEY, Kind.PASSWORD_PROTECTED_KEY])
@pytest.mark.parametrize("algorithm", KeyAlgorithm)
@pytest.mark.parametrize("maker", Maker)
def test_every_kind_of_key_registers(
    client: Client, opened: dict[str, Any], lee: Account, kind: Kind, algorithm: KeyAlgorithm, maker: Maker
) -> None:
    key = SoftwareKey.make(algorithm, kind=kind, client=maker)
    assert complete_registration(client, opened, key).status_code == 200
    with_code = {"loginCode": issue(lee.recipient)} if kind == Kind.PASSWORD_PROTECTED_KEY else {}
    token = sign_in(client, Person(account=lee, keys=(key,)), **with_code)
    (item,) = list_credentials(client, token).json()["items"]
    created = datetime.fromisoformat(item.pop("dateCreated"))
    assert abs((datetime.now(UTC) - created).total_seconds()) < 60
    assert item == {
        "kind": kind.value,
        "credentialId": key.credential_id,
        "credentialUuid": Credential.objects.get().pk,
        "isActive": True,
        "name": "Default Credential",
        "publicKey": item["publicKey"],
        "relyingPartyId": "localhost",
        "origin": "https://app.dfns.io" if maker is Maker.PYTHON else "http://localhost:8000",
        "authenticatorName": "",
        "isBackupEligible": False,
        "isBackedUp": False,
        "dateLastUsed": None,
    }
    assert item["publicKey"].strip() == key.public_pem.strip()


def test_a_setting_narrows_the_keys(client: Client, opened: dict[str, Any], configure: Any) -> None:
    """D-7."""
    configure(KEY_ALGORITHMS=["P-256"])
    refused = complete_registration(client, opened, SoftwareKey.make(KeyAlgorithm.SECP256K1))
    assert list(details(refused)) == ["credentialInfo.attestationData"]
    assert complete_registration(client, opened, SoftwareKey.make()).status_code == 200


def test_a_credential_name_can_be_given(client: Client, opened: dict[str, Any]) -> None:
    named = complete_registration(client, opened, SoftwareKey.make(), credentialName="<Jane's phone> \U0001f511")
    assert named.json()["credential"]["name"] == "<Jane's phone> \U0001f511"


def test_an_empty_name_counts_as_absent(client: Client, opened: dict[str, Any]) -> None:
    named = complete_registration(client, opened, SoftwareKey.make(), credentialName="")
    assert named.json()["credential"]["name"] == "Default Credential"


@pytest.mark.parametrize("character", ["\n", "\u2028", "\x1b", "\u202e", "\u2066"])
def test_a_credential_name_is_printable(client: Client, opened: dict[str, Any], character: str) -> None:
    refused = complete_registration(client, opened, SoftwareKey.make(), credentialName=f"Jane's{character}phone")
    assert (refused.status_code, list(details(refused))) == (400, ["credentialName"])
    assert not Credential.objects.exists()


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        ("Fido2", "credentialInfo.clientData"),  # the client data of a key are not valid for a passkey
        ("RecoveryKey", "firstFactorCredential"),
        ("Password", "firstFactorCredential.credentialKind"),
    ],
)
def test_a_key_cannot_be_registered_as_another_kind(
    client: Client, opened: dict[str, Any], kind: str, field: str
) -> None:
    refused = complete_registration(client, opened, SoftwareKey.make(), credentialKind=kind)
    assert (refused.status_code, list(details(refused))) == (400, [field])
    assert not Credential.objects.exists()


@pytest.mark.parametrize("kind", [Kind.KEY, Kind.PASSWORD_PROTECTED_KEY])
def test_only_a_recovery_key_can_be_registered_for_recovery(client: Client, opened: dict[str, Any], kind: Kind) -> None:
    body = {
        "firstFactorCredential": SoftwareKey.make().credential(opened["challenge"]),
        "recoveryCredential": SoftwareKey.make(kind=kind).credential(opened["challenge"]),
    }
    bearer = opened["temporaryAuthenticationToken"]
    assert list(details(post(client, "/auth/registration", body, bearer=bearer))) == ["recoveryCredential"]
    body["recoveryCredential"] = SoftwareKey.make(kind=Kind.RECOVERY_KEY).credential(opened["challenge"])
    assert post(client, "/auth/registration", body, bearer=bearer).status_code == 200
    kinds = Credential.objects.order_by("kind").values_list("kind", flat=True)
    assert list(kinds) == ["Key", "RecoveryKey"]


def test_no_two_credentials_of_a_registration_share_an_id(client: Client, opened: dict[str, Any]) -> None:
    """R-62."""
    credential = SoftwareKey.make().credential(opened["challenge"])
    body = {"firstFactorCredential": credential, "secondFactorCredential": credential}
    refused = post(client, "/auth/registration", body, bearer=opened["temporaryAuthenticationToken"])
    assert list(details(refused)) == ["credentialInfo.credId"]
    assert not Credential.objects.exists()


def test_no_two_credentials_of_a_registration_share_a_key(client: Client, opened: dict[str, Any]) -> None:
    """R-55."""
    key = SoftwareKey.make()
    copy = replace(key, credential_id=SoftwareKey.make().credential_id)
    challenge = opened["challenge"]
    body = {"firstFactorCredential": key.credential(challenge), "secondFactorCredential": copy.credential(challenge)}
    refused = post(client, "/auth/registration", body, bearer=opened["temporaryAuthenticationToken"])
    assert list(details(refused)) == ["credentialInfo.attestationData"]
    assert not Credential.objects.exists()


# The envelope: the server stores no key in clear text

PASSPHRASE = "correct horse battery staple"


def private_pem(key: SoftwareKey) -> str:
    return key.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def with_two_stanzas(age: bytes) -> bytes:
    stanza = age[age.index(b"->") : age.index(b"\n---")]
    return age.replace(stanza, stanza + b"\n" + stanza, 1)


def test_a_password_protected_key_requires_an_envelope(client: Client, opened: dict[str, Any]) -> None:
    key = SoftwareKey.make(kind=Kind.KEY)
    refused = complete_registration(client, opened, key, credentialKind="PasswordProtectedKey")
    assert details(refused) == {"encryptedPrivateKey": ["This field is required."]}


def test_a_key_must_not_have_an_envelope(client: Client, opened: dict[str, Any]) -> None:
    refused = complete_registration(client, opened, SoftwareKey.make(), encryptedPrivateKey="x" * 200)
    assert details(refused) == {"encryptedPrivateKey": ["A Key has no encrypted private key."]}


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda key: "-----BEGIN PRIVATE KEY-----\n" + "A" * 200, id="PEM"),
        pytest.param(private_pem, id="the private key itself"),
        pytest.param(lambda key: "".join(private_pem(key).split("\n")[1:-2]), id="DER in base64"),
        pytest.param(lambda key: "x" * 99, id="too short"),
        pytest.param(lambda key: "x" * 8193, id="too long"),
        pytest.param(lambda key: armor(age_file(b"k" * 200, passphrase=PASSPHRASE, work_factor=10)), id="cheap"),
        pytest.param(
            lambda key: armor(age_file(b"k", passphrase=PASSPHRASE, work_factor=2).replace(b" 2\n", b" 30\n")),
            id="dear",
        ),
        pytest.param(
            lambda key: armor(with_two_stanzas(age_file(b"k", passphrase=PASSPHRASE, work_factor=17))),
            id="two stanzas",
        ),
    ],
)
def test_an_envelope_that_is_unsafe_to_keep_is_refused(client: Client, opened: dict[str, Any], make: Any) -> None:
    """R-23, R-25: among others, an age file whose password is cheap to guess."""
    key = SoftwareKey.make(kind=Kind.PASSWORD_PROTECTED_KEY)
    refused = complete_registration(client, opened, key, encryptedPrivateKey=make(key))
    assert told(refused) == CREDENTIAL_NOT_VALID
    assert list(details(refused)) == ["encryptedPrivateKey"]
    assert complete_registration(client, opened, key).status_code == 200


# Credential ids


@pytest.mark.parametrize("write", [lambda text: text, lambda text: text + "="], ids=["as it is", "padded"])
def test_a_credential_id_is_unique_in_an_organization(
    client: Client, opened: dict[str, Any], lee: Account, write: Any
) -> None:
    other = make_account(lee.organization, "other@example.co")
    theirs = SoftwareKey.make()
    row = make_credential(other, theirs)
    mine = SoftwareKey.make()
    refused = complete_registration(
        client,
        opened,
        mine,
        credentialInfo={**mine.register(opened["challenge"]), "credId": write(theirs.credential_id)},
    )
    assert told(refused) == TAKEN
    assert list(details(refused)) == ["credentialInfo.credId"]
    assert Credential.objects.get() == row
    lee.refresh_from_db()
    assert (lee.state, lee.user) == (AccountState.INVITED, None)
    assert complete_registration(client, opened, mine).status_code == 200


def test_another_organization_can_have_the_same_credential_id(client: Client, opened: dict[str, Any]) -> None:
    theirs = make_person(make_organization(), "other@example.co", SoftwareKey.make())
    mine = SoftwareKey.make()
    info = {**mine.register(opened["challenge"]), "credId": theirs.key.credential_id}
    assert complete_registration(client, opened, mine, credentialInfo=info).status_code == 200


# The user


def test_a_linked_account_keeps_its_user(client: Client, opened: dict[str, Any], lee: Account) -> None:
    user = get_user_model()._default_manager.create(username="lee")
    Account.objects.filter(pk=lee.pk).update(user=user)
    assert complete_registration(client, opened, SoftwareKey.make()).status_code == 200
    lee.refresh_from_db()
    assert lee.user == user


def test_an_email_address_alone_does_not_link_an_existing_user(
    client: Client, opened: dict[str, Any], lee: Account
) -> None:
    get_user_model()._default_manager.create(username="lee@example.co", email="lee@example.co", is_superuser=True)
    assert complete_registration(client, opened, SoftwareKey.make()).status_code == 200
    lee.refresh_from_db()
    assert lee.user is not None
    assert (lee.user.username, lee.user.is_superuser) == (lee.pk, False)


def test_an_inactive_user_cannot_sign_in(client: Client, opened: dict[str, Any], lee: Account) -> None:
    key = SoftwareKey.make()
    complete_registration(client, opened, key)
    get_user_model()._default_manager.update(is_active=False)
    challenge = open_login(client, {"username": lee.username, "orgId": lee.organization_id}).json()
    assert told(complete_login(client, challenge, key)) == (400, "User account has been deactivated.")


# What a project that reveals unknown users says


@pytest.fixture
def revealing(configure: Any) -> None:
    configure(REVEAL_UNKNOWN_USERS=True)


class TestRevealing:
    def test_an_unknown_user(self, client: Client, names: dict[str, str], revealing: None) -> None:
        assert told(open_registration(client, {**names, "username": "x@y.z"}, "1")) == (401, "User not found")

    def test_a_registered_user(self, client: Client, kim: Person, revealing: None) -> None:
        assert told(open_registration(client, kim.names, "1")) == (401, "User already exists.")

    @pytest.mark.parametrize("swept", [False, True])
    def test_an_expired_code(
        self, client: Client, lee: Account, names: dict[str, str], code: str, revealing: None, *, swept: bool
    ) -> None:
        rows = OneTimeCode.objects.filter(purpose=CodePurpose.REGISTRATION)
        rows.update(expires_at=F("issued_at"))
        if swept:
            rows.close(how=CodeClosed.EXPIRED, now=datetime.now(UTC))
        expired = (400, "Registration code expired")
        assert told(open_registration(client, names, code)) == expired
        issue(lee.recipient, purpose=CodePurpose.REGISTRATION)
        assert told(open_registration(client, names, code)) == INVALID_CODE

    def test_a_wrong_code_is_not_called_expired(
        self, client: Client, names: dict[str, str], code: str, revealing: None
    ) -> None:
        assert told(open_registration(client, names, "1")) == INVALID_CODE
        assert open_registration(client, names, code).status_code == 200
        assert told(open_registration(client, names, code)) == INVALID_CODE


def test_by_default_an_expired_code_looks_wrong(client: Client, names: dict[str, str], code: str) -> None:
    OneTimeCode.objects.update(expires_at=F("issued_at"))
    assert told(open_registration(client, names, code)) == INVALID_CODE


def test_an_unsupported_public_key_is_refused(client: Client, opened: dict[str, Any]) -> None:
    """R-60, R-61 over HTTP. `tests/verification` tries every key."""
    key = SoftwareKey.make()
    pem = key.public_pem
    for wrong in (f"{pem}\n{pem}", f"x{pem}", f"{pem}\nx", private_pem(key), pem.replace("PUBLIC KEY", "CERTIFICATE")):
        info = key.register(opened["challenge"], pem=wrong)
        refused = complete_registration(client, opened, key, credentialInfo=info)
        assert list(details(refused)) == ["credentialInfo.attestationData"]
    final_line = key.register(opened["challenge"], pem=f"{pem}\n")
    assert complete_registration(client, opened, key, credentialInfo=final_line).status_code == 200
