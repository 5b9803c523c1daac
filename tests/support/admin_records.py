"""Rows for the admin in every state. Some names contain HTML and scripts."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client

from dfns_login.audit import record_event
from dfns_login.models import (
    Account,
    AccountState,
    AuditKind,
    CodeClosed,
    CodePurpose,
    Credential,
    DeliveryState,
    OneTimeCode,
    Organization,
    Session,
)
from dfns_login.requester import Requester
from tests.support.factories import Person, make_account, make_organization, make_person

SCRIPT = "<script>alert(1)</script>"
HOSTILE = f'"{SCRIPT}"@b.co'
SALT = b"a salt, 16 bytes"
SECRET_KEY_ID = "the-ring-key-1"
DJANGO_SESSION = "a-django-session-key-to-steal"
JTI = "the-jti-of-a-session"
ADMIN = "/admin/dfns_login"
MODELS = ("organization", "account", "credential", "session", "onetimecode", "auditevent")
READ_ONLY = ("account", "credential", "session", "onetimecode", "auditevent")


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminRecords:
    """A person with a row in every table, among rows of others."""

    person: Person
    code: OneTimeCode
    session: Session

    @property
    def account(self) -> Account:
        return self.person.account

    @property
    def credential(self) -> Credential:
        return self.account.credentials.get()

    def pages(self) -> list[str]:
        """Return every page: lists, searches, details, histories."""
        lists = [f"{ADMIN}/{model}/" for model in MODELS]
        searches = [f"{each}?q={self.account.username}" for each in lists]
        rows: list[tuple[str, Any]] = [
            *(("organization", row.pk) for row in Organization.objects.all()),
            *(("account", row.pk) for row in Account.objects.all()),
            *(("credential", row.pk) for row in Credential.objects.all()),
            *(("session", row.pk) for row in Session.objects.all()),
            *(("onetimecode", row.pk) for row in OneTimeCode.objects.all()),
            *(("auditevent", row.pk) for row in self.account.events.all()),
        ]
        details = [page_of(model, pk) for model, pk in rows]
        histories = [f"{ADMIN}/{model}/{pk}/history/" for model, pk in rows]
        return ["/admin/", f"{ADMIN}/", *lists, *searches, *details, *histories]


def page_of(model: str, pk: object) -> str:
    return f"{ADMIN}/{model}/{pk}/change/"


def operate(client: Client, model: str, pk: object, name: str) -> Any:
    """Press a button on a row's page."""
    return client.post(f"{ADMIN}/{model}/{pk}/operate/{name}/")


def act(client: Client, model: str, name: str, *pks: object) -> Any:
    """Run an action of a list on these rows."""
    return client.post(f"{ADMIN}/{model}/", {"action": name, "_selected_action": [str(pk) for pk in pks]})


def make_code(
    recipient: str,
    organization: str,
    *,
    age: timedelta = timedelta(minutes=1),
    now: datetime | None = None,
    **fields: Any,
) -> OneTimeCode:
    """Make a login code, open unless `closed_as` is given."""
    asked = (now or datetime.now(UTC)) - age
    row: dict[str, Any] = {
        "purpose": CodePurpose.LOGIN,
        "key_id": SECRET_KEY_ID,
        "issued_at": asked,
        "asked_at": asked,
        "next_try_at": asked,
        "expires_at": asked + timedelta(minutes=10),
        "address": "192.0.2.7",
        "agent": SCRIPT,
        "locale": "en",
        "salt": SALT,
    }
    if fields.get("closed_as"):
        row |= {"salt": None, "closed_at": asked + timedelta(minutes=2)}
    return OneTimeCode.objects.create(recipient=recipient, organization=organization, **(row | fields))


def make_session(account: Account, credential: Credential, *, jti: str = JTI, **fields: Any) -> Session:
    now = datetime.now(UTC)
    row = {"issued_at": now, "last_seen_at": now, "expires_at": now + timedelta(hours=12), "agent": SCRIPT}
    return Session.objects.create(
        jti=jti, account=account, credential=credential, django_session_key=DJANGO_SESSION, **(row | fields)
    )


def make_records() -> AdminRecords:
    now = datetime.now(UTC)
    organization = make_organization(f"Acme {SCRIPT}")
    person = make_person(organization, HOSTILE)
    account = person.account
    credential = account.credentials.get()
    Credential.objects.update(name=SCRIPT, origin=SCRIPT)
    who = account.username, organization.pk
    sent: dict[str, Any] = {"delivery": DeliveryState.SENT, "account": account, "tries": 1}
    code = make_code(*who, **sent, sent_at=now, handled_at=now)
    for hours, closed in enumerate(CodeClosed.values, start=1):
        make_code(*who, age=timedelta(hours=hours), closed_as=closed, **sent, guesses=1)
    make_code(
        *who, purpose=CodePurpose.REGISTRATION, delivery=DeliveryState.FAILED, last_error=f"451 {SCRIPT}", tries=2
    )
    make_code(*who, purpose=CodePurpose.RECOVERY, delivery=DeliveryState.SENDING, tries=1)
    make_code(SCRIPT, "or-nowhere", delivery=DeliveryState.NO_RECIPIENT, handled_at=now)
    make_code("late", organization.pk, age=timedelta(minutes=11))
    make_account(organization, "invited@b.co", state=AccountState.INVITED)
    make_account(organization, "gone@b.co", state=AccountState.DEACTIVATED)
    session = make_session(account, credential)
    make_session(account, credential, jti="ended", revoked_at=now)
    make_session(account, credential, jti="idle", last_seen_at=now - timedelta(hours=2))
    make_session(account, credential, jti="expired", expires_at=now)
    requester = Requester(address="192.0.2.7", agent=SCRIPT, locale="en")
    record_event(AuditKind.CODE_SENT, account=account, requester=None, now=now, purpose="login", code=code.pk)
    record_event(AuditKind.SIGNED_IN, account=account, requester=requester, now=now, session=session.pk, kind=SCRIPT)
    return AdminRecords(person=person, code=code, session=session)


def staff_client(*permissions: str) -> Client:
    """Return a browser of a staff user with these permissions only."""
    user = get_user_model().objects.create(username=f"staff {' '.join(permissions)}"[:150], is_staff=True)
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="dfns_login", codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client
