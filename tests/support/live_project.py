"""A running project, used over HTTP and email."""

import json
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeVar

import httpx
import pytest
from django.conf import settings as django_settings

from project.mailbox import END_OF_EMAIL, Email
from tests.support.authenticators import Members, SoftwareKey
from tests.support.servers import PostgreSQL, Site, Valkey

T = TypeVar("T")
PATIENCE_SECONDS: Final = 60.0
INVITED_AT_ONCE: Final = 8
INVITING: Final = """
from django.core.management import call_command
for email in {emails}:
    call_command("dfns", "invite", email, "--organization", "{organization}")
"""
BEARERS: Final = ("token", "temporaryAuthenticationToken", "challengeIdentifier", "userAction")
"""Members of an answer that are bearer tokens."""


@dataclass(frozen=True, kw_only=True)
class Invitee:
    """An invited person, with the emailed registration code."""

    email: str
    organization: str
    registration_code: str = field(repr=False)

    @property
    def names(self) -> dict[str, str]:
        """The members that name the account in a request."""
        return {"username": self.email, "orgId": self.organization}


@dataclass(frozen=True, kw_only=True)
class LiveProject:
    """A running project. It keeps every token and encrypted key that it sees, for the search for traces.

    `postgres` is the server of its database, or None on SQLite.
    """

    site: Site
    valkey: Valkey
    postgres: PostgreSQL | None
    organization: str
    http: httpx.Client
    bearers: list[str] = field(default_factory=list, repr=False)
    envelopes: list[str] = field(default_factory=list, repr=False)
    _numbers: "count[int]" = field(default_factory=lambda: count(1), repr=False)
    _invited: deque[str] = field(default_factory=deque, repr=False)

    @property
    def mail_folder(self) -> Path:
        return self.site.folder / "mail"

    def new_email(self) -> str:
        return f"person-{next(self._numbers)}@example.co"

    def invite(self) -> Invitee:
        """Invite somebody, and read the code in the email.

        One process invites several people in advance, because it takes a second to start.
        """
        if not self._invited:
            self._invited.extend(self.new_email() for _ in range(INVITED_AT_ONCE))
            inviting = INVITING.format(emails=list(self._invited), organization=self.organization)
            self.site.manage("shell", "--command", inviting)
        email = self._invited.popleft()
        registration_code = code_in(self.mail_to(email))
        return Invitee(email=email, organization=self.organization, registration_code=registration_code)

    def register(self, person: Invitee, key: SoftwareKey) -> Members:
        """Register the person with the key."""
        if key.encrypted_private_key:
            self.envelopes.append(key.encrypted_private_key)
        opened = self.post("/auth/registration/init", person.names | {"registrationCode": person.registration_code})
        body = {"firstFactorCredential": key.credential(opened["challenge"])}
        return self.post("/auth/registration", body, bearer=opened["temporaryAuthenticationToken"])

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        bearer: str = "",
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> httpx.Response:
        """Send one request, and keep the tokens in its answer."""
        authorization = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        response = self.http.request(method, path, json=body, headers={**headers, **authorization})
        self.note_bearers(response.json())
        return response

    def post(self, path: str, body: object, *, bearer: str = "") -> Members:
        """Send one request that must succeed, and return its answer."""
        response = self.call("POST", path, body, bearer=bearer)
        assert response.status_code == 200, response.text
        answer: Members = response.json()
        return answer

    def note_bearers(self, answer: Any) -> None:
        if isinstance(answer, dict):
            self.bearers.extend(str(answer[name]) for name in BEARERS if name in answer)

    def mails_to(self, email: str) -> list[Email]:
        return [mail for mail in self.site.mails() if mail.recipient == email]

    def mail_to(self, email: str, *, number: int = 1) -> Email:
        """Wait for the person's email of this number."""
        return wait_for(
            lambda: next(iter(self.mails_to(email)[number - 1 :]), None),
            what=lambda: f"mail {number} to {email}; the worker says:\n{self.site.worker.log[-3000:]}",
        )

    def written_mails(self) -> list[bytes]:
        """Return every email as it was written."""
        return [mail for file in self.mail_folder.glob("*.log") for mail in file.read_bytes().split(END_OF_EMAIL)[:-1]]


@contextmanager
def live_project(request: pytest.FixtureRequest, folder: Path, *, name: str, settings: str) -> Iterator[LiveProject]:
    """Start a project on the kind of database that the tests run on, with one organization.

    `name` names its database and its organization. `settings` is the module of its Django settings.
    """
    if django_settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"):
        postgres, database_url = None, f"sqlite:///{folder}/{name}.sqlite3"
    else:
        postgres = request.getfixturevalue("postgres")
        database_url = postgres.create_database(name)
    environment = {"DJANGO_SETTINGS_MODULE": settings}
    with (
        Valkey() as valkey,
        Site(folder, database_url=database_url, redis_url=valkey.url, environment=environment) as site,
        httpx.Client(base_url=site.url, timeout=30) as http,
    ):
        organization = operate(site, "organization", "create", name.title())["id"]
        yield LiveProject(site=site, valkey=valkey, postgres=postgres, organization=organization, http=http)


def operate(site: Site, *verb: str) -> Members:
    """Run `manage.py dfns` on the site, and return its output."""
    said: Members = json.loads(site.manage("dfns", *verb, "--json"))
    return said


def code_in(mail: Email) -> str:
    """Return the code on the last line, where browsers look for it."""
    host, _, code = mail.text.rstrip("\n").rpartition("\n")[2].partition(" #")
    assert host.startswith("@"), mail.text
    assert code, mail.text
    return code


def wait_for(found: Callable[[], T | None], *, what: Callable[[], str]) -> T:
    """Wait for a value that is not empty, and return it. The message of a failure is from `what`."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        value = found()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"after {PATIENCE_SECONDS:.0f} seconds there is still no {what()}")
        time.sleep(0.02)
