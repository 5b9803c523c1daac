"""The project on two databases, with the routers that Django's documentation describes."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from types import SimpleNamespace
from typing import Any, ClassVar

import httpx
from django.core import mail
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.db import connections
from django.test import override_settings

from dfns_login.tasks import sweep
from tests.support.authenticators import Members
from tests.support.databases import project_database, working_on
from tests.support.factories import make_organization
from tests.support.live_project import Invitee, code_in

OTHER = "other"


class Labels:
    """Some apps are in the other database, and nothing else is. Source: Django, Multiple databases, `AuthRouter`."""

    labels: ClassVar[frozenset[str]]

    def db_for_read(self, model: Any, **_: object) -> str | None:
        return OTHER if model._meta.app_label in self.labels else None

    db_for_write = db_for_read

    def allow_migrate(self, db: str, app_label: str, **_: object) -> bool:
        return (db == OTHER) == (app_label in self.labels)


class UsersAndApp(Labels):
    """Only what refers to users is in the other database."""

    labels = frozenset({"auth", "contenttypes", "admin", "dfns_login"})


class Everything(Labels):
    """Everything is in the other database, sessions too."""

    labels = UsersAndApp.labels | {"sessions"}


class PrimaryAndReplica:
    """Reads go to the other database. Source: Django, Multiple databases, `PrimaryReplicaRouter`."""

    def db_for_read(self, model: Any, **_: object) -> str:
        return OTHER

    def db_for_write(self, model: Any, **_: object) -> str:
        return "default"

    def allow_relation(self, obj1: Any, obj2: Any, **_: object) -> bool:
        return True

    def allow_migrate(self, db: str, app_label: str, **_: object) -> bool:
        return db != OTHER


class ReadsElsewhere:
    """The same for some apps, without what Django lets a router leave out."""

    def db_for_read(self, model: Any, **_: object) -> str | None:
        return OTHER if model._meta.app_label in {"auth", "dfns_login"} else None


@contextmanager
def routed(router: type, *, default: str, other: str) -> Iterator[None]:
    """Work on these two databases, given by their URLs, with this router."""
    everybodys = connections.settings
    with working_on(default), override_settings(DATABASE_ROUTERS=[f"{__name__}.{router.__name__}"]):
        everybodys[OTHER] = connections.configure_settings({"default": project_database(other)})["default"]
        try:
            yield
        finally:
            connections[OTHER].close()
            del connections[OTHER], everybodys[OTHER]


class ProjectInProcess:
    """Stands in for a `LiveProject`: requests and emails of the project in this process."""

    def __init__(self) -> None:
        self.http = httpx.Client(transport=httpx.WSGITransport(app=get_wsgi_application()), base_url="http://localhost")
        self.organization = make_organization().pk

    def invite(self) -> Invitee:
        email = "jane@example.co"
        call_command("dfns", "invite", email, "--organization", self.organization, stdout=StringIO())
        (mail,) = self.mails_to(email)
        return Invitee(email=email, organization=self.organization, registration_code=code_in(mail))

    def call(self, method: str, path: str, body: object = None, *, bearer: str = "", headers: Any = None) -> Any:
        authorization = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        return self.http.request(method, path, json=body, headers={**(headers or {}), **authorization})

    def post(self, path: str, body: object, *, bearer: str = "") -> Members:
        response = self.call("POST", path, body, bearer=bearer)
        assert response.status_code == 200, response.text
        answer: Members = response.json()
        return answer

    def mails_to(self, email: str) -> list[Any]:
        sweep()
        return [SimpleNamespace(text=each.body) for each in mail.outbox if each.to == [email]]
