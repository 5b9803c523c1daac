"""Notices: what an account's owner is told of, by real delivery (R-82)."""

import html
from datetime import datetime
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.core.mail.backends.base import BaseEmailBackend
from django.db.models import QuerySet
from django.test import Client
from django.utils import timezone

from dfns_login.audit import record_event
from dfns_login.ceremonies.credential_changes import deactivate_credential
from dfns_login.ceremonies.notices import LIFETIME, notify_owner
from dfns_login.ceremonies.operators import (
    Operator,
    deactivate_account,
    delete_account,
    reactivate_account,
    revoke_code,
)
from dfns_login.ceremonies.sign_out import end_session
from dfns_login.delivery.lease import LEASE
from dfns_login.delivery.sending import FIRST_BACKOFF, LONGEST_BACKOFF
from dfns_login.models import (
    Account,
    AccountState,
    AuditEvent,
    AuditKind,
    CodePurpose,
    DeliveryState,
    Notice,
    OneTimeCode,
    Session,
)
from dfns_login.purge import purge
from tests.support.api_client import complete_login, open_login, post, sign_in
from tests.support.authenticators import Kind, SoftwareKey, base64url, compact_json
from tests.support.clock import DAY, HOUR, NOW, SECOND
from tests.support.factories import SOMEWHERE, Person, issue, make_account, make_organization, make_person
from tests.support.fido2_authenticator import Passkey
from tests.support.mail import deliver_at, send_through
from tests.support.signed_in import SignedIn

pytestmark = pytest.mark.django_db

Outbox = list[EmailMultiAlternatives]


@pytest.fixture
def jane() -> Account:
    return make_account(make_organization(), "Jane@example.co")


def tell(account: Account, kind: AuditKind = AuditKind.RECOVERED) -> Notice:
    notify_owner(record_event(kind, account=account, requester=SOMEWHERE, now=NOW))
    return Notice.objects.get(event__kind=kind, event__account=account)


def due_notices(*, now: datetime) -> list[int]:
    return list(Notice.objects.due(now=now).order_by("next_try_at").values_list("pk", flat=True))


def lease(notice: Notice, *, now: datetime) -> bool:
    """Lease the notice as another worker would."""
    return Notice.objects.due(now=now).filter(pk=notice.pk).take(limit=1, until=now + LEASE) == [notice.pk]


def deliver(notice: Notice, *, now: datetime = NOW) -> Notice:
    deliver_at(now)
    notice.refresh_from_db()
    return notice


class Unwilling(BaseEmailBackend):
    """Raises an error."""

    answer: Exception

    def send_messages(self, _: Any) -> int:
        raise Unwilling.answer


@pytest.fixture
def unwilling(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    send_through(settings, f"{__name__}.Unwilling")
    monkeypatch.setattr(Unwilling, "answer", ConnectionRefusedError(111, "Connection refused"), raising=False)


# What is told


TOLD = {
    AuditKind.RECOVERED: "Your account was recovered",
    AuditKind.CREDENTIAL_CREATED: "An app key was added",
    AuditKind.CREDENTIAL_DEACTIVATED: "An app key was deactivated",
    AuditKind.CREDENTIAL_ACTIVATED: "An app key was reactivated",
    AuditKind.RECOVERY_CANCELLED: "An administrator canceled the recovery of your account",
    AuditKind.UNLOCKED: "An administrator unlocked your account",
    AuditKind.DEACTIVATED: "An administrator deactivated your account",
    AuditKind.REACTIVATED: "An administrator reactivated your account",
    AuditKind.CREDENTIAL_SUSPECTED: "We blocked a sign-in with your passkey",
}


@pytest.mark.parametrize(("kind", "text"), TOLD.items(), ids=TOLD)
def test_the_mail(jane: Account, mailoutbox: Outbox, kind: AuditKind, text: str) -> None:
    """To the stored address, as it was stored (R-110); the subject says what happened, the body what to do."""
    notice = deliver(tell(jane, kind))
    (sent,) = mailoutbox
    assert (sent.to, sent.cc, sent.bcc) == (["Jane@example.co"], [], [])
    assert sent.subject == f"localhost: {text}"
    for body in (str(sent.body), str(sent.alternatives[0][0])):
        assert text in body
        assert "Nov. 23, 2026 12:00 UTC" in body
        assert "contact your administrator" in body.lower()
    assert sent.message()["Auto-Submitted"] == "auto-generated"
    assert (notice.delivery, notice.sent_at, notice.tries, notice.last_error) == (DeliveryState.SENT, NOW, 1, "")


def test_the_text_is_unchanged_and_the_html_escaped(jane: Account, mailoutbox: Outbox, settings: Any) -> None:
    """R-113, R-101: names are the only thing in it that somebody chose."""
    name = '"<script>alert(1)</script>"@example.co'
    settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, "RELYING_PARTY_NAME": "Äcme & <Söhne>\r\nBcc: x@y.z"}
    Account.objects.filter(pk=jane.pk).update(username=name)
    deliver(tell(jane))
    (sent,) = mailoutbox
    page = str(sent.alternatives[0][0])
    assert name in str(sent.body)
    assert "<script" not in page
    assert name in html.unescape(page)
    assert "Äcme &amp; &lt;Söhne&gt;" in page
    assert sent.subject == "Äcme & <Söhne> Bcc: x@y.z: Your account was recovered"
    assert "Bcc" not in sent.message()


def test_nothing_that_a_stranger_sent_stands_in_it(jane: Account, mailoutbox: Outbox) -> None:
    """R-112, R-113: no agent, no address but its network, no links but our own."""
    deliver(tell(jane))
    (sent,) = mailoutbox
    for body, addresses in ((str(sent.body), 1), (str(sent.alternatives[0][0]), 3)):  # a button, its address as a link
        assert SOMEWHERE.agent not in body
        assert SOMEWHERE.address not in body
        assert "192.0.2.0/24" in body
        assert body.count("http://localhost:8000/lock/") == addresses
        assert body.count("http://localhost:8000/login/?") == 1
        assert body.count("http") == addresses + 1


def test_it_arrives_by_any_backend(jane: Account, settings: Any, tmp_path: Path) -> None:
    send_through(settings, "django.core.mail.backends.filebased.EmailBackend", file_path=str(tmp_path))
    deliver(tell(jane))
    (file,) = tmp_path.iterdir()
    raw = file.read_bytes().rpartition(b"\n-----")[0]
    received = message_from_bytes(raw, policy=policy.default)
    assert received["To"] == "Jane@example.co"
    assert [part.get_content_type() for part in received.iter_parts()] == ["text/plain", "text/html"]


# Who is told, over HTTP


@pytest.fixture
def kim(client: Client) -> SignedIn:
    keys = (SoftwareKey.make(), SoftwareKey.make(), SoftwareKey.make(kind=Kind.RECOVERY_KEY))
    person = make_person(None, "kim@example.co", *keys)
    return SignedIn(client=client, person=person, token=sign_in(client, person))


def mailed(outbox: Outbox) -> list[tuple[str, str]]:
    """Mail everything that is due; whom it went to, and its first words."""
    deliver_at(timezone.now())
    return [(each.to[0], str(each.body).strip().partition("\n")[0]) for each in outbox]


def test_a_new_credential_is_told(kim: SignedIn, mailoutbox: Outbox) -> None:
    opened = kim.call("POST", "/auth/credentials/init", {"kind": "Key"}).json()
    body = {"challengeIdentifier": opened["challengeIdentifier"], "credentialName": "New"}
    added = kim.signed("POST", "/auth/credentials", body | SoftwareKey.make().credential(opened["challenge"]))
    assert added.status_code == 200
    assert mailed(mailoutbox) == [("kim@example.co", "An app key was added")]


def test_a_credential_that_goes_and_comes_back_is_told(kim: SignedIn, mailoutbox: Outbox) -> None:
    uuid = kim.call("GET", "/auth/credentials").json()["items"][1]["credentialUuid"]
    for how in ("deactivate", "deactivate", "activate", "activate"):
        assert kim.signed("PUT", f"/auth/credentials/{how}", {"credentialUuid": uuid}).status_code == 200
    assert mailed(mailoutbox) == [
        ("kim@example.co", "An app key was deactivated"),
        ("kim@example.co", "An app key was reactivated"),
    ]


@pytest.mark.parametrize(
    ("changed", "emails"),
    [
        ({}, 1),
        ({"address": "203.0.113.9"}, 2),
        ({"agent": "another browser"}, 2),
        ({"at": NOW - DAY}, 2),
    ],
    ids=["same act", "another address", "another browser", "long ago"],
)
def test_a_renewed_kit_is_one_email(kim: SignedIn, mailoutbox: Outbox, changed: dict[str, Any], emails: int) -> None:
    """Its email says that the old kit stops working. changed: one thing about the event of the new kit."""
    old = kim.person.account.credentials.get(kind="RecoveryKey")
    opened = kim.call("POST", "/auth/credentials/init", {"kind": "RecoveryKey"}).json()
    body = {"challengeIdentifier": opened["challengeIdentifier"], "credentialName": "Kit"}
    new = SoftwareKey.make(kind=Kind.RECOVERY_KEY).credential(opened["challenge"])
    assert kim.signed("POST", "/auth/credentials", body | new).status_code == 200
    if changed:
        QuerySet(AuditEvent).filter(kind=AuditKind.CREDENTIAL_CREATED).update(**changed)
    gone = kim.signed("PUT", "/auth/credentials/deactivate", {"credentialUuid": old.pk})
    assert gone.status_code == 200
    assert AuditEvent.objects.filter(kind=AuditKind.CREDENTIAL_DEACTIVATED).count() == 1
    told = [
        ("kim@example.co", "A new recovery kit was created"),
        ("kim@example.co", "A recovery kit was deactivated"),
    ]
    assert mailed(mailoutbox) == told[:emails]
    assert "it stops working once the new one is saved" in str(mailoutbox[0].body)


def test_a_credential_that_an_operator_shuts_is_told(kim: SignedIn, mailoutbox: Outbox) -> None:
    credential = kim.person.account.credentials.order_by("created_at").first()
    assert credential is not None
    for _ in range(2):
        deactivate_credential(credential, requester=SOMEWHERE, now=timezone.now())
    assert mailed(mailoutbox) == [("kim@example.co", "An app key was deactivated")]


def test_the_owner_is_told_of_operator_actions(kim: SignedIn, mailoutbox: Outbox) -> None:
    """R-130. Of an account that never registered, nothing is."""
    account, operator = kim.person.account, Operator(requester=SOMEWHERE, name="olga")
    session = Session.objects.select_related("account").get()
    end_session(session, requester=SOMEWHERE, now=timezone.now(), operator="olga")
    issue(account.recipient)
    revoke_code(OneTimeCode.objects.get(), operator=operator, now=timezone.now())
    deactivate_account(account, operator=operator, now=timezone.now())
    reactivate_account(account, operator=operator, now=timezone.now())
    invited = make_account(account.organization, "lee@example.co", state=AccountState.INVITED)
    deactivate_account(invited, operator=operator, now=timezone.now())
    assert mailed(mailoutbox) == [
        ("kim@example.co", "An administrator signed you out"),
        ("kim@example.co", "An administrator revoked your code"),
        ("kim@example.co", "An administrator deactivated your account"),
        ("kim@example.co", "An administrator reactivated your account"),
    ]
    for sent in mailoutbox:
        assert "192.0.2" not in str(sent.body)
        assert ("/lock/" in str(sent.body)) == ("deactivated" not in str(sent.body))


def test_a_recovery_is_told(client: Client, kim: SignedIn, mailoutbox: Outbox) -> None:
    code = issue(kim.person.account.recipient, purpose=CodePurpose.RECOVERY)
    key = kim.person.keys[2]
    body = {**kim.person.names, "verificationCode": code, "credentialId": key.credential_id}
    opened = post(client, "/auth/recover/user/init", body).json()
    new = {"firstFactorCredential": SoftwareKey.make().credential(opened["challenge"])}
    assertion = key.answer(base64url(compact_json(new).encode()))
    recovery = {"recovery": {"kind": "RecoveryKey", "credentialAssertion": assertion}, "newCredentials": new}
    done = post(client, "/auth/recover/user", recovery, bearer=opened["temporaryAuthenticationToken"])
    assert done.status_code == 200
    assert mailed(mailoutbox) == [
        ("kim@example.co", "Somebody started to recover your account"),
        ("kim@example.co", "Your account was recovered"),
    ]


def test_a_count_that_falls_is_told(client: Client, mailoutbox: Outbox) -> None:
    """R-54."""
    person = make_person(None, "kim@example.co", SoftwareKey.make())
    account = person.account
    account.credentials.update(kind="Fido2", sign_count=9, backup_eligible=True)
    passkey = Passkey(key=person.key, account_id=account.pk, origin="http://localhost:8000", rp_id="localhost")
    challenge = open_login(client, person.names).json()
    body = {
        "challengeIdentifier": challenge["challengeIdentifier"],
        "firstFactor": passkey.factor(challenge["challenge"], sign_count=3),
    }
    assert post(client, "/auth/login", body).status_code == 401
    ((to, told),) = mailed(mailoutbox)
    assert (to, told) == ("kim@example.co", "We blocked a sign-in with your passkey")


def test_refused_and_ordinary_acts_send_no_notice(client: Client, kim: SignedIn, mailoutbox: Outbox) -> None:
    stranger = Person(account=kim.person.account, keys=(SoftwareKey.make(),))
    challenge = open_login(client, stranger.names).json()
    assert complete_login(client, challenge, stranger.key).status_code == 401
    uuids = [each["credentialUuid"] for each in kim.call("GET", "/auth/credentials").json()["items"]]
    assert kim.call("PUT", "/auth/credentials/deactivate", {"credentialUuid": uuids[1]}).status_code == 403
    assert mailed(mailoutbox) == []


def test_a_notice_is_of_its_event_or_not_at_all(kim: SignedIn) -> None:
    """What is rolled back is not told."""
    uuid = kim.call("GET", "/auth/credentials").json()["items"][0]["credentialUuid"]
    kim.person.account.credentials.exclude(pk=uuid).update(active=False)
    assert kim.signed("PUT", "/auth/credentials/deactivate", {"credentialUuid": uuid}).status_code == 400
    assert not Notice.objects.exists()


# Until it has arrived


def test_it_is_sent_once(jane: Account, mailoutbox: Outbox) -> None:
    notice = tell(jane)
    for later in (0, 1, 600):
        deliver(notice, now=NOW + later * SECOND)
    assert len(mailoutbox) == 1


@pytest.mark.parametrize("answer", [ConnectionRefusedError(111, "Connection refused"), RuntimeError("jane")])
def test_a_failing_mail_server_is_retried(
    jane: Account, unwilling: None, settings: Any, monkeypatch: pytest.MonkeyPatch, answer: Exception
) -> None:
    monkeypatch.setattr(Unwilling, "answer", answer)
    notice, now = tell(jane), NOW
    waits = []
    for tries in range(1, 12):
        deliver(notice, now=now)
        assert (notice.delivery, notice.tries, notice.sent_at) == (DeliveryState.FAILED, tries, None)
        assert notice.last_error in {"ConnectionRefusedError: Connection refused", "RuntimeError"}
        waits.append(notice.next_try_at - now)
        assert due_notices(now=notice.next_try_at - SECOND) == []
        assert due_notices(now=notice.next_try_at) == [notice.pk]
        now = notice.next_try_at
    assert waits[:4] == [FIRST_BACKOFF * 2**each for each in range(4)]
    assert waits[-1] == LONGEST_BACKOFF
    send_through(settings, "django.core.mail.backends.locmem.EmailBackend")
    deliver(notice, now=now)
    assert (notice.delivery, notice.last_error, len(mail.outbox)) == (DeliveryState.SENT, "", 1)


def test_a_lease_keeps_others_away_until_it_ends(jane: Account, mailoutbox: Outbox) -> None:
    """A worker that died left it."""
    notice = tell(jane)
    assert lease(notice, now=NOW)
    assert not lease(notice, now=NOW)
    deliver(notice, now=NOW + LEASE - SECOND)
    assert not mailoutbox
    assert due_notices(now=NOW + LEASE) == [notice.pk]
    assert deliver(notice, now=NOW + LEASE).delivery == DeliveryState.SENT
    assert len(mailoutbox) == 1


def test_who_lost_the_lease_writes_nothing(jane: Account) -> None:
    notice = tell(jane)
    assert lease(notice, now=NOW)
    slow = Notice.objects.get(pk=notice.pk)
    assert deliver(notice, now=NOW + LEASE).delivery == DeliveryState.SENT
    assert not Notice.objects.record_failed(slow, error="late", next_try_at=NOW)
    notice.refresh_from_db()
    assert (notice.delivery, notice.last_error) == (DeliveryState.SENT, "")


def test_a_notice_expires_after_three_days(jane: Account, mailoutbox: Outbox) -> None:
    notice = tell(jane)
    assert due_notices(now=NOW + LIFETIME - SECOND) == [notice.pk]
    assert due_notices(now=NOW + LIFETIME) == []
    deliver(notice, now=NOW + LIFETIME)
    assert not mailoutbox
    assert deliver(notice, now=NOW + LIFETIME - SECOND).delivery == DeliveryState.SENT


def test_a_deleted_account_gets_no_notice(jane: Account, mailoutbox: Outbox) -> None:
    notice = tell(jane)
    delete_account(jane, operator=Operator(requester=SOMEWHERE), now=NOW)
    assert deliver(notice).delivery == DeliveryState.NO_RECIPIENT
    assert notice.sent_at is None
    assert not mailoutbox
    assert due_notices(now=NOW + HOUR) == []


def test_who_is_deactivated_is_told_still(jane: Account, mailoutbox: Outbox) -> None:
    notice = tell(jane)
    Account.objects.deactivate(account=jane)
    assert deliver(notice).delivery == DeliveryState.SENT
    assert mailoutbox[0].to == ["Jane@example.co"]


def test_the_notice_goes_to_the_address_stored_at_sending(jane: Account, mailoutbox: Outbox) -> None:
    """R-110."""
    notice = tell(jane)
    Account.objects.filter(pk=jane.pk).update(email="jane@elsewhere.example")
    deliver(notice)
    assert mailoutbox[0].to == ["jane@elsewhere.example"]


def test_it_goes_with_its_event(jane: Account, settings: Any) -> None:
    """R-119: and is not counted for one."""
    tell(jane)
    settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, "AUDIT_RETENTION": DAY}
    assert purge(now=NOW + DAY)["audit_events"] == 1
    assert not Notice.objects.exists()
