"""User-action signing over HTTP: what is to be signed, by whom, and what comes of it. What it is good for is in
`test_signed_requests.py`."""

from typing import Any

import jwt
import pytest
from django.test import Client

from dfns_login.models import AuditEvent, AuditKind, Credential, SecondFactor, Session
from tests.support.api_client import CHALLENGE_NOT_VALID, NOT_AUTHORIZED, sign_in, told
from tests.support.authenticators import Fault, Kind, SoftwareKey
from tests.support.factories import issue, make_credential, make_organization, make_person
from tests.support.fido2_authenticator import Passkey
from tests.support.signed_in import SignedIn, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("without_rates")]

PATH = "/auth/credentials/code"


@pytest.fixture
def jane(client: Client) -> SignedIn:
    """Signed in with a code and a password-protected key."""
    return signed_in(client, make_person())


@pytest.fixture
def kim(client: Client) -> SignedIn:
    """Signed in with a key and no code. Has a password-protected key, too."""
    keys = (SoftwareKey.make(), SoftwareKey.make(kind=Kind.PASSWORD_PROTECTED_KEY))
    person = make_person(None, "kim@example.co", *keys)
    return SignedIn(client=client, person=person, token=sign_in(client, person))


def test_the_challenge_has_every_member_of_the_contract(jane: SignedIn) -> None:
    opened = jane.open_action("POST", PATH)
    assert opened | {"challenge": "", "challengeIdentifier": "", "allowCredentials": {}} == {
        "challenge": "",
        "challengeIdentifier": "",
        "rp": {"id": "localhost", "name": "localhost"},
        "supportedCredentialKinds": [
            {"kind": kind, "factor": "either", "requiresSecondFactor": False}
            for kind in ("Fido2", "Key", "PasswordProtectedKey")
        ],
        "userVerification": "required",
        "attestation": "none",
        "externalAuthenticationUrl": "",
        "allowCredentials": {},
    }


def test_the_event_contains_no_payload(jane: SignedIn) -> None:
    action = jane.user_action("POST", PATH, '{"secret": "of the project"}')
    event = AuditEvent.objects.get(kind=AuditKind.ACTION_SIGNED)
    session = Session.objects.get(account=jane.person.account)
    assert (event.account, event.detail) == (
        jane.person.account,
        {"credential": jane.person.account.credentials.get().pk, "session": session.pk},
    )
    assert "secret" not in str(event.evidence)
    claims = jwt.decode(action, options={"verify_signature": False})
    assert claims["sub"] == jane.person.account.pk
    assert claims["exp"] - claims["iat"] == 300
    assert "secret" not in str(claims)
    assert PATH not in str(claims)


# The encrypted key (D-4)


def released(opened: dict[str, Any]) -> Any:
    return opened["allowCredentials"].get("passwordProtectedKey")


def test_a_key_is_released_for_actions_to_a_session_that_was_opened_with_a_code(jane: SignedIn, kim: SignedIn) -> None:
    """R-21, R-24, D-4."""
    assert released(jane.open_action("POST", PATH)) == [
        {
            "type": "public-key",
            "id": jane.key.credential_id,
            "encryptedPrivateKey": jane.key.encrypted_private_key,
        }
    ]
    opened = kim.open_action("POST", PATH)
    assert released(opened) is None
    protected = kim.person.keys[1]
    refused = kim.complete_action(opened, firstFactor=protected.factor(opened["challenge"]))
    assert told(refused) == NOT_AUTHORIZED
    assert kim.complete_action(opened).status_code == 200


def test_a_setting_releases_the_key_only_at_sign_in(jane: SignedIn, configure: Any) -> None:
    """R-21, D-4: a client that has kept the key can still sign with it."""
    configure(RELEASE_KEYS_FOR_ACTIONS=False)
    opened = jane.open_action("POST", PATH)
    assert released(opened) is None
    assert jane.complete_action(opened).status_code == 200


def test_a_deactivated_credential_is_neither_released_nor_listed(jane: SignedIn) -> None:
    make_credential(jane.person.account, other := SoftwareKey.make(kind=Kind.PASSWORD_PROTECTED_KEY))
    make_credential(jane.person.account, key := SoftwareKey.make())
    opened = jane.open_action("POST", PATH)
    assert [each["id"] for each in released(opened)] == [jane.key.credential_id, other.credential_id]
    assert [each["id"] for each in opened["allowCredentials"]["key"]] == [key.credential_id]
    Credential.objects.exclude(credential_id=jane.key.credential_id).update(active=False)
    opened = jane.open_action("POST", PATH)
    assert [each["id"] for each in released(opened)] == [jane.key.credential_id]
    assert opened["allowCredentials"]["key"] == []


def test_a_code_that_was_presented_to_another_session_does_not_count(client: Client, kim: SignedIn) -> None:
    """R-21: two sessions of one account, only one of them opened with a code."""
    code = issue(kim.person.account.recipient)
    with_code = SignedIn(client=client, person=kim.person, token=sign_in(client, kim.person, loginCode=code))
    assert released(with_code.open_action("POST", PATH))
    assert released(kim.open_action("POST", PATH)) is None
    assert sorted(Session.objects.values_list("code_presented", flat=True)) == [False, True]


# Who signs


@pytest.mark.parametrize("fault", [each for each in Fault if each not in {Fault.ONE_MEGABYTE, Fault.TEN_THOUSAND_DEEP}])
def test_every_faulty_assertion_gets_the_same_reply(jane: SignedIn, fault: Fault) -> None:
    """R-36, R-53."""
    opened = jane.open_action("POST", PATH)
    refused = jane.complete_action(opened, firstFactor=jane.key.factor(opened["challenge"], fault=fault))
    assert told(refused) == NOT_AUTHORIZED
    assert jane.complete_action(opened).status_code == 200


def test_a_challenge_signs_one_action(jane: SignedIn) -> None:
    opened = jane.open_action("POST", PATH)
    assert jane.complete_action(opened).status_code == 200
    assert told(jane.complete_action(opened)) == CHALLENGE_NOT_VALID


@pytest.mark.parametrize("whose", ["a neighbour's", "a namesake's", "nobody's", "a recovery key"])
def test_another_key_is_refused(jane: SignedIn, whose: str) -> None:
    """R-55, R-87."""
    key = SoftwareKey.make()
    account = jane.person.account
    if whose == "a neighbour's":
        make_person(account.organization, "kim@example.co", key)
    elif whose == "a namesake's":
        make_person(make_organization(), account.email, key)
    elif whose == "a recovery key":
        make_credential(account, key)
        Credential.objects.filter(credential_id=key.credential_id).update(kind="RecoveryKey")
    opened = jane.open_action("POST", PATH)
    assert told(jane.complete_action(opened, firstFactor=key.factor(opened["challenge"]))) == NOT_AUTHORIZED


def test_a_passkey_signs_an_action_and_its_sign_count_is_stored(client: Client, kim: SignedIn) -> None:
    account = kim.person.account
    Credential.objects.filter(credential_id=kim.key.credential_id).update(
        kind="Fido2", sign_count=3, backup_eligible=True
    )
    passkey = Passkey(key=kim.key, account_id=account.pk, origin="http://localhost:8000", rp_id="localhost")
    opened = kim.open_action("POST", PATH)
    by_passkey = {"firstFactor": passkey.factor(opened["challenge"], sign_count=4)}
    assert kim.complete_action(opened, **by_passkey).status_code == 200
    assert Credential.objects.get(credential_id=kim.key.credential_id).sign_count == 4
    assert told(kim.complete_action(opened, **by_passkey)) == CHALLENGE_NOT_VALID
    opened = kim.open_action("POST", PATH)
    copied = {"firstFactor": passkey.factor(opened["challenge"], sign_count=4)}
    assert told(kim.complete_action(opened, **copied)) == NOT_AUTHORIZED
    assert AuditEvent.objects.filter(kind=AuditKind.CREDENTIAL_SUSPECTED).count() == 1


@pytest.mark.parametrize(
    ("policy", "one", "two"),
    [(SecondFactor.NONE, 200, 401), (SecondFactor.OPTIONAL, 200, 200), (SecondFactor.REQUIRED, 401, 200)],
)
def test_the_policy_applies_to_actions_too(
    client: Client, kim: SignedIn, policy: SecondFactor, one: int, two: int
) -> None:
    organization = kim.person.account.organization
    organization.second_factor = policy
    organization.save()
    make_credential(kim.person.account, second := SoftwareKey.make())
    opened = kim.open_action("POST", PATH)
    assert {each["requiresSecondFactor"] for each in opened["supportedCredentialKinds"]} == {
        policy == SecondFactor.REQUIRED
    }
    assert kim.complete_action(opened).status_code == one
    opened = kim.open_action("POST", PATH)
    both = kim.complete_action(opened, secondFactor=second.factor(opened["challenge"]))
    assert both.status_code == two


# Other accounts


def test_an_action_is_bound_to_its_account(jane: SignedIn, kim: SignedIn) -> None:
    """R-52."""
    assert told(kim.complete_action(jane.open_action("POST", PATH))) == CHALLENGE_NOT_VALID
