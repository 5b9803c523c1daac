"""The registration ceremony at explicit times."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from dfns_login.ceremonies.code_requests import send_code
from dfns_login.ceremonies.credentials import list_credentials
from dfns_login.ceremonies.invitation import Invitation, invite
from dfns_login.ceremonies.new_credentials import NewCredential, NewCredentials
from dfns_login.ceremonies.registration import (
    RegistrationChallenge,
    complete_registration,
    open_registration,
)
from dfns_login.errors import BodyRefused, CodeRefused, CredentialIdTaken, TokenRefused
from dfns_login.models import (
    Account,
    AccountState,
    AuditEvent,
    AuditKind,
    CodePurpose,
    Credential,
    CredentialKind,
    OneTimeCode,
    SpentToken,
)
from dfns_login.proofs.codes import derive_code
from dfns_login.verification.attestation import KeyAttestation
from tests.support.authenticators import SoftwareKey
from tests.support.clock import HOUR, MINUTE, NOW, SECOND
from tests.support.factories import SOMEWHERE, make_account, make_credential, make_organization, make_user

pytestmark = pytest.mark.django_db

MOMENTS = pytest.mark.parametrize(("moment", "good"), [(-SECOND, True), (timedelta(0), False), (SECOND, False)])


@pytest.fixture
def lee() -> Account:
    return make_account(make_organization(), "lee@example.co", state=AccountState.INVITED)


def mailed_code(account: Account, *, now: datetime = NOW) -> str:
    send_code(account.recipient, purpose=CodePurpose.REGISTRATION, requester=SOMEWHERE, now=now)
    codes = OneTimeCode.objects.open().of(account.recipient, purpose=CodePurpose.REGISTRATION)
    return derive_code(codes.get())


def opened(account: Account, *, now: datetime = NOW) -> RegistrationChallenge:
    return open_registration(account.recipient, mailed_code(account, now=now), requester=SOMEWHERE, now=now)


def new_credential(key: SoftwareKey, challenge: str, *, kind: CredentialKind = CredentialKind.KEY) -> NewCredentials:
    info = key.register(challenge)
    attestation = KeyAttestation(
        credential_id=info["credId"], client_data=info["clientData"], attestation_data=info["attestationData"]
    )
    return NewCredentials(first_factor=NewCredential(kind=kind, attestation=attestation))


def completed(challenge: RegistrationChallenge, *, now: datetime = NOW, key: SoftwareKey | None = None) -> Credential:
    credential = new_credential(key or SoftwareKey.make(), challenge.challenge)
    return complete_registration(challenge.temporary_token, credential, requester=SOMEWHERE, now=now).credential


@MOMENTS
def test_a_registration_code_expires_after_a_day(lee: Account, moment: timedelta, *, good: bool) -> None:
    code = mailed_code(lee)
    try:
        open_registration(lee.recipient, code, requester=SOMEWHERE, now=NOW + 24 * HOUR + moment)
    except CodeRefused:
        assert not good
    else:
        assert good


def test_requesting_again_keeps_the_same_code(lee: Account) -> None:
    code = mailed_code(lee)
    assert mailed_code(lee, now=NOW + 23 * HOUR) == code
    assert mailed_code(lee, now=NOW + 24 * HOUR - 2 * MINUTE) != code


@MOMENTS
def test_a_temporary_token_expires_after_ten_minutes(lee: Account, moment: timedelta, *, good: bool) -> None:
    challenge = opened(lee)
    try:
        completed(challenge, now=NOW + 10 * MINUTE + moment)
    except TokenRefused:
        assert not good
    else:
        assert good


def test_everything_is_stored(lee: Account) -> None:
    credential = completed(opened(lee), now=NOW + MINUTE)
    assert (credential.created_at, credential.account, credential.organization) == (NOW + MINUTE, lee, lee.organization)
    lee.refresh_from_db()
    assert lee.state == AccountState.REGISTERED
    assert SpentToken.objects.count() == 1
    events = [(each.kind, each.detail) for each in AuditEvent.objects.order_by("pk")]
    assert events == [
        (AuditKind.CODE_PRESENTED, {"purpose": "registration"}),
        (AuditKind.REGISTERED, {}),
        (AuditKind.CREDENTIAL_CREATED, {"credential": credential.pk, "kind": "Key"}),
    ]


def test_a_late_failure_stores_nothing(lee: Account) -> None:
    taken = SoftwareKey.make()
    make_credential(make_account(lee.organization, "other@example.co"), taken)
    challenge = opened(lee)
    events = AuditEvent.objects.count()
    with pytest.raises(CredentialIdTaken):
        completed(challenge, key=taken)
    lee.refresh_from_db()
    assert (lee.state, lee.user) == (AccountState.INVITED, None)
    assert not SpentToken.objects.exists()
    assert AuditEvent.objects.count() == events


def test_an_account_that_is_deactivated_meanwhile_registers_nothing(lee: Account) -> None:
    challenge = opened(lee)
    Account.objects.deactivate(account=lee)
    with pytest.raises(TokenRefused):
        completed(challenge)


def test_only_a_first_factor_registers(lee: Account) -> None:
    challenge = opened(lee)
    credential = new_credential(SoftwareKey.make(), challenge.challenge, kind=CredentialKind.RECOVERY_KEY)
    with pytest.raises(BodyRefused) as refusal:
        complete_registration(challenge.temporary_token, credential, requester=SOMEWHERE, now=NOW)
    assert list(refusal.value.details or {}) == ["first_factor"]


def test_the_repr_of_a_challenge_hides_its_token(lee: Account) -> None:
    challenge = opened(lee)
    assert challenge.temporary_token not in repr(challenge)


def test_credentials_are_listed_oldest_first_active_or_not(lee: Account) -> None:
    rows = [make_credential(lee, SoftwareKey.make()) for _ in range(3)]
    Credential.objects.filter(pk=rows[1].pk).update(active=False)
    assert list(list_credentials(lee)) == rows
    assert "encrypted_key_at_rest" in list_credentials(lee)[0].get_deferred_fields()


@pytest.mark.parametrize("statement", ['INSERT INTO "dfns_login_spenttoken"', 'INSERT INTO "auth_user"'])
def test_an_account_that_is_deactivated_in_between_registers_nothing(lee: Account, statement: str) -> None:
    challenge = opened(lee)
    seen = []

    def deactivate_after(execute: Any, sql: str, params: Any, many: Any, context: Any) -> Any:
        result = execute(sql, params, many, context)
        if sql.startswith(statement) and not seen:
            seen.append(sql)
            Account.objects.deactivate(account=lee)
        return result

    with connection.execute_wrapper(deactivate_after), pytest.raises(TokenRefused):
        completed(challenge)
    assert seen
    assert not Credential.objects.exists()
    assert not SpentToken.objects.exists()


def test_a_user_whom_an_operator_names_meanwhile_is_linked() -> None:
    """Somebody signs up with an address, and is invited as a user whom the project already has."""
    stranger = make_account(make_organization(), "lee@example.co", state=AccountState.INVITED)
    Account.objects.update(signed_up=True)
    challenge, user = opened(stranger), make_user("lee")
    invitation = Invitation(organization=stranger.organization, email=stranger.email, user=user)
    seen = []

    def invite_after(execute: Any, sql: str, params: Any, many: Any, context: Any) -> Any:
        result = execute(sql, params, many, context)
        if sql.startswith('INSERT INTO "dfns_login_spenttoken"') and not seen:
            seen.append(invite(invitation, requester=SOMEWHERE, now=NOW))
        return result

    with connection.execute_wrapper(invite_after):
        completed(challenge)
    assert seen
    assert Account.objects.get().user == user
