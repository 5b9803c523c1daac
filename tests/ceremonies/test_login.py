"""The login ceremony at explicit times: how long each step may take."""

from datetime import datetime, timedelta
from typing import Any
from unittest import mock

import pytest

from dfns_login.ceremonies import login
from dfns_login.ceremonies.code_requests import send_code
from dfns_login.ceremonies.factors import FactorAnswer, SigningChallenge
from dfns_login.ceremonies.login import (
    LoginAnswer,
    LoginRequest,
    complete_login,
    open_login,
)
from dfns_login.ceremonies.sign_out import end_every_session, end_session
from dfns_login.errors import (
    AccountDeactivated,
    AssertionRefused,
    ChallengeRefused,
    CodeRefused,
    NoUsableCredential,
    Refusal,
    TokenRefused,
    UserNotFound,
)
from dfns_login.models import (
    Account,
    AuditEvent,
    AuditKind,
    CodePurpose,
    Credential,
    CredentialKind,
    OneTimeCode,
    Session,
    SpentToken,
)
from dfns_login.proofs.codes import derive_code
from dfns_login.proofs.session_tokens import resolve_session
from dfns_login.usernames import Recipient
from dfns_login.verification.assertion import KeyAssertion
from tests.support.authenticators import Kind, SoftwareKey
from tests.support.clock import HOUR, MINUTE, NOW, SECOND
from tests.support.factories import SOMEWHERE, Person, make_account, make_organization, make_person

pytestmark = pytest.mark.django_db

MOMENTS = pytest.mark.parametrize(("moment", "good"), [(-SECOND, True), (timedelta(0), False), (SECOND, False)])


@pytest.fixture
def jane() -> Person:
    return make_person()


@pytest.fixture
def kim() -> Person:
    return make_person(make_organization(), "kim@example.co", SoftwareKey.make())


def mailed_code(person: Person, *, now: datetime = NOW) -> str:
    send_code(person.account.recipient, purpose=CodePurpose.LOGIN, requester=SOMEWHERE, now=now)
    return derive_code(OneTimeCode.objects.open().of(person.account.recipient, purpose=CodePurpose.LOGIN).get())


def opened(person: Person, code: str | None = None, *, now: datetime = NOW) -> SigningChallenge:
    recipient = person.account.recipient
    asked = LoginRequest(organization=recipient.organization, recipient=recipient, login_code=code)
    return open_login(asked, requester=SOMEWHERE, now=now)


def completed(person: Person, challenge: SigningChallenge, *, now: datetime = NOW) -> str:
    signed = person.key.answer(challenge.opened.challenge)
    answer = LoginAnswer(
        challenge_identifier=challenge.opened.identifier,
        first_factor=FactorAnswer(
            kind=CredentialKind(person.key.kind.value),
            credential_id=person.key.credential_id,
            assertion=KeyAssertion(client_data=signed["clientData"], signature=signed["signature"]),
        ),
    )
    return complete_login(answer, requester=SOMEWHERE, now=now).token


def succeeds(step: Any, *, refusal: type[Refusal]) -> bool:
    try:
        step()
    except refusal:
        return False
    return True


@MOMENTS
def test_a_login_code_expires_after_ten_minutes(jane: Person, moment: timedelta, *, good: bool) -> None:
    code = mailed_code(jane)
    at = NOW + 10 * MINUTE + moment
    assert succeeds(lambda: opened(jane, code, now=at), refusal=CodeRefused) is good


@MOMENTS
def test_a_challenge_expires_after_five_minutes(kim: Person, moment: timedelta, *, good: bool) -> None:
    challenge = opened(kim)
    at = NOW + 5 * MINUTE + moment
    assert succeeds(lambda: completed(kim, challenge, now=at), refusal=ChallengeRefused) is good


@MOMENTS
def test_a_challenge_with_a_code_expires_after_ten_minutes(jane: Person, moment: timedelta, *, good: bool) -> None:
    challenge = opened(jane, mailed_code(jane))
    at = NOW + 10 * MINUTE + moment
    assert succeeds(lambda: completed(jane, challenge, now=at), refusal=ChallengeRefused) is good


def test_a_code_stays_the_same_until_it_expires_soon(jane: Person) -> None:
    code = mailed_code(jane)
    assert mailed_code(jane, now=NOW + 8 * MINUTE - SECOND) == code
    later = mailed_code(jane, now=NOW + 8 * MINUTE)
    assert later != code
    with pytest.raises(CodeRefused):
        opened(jane, code, now=NOW + 8 * MINUTE)
    assert opened(jane, later, now=NOW + 18 * MINUTE - SECOND).released_keys


def test_a_challenge_without_a_code_stays_without_one(jane: Person) -> None:
    """A challenge keeps what it was opened with."""
    with_code = opened(jane, mailed_code(jane))
    without = opened(jane)
    assert with_code.released_keys
    assert without.released_keys is None
    with pytest.raises(AssertionRefused):
        completed(jane, without)
    assert completed(jane, with_code)


def test_everything_is_stored(jane: Person) -> None:
    token = completed(jane, opened(jane, mailed_code(jane)), now=NOW + MINUTE)
    session = Session.objects.get()
    assert resolve_session(token, now=NOW + MINUTE) == session
    assert (session.issued_at, session.expires_at, session.code_presented) == (
        NOW + MINUTE,
        NOW + MINUTE + 12 * HOUR,
        True,
    )
    assert SpentToken.objects.get().expires_at == NOW + 10 * MINUTE
    presented, released, signed_in = AuditEvent.objects.order_by("pk")
    assert (presented.kind, presented.detail) == (AuditKind.CODE_PRESENTED, {"purpose": "login"})
    assert (released.kind, released.detail) == (
        AuditKind.KEY_RELEASED,
        {"purpose": "login", "credentials": [jane.key.credential_id]},
    )
    assert (signed_in.kind, signed_in.detail) == (
        AuditKind.SIGNED_IN,
        {
            "session": session.pk,
            "kind": "PasswordProtectedKey",
            "with_code": True,
            "credential": session.credential_id,
        },
    )


def test_a_refused_login_stores_nothing(kim: Person) -> None:
    challenge = opened(kim)
    Account.objects.deactivate(account=kim.account)
    with pytest.raises(AccountDeactivated):
        completed(kim, challenge)
    assert not SpentToken.objects.exists()
    assert not AuditEvent.objects.exists()


def test_unknown_users_are_not_told_about_missing_credentials(settings: Any) -> None:
    account = make_account(make_organization())
    person = Person(account=account, keys=())
    assert opened(person, mailed_code(person)).released_keys == []
    settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, "REVEAL_UNKNOWN_USERS": True}
    with pytest.raises(NoUsableCredential):
        opened(person, mailed_code(person))
    unknown = Recipient(organization="or-x", username="x")
    with pytest.raises(UserNotFound):
        open_login(LoginRequest(organization="or-x", recipient=unknown), requester=SOMEWHERE, now=NOW)


def test_a_code_without_a_username_is_refused() -> None:
    with pytest.raises(CodeRefused):
        open_login(LoginRequest(organization="or-x", login_code="1"), requester=SOMEWHERE, now=NOW)


def test_a_wrong_guess_prepares_nothing_of_a_release(jane: Person) -> None:
    """R-126. It would take longer for a name that exists."""
    code = mailed_code(jane)
    with mock.patch.object(login, "presented_events", wraps=login.presented_events) as prepared:
        with pytest.raises(CodeRefused):
            opened(jane, "0" * 16 if code[0] != "0" else "1" * 16)
        assert not prepared.called
        used_up = OneTimeCode.objects.open()
        used_up.update(guesses=10)
        with pytest.raises(CodeRefused):
            opened(jane, code)
        assert not prepared.called
        used_up.update(guesses=0)
        opened(jane, code)
        assert prepared.called


def test_passkeys_are_listed_separately(kim: Person) -> None:
    Credential.objects.update(kind=CredentialKind.FIDO2, backup_eligible=True)
    assert [(each.kind, each.credential_id) for each in opened(kim).listed] == [("webauthn", kim.key.credential_id)]


def test_ending_a_session_twice_is_one_event(kim: Person) -> None:
    token = completed(kim, opened(kim))
    session = resolve_session(token, now=NOW)
    end_session(session, requester=SOMEWHERE, now=NOW + SECOND)
    end_session(session, requester=SOMEWHERE, now=NOW + 2 * SECOND)
    with pytest.raises(TokenRefused):
        end_every_session(session, requester=SOMEWHERE, now=NOW + 3 * SECOND)
    assert AuditEvent.objects.filter(kind=AuditKind.SIGNED_OUT).count() == 1
    assert Session.objects.get().revoked_at == NOW + SECOND
    with pytest.raises(TokenRefused):
        resolve_session(token, now=NOW + SECOND)


def test_ending_every_session_is_one_event(kim: Person) -> None:
    tokens = [completed(kim, opened(kim)) for _ in range(3)]
    end_every_session(resolve_session(tokens[0], now=NOW), requester=SOMEWHERE, now=NOW)
    assert AuditEvent.objects.get(kind=AuditKind.SIGNED_OUT).detail == {"sessions": 3}
    for token in tokens:
        with pytest.raises(TokenRefused):
            resolve_session(token, now=NOW)


def test_the_repr_of_requests_and_answers_hides_secrets(jane: Person) -> None:
    code = mailed_code(jane)
    asked = LoginRequest(organization="or-1", recipient=jane.account.recipient, login_code=code)
    assert code not in repr(asked)
    assert str(jane.key.encrypted_private_key) not in repr(opened(jane, code))
    assert Kind(jane.key.kind) == Kind.PASSWORD_PROTECTED_KEY
