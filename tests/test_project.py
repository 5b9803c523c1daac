"""The runnable project: what its environment becomes, which mails it finds."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import django
import environ
import pytest
from django.core.mail import EmailMultiAlternatives
from django.templatetags.static import static
from django.test import Client

import project.urls
from dfns_login.pages.headers import add_worker_policy, content_security_policy
from project.addresses import broker_address, mail_settings
from project.databases import LOST_CONNECTION, POOL_OPTIONS, POOL_SIZE, database_settings
from project.mailbox import END_OF_EMAIL, read_emails
from tests.support.servers import ROOT

PRODUCTION = {
    "PATH": os.environ["PATH"],
    "PUBLIC_URL": "https://login.example.com",
    "DATABASE_URL": "sqlite://:memory:",
    "REDIS_URL": "redis://redis.example.com/0",
    "EMAIL_URL": "smtp+tls://mail.example.com:587",
    "DEFAULT_FROM_EMAIL": "login@example.com",
    "SECRET_KEY": "a-long-key-of-many-different-characters-0123456789-ABCDEFGH",
    "DFNS_LOGIN_KEYS": os.environ["DFNS_LOGIN_KEYS"],
}


def read_settings(environment: dict[str, str], *names: str) -> subprocess.CompletedProcess[str]:
    program = f"from project import settings; print({', '.join(f'settings.{name}' for name in names)}, sep='\\n')"
    command = [sys.executable, "-c", program]
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("redis_url", "broker_url"),
    [
        ("redis://localhost:6379/1", "redis://localhost:6379/1"),
        ("rediss://user:secret@redis.example.com/0", "rediss://user:secret@redis.example.com/0"),
        ("unix:///run/valkey.sock?db=3", "redis+socket:///run/valkey.sock?virtual_host=3"),
        ("unix:///run/valkey.sock", "redis+socket:///run/valkey.sock?virtual_host=0"),
        ("unix://user:secret@/run/valkey.sock", "redis+socket://user:secret@/run/valkey.sock?virtual_host=0"),
    ],
)
def test_one_address_serves_cache_and_broker(redis_url, broker_url):
    assert broker_address(redis_url) == broker_url


@pytest.mark.parametrize(
    ("query", "pool_size", "max_age", "pool"),
    [
        ("", 0, 60, None),
        ("", 7, 0, {**POOL_OPTIONS, "max_size": 7}),
        ("?pool=true", 0, 0, {**POOL_OPTIONS, "max_size": POOL_SIZE}),
        ("?pool=true&pool_max_size=3&pool_timeout=1", 0, 0, {**POOL_OPTIONS, "max_size": 3, "timeout": 1}),
        ("?pool=false", 7, 60, None),
        ("?conn_max_age=5", 0, 5, None),
    ],
)
def test_the_address_of_a_database_may_ask_for_a_pool(query, pool_size, max_age, pool):
    """R-132."""
    given = environ.Env.db_url_config(f"postgres://jane@db.example.com/login{query}")
    database = database_settings(given, pool_size=pool_size)
    assert (database["CONN_MAX_AGE"], database["OPTIONS"].get("pool")) == (max_age, pool)
    assert set(database["OPTIONS"]) <= {"pool", "connect_timeout", *LOST_CONNECTION}


@pytest.mark.parametrize(
    ("query", "environment", "threshold"),
    [("", {}, "2"), ("?prepare_threshold=9", {}, "9"), ("", {"DATABASE_PREPARED_STATEMENTS": "0"}, "None")],
)
def test_statements_are_prepared_unless_the_environment_says_no(query, environment, threshold):
    url = f"postgres://jane@db.example.com/login{query}"
    found = read_settings(
        {**PRODUCTION, "DATABASE_URL": url, **environment}, "DATABASES['default']['OPTIONS'].get('prepare_threshold')"
    )
    assert found.stdout.strip() == threshold


@pytest.mark.parametrize(
    ("email_url", "backend", "options"),
    [
        (
            "smtp+tls://jane%40example.com:a%2Fb@mail.example.com:587",
            "smtp",
            {
                "EMAIL_HOST": "mail.example.com",
                "EMAIL_PORT": 587,
                "EMAIL_HOST_USER": "jane@example.com",
                "EMAIL_HOST_PASSWORD": "a/b",
                "EMAIL_USE_TLS": True,
                "EMAIL_TIMEOUT": 10,
            },
        ),
        ("smtp://localhost:25", "smtp", {"EMAIL_HOST": "localhost", "EMAIL_PORT": 25, "EMAIL_TIMEOUT": 10}),
        ("filemail:///var/mail%20box", "filebased", {"EMAIL_FILE_PATH": "/var/mail box"}),
        ("consolemail://", "console", {}),
    ],
)
def test_an_address_of_a_mail_server_is_read_in_full(email_url, backend, options):
    found = mail_settings(email_url)
    path = f"django.core.mail.backends.{backend}.EmailBackend"
    if django.VERSION < (6, 1):
        assert found == {"EMAIL_BACKEND": path, **options}
    else:
        assert found["MAILERS"]["default"]["BACKEND"] == path
        assert sorted(map(str, found["MAILERS"]["default"]["OPTIONS"].values())) == sorted(map(str, options.values()))


@pytest.mark.parametrize("name", [name for name in PRODUCTION if name not in {"PATH", "DFNS_LOGIN_KEYS"}])
def test_production_starts_with_nothing_left_to_a_guess(name):
    without = {key: value for key, value in PRODUCTION.items() if key != name}
    refused = read_settings(without, "DEBUG")
    assert refused.returncode != 0
    assert f"Set the {name} environment variable" in refused.stderr


def test_production_is_strict_where_nothing_is_said():
    """R-99."""
    names = ("DEBUG", "ALLOWED_HOSTS", "SECURE_SSL_REDIRECT", "SESSION_COOKIE_SECURE", "SECURE_PROXY_SSL_HEADER")
    assert read_settings(PRODUCTION, *names).stdout.split("\n")[:-1] == [
        "False",
        "['login.example.com']",
        "True",
        "True",
        "None",
    ]


def test_a_proxys_word_on_https_is_taken_only_where_one_is_trusted():
    trusting = read_settings({**PRODUCTION, "TRUSTED_PROXY_HOPS": "1"}, "SECURE_PROXY_SSL_HEADER")
    assert trusting.stdout == "('HTTP_X_FORWARDED_PROTO', 'https')\n"


def test_emails_are_read_once_they_are_whole(tmp_path: Path):
    written = b""
    for subject in ("First", "Second"):
        mail = EmailMultiAlternatives(subject, f"{subject} in plain", "login@example.com", ["jane@example.com"])
        mail.attach_alternative(f"<p>{subject}</p>", "text/html")
        written += mail.message().as_bytes() + END_OF_EMAIL
    file = tmp_path / "20261123-120000-1.log"
    file.write_bytes(written[:-1])
    assert [mail.subject for mail in read_emails(tmp_path)] == ["First"]
    file.write_bytes(written)
    first, second = read_emails(tmp_path)
    assert (first.recipient, first.text.strip(), first.html.strip()) == (
        "jane@example.com",
        "First in plain",
        "<p>First</p>",
    )
    assert second.subject == "Second"


def written(subject: str, *, sent_at: datetime) -> bytes:
    mail = EmailMultiAlternatives(subject, f"{subject} in plain", "login@example.com", ["jane@example.com"])
    mail.extra_headers["Date"] = format_datetime(sent_at)
    mail.attach_alternative(f"<html><head></head><body>{subject}</body></html>", "text/html")
    return mail.message().as_bytes() + END_OF_EMAIL


class UrlsInDevelopment:
    urlpatterns = project.urls.urlpatterns + project.urls.MAIL_PAGES


@pytest.mark.django_db
def test_the_page_of_emails_shows_the_newest_as_people_see_it(client: Client, settings: Any, tmp_path: Path):
    """R-246."""
    settings.ROOT_URLCONF, settings.MAIL_FOLDER = UrlsInDevelopment, tmp_path
    assert "No emails yet" in client.get("/mail/").content.decode()
    now = datetime(2026, 11, 23, 12, tzinfo=UTC)
    file = tmp_path / "worker-2.log"
    file.write_bytes(written("Newest", sent_at=now) + written("Oldest", sent_at=now - timedelta(hours=1)))
    (tmp_path / "worker-1.log").write_bytes(written("Middle", sent_at=now - timedelta(minutes=1)))
    page = client.get("/mail/").content.decode()
    assert page.index("Newest") < page.index("Middle") < page.index("Oldest")
    assert 'src="/mail/2/html/"' in page
    assert "in plain" not in page
    assert "refresh" in page
    asked_for = client.get("/mail/0/text/").content.decode()
    assert "Oldest in plain" in asked_for
    assert "refresh" not in asked_for
    framed = client.get("/mail/2/html/")
    assert framed.content.decode().strip() == '<html><head><base target="_top"></head><body>Newest</body></html>'
    assert framed.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert "sandbox" in framed.headers["Content-Security-Policy"]
    assert {client.get(f"/mail/3{end}").status_code for end in ("/", "/text/", "/html/")} == {404}


@pytest.mark.django_db
def test_the_start_page_is_served_and_the_page_of_emails_only_in_development(client: Client):
    assert client.get("/").status_code == 200
    assert client.get("/mail/").status_code == 404
    assert "Page not found" in client.get("/nowhere").content.decode()


@pytest.mark.django_db
def test_a_wrong_host_gets_the_error_envelope_below_auth(client: Client):
    """R-90."""
    refused = client.post("/auth/login/code", headers={"host": "elsewhere.example.com"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "invalid_request")
    assert "no-store" in refused.headers["Cache-Control"]


@pytest.mark.django_db
@pytest.mark.parametrize(("path", "host", "status"), [("/", "elsewhere.example.com", 400), ("/no", "localhost", 404)])
def test_error_pages_are_not_stored(client: Client, path: str, host: str, status: int):
    """R-90."""
    refused = client.get(path, headers={"host": host})
    assert (refused.status_code, refused.headers["Content-Type"]) == (status, "text/html; charset=utf-8")
    assert "no-store" in refused.headers["Cache-Control"]


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/", "/admin/login/", "/no"])
def test_every_page_has_a_content_security_policy(client: Client, path: str):
    """R-92."""
    assert client.get(path).headers["Content-Security-Policy"].startswith(("default-src 'self'", "default-src 'none'"))


@pytest.mark.parametrize("worker", ["envelope.worker.js", "strength.worker.js", "envelope.worker.0123456789ab.js"])
def test_the_workers_have_the_policy_of_the_pages(client: Client, worker: str):
    """R-92. With a hash in its name, and below a prefix, as well."""
    headers: dict[str, str] = {}
    add_worker_policy(headers, "", f"/prefix/static/dfns_login/dist/{worker}")
    assert headers == {"Content-Security-Policy": content_security_policy()}
    served = client.get(static("dfns_login/dist/envelope.worker.js"))
    served.getvalue()  # closes the file
    assert served.headers["Content-Security-Policy"] == content_security_policy()
    other: dict[str, str] = {}
    add_worker_policy(other, "", static("dfns_login/pages.css"))
    assert other == {}
