"""Forms that arrive after the browser that sends them was signed out, or after their link expired (R-123, R-124).

The body does what happened meanwhile when it is read. The control arrives while the session is still live.
"""

from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import Permission
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.utils import timezone

from dfns_login.audit import record_event
from dfns_login.ceremonies.notices import notify_owner
from dfns_login.ceremonies.operators import Operator, deactivate_account
from dfns_login.ceremonies.sign_out import end_session
from dfns_login.models import Account, AccountState, AuditKind, Session
from dfns_login.pages.middleware import BrowserSessionMiddleware
from dfns_login.proofs import lock_token
from dfns_login.settings import login_settings
from tests.support.api_browser import Browser
from tests.support.factories import SOMEWHERE, Person, make_account, make_person

pytestmark = pytest.mark.django_db
ADMIN = "/admin/dfns_login/account"
UPLOAD = b"x" * (settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)


class HeldBody(BytesIO):
    """Does something before its first byte arrives."""

    def __init__(self, body: bytes, *, meanwhile: Callable[[], object]) -> None:
        super().__init__(body)
        self._meanwhile: Callable[[], object] | None = meanwhile

    def read(self, size: int | None = -1) -> bytes:
        if self._meanwhile is not None:
            meanwhile, self._meanwhile = self._meanwhile, None
            meanwhile()
        return super().read(size)


@pytest.fixture
def jane() -> Person:
    """An operator."""
    person = make_person()
    user: Any = person.account.user
    user.is_staff = True
    user.save()
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="dfns_login"))
    return person


@pytest.fixture
def browser(jane: Person) -> Browser:
    browser = Browser()
    assert browser.sign_in(jane).status_code == 200
    return browser


def post(browser: Client, path: str, *, meanwhile: Callable[[], object], upload: bytes = b"", **fields: str) -> Any:
    """Send a form, with an upload if there is one."""
    token = browser.cookies[settings.CSRF_COOKIE_NAME].value
    factory = RequestFactory()
    data: dict[str, Any] = {"csrfmiddlewaretoken": token, **fields}
    if upload:
        data["file"] = BytesIO(upload)
    request = factory.post(path, data)
    body = request.body if not upload else request.environ["wsgi.input"].read()
    held = {"wsgi.input": HeldBody(body, meanwhile=meanwhile), "CONTENT_LENGTH": str(len(body))}
    extra: Any = {"CONTENT_TYPE": request.META["CONTENT_TYPE"], **held}
    return browser.generic("POST", path, **extra)


def nothing() -> None:
    """Leave the session as it is."""


def deactivate(person: Person) -> None:
    deactivate_account(person.account, operator=Operator(requester=SOMEWHERE), now=timezone.now())


def sign_out(person: Person) -> None:
    end_session(Session.objects.get(account=person.account), requester=SOMEWHERE, now=timezone.now())


def expire(person: Person) -> None:
    Session.objects.filter(account=person.account).update(expires_at=timezone.now() - timedelta(seconds=1))


def delete_django_session(person: Person) -> None:
    Client().session.__class__(Session.objects.get(account=person.account).django_session_key).delete()


ENDS = [deactivate, sign_out, expire, delete_django_session]


@pytest.mark.parametrize("upload", [b"", UPLOAD], ids=["form", "upload"])
@pytest.mark.parametrize("end", [None, *ENDS])
def test_an_operators_form_that_arrives_after_the_session_ended_does_nothing(
    browser: Browser, jane: Person, end: Callable[[Person], None] | None, upload: bytes
) -> None:
    victim = make_account(jane.account.organization, "kim@example.co")
    response = post(
        browser,
        f"{ADMIN}/{victim.pk}/operate/deactivate/",
        meanwhile=(lambda: end(jane)) if end else nothing,
        upload=upload,
    )
    done = Account.objects.get(pk=victim.pk).state == AccountState.DEACTIVATED
    assert (response.status_code, done) == (302, end is None)


@pytest.mark.parametrize("end", [None, *ENDS])
def test_an_action_on_a_list_that_arrives_after_the_session_ended_does_nothing(
    browser: Browser, jane: Person, end: Callable[[Person], None] | None
) -> None:
    victim = make_account(jane.account.organization, "kim@example.co")
    fields = {"action": "deactivate", "_selected_action": victim.pk}
    post(browser, f"{ADMIN}/", meanwhile=(lambda: end(jane)) if end else nothing, **fields)
    done = Account.objects.get(pk=victim.pk).state == AccountState.DEACTIVATED
    assert done is (end is None)


@pytest.mark.parametrize("left", [timedelta(hours=1), timedelta(seconds=-1)], ids=["in time", "late"])
def test_a_lock_link_is_compared_with_the_time_at_which_its_form_arrived(
    client: Client, jane: Person, left: timedelta, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = record_event(AuditKind.RECOVERED, account=jane.account, requester=SOMEWHERE, now=timezone.now())
    notify_owner(told)
    token, ends = lock_token(told), told.at + login_settings().lock_link_lifetime
    clock = [ends - timedelta(hours=2)]
    monkeypatch.setattr("dfns_login.pages.views.timezone", SimpleNamespace(now=lambda: clock[0]))
    client.cookies[settings.CSRF_COOKIE_NAME] = "x" * 32
    response = post(client, "/lock/", meanwhile=lambda: clock.__setitem__(0, ends - left), token=token)
    assert response.status_code == (200 if left > timedelta(0) else 404)


def test_a_chunked_body_of_a_signed_in_browser_is_read(browser: Browser, jane: Person) -> None:
    """By the API. Django itself reads no chunks, so a form cannot be held back in them."""
    other = Browser()
    assert other.sign_in(jane).status_code == 200
    chunks: Any = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True, "CONTENT_LENGTH": ""}
    chunks |= {"wsgi.input": BytesIO(b'{"allSessions": true}'), "CONTENT_TYPE": "application/json"}
    assert browser.generic("PUT", "/auth/logout", HTTP_X_CSRFTOKEN=browser.csrf, **chunks).status_code == 200
    assert not other.is_signed_in()


def test_a_view_that_reads_its_upload_itself_finds_it_unread(browser: Browser, jane: Person) -> None:
    """Such a view is exempt from the CSRF check, which would read the form."""
    request = RequestFactory().post("/", {"file": BytesIO(UPLOAD)})
    request.COOKIES = {settings.SESSION_COOKIE_NAME: browser.session_key}
    request.session = browser.session
    view: Any = lambda _request: HttpResponse()  # noqa: E731
    view.csrf_exempt = True
    BrowserSessionMiddleware(view).process_view(request, view, (), {})
    assert not hasattr(request, "_post")
