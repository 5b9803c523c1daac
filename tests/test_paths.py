"""The app below a prefix, a script name or a language: signed requests, links in emails, checks (R-136)."""

import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from dfns_sdk import DfnsClient, DfnsClientConfig, KeySigner
from django.core.checks import run_checks
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from django.test import Client
from django.urls import set_script_prefix
from django.utils import translation

from dfns_login.delivery.emails import code_email, notice_email
from dfns_login.models import Account, AccountState, AuditEvent, AuditKind, CodePurpose, OneTimeCode
from tests.support import prefixed_urls as urls
from tests.support.api_client import post
from tests.support.authenticators import Client as Maker
from tests.support.authenticators import SoftwareKey
from tests.support.clock import NOW
from tests.support.factories import issue, make_account, make_organization, make_person
from tests.support.signed_in import SignedIn, signed_in

pytestmark = pytest.mark.django_db

LINK = re.compile(r"http://localhost:8000(/[^\s?]*)")


def at_script_name(script_name: str) -> Any:
    """Return the application as a server calls it that is configured to serve it below this path."""
    django = get_wsgi_application()

    def application(environ: dict[str, Any], start_response: Any) -> Any:
        request_started.disconnect(close_old_connections)  # the test's own, which is in a transaction
        request_finished.disconnect(close_old_connections)
        path = environ["PATH_INFO"]
        assert path.startswith(script_name)
        return django(
            environ | {"SCRIPT_NAME": script_name, "PATH_INFO": path.removeprefix(script_name)}, start_response
        )

    return application


@pytest.fixture
def jane(client: Client, settings: Any) -> SignedIn:
    """Somebody who has signed in at the root."""
    settings.ROOT_URLCONF = urls.AT_ROOT
    key = SoftwareKey.make(client=Maker.PYTHON)
    return signed_in(client, make_person(None, "jane@example.co", key))


@pytest.fixture(autouse=True)
def _plain_requests(settings: Any) -> Iterator[None]:
    settings.SECURE_SSL_REDIRECT = False
    yield
    request_finished.connect(close_old_connections)
    request_started.connect(close_old_connections)
    set_script_prefix("/")


MOUNTS = [
    ("/", urls.AT_ROOT, ""),
    ("/api/v1/", urls.BELOW_A_PREFIX, ""),
    ("/api/v1/", urls.WITH_A_FALLBACK, ""),
    ("/shop/", urls.AT_ROOT, "/shop"),
    ("/shop/api/v1/", urls.BELOW_A_PREFIX, "/shop"),
    ("/en/", urls.IN_LANGUAGES, ""),
    ("/shop/en/", urls.IN_LANGUAGES, "/shop"),
]


@pytest.mark.parametrize(("base", "urlconf", "script_name"), MOUNTS)
def test_the_official_client_signs_requests_below_a_mount(
    jane: SignedIn, settings: Any, base: str, urlconf: ModuleType, script_name: str
) -> None:
    """R-136."""
    settings.ROOT_URLCONF = urlconf
    soon = (datetime.now(UTC) + timedelta(seconds=50)).isoformat()
    pem = jane.key.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    signer = KeySigner(credential_id=jane.key.credential_id, private_key=pem)
    config = DfnsClientConfig(auth_token=jane.token, base_url=f"http://localhost{base}", signer=signer)
    with DfnsClient(config) as client:
        inside = httpx.WSGITransport(app=at_script_name(script_name))
        client._http._client = httpx.Client(transport=inside, base_url=f"http://localhost{base}")  # noqa: SLF001
        made = client.auth.create_credential_code({"expiration": soon})
    assert made["code"]
    event = AuditEvent.objects.filter(kind=AuditKind.ACTION_USED).get()
    assert event.detail["path"] == "/auth/credentials/code"
    assert event.detail.get("mount", "") == base.removesuffix("/")


def pay(jane: SignedIn, *, signed: str, at: str) -> int:
    action = jane.user_action("POST", signed, "{}")
    return jane.call("POST", at, {}, x_dfns_useraction=action).status_code


@pytest.fixture
def below(jane: SignedIn, settings: Any, monkeypatch: pytest.MonkeyPatch) -> SignedIn:
    """The same person where the API is below a prefix."""
    settings.ROOT_URLCONF = urls.BELOW_A_PREFIX
    monkeypatch.setattr(
        "tests.support.signed_in.post", lambda client, path, *a, **b: post(client, f"/api/v1{path}", *a, **b)
    )
    return jane


@pytest.mark.parametrize(
    ("signed", "at", "status"),
    [
        ("/api/v1/payments", "/api/v1/payments", 200),
        ("/payments", "/api/v1/payments", 200),
        ("/v1/payments", "/api/v1/payments", 403),
        ("/api/v1/api/v1/payments", "/api/v1/payments", 403),
        ("payments", "/api/v1/payments", 400),
        ("//payments", "/api/v1/payments", 403),
        ("/payments/", "/api/v1/payments", 403),
        ("/", "/api/v1/payments", 403),
        ("/auth/credentials/code", "/api/v1/payments", 403),
    ],
)
def test_a_signature_covers_the_whole_path_or_what_is_below_the_mount(
    below: SignedIn, signed: str, at: str, status: int
) -> None:
    """R-136."""
    if status == 400:
        with pytest.raises(AssertionError, match="absolute path"):
            below.user_action("POST", signed, "{}")
    else:
        assert pay(below, signed=signed, at=at) == status


def test_a_signature_is_for_one_of_two_views(below: SignedIn, settings: Any) -> None:
    """R-136. A signature for `/payments` does not pay at `/api/v1/payments`, if both take signed requests."""
    settings.ROOT_URLCONF = urls.TWO_VIEWS
    assert pay(below, signed="/payments", at="/api/v1/payments") == 403
    assert pay(below, signed="/payments", at="/payments") == 200
    assert pay(below, signed="/api/v1/payments", at="/api/v1/payments") == 200
    assert pay(below, signed="/api/v1/payments", at="/payments") == 403


# Links


@pytest.fixture
def lee() -> Account:
    return make_account(make_organization(), "lee@example.co", state=AccountState.INVITED)


def links_to(account: Account) -> list[str]:
    """Return the paths of all links that emails to this account have, as a thread of a worker writes them."""
    code = issue(account.recipient, purpose=CodePurpose.REGISTRATION)
    row = OneTimeCode.objects.get()
    event = AuditEvent(
        pk=1, kind=AuditKind.CREDENTIAL_CREATED, account=account, organization=account.organization, at=NOW
    )
    written: list[str] = []

    def write() -> None:
        written.append(str(code_email(row, code=code, account=account, now=NOW).body))
        written.append(str(notice_email(event, account=account).body))

    worker = threading.Thread(target=write)
    worker.start()
    worker.join()
    return LINK.findall("\n".join(written))


LOCALE = "project.middleware.PagesLocaleMiddleware"


@pytest.mark.parametrize(
    ("urlconf", "script_name"),
    [
        (urls.AT_ROOT, None),
        (urls.AT_ROOT, "/shop"),
        (urls.BELOW_A_PREFIX, "/shop/"),
        (urls.IN_LANGUAGES, None),
        (urls.IN_LANGUAGES, "/shop"),
        (urls.IN_OTHER_LANGUAGES, None),
    ],
)
@pytest.mark.parametrize("middleware", [True, False])
@pytest.mark.parametrize("project_language", ["en-us", "en", "pt-br"])
@pytest.mark.parametrize("language", ["", "en", "fr"])
def test_links_in_emails_lead_to_pages(
    lee: Account,
    client: Client,
    settings: Any,
    urlconf: ModuleType,
    script_name: str | None,
    middleware: bool,
    project_language: str,
    language: str,
) -> None:
    """R-136."""
    settings.ROOT_URLCONF, settings.FORCE_SCRIPT_NAME, settings.LANGUAGE_CODE = urlconf, script_name, project_language
    settings.LANGUAGES = [("en", "English"), ("fr", "French"), ("pt", "Portuguese")]
    if not middleware:
        settings.MIDDLEWARE = [each for each in settings.MIDDLEWARE if each != LOCALE]
    lee.locale = language
    found = links_to(lee)
    views = set()
    for link in found:
        prefix = (script_name or "").rstrip("/")
        assert link.startswith(f"{prefix}/")
        with translation.override(project_language):  # as at the start of a request
            match = client.get(link.removeprefix(prefix)).wsgi_request.resolver_match
        assert match is not None, link
        views.add(match.view_name.removeprefix("dfns_login:"))
    assert views == {"register", "lock", "recover", "sign-in"}


# Checks and refusals


@pytest.mark.parametrize("script_name", ["/", "/shop"])
@pytest.mark.parametrize("urlconf", [urls.AT_ROOT, urls.BELOW_A_PREFIX, urls.IN_LANGUAGES])
def test_the_admin_is_checked_below_a_script_name(settings: Any, script_name: str, urlconf: ModuleType) -> None:
    """R-136."""
    settings.ROOT_URLCONF, settings.FORCE_SCRIPT_NAME = urlconf, script_name
    set_script_prefix(script_name)  # as `manage.py` does
    found = [each.id for each in run_checks(include_deployment_checks=True, databases=[])]
    assert "dfns_login.W051" in found


@pytest.mark.parametrize(("base", "urlconf", "script_name"), MOUNTS)
def test_a_wrong_host_is_refused_in_the_envelope_below_a_mount(
    settings: Any, base: str, urlconf: ModuleType, script_name: str
) -> None:
    """R-136."""
    settings.ROOT_URLCONF = urls.urlconf(*urlconf.urlpatterns)
    settings.ROOT_URLCONF.handler400 = "dfns_login.error_handlers.bad_request"
    inside = httpx.WSGITransport(app=at_script_name(script_name))
    with httpx.Client(transport=inside, base_url="http://wrong.example") as client:
        assert client.post(f"{base}auth/login", json={}).json()["error"]["code"] == "invalid_request"
        assert client.get(f"{base}login/").headers["Content-Type"].startswith("text/html")
