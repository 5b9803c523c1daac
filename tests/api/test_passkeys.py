"""Passkeys over HTTP: registration, sign-in with and without a username, detection of a copy."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from django.test import Client

from dfns_login.api.fields import wire_time
from dfns_login.models import (
    Account,
    AccountState,
    AuditEvent,
    AuditKind,
    CodePurpose,
    Credential,
    CredentialKind,
    Notice,
    SecondFactor,
    Session,
)
from tests.support.api_client import call, details, message, open_login, post
from tests.support.authenticators import SoftwareKey, base64url
from tests.support.factories import issue, make_account, make_credential, make_organization, make_person
from tests.support.fido2_authenticator import BE, BS, Passkey, PasskeyFault, Statement
from tests.support.fido2_maker import Maker

pytestmark = pytest.mark.django_db


@pytest.fixture
def account() -> Account:
    return make_account(make_organization(), "jane@example.co", state=AccountState.INVITED)


@pytest.fixture
def passkey(client: Client, account: Account) -> Passkey:
    """Jane's registered passkey."""
    made = Passkey.make(account_id=account.pk, origin="http://localhost:8000", rp_id="localhost")
    opened = open_registration(client, account)
    body = {"firstFactorCredential": made.credential(opened["challenge"])}
    answer = post(client, "/auth/registration", body, bearer=opened["temporaryAuthenticationToken"])
    assert answer.status_code == 200, answer.content
    return made


def names(account: Account) -> dict[str, str]:
    return {"username": account.username, "orgId": account.organization_id}


def open_registration(client: Client, account: Account) -> Any:
    code = issue(account.recipient, purpose=CodePurpose.REGISTRATION)
    answer = post(client, "/auth/registration/init", {**names(account), "registrationCode": code})
    assert answer.status_code == 200, answer.content
    return answer.json()


def keep(account: Account, passkey: Passkey) -> None:
    """Store it as if the account had registered it."""
    row = make_credential(account, passkey.key)
    Credential.objects.filter(pk=row.pk).update(kind=CredentialKind.FIDO2, backup_eligible=bool(passkey.flags & BE))


def complete(client: Client, challenge: Any, passkey: Passkey, **options: Any) -> Any:
    factor = passkey.factor(challenge["challenge"], **options)
    return post(
        client,
        "/auth/login",
        {"challengeIdentifier": challenge["challengeIdentifier"], "firstFactor": factor},
    )


MAKES = {
    "d548826e-79b4-db40-a3d8-11116f7e8349": "Bitwarden",
    "cb69481e-8ff7-4039-93ec-0a2729a154a8": "YubiKey 5 Series",
    "00000000-0000-0000-0000-000000000000": "",
    "12345678-1234-5678-1234-567812345678": "",
}


@pytest.mark.parametrize("aaguid", MAKES)
@pytest.mark.parametrize(("flags", "synced"), [(0, (False, False)), (BE, (True, False)), (BE | BS, (True, True))])
def test_a_passkey_says_who_made_it_whether_it_is_synced_and_when_it_was_used(
    client: Client, account: Account, aaguid: str, flags: int, synced: tuple[bool, bool]
) -> None:
    """R-182."""
    made = Passkey.make(account_id=account.pk, origin="http://localhost:8000", rp_id="localhost")
    made = replace(made, aaguid=UUID(aaguid).bytes, flags=made.flags & ~(BE | BS) | flags)
    opened = open_registration(client, account)
    body = {"firstFactorCredential": made.credential(opened["challenge"])}
    assert post(client, "/auth/registration", body, bearer=opened["temporaryAuthenticationToken"]).status_code == 200
    assert Credential.objects.get().last_used_at is None
    token = complete(client, open_login(client, names(account)).json(), made).json()["token"]
    (item,) = call(client, "GET", "/auth/credentials", bearer=token).json()["items"]
    assert item["authenticatorName"] == MAKES[aaguid]
    assert (item["isBackupEligible"], item["isBackedUp"]) == synced
    assert item["dateLastUsed"] == wire_time(Session.objects.get().issued_at)


def test_a_passkey_is_registered_and_signs_in(client: Client, account: Account, passkey: Passkey) -> None:
    challenge = open_login(client, names(account)).json()
    assert challenge["allowCredentials"]["webauthn"] == [{"type": "public-key", "id": passkey.credential_id}]
    answer = complete(client, challenge, passkey)
    assert answer.status_code == 200, answer.content
    token = answer.json()["token"]
    assert call(client, "GET", "/auth/credentials", bearer=token).json()["items"][0]["kind"] == "Fido2"
    assert Credential.objects.get().sign_count == 1


def test_a_discoverable_passkey_needs_no_username(client: Client, account: Account, passkey: Passkey) -> None:
    challenge = open_login(client, {"orgId": account.organization_id}).json()
    assert challenge["allowCredentials"] == {"key": [], "webauthn": []}
    assert complete(client, challenge, passkey).status_code == 200


def test_a_discoverable_passkey_signs_in_unless_its_own_account_was_voided(
    client: Client, account: Account, passkey: Passkey
) -> None:
    """R-122. The challenge names no account, so it carries the organization's generation."""
    organization = {"orgId": account.organization_id}
    lee = make_account(account.organization, "lee@example.co")
    for voided, status in ((lee, 200), (account, 401)):
        before = open_login(client, organization).json()
        Account.objects.raise_generation(account=voided)
        after = open_login(client, organization).json()
        assert complete(client, before, passkey, sign_count=0).status_code == status
        assert complete(client, after, passkey, sign_count=0).status_code == 200


def test_without_a_username_the_user_handle_names_the_account(
    client: Client, account: Account, passkey: Passkey
) -> None:
    challenge = open_login(client, {"orgId": account.organization_id}).json()
    factor = passkey.factor(challenge["challenge"])
    del factor["credentialAssertion"]["userHandle"]
    body = {"challengeIdentifier": challenge["challengeIdentifier"], "firstFactor": factor}
    refused = post(client, "/auth/login", body)
    assert (refused.status_code, message(refused)) == (401, "Not Authorized.")


@pytest.mark.parametrize("fault", PasskeyFault)
def test_every_faulty_passkey_gets_the_same_reply(
    client: Client, account: Account, passkey: Passkey, fault: PasskeyFault
) -> None:
    """R-54."""
    challenge = open_login(client, names(account)).json()
    refused = complete(client, challenge, passkey, fault=fault)
    if fault is PasskeyFault.TOO_LONG:
        assert refused.status_code in {400, 413}  # it is refused before verification
    else:
        assert (refused.status_code, message(refused)) == (401, "Not Authorized.")


def test_a_regressed_sign_count_is_refused_and_reported(client: Client, account: Account, passkey: Passkey) -> None:
    """R-54."""
    assert complete(client, open_login(client, names(account)).json(), passkey, sign_count=7).status_code == 200
    refused = complete(client, open_login(client, names(account)).json(), passkey, sign_count=6)
    assert (refused.status_code, message(refused)) == (401, "Not Authorized.")
    event = AuditEvent.objects.get(kind=AuditKind.CREDENTIAL_SUSPECTED)
    assert event.account == account
    assert Notice.objects.filter(event=event).exists()
    assert complete(client, open_login(client, names(account)).json(), passkey, sign_count=8).status_code == 200


def test_a_replayed_assertion_is_not_reported_as_a_copy(client: Client, account: Account, passkey: Passkey) -> None:
    """The sign count was seen before, so it is a client that tries twice, not a copy."""
    challenge = open_login(client, names(account)).json()
    assert complete(client, challenge, passkey, sign_count=7).status_code == 200
    for count in (7, 3):
        again = complete(client, challenge, passkey, sign_count=count)
        assert (again.status_code, message(again)) == (400, "Challenge token is not valid.")
    assert not AuditEvent.objects.filter(kind=AuditKind.CREDENTIAL_SUSPECTED).exists()
    assert Credential.objects.get().sign_count == 7


def test_a_refused_login_does_not_store_the_sign_count(client: Client, account: Account, passkey: Passkey) -> None:
    user: Any = account.__class__.objects.get(pk=account.pk).user
    user.is_active = False
    user.save()
    refused = complete(client, open_login(client, names(account)).json(), passkey, sign_count=7)
    assert (refused.status_code, message(refused)) == (400, "User account has been deactivated.")
    assert Credential.objects.get().sign_count == 0


@pytest.mark.parametrize(
    "handle",
    ["\0", "us-1\0", "us-x", "", " ", "' OR 1=1 --", "\n", "\u202e", "us-" + "x" * 40],
    ids=repr,
)
def test_an_unknown_user_handle_is_refused(client: Client, account: Account, passkey: Passkey, handle: str) -> None:
    """R-55: with a username and without."""
    for asked in ({"orgId": account.organization_id}, names(account)):
        challenge = open_login(client, asked).json()
        factor = passkey.factor(challenge["challenge"])
        factor["credentialAssertion"]["userHandle"] = base64url(handle.encode())
        body = {"challengeIdentifier": challenge["challengeIdentifier"], "firstFactor": factor}
        answer = post(client, "/auth/login", body)
        if handle or "username" not in asked:
            assert (answer.status_code, message(answer)) == (401, "Not Authorized.")
        else:
            assert answer.status_code == 200  # the username names the account, so no user handle is needed


@pytest.mark.parametrize("handle", ["!", "AA==A", "AB", "_w", "A" * 65])
def test_a_malformed_user_handle_is_refused(client: Client, account: Account, passkey: Passkey, handle: str) -> None:
    for asked in ({"orgId": account.organization_id}, names(account)):
        challenge = open_login(client, asked).json()
        factor = passkey.factor(challenge["challenge"])
        factor["credentialAssertion"]["userHandle"] = handle
        body = {"challengeIdentifier": challenge["challengeIdentifier"], "firstFactor": factor}
        assert post(client, "/auth/login", body).status_code == (400 if len(handle) > 64 else 401)


def test_the_user_handle_of_another_account_is_refused(client: Client, account: Account, passkey: Passkey) -> None:
    """R-55: alice's passkey with mallory's handle, and mallory's passkey with alice's."""
    mallory = make_account(account.organization, "mallory@example.co")
    theirs = replace(Passkey.make(origin=passkey.origin, rp_id=passkey.rp_id), account_id=account.pk)
    keep(mallory, theirs)
    for asked in ({"orgId": account.organization_id}, names(account)):
        challenge = open_login(client, asked).json()
        assert complete(client, challenge, replace(passkey, account_id=mallory.pk)).status_code == 401
        assert complete(client, challenge, theirs).status_code == 401
    challenge = open_login(client, {"orgId": account.organization_id}).json()
    assert complete(client, challenge, replace(theirs, account_id=mallory.pk)).status_code == 200


def test_a_deactivated_account_is_told_after_its_passkey_signed(
    client: Client, account: Account, passkey: Passkey
) -> None:
    Account.objects.deactivate(account=account)
    challenge = open_login(client, {"orgId": account.organization_id}).json()
    assert complete(client, challenge, passkey, fault=PasskeyFault.USER_NOT_VERIFIED).status_code == 401
    refused = complete(client, challenge, passkey)
    assert (refused.status_code, message(refused)) == (400, "User account has been deactivated.")


def test_a_passkey_is_a_second_factor(client: Client) -> None:
    """Together with a key. Its sign count is stored, and it is not enough alone."""
    organization = make_organization()
    organization.second_factor = SecondFactor.REQUIRED
    organization.save()
    key = SoftwareKey.make()
    person = make_person(organization, "kim@example.co", key)
    second = Passkey.make(account_id=person.account.pk, origin="http://localhost:8000", rp_id="localhost")
    keep(person.account, second)
    challenge = open_login(client, person.names).json()
    body = {
        "challengeIdentifier": challenge["challengeIdentifier"],
        "firstFactor": key.factor(challenge["challenge"]),
        "secondFactor": second.factor(challenge["challenge"], sign_count=4),
    }
    assert complete(client, challenge, second, sign_count=3).status_code == 401
    assert Credential.objects.get(kind="Fido2").sign_count == 0
    assert post(client, "/auth/login", body).status_code == 200
    assert Credential.objects.get(kind="Fido2").sign_count == 4
    both = {**body, "firstFactor": second.factor(challenge["challenge"], sign_count=5)}
    assert post(client, "/auth/login", both | {"secondFactor": both["firstFactor"]}).status_code == 401


def test_the_data_of_a_passkey_is_stored(client: Client, account: Account, passkey: Passkey) -> None:
    kept = Credential.objects.get()
    assert kept.kind == "Fido2"
    assert kept.aaguid
    assert bytes(kept.public_key) == passkey.spki
    assert (kept.backup_eligible, kept.backed_up) == (True, True)


def test_transports_are_stored(client: Client, account: Account) -> None:
    made = Passkey.make(account_id=account.pk, origin="http://localhost:8000", rp_id="localhost")
    opened = open_registration(client, account)
    credential = made.credential(opened["challenge"])
    credential["credentialInfo"]["transports"] = ["internal", "hybrid", "internal", "telepathy", "usb"]
    answer = register(client, opened, credential)
    assert answer.status_code == 200, answer.content
    assert Credential.objects.get().transports == ["internal", "hybrid", "usb"]


def test_a_passkey_is_not_registered_twice(client: Client, account: Account, passkey: Passkey) -> None:
    """`excludeCredentials` lists only the active ones of the account."""
    make_credential(make_account(account.organization, "kim@example.co"), SoftwareKey.make())
    token = complete(client, open_login(client, names(account)).json(), passkey).json()["token"]
    opened = call(client, "POST", "/auth/credentials/init", {"kind": "Fido2"}, bearer=token).json()
    assert opened["excludeCredentials"] == [{"type": "public-key", "id": passkey.credential_id}]


# Attestation


def register(client: Client, opened: Any, credential: Any) -> Any:
    body = {"firstFactorCredential": credential}
    return post(client, "/auth/registration", body, bearer=opened["temporaryAuthenticationToken"])


@pytest.mark.parametrize(
    ("asked", "statement", "status"),
    [
        ("none", Statement.NONE, 200),
        ("none", Statement.SELF_SIGNED, 200),
        ("none", Statement.CERTIFIED, 400),
        ("direct", Statement.NONE, 400),
        ("direct", Statement.SELF_SIGNED, 400),
        ("direct", Statement.CERTIFIED, 200),
        ("direct", Statement.APPLE, 400),
    ],
)
def test_the_settings_decide_about_attestation(
    client: Client, account: Account, configure: Any, asked: str, statement: Statement, status: int
) -> None:
    maker = Maker.make()
    if asked == "direct":
        configure(ATTESTATION="direct", ATTESTATION_ROOTS={"packed": [maker.root]})
    made = Passkey.make(account_id=account.pk, origin="http://localhost:8000", rp_id="localhost")
    opened = open_registration(client, account)
    assert opened["attestation"] == asked
    info = made.register(opened["challenge"], statement=statement, maker=maker)
    answer = register(client, opened, {"credentialKind": "Fido2", "credentialInfo": info})
    assert answer.status_code == status, answer.content
    if status == 400:
        assert list(details(answer)) == ["credentialInfo.attestationData"]


def test_an_unknown_attestation_root_is_refused(client: Client, account: Account, configure: Any) -> None:
    configure(ATTESTATION="direct", ATTESTATION_ROOTS={"packed": [Maker.make().root]})
    made = Passkey.make(account_id=account.pk, origin="http://localhost:8000", rp_id="localhost")
    opened = open_registration(client, account)
    info = made.register(opened["challenge"], statement=Statement.CERTIFIED, maker=Maker.make())
    answer = register(client, opened, {"credentialKind": "Fido2", "credentialInfo": info})
    assert list(details(answer)) == ["credentialInfo.attestationData"]
