"""R-152: a project sends codes by other means than email, and decides who may sign up. Both happen in the worker."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.mail import EmailMultiAlternatives
from django.test import Client

from dfns_login.delivery import CodeToSend, NotDeliverable
from dfns_login.models import Account, AccountState, AuditEvent, AuditKind, CodePurpose, OneTimeCode, Organization
from dfns_login.proofs.codes import derive_code, issue_code
from dfns_login.usernames import Recipient
from tests.support.clock import MINUTE, NOW, SECOND
from tests.support.factories import SOMEWHERE, make_account, make_organization
from tests.support.mail import deliver_at

pytestmark = pytest.mark.django_db

Outbox = list[EmailMultiAlternatives]


class Phone:
    """What `send_text` and `may_sign_up` answer, and what they were given."""

    answer: Any = None
    given: list[Any] = []  # noqa: RUF012  emptied by the fixture


def _answer(given: Any) -> Any:
    Phone.given.append(given)
    if isinstance(Phone.answer, BaseException):
        raise Phone.answer
    return Phone.answer


def send_text(code: CodeToSend) -> Any:
    return _answer(code)


def may_sign_up(email: str, organization: Organization) -> Any:
    return _answer((email, organization))


@pytest.fixture
def phone(settings: Any, monkeypatch: pytest.MonkeyPatch) -> type[Phone]:
    monkeypatch.setattr(Phone, "answer", None)
    monkeypatch.setattr(Phone, "given", [])
    return Phone


@pytest.fixture
def texting(phone: type[Phone], settings: Any) -> type[Phone]:
    settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, "SEND_CODE": f"{__name__}.send_text"}
    return phone


@pytest.fixture
def open_to_all(phone: type[Phone], settings: Any) -> type[Phone]:
    settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, "SIGN_UP": f"{__name__}.may_sign_up"}
    phone.answer = True
    return phone


@pytest.fixture
def jane() -> Account:
    return make_account(make_organization())


def ask(recipient: Recipient, purpose: CodePurpose = CodePurpose.LOGIN) -> OneTimeCode:
    pk = issue_code(recipient, purpose=purpose, requester=SOMEWHERE, now=NOW)
    return OneTimeCode.objects.get(pk=pk)


def state(row: OneTimeCode) -> tuple[str, str]:
    row.refresh_from_db()
    return row.delivery, row.last_error


def test_the_sender_gets_the_code_and_no_email_is_sent(texting: type[Phone], jane: Account, mailoutbox: Outbox) -> None:
    row = ask(jane.recipient)
    deliver_at(NOW)
    (given,) = texting.given
    assert given == CodeToSend(
        account=jane,
        purpose=CodePurpose.LOGIN,
        code=derive_code(row),
        expires_at=row.expires_at,
        locale="en",
        attempt=1,
    )
    assert derive_code(row) not in repr(given)
    assert (state(row), mailoutbox) == (("sent", ""), [])
    assert AuditEvent.objects.filter(kind=AuditKind.CODE_SENT).count() == 1


def test_what_the_sender_leaves_is_emailed(texting: type[Phone], jane: Account, mailoutbox: Outbox) -> None:
    texting.answer = False
    row = ask(jane.recipient)
    deliver_at(NOW)
    assert state(row) == ("sent", "")
    assert derive_code(row) in mailoutbox[0].body


def test_a_sender_that_fails_is_tried_again_with_the_same_code(
    texting: type[Phone], jane: Account, mailoutbox: Outbox
) -> None:
    row = ask(jane.recipient)
    texting.answer = OSError(f"gateway down for {derive_code(row)}")
    deliver_at(NOW)
    assert state(row) == ("failed", "OSError")
    texting.answer = None
    deliver_at(NOW + 5 * SECOND)
    assert state(row) == ("sent", "")
    assert [each.code for each in texting.given] == [derive_code(row)] * 2
    assert [each.attempt for each in texting.given] == [1, 2]
    assert mailoutbox == []


def test_a_final_refusal_is_not_tried_again(texting: type[Phone], jane: Account) -> None:
    """It says nothing about the account's email address."""
    row = ask(jane.recipient)
    texting.answer = NotDeliverable(f"no phone for {derive_code(row)}")
    deliver_at(NOW)
    delivery, error = state(row)
    assert delivery == "refused"
    assert error.startswith("no phone for …")
    deliver_at(NOW + MINUTE)
    assert len(texting.given) == 1
    jane.refresh_from_db()
    assert jane.email_refused_at is None


def test_a_text_counts_against_the_same_budget(texting: type[Phone], jane: Account, settings: Any) -> None:
    settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, "RATES": {"email_per_mailbox": ("1/m",)}}
    first = ask(jane.recipient)
    deliver_at(NOW)
    again = ask(jane.recipient, CodePurpose.RECOVERY)
    deliver_at(NOW)
    assert (state(first)[0], state(again)[0]) == ("sent", "failed")
    assert len(texting.given) == 1


def test_an_unknown_name_is_never_texted(texting: type[Phone], jane: Account) -> None:
    row = ask(Recipient(organization=jane.organization_id, username="lee@example.co"))
    deliver_at(NOW)
    assert (state(row)[0], texting.given) == ("no recipient", [])


def test_the_address_that_emails_come_from_is_a_setting(jane: Account, mailoutbox: Outbox, settings: Any) -> None:
    ask(jane.recipient)
    deliver_at(NOW)
    settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, "FROM_EMAIL": "Codes <codes@example.com>"}
    ask(jane.recipient, CodePurpose.RECOVERY)
    deliver_at(NOW)
    assert [each.from_email for each in mailoutbox] == [settings.DEFAULT_FROM_EMAIL, "Codes <codes@example.com>"]


# Self-service sign-up


LEE = "lee@example.co"


def lee(organization: Organization) -> Recipient:
    return Recipient(organization=organization.pk, username=LEE)


def test_a_stranger_is_invited(open_to_all: type[Phone], mailoutbox: Outbox) -> None:
    acme = make_organization()
    row = ask(lee(acme), CodePurpose.REGISTRATION)
    deliver_at(NOW)
    account = Account.objects.get()
    assert (account.email, account.state, account.user) == (LEE, AccountState.INVITED, None)
    assert open_to_all.given == [(LEE, acme)]
    assert mailoutbox[0].to == [LEE]
    assert derive_code(row) in mailoutbox[0].body
    assert AuditEvent.objects.get(kind=AuditKind.INVITED).address == SOMEWHERE.address


def test_by_default_nobody_signs_up(phone: type[Phone], mailoutbox: Outbox) -> None:
    ask(lee(make_organization()), CodePurpose.REGISTRATION)
    deliver_at(NOW)
    assert (Account.objects.count(), mailoutbox) == (0, [])


@pytest.mark.parametrize("answer", [False, None, OSError("directory down")])
def test_the_project_decides_who_signs_up(open_to_all: type[Phone], answer: Any, jane: Account) -> None:
    """What its function raises stops no other email."""
    open_to_all.answer = answer
    row = ask(lee(jane.organization), CodePurpose.REGISTRATION)
    other = ask(jane.recipient)
    deliver_at(NOW)
    assert (state(row)[0], state(other)[0]) == ("no recipient", "sent")
    assert Account.objects.count() == 1


def test_who_could_not_register_does_not_sign_up(
    open_to_all: type[Phone], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """R-137: nobody fills in a registration that cannot succeed."""
    get_user_model().objects.create(username="other", email=LEE)
    monkeypatch.setattr(get_user_model()._meta.get_field("email"), "unique", True)
    row = ask(lee(make_organization()), CodePurpose.REGISTRATION)
    deliver_at(NOW)
    assert (state(row)[0], Account.objects.count()) == ("no recipient", 0)
    assert "another user has the address" in caplog.text
    assert LEE not in caplog.text


def test_a_user_model_that_fails_stops_no_other_email(
    open_to_all: type[Phone], jane: Account, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its `clean` may raise anything."""
    monkeypatch.setattr(get_user_model(), "clean", lambda _self: {}["missing"])
    row = ask(lee(jane.organization), CodePurpose.REGISTRATION)
    deliver_at(NOW)
    assert state(row)[0] == "no recipient"
    assert "sign_up" in caplog.text
    assert LEE not in caplog.text


@pytest.mark.parametrize("purpose", [CodePurpose.LOGIN, CodePurpose.RECOVERY])
def test_only_a_registration_code_signs_up(open_to_all: type[Phone], purpose: CodePurpose) -> None:
    ask(lee(make_organization()), purpose)
    deliver_at(NOW)
    assert (Account.objects.count(), open_to_all.given) == (0, [])


@pytest.mark.parametrize("name", ["lee", "lee@", "l ee@example.co", "lee@example.co@example.co"])
def test_only_an_address_signs_up(open_to_all: type[Phone], name: str) -> None:
    ask(Recipient(organization=make_organization().pk, username=name), CodePurpose.REGISTRATION)
    deliver_at(NOW)
    assert (Account.objects.count(), open_to_all.given) == (0, [])


@pytest.mark.parametrize("change", [{"active": False}, {"id": "or-other"}])
def test_only_an_active_organization_is_joined(open_to_all: type[Phone], change: dict[str, Any]) -> None:
    acme = make_organization()
    recipient = lee(acme)
    Organization.objects.update(**change)
    ask(recipient, CodePurpose.REGISTRATION)
    deliver_at(NOW)
    assert (Account.objects.count(), open_to_all.given) == (0, [])


@pytest.mark.parametrize("known", [AccountState.REGISTERED, AccountState.DEACTIVATED])
def test_who_has_an_account_gets_no_second_one(open_to_all: type[Phone], known: AccountState) -> None:
    account = make_account(make_organization(), LEE, state=known)
    ask(account.recipient, CodePurpose.REGISTRATION)
    deliver_at(NOW)
    assert (Account.objects.count(), open_to_all.given) == (1, [])


def test_the_request_is_the_same_for_a_member_and_a_stranger(
    open_to_all: type[Phone], client: Client, jane: Account, django_assert_num_queries: Any
) -> None:
    """R-33: the request reads no account and creates none."""
    for username in (jane.username, LEE):
        body = json.dumps({"username": username, "orgId": jane.organization_id})
        with django_assert_num_queries(1):
            answer = client.put("/auth/registration/code", body, content_type="application/json")
        assert answer.json() == {"message": "success"}
    assert (Account.objects.count(), open_to_all.given) == (1, [])
    row = OneTimeCode.objects.get(recipient=LEE)
    deliver_at(row.issued_at + timedelta(seconds=1))
    assert Account.objects.filter(username=LEE).exists()
