"""`dfns doctor`: a live project is healthy, and each missing or hanging service is found."""

import json
import os
import re
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from celery import current_app
from django.core.cache import cache
from django.core.cache.backends.base import BaseCache
from django.db import connection, connections
from django.utils import timezone

from dfns_login.audit import record_event
from dfns_login.audit_chain import chain_events
from dfns_login.doctor.findings import examine
from dfns_login.doctor.results import Finding, Level
from dfns_login.key_rings import new_rings
from dfns_login.models import AuditKind, CodePurpose, Credential, OneTimeCode, Organization, SpentToken
from dfns_login.proofs.codes import issue_code
from dfns_login.purge import SPENT_TOKEN_MARGIN
from dfns_login.tasks import SWEPT_AT_KEY
from dfns_login.usernames import Recipient
from tests.support.doctor import find
from tests.support.factories import SOMEWHERE, make_person
from tests.support.servers import ROOT, Site, Valkey

pytestmark = pytest.mark.django_db(transaction=True)

PASSWORD = "a-password-that-nobody-may-read"
NOBODY = Recipient(organization="or-1", username="nobody@example.co")


class Postman(socketserver.StreamRequestHandler):
    """Enough of SMTP to accept a connection (RFC 5321)."""

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        for line in self.rfile:
            self.wfile.write(b"221 bye\r\n" if line.upper().startswith(b"QUIT") else b"250 here\r\n")


@pytest.fixture
def post_office() -> Iterator[int]:
    """Port of a mail server."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Postman) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.fixture
def silence() -> Iterator[int]:
    """Port of a server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as server:
        yield server.getsockname()[1]


@pytest.fixture
def celery() -> Iterator[Any]:
    held = current_app.conf.broker_url
    yield current_app.conf
    current_app.conf.broker_url = held


def mail_over(settings, port: int, *, timeout: float = 2) -> None:
    backend = "django.core.mail.backends.smtp.EmailBackend"
    if hasattr(settings, "MAILERS"):
        options = {"host": "127.0.0.1", "port": port, "timeout": timeout}
        settings.MAILERS = {"default": {"BACKEND": backend, "OPTIONS": options}}
    else:
        settings.EMAIL_BACKEND = backend
        settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", port, timeout


def errors() -> list[str]:
    return [each.name for each in examine(clock=timezone.now) if each.level == Level.ERROR]


# A live project


def doctor(site: Site) -> tuple[int, dict[str, Finding]]:
    command = [sys.executable, str(ROOT / "manage.py"), "dfns", "doctor", "--json"]
    done = subprocess.run(command, env=site.environment, capture_output=True, text=True, check=False)
    said = json.loads(done.stdout)
    assert said["ok"] == (done.returncode == 0)
    assert done.stderr.count("\n") <= 1, done.stderr
    return done.returncode, {each["name"]: Finding(**each) for each in said["findings"]}


@pytest.mark.live
def test_a_live_project_is_healthy_until_a_service_stops(tmp_path: Path, post_office):
    with (
        Valkey() as valkey,
        Site(
            tmp_path,
            database_url=f"sqlite:///{tmp_path}/db.sqlite3",
            redis_url=valkey.url,
            environment={"EMAIL_URL": f"smtp://127.0.0.1:{post_office}"},
        ) as site,
    ):
        deadline = time.monotonic() + 30
        while (found := doctor(site))[0] and time.monotonic() < deadline:
            assert [name for name, each in found[1].items() if each.level == Level.ERROR] == ["sweep"], found
            time.sleep(0.5)
        status, findings = found
        assert status == 0, findings
        assert list(findings) == [
            "system checks",
            "keys",
            "database",
            "clock",
            "migrations",
            "one open code",
            "delivery",
            "audit chain",
            "purge",
            "encrypted keys",
            "cache",
            "sweep",
            "broker",
            "worker",
            "mail",
        ]
        warned = [name for name, each in findings.items() if each.level == Level.WARNING]
        assert warned == ["system checks"]  # plain HTTP
        site.worker.stop()
        status, findings = doctor(site)
        assert (status, findings["worker"].level, findings["broker"].level) == (1, Level.ERROR, Level.OK)
        valkey.stop()
        started = time.monotonic()
        status, findings = doctor(site)
        assert time.monotonic() - started < 30
        assert status == 1
        assert [name for name, each in findings.items() if each.level == Level.ERROR] == ["cache", "broker"]
        assert "Connection refused" in findings["broker"].message or "No such file" in findings["broker"].message


@pytest.mark.slow
def test_services_that_hang_become_findings(silence):
    environment = {
        **os.environ,
        "DATABASE_URL": f"postgres://dfns:{PASSWORD}@127.0.0.1:{silence}/dfns",
        "REDIS_URL": f"redis://:{PASSWORD}@127.0.0.1:{silence}/0",
        "EMAIL_URL": f"smtp://dfns:{PASSWORD}@127.0.0.1:{silence}",
    }
    command = [sys.executable, str(ROOT / "manage.py"), "dfns", "doctor", "--json"]
    started = time.monotonic()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    took = time.monotonic() - started
    assert done.returncode == 1
    found = {each["name"]: each for each in json.loads(done.stdout)["findings"]}
    assert {name for name, each in found.items() if each["level"] == "error"} == {"database", "cache", "broker", "mail"}
    assert PASSWORD not in done.stdout + done.stderr
    assert took < 30


# Missing services


@pytest.mark.slow
def test_a_missing_worker_is_found(dfns):
    said = dfns("doctor", "--json")
    assert "worker" in said.error
    assert not said.json["ok"]
    assert find("broker").level == Level.OK
    assert find("worker").message == "No worker responded, so no email is sent."


@pytest.mark.slow
def test_a_missing_celery_app_is_named(monkeypatch):
    """R-144."""
    monkeypatch.setattr("dfns_login.doctor.probes.has_celery_app", lambda: False)
    found = find("worker")
    assert (found.level, found.message) == (Level.ERROR, "The project has no Celery app, so no worker sends emails.")
    assert 'app = Celery("project")' in found.remedy


@pytest.mark.slow
def test_an_unreachable_broker_is_found(celery):
    celery.broker_url = f"redis://:{PASSWORD}@127.0.0.1:1/0"
    found = find("broker")
    assert found.level == Level.ERROR
    assert "Connection refused" in found.message
    assert PASSWORD not in repr(found)


@pytest.mark.parametrize(
    ("age", "level"),
    [
        (timedelta(seconds=5), Level.OK),
        (timedelta(seconds=-1), Level.OK),
        (timedelta(seconds=70), Level.OK),
        (timedelta(seconds=130), Level.ERROR),
        (timedelta(seconds=-10), Level.ERROR),
        (None, Level.ERROR),
    ],
)
def test_a_sweep_that_does_not_run_is_found(age, level):
    if age is not None:
        cache.set(SWEPT_AT_KEY, int((timezone.now() - age).timestamp()), 60)
    assert find("sweep").level == level


def test_an_unreachable_cache_is_found(settings):
    settings.CACHES = {**settings.CACHES, "default": {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1"}}
    assert "Connection refused" in find("cache").message


class Forgetful(BaseCache):
    """Accepts values and does not keep them."""

    def __init__(self, _location: str, params: dict[str, Any]) -> None:
        super().__init__(params)

    def add(self, *_: object, **__: object) -> bool:
        return True


@pytest.mark.parametrize(
    ("backend", "message"),
    [
        ("django.core.cache.backends.locmem.LocMemCache", "Not shared between processes, so rate limits do not work."),
        ("django.core.cache.backends.dummy.DummyCache", "Not shared between processes, so rate limits do not work."),
        ("tests.management.test_doctor.Forgetful", "Added values are not kept."),
        (
            "django.core.cache.backends.filebased.FileBasedCache",
            "Counting is not atomic: 100 increments in",
        ),
    ],
)
def test_a_cache_unfit_for_limits_is_found(settings, tmp_path, backend, message):
    settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": str(tmp_path)}}
    found = find("cache")
    assert (found.level, found.message[: len(message)]) == (Level.ERROR, message)


def test_a_mail_server_that_accepts_connections_is_ok(settings, post_office):
    mail_over(settings, post_office)
    assert find("mail") == Finding(name="mail", level=Level.OK, message="The mail server accepts connections.")


def test_an_unreachable_mail_server_is_found(settings):
    mail_over(settings, 1)
    assert "Connection refused" in find("mail").message


def test_a_mail_server_that_hangs_times_out(settings, silence):
    mail_over(settings, silence, timeout=6)
    started = time.monotonic()
    found = {each.name: each for each in examine(clock=timezone.now, timeout=timedelta(seconds=1))}
    assert time.monotonic() - started < 4
    assert found["mail"].message == "Timed out."


def test_a_backend_that_sends_no_email_is_a_warning_in_production(settings):
    assert find("mail").level == Level.WARNING
    settings.DEBUG = True
    assert find("mail").level == Level.OK


def test_codes_that_wait_too_long_are_found():
    issue_code(NOBODY, purpose=CodePurpose.LOGIN, requester=SOMEWHERE, now=timezone.now())
    assert find("delivery").level == Level.OK
    earlier = timezone.now() - timedelta(minutes=2)
    OneTimeCode.objects.update(asked_at=earlier, next_try_at=earlier)
    assert find("delivery").message == "Codes waiting for over a minute to be emailed: 1."


def test_events_that_are_not_chained_are_found():
    """Beat, or the task, may have stopped."""
    now = timezone.now()
    for kind, minutes in ((AuditKind.INVITED, 7), (AuditKind.REGISTERED, 6)):
        then = now - timedelta(minutes=minutes)
        record_event(kind, account=make_person(None, f"{minutes}@example.co").account, requester=SOMEWHERE, now=then)
        assert find("audit chain").level == Level.ERROR
        chain_events(now=now)
        assert find("audit chain").level == Level.OK


def test_a_purge_that_does_not_run_is_found():
    spent = SpentToken.objects.create(jti="a", expires_at=timezone.now() - SPENT_TOKEN_MARGIN)
    assert find("purge").level == Level.OK
    SpentToken.objects.filter(pk=spent.pk).update(expires_at=spent.expires_at - timedelta(hours=1, seconds=1))
    assert find("purge").level == Level.ERROR


def by_name(organization):
    return f"https://{organization.name}.example"


def test_an_organization_whose_links_lead_elsewhere_is_found(settings):
    """R-215."""
    known = {"PUBLIC_URL": "https://acme.example", "PUBLIC_URL_FOR_ORGANIZATION": f"{__name__}.by_name"}
    settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, **known}
    Organization.objects.create(name="acme")
    assert find("links").level == Level.OK
    other = Organization.objects.create(name="other")
    assert other.pk in find("links").message
    Organization.objects.filter(pk=other.pk).update(active=False)
    assert find("links").level == Level.OK
    settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, "PUBLIC_URL_FOR_ORGANIZATION": "builtins.len"}
    assert "TypeError" in find("links").message


def test_a_key_that_cannot_be_decrypted_is_found(settings):
    make_person()
    assert find("encrypted keys").level == Level.OK
    settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, "KEYS": new_rings(now=timezone.now())}
    found = find("encrypted keys")
    assert found.level == Level.ERROR
    assert Credential.objects.get().pk in found.message


@pytest.mark.slow
def test_invalid_rings_are_found_and_so_is_the_check(settings):
    settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, "KEYS": {"codes": [{"kid": "a", "k": PASSWORD}]}}
    found = {each.name: each for each in examine(clock=timezone.now)}
    assert found["keys"].level == found["system checks"].level == Level.ERROR
    assert "dfns_login.E002" in found["system checks"].message
    assert PASSWORD not in repr(found)


def test_warnings_of_checks_are_reported_unless_silenced(settings, post_office):
    def checked() -> Finding:
        return examine(clock=timezone.now, timeout=timedelta(0))[0]

    mail_over(settings, post_office)
    settings.SILENCED_SYSTEM_CHECKS = []
    assert checked().level == Level.WARNING
    settings.SILENCED_SYSTEM_CHECKS = re.findall(r"[\w.]+\.[EW]\d+", checked().message)
    assert checked() == Finding(name="system checks", level=Level.OK, message="No issues.")


def test_a_missing_index_is_found():
    unique = next(each for each in OneTimeCode._meta.constraints if each.name == "dfns_login_code_one_open")
    with connection.schema_editor() as editor:
        editor.remove_constraint(OneTimeCode, unique)
    try:
        found = find("one open code")
    finally:
        with connection.schema_editor() as editor:
            editor.add_constraint(OneTimeCode, unique)
    assert (found.level, find("one open code").level) == (Level.ERROR, Level.OK)
    assert "dfns_login_code_one_open" in found.message


class Elsewhere:
    """Routes to another database."""

    def db_for_write(self, model: type, **_: object) -> str:
        return "elsewhere"


def test_an_unsupported_database_is_found(settings):
    connections.databases["elsewhere"] = {**connections.databases["default"]}
    settings.DATABASE_ROUTERS = ["tests.management.test_doctor.Elsewhere"]
    try:
        connections.databases["elsewhere"]["ENGINE"] = "tests.support.foreign_database"
        assert find("database").message == "Foreign is not supported."
    finally:
        del connections.databases["elsewhere"]


@pytest.mark.slow
def test_each_finding_is_printed_with_its_remedy(dfns, settings, post_office):
    mail_over(settings, post_office)
    lines = dfns("doctor").out.splitlines()
    assert len(lines) == len(examine(clock=timezone.now))
    (worker,) = [line for line in lines if "worker:" in line]
    assert worker.startswith("error    worker: No worker responded")
    assert "Start one" in worker
    assert errors() == ["sweep", "worker"]
