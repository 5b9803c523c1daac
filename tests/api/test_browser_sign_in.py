"""`/login/complete`, and what a browser can do with the Django session that it opens."""

import io
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth import SESSION_KEY as USER_KEY
from django.contrib.auth import get_user_model, logout
from django.contrib.sessions.backends.db import SessionStore
from django.db import OperationalError, connection
from django.db.models import F
from django.test import Client, RequestFactory
from django.utils import timezone

from dfns_login.browsers.django_sessions import SESSION_KEY, open_browser_session, renew_browser_session
from dfns_login.ceremonies.sign_out import end_session
from dfns_login.errors import NotAuthorized
from dfns_login.models import AccountState, AuditEvent, AuditKind, CodePurpose, Credential, Organization, Session
from dfns_login.testing.authenticators import opaque_envelope
from tests.support.api_browser import Browser
from tests.support.api_client import (
    CHALLENGE_NOT_VALID,
    INVALID_CODE,
    NOT_AUTHORIZED,
    ask_code,
    call,
    list_credentials,
    log_out,
    login_body,
    open_login,
    sign_in,
    told,
)
from tests.support.authenticators import Fault, Kind, SoftwareKey
from tests.support.clock import HOUR, MINUTE, SECOND
from tests.support.factories import SOMEWHERE, Person, issue, make_organization, make_person

pytestmark = pytest.mark.django_db

CSRF = (403, "CSRF verification failed.")


@pytest.fixture
def browser() -> Browser:
    return Browser()


@pytest.fixture
def signed_in(browser: Browser, jane: Person) -> Browser:
    assert browser.sign_in(jane).status_code == 200
    return browser


def only_session() -> Session:
    return Session.objects.get()


# Signing in


def test_the_reply_says_where_to_go_and_has_no_token(browser: Browser, jane: Person) -> None:
    answer = browser.sign_in(jane, next="/wallets/?page=2")
    assert answer.json() == {"next": "/wallets/?page=2"}
    assert answer["Cache-Control"] == "no-store"


def test_it_signs_in_the_user_of_the_project(signed_in: Browser, jane: Person) -> None:
    data = SessionStore(signed_in.session_key)
    assert data[USER_KEY] == str(jane.account.user_id)
    assert signed_in.is_signed_in()


def test_the_session_row_is_like_that_of_any_sign_in(signed_in: Browser, jane: Person) -> None:
    session = only_session()
    assert (session.account, session.code_presented, session.revoked_at) == (jane.account, True, None)
    assert session.django_session_key == signed_in.session_key
    event = AuditEvent.objects.get(kind=AuditKind.SIGNED_IN)
    assert event.detail == {
        "session": session.pk,
        "kind": "PasswordProtectedKey",
        "credential": session.credential_id,
        "with_code": True,
    }


def test_a_passkey_signs_in_without_a_code(browser: Browser, kim: Person) -> None:
    assert browser.complete(kim, open_login(browser, kim.names).json()).status_code == 200
    assert not only_session().code_presented


@pytest.mark.parametrize(
    ("wish", "leads_to"),
    [("", "/account/"), ("/", "/"), ("//evil.example", "/account/"), ("https://evil.example", "/account/")],
)
def test_next_stays_on_this_site(browser: Browser, jane: Person, wish: str, leads_to: str) -> None:
    """R-96. `tests/browsers/test_destinations.py` has all cases."""
    assert browser.sign_in(jane, next=wish).json() == {"next": leads_to}


def test_a_code_alone_does_not_sign_in(browser: Browser, jane: Person) -> None:
    """R-20."""
    assert open_login(browser, jane.names, loginCode=issue(jane.account.recipient)).status_code == 200
    assert not browser.is_signed_in()


def test_a_wrong_code_does_not_sign_in(browser: Browser, jane: Person) -> None:
    issue(jane.account.recipient)
    assert told(open_login(browser, jane.names, loginCode="0000-0000-0000-0000")) == INVALID_CODE


@pytest.mark.parametrize("fault", [Fault.FLIPPED_BIT, Fault.CHALLENGE_OF_ANOTHER])
def test_a_failed_assertion_does_not_sign_in(browser: Browser, jane: Person, fault: Fault) -> None:
    challenge = open_login(browser, jane.names, loginCode=issue(jane.account.recipient)).json()
    refused = browser.send("POST", "/login/complete", login_body(challenge, jane.key, fault=fault))
    assert told(refused) == NOT_AUTHORIZED
    assert not browser.is_signed_in()
    assert not refused.cookies
    assert browser.complete(jane, challenge).status_code == 200  # a failed attempt needs no new code


def test_a_challenge_signs_in_once_by_token_or_by_browser(browser: Browser, jane: Person) -> None:
    challenge = open_login(browser, jane.names, loginCode=issue(jane.account.recipient)).json()
    assert browser.complete(jane, challenge).status_code == 200
    assert told(Browser().complete(jane, challenge)) == CHALLENGE_NOT_VALID
    assert told(call(Browser(), "POST", "/auth/login", login_body(challenge, jane.key))) == CHALLENGE_NOT_VALID


# Requests from other sites


@pytest.mark.parametrize(
    "headers",
    [
        {"x_csrftoken": ""},
        {"x_csrftoken": "0" * 32},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://testserver.evil.example"},
    ],
)
def test_a_page_of_another_site_cannot_sign_in(browser: Browser, jane: Person, headers: dict[str, str]) -> None:
    """R-95: otherwise an attacker could sign people in to the attacker's account."""
    challenge = open_login(browser, jane.names, loginCode=issue(jane.account.recipient)).json()
    body = login_body(challenge, jane.key)
    assert told(browser.send("POST", "/login/complete", body, **headers)) == CSRF
    assert not Session.objects.exists()
    assert browser.send("POST", "/login/complete", body).status_code == 200


def test_a_browser_without_the_cookie_is_refused(browser: Browser, jane: Person) -> None:
    challenge = open_login(browser, jane.names, loginCode=issue(jane.account.recipient)).json()
    headers = {"x_csrftoken": browser.csrf}
    del browser.cookies[django_settings.CSRF_COOKIE_NAME]
    assert told(call(browser, "POST", "/login/complete", login_body(challenge, jane.key), **headers)) == CSRF


@pytest.mark.parametrize(
    "content_type", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain"]
)
def test_a_form_cannot_sign_in(browser: Browser, jane: Person, content_type: str) -> None:
    """R-95."""
    challenge = open_login(browser, jane.names, loginCode=issue(jane.account.recipient)).json()
    body = json.dumps(login_body(challenge, jane.key)).encode()
    assert browser.send("POST", "/login/complete", body, content_type=content_type).status_code == 415


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/auth/logout", {}),
        ("POST", "/auth/credentials/init", {"kind": "Key"}),
        ("POST", "/auth/action/init", {}),
        ("PUT", "/auth/sessions/end", {"sessionId": "1"}),
        ("PUT", "/auth/sessions/end-others", {}),
    ],
)
def test_another_site_cannot_use_a_signed_in_browser(
    signed_in: Browser, method: str, path: str, body: dict[str, str]
) -> None:
    assert told(signed_in.send(method, path, body, x_csrftoken="")) == CSRF
    assert told(signed_in.send(method, path, body, origin="https://evil.example")) == CSRF
    assert signed_in.is_signed_in()


def test_reading_needs_no_csrf_token(signed_in: Browser) -> None:
    assert signed_in.send("GET", "/auth/credentials", x_csrftoken="").status_code == 200


def test_a_bearer_token_needs_no_csrf_token(signed_in: Browser, jane: Person) -> None:
    token = sign_in(Client(), jane, loginCode=issue(jane.account.recipient))
    assert call(signed_in, "PUT", "/auth/logout", {}, bearer=token).status_code == 200
    assert signed_in.is_signed_in()  # only the session of the token ended


@pytest.mark.parametrize("name", ["x_csrftoken", "x_xsrf_token"])
def test_the_pages_work_with_any_csrf_header_name(browser: Browser, jane: Person, settings: Any, name: str) -> None:
    settings.CSRF_HEADER_NAME = "HTTP_X_XSRF_TOKEN"
    challenge = open_login(browser, jane.names, loginCode=issue(jane.account.recipient)).json()
    body = login_body(challenge, jane.key)
    assert told(call(browser, "POST", "/login/complete", body, **{name: "0" * 32})) == CSRF
    assert call(browser, "POST", "/login/complete", body, **{name: browser.csrf}).status_code == 200


def test_the_path_is_not_found_in_a_project_without_sessions(browser: Browser, jane: Person, settings: Any) -> None:
    settings.MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
    challenge = open_login(browser, jane.names, loginCode=issue(jane.account.recipient)).json()
    assert told(browser.complete(jane, challenge)) == (404, "Not found.")
    assert not Session.objects.exists()


# The Django session


def test_the_session_key_and_the_csrf_token_are_new(browser: Browser, jane: Person) -> None:
    """R-74: neither can have been planted before."""
    planted = SessionStore()
    planted["basket"] = "three pears"
    planted.save()
    browser.cookies[django_settings.SESSION_COOKIE_NAME] = planted.session_key
    csrf = browser.csrf
    assert browser.sign_in(jane).status_code == 200
    assert browser.session_key != planted.session_key
    assert browser.csrf != csrf
    assert SessionStore(browser.session_key)["basket"] == "three pears"
    assert not SessionStore().exists(str(planted.session_key))


def test_data_of_another_user_is_removed_from_the_session(signed_in: Browser, kim: Person) -> None:
    key = signed_in.session_key
    assert signed_in.complete(kim, open_login(signed_in, kim.names).json()).status_code == 200
    assert not SessionStore().exists(key)
    assert SessionStore(signed_in.session_key)[USER_KEY] == str(kim.account.user_id)


@pytest.mark.django_db(transaction=True)
def test_signing_in_again_makes_a_new_session_key_and_ends_the_old_session(signed_in: Browser, jane: Person) -> None:
    """R-74: Django itself would keep the session key of a signed-in user."""
    key, before = signed_in.session_key, only_session()
    assert signed_in.sign_in(jane).status_code == 200
    assert signed_in.session_key != key
    assert not SessionStore().exists(key)
    Session.objects.filter(pk=before.pk).revoke(now=timezone.now())
    assert signed_in.is_signed_in()


class Guard:
    """A backend like that of django-axes: it counts passwords and has no `get_user`."""

    def authenticate(self, *_: object, **__: object) -> None:
        pass


def test_a_backend_without_get_user_does_not_block_sign_in(browser: Browser, jane: Person, settings: Any) -> None:
    guard = f"{__name__}.Guard"
    settings.AUTHENTICATION_BACKENDS = [guard, "django.contrib.auth.backends.ModelBackend"]
    assert browser.sign_in(jane).status_code == 200
    assert browser.is_signed_in()
    settings.AUTHENTICATION_BACKENDS = [guard]
    assert told(Browser().sign_in(jane)) == NOT_AUTHORIZED
    assert not browser.is_signed_in()


def test_the_session_cookie_is_host_only_and_hidden_from_scripts(browser: Browser, jane: Person) -> None:
    """R-76."""
    cookie = browser.sign_in(jane).cookies[django_settings.SESSION_COOKIE_NAME]
    assert cookie.key.startswith("__Host-")
    assert (cookie["secure"], cookie["httponly"], cookie["samesite"], cookie["domain"]) == (True, True, "Lax", "")
    assert cookie["max-age"] == 12 * 3600


def test_a_forged_django_session_that_names_a_row_is_not_accepted(signed_in: Browser, jane: Person) -> None:
    """The row must name the Django session too, so that writing its id into another session is not enough."""
    planted = SessionStore()
    planted.update(dict(SessionStore(signed_in.session_key).items()))
    planted.save()
    other = Browser()
    other.cookies[django_settings.SESSION_COOKIE_NAME] = planted.session_key
    assert not other.is_signed_in()


def test_a_django_session_of_the_project_is_not_ours(browser: Browser, jane: Person) -> None:
    browser.force_login(get_user_model().objects.get(pk=jane.account.user_id))
    assert told(browser.send("GET", "/auth/credentials")) == NOT_AUTHORIZED


def test_a_session_that_ends_while_it_is_opened_does_not_sign_in(jane: Person, rf: RequestFactory) -> None:
    sign_in(Client(), jane, loginCode=issue(jane.account.recipient))
    session = Session.objects.select_related("account__user").get()
    Session.objects.revoke(now=timezone.now())
    request = rf.post("/login/complete")
    request.session = SessionStore()
    with pytest.raises(NotAuthorized):
        open_browser_session(request, session)
    assert request.session.is_empty()


# Its end


def operator_ends(person: Person) -> None:
    end_session(only_session(), requester=SOMEWHERE, now=timezone.now())


def other_device_ends_all(person: Person) -> None:
    client = Client()
    token = sign_in(client, person, loginCode=issue(person.account.recipient))
    assert log_out(client, token, {"allSessions": True}).status_code == 200


ENDS: list[Callable[[Person], object]] = [
    operator_ends,
    other_device_ends_all,
    lambda person: type(person.account).objects.update(state=AccountState.DEACTIVATED),
    lambda person: Organization.objects.update(active=False),
    lambda person: Credential.objects.update(active=False),
    lambda person: get_user_model().objects.update(is_active=False),
    lambda person: Session.objects.update(last_seen_at=F("last_seen_at") - HOUR),
    lambda person: Session.objects.update(expires_at=F("expires_at") - 12 * HOUR),
    lambda person: SessionStore().delete(only_session().django_session_key),
]


@pytest.mark.parametrize("end", ENDS)
def test_every_ending_signs_the_browser_out_on_its_next_request(
    signed_in: Browser, jane: Person, end: Callable[[Person], object]
) -> None:
    """R-72, R-76."""
    end(jane)
    assert not signed_in.is_signed_in()
    assert told(signed_in.send("PUT", "/auth/logout", {})) == NOT_AUTHORIZED
    assert not signed_in.get("/").wsgi_request.user.is_authenticated  # on the project's own page


def test_a_session_that_ends_before_the_body_arrives_is_refused(signed_in: Browser, jane: Person) -> None:
    """R-123. The middleware has read the session before the body."""

    class Held(io.BytesIO):
        def read(self, *size: Any) -> bytes:
            operator_ends(jane)
            return super().read(*size)

    body = b'{"kind": "Key"}'
    given: dict[str, Any] = {"wsgi.input": Held(body), "HTTP_X_CSRFTOKEN": signed_in.csrf}
    refused = signed_in.generic("POST", "/auth/credentials/init", body, "application/json", **given)
    assert told(refused) == NOT_AUTHORIZED


def test_signing_out_ends_the_row_and_the_django_session(signed_in: Browser) -> None:
    key = signed_in.session_key
    answer = signed_in.send("PUT", "/auth/logout", {})
    assert answer.status_code == 200
    assert not answer.cookies[django_settings.SESSION_COOKIE_NAME].value
    assert only_session().revoked_at is not None
    assert not SessionStore().exists(key)
    assert AuditEvent.objects.filter(kind=AuditKind.SIGNED_OUT).count() == 1


def test_signing_out_everywhere_ends_all_sessions(signed_in: Browser, jane: Person) -> None:
    token = sign_in(Client(), jane, loginCode=issue(jane.account.recipient))
    assert signed_in.send("PUT", "/auth/logout", {"allSessions": True}).status_code == 200
    assert list_credentials(Client(), token).status_code == 401
    assert not signed_in.is_signed_in()


def test_the_logout_of_the_project_ends_the_row(signed_in: Browser, rf: RequestFactory) -> None:
    request = rf.get("/")
    request.session = SessionStore(signed_in.session_key)
    logout(request)
    assert only_session().revoked_at is not None
    assert AuditEvent.objects.filter(kind=AuditKind.SIGNED_OUT).count() == 1


def test_a_logout_form_of_the_project_signs_out(signed_in: Browser) -> None:
    assert signed_in.get("/logout/").status_code == 405
    assert signed_in.post("/logout/").status_code == 403
    assert signed_in.is_signed_in()
    answer = signed_in.post("/logout/", headers={"X-CSRFToken": signed_in.csrf})
    assert (answer.status_code, answer["Location"]) == (302, "/login/")
    assert not signed_in.is_signed_in()


def test_a_logout_of_another_user_ends_nothing(signed_in: Browser, rf: RequestFactory) -> None:
    request = rf.get("/")
    request.session = SessionStore()
    logout(request)
    assert signed_in.is_signed_in()


@pytest.mark.django_db(transaction=True)
def test_using_the_session_keeps_it_alive(signed_in: Browser) -> None:
    """R-73: it ends after an idle hour, but not if it was used in between."""
    Session.objects.update(last_seen_at=timezone.now() - timedelta(minutes=59))
    assert signed_in.is_signed_in()
    assert only_session().last_seen_at > timezone.now() - MINUTE
    Session.objects.update(last_seen_at=timezone.now() - HOUR - SECOND)
    assert not signed_in.is_signed_in()


@pytest.mark.django_db(transaction=True)
def test_ending_the_current_session_succeeds_with_session_save_every_request(browser: Browser, settings: Any) -> None:
    settings.SESSION_SAVE_EVERY_REQUEST = True
    keys = [SoftwareKey.make(kind=Kind.KEY) for _ in range(2)]
    kim = make_person(make_organization(), "kim@example.co", *keys)
    assert browser.complete(kim, open_login(browser, kim.names).json()).status_code == 200
    uuid = kim.account.credentials.get(credential_id=kim.key.credential_id).pk
    answer = browser.signed(kim, "PUT", "/auth/credentials/deactivate", {"credentialUuid": uuid})
    assert answer.status_code == 200
    assert not browser.is_signed_in()


# What it gives access to


def test_it_signs_user_actions(signed_in: Browser, jane: Person) -> None:
    body = {"credentialUuid": str(jane.account.credentials.get().pk), "credentialName": "Mine"}
    asked = {
        "userActionPayload": json.dumps(body),
        "userActionHttpMethod": "PUT",
        "userActionHttpPath": "/auth/credentials/rename",
    }
    challenge = signed_in.send("POST", "/auth/action/init", asked).json()
    assert challenge["allowCredentials"]["passwordProtectedKey"]  # the session was opened with a code (D-4)
    action = signed_in.send("POST", "/auth/action", login_body(challenge, jane.key)).json()["userAction"]
    renamed = signed_in.send("PUT", "/auth/credentials/rename", body, x_dfns_useraction=action)
    assert (renamed.status_code, renamed.json()["name"]) == (200, "Mine")


def test_a_browser_session_sees_only_its_own_organization(signed_in: Browser, jane: Person) -> None:
    other = make_person(make_organization(), "other@example.co", SoftwareKey.make(kind=Kind.KEY))
    listed = signed_in.send("GET", "/auth/credentials").json()["items"]
    assert [each["credentialUuid"] for each in listed] == [jane.account.credentials.get().pk]
    assert other.account.credentials.get().pk not in str(listed)


@pytest.mark.parametrize("purpose", [CodePurpose.REGISTRATION, CodePurpose.RECOVERY])
def test_a_code_of_another_purpose_does_not_start_a_sign_in(
    browser: Browser, jane: Person, purpose: CodePurpose
) -> None:
    code = issue(jane.account.recipient, purpose=purpose)
    assert told(open_login(browser, jane.names, loginCode=code)) == INVALID_CODE


def test_the_session_data_and_the_logs_contain_no_secret(signed_in: Browser, caplog: pytest.LogCaptureFixture) -> None:
    session = only_session()
    assert SessionStore(signed_in.session_key)[SESSION_KEY] == session.pk
    assert session.jti not in str(dict(SessionStore(signed_in.session_key).items()))
    assert signed_in.session_key not in caplog.text


def test_a_request_runs_few_queries(signed_in: Browser, django_assert_num_queries: Any) -> None:
    """The Django session, the user, our row (which the middleware has already read) and what the endpoint reads."""
    with django_assert_num_queries(3 + 1):
        assert signed_in.send("GET", "/auth/credentials").status_code == 200


def test_signing_in_again_ends_the_earlier_session(signed_in: Browser, jane: Person, kim: Person) -> None:
    """Otherwise it would stay in the owner's list until it idles, although no browser can use it."""
    first = only_session()
    assert signed_in.sign_in(jane).status_code == 200
    second = Session.objects.exclude(pk=first.pk).get()
    assert signed_in.complete(kim, open_login(signed_in, kim.names).json()).status_code == 200
    ended = Session.objects.filter(revoked_at__isnull=False).values_list("pk", flat=True)
    assert set(ended) == {first.pk, second.pk}


@pytest.mark.django_db(transaction=True)
def test_the_api_reports_an_unreachable_database(signed_in: Browser, jane: Person) -> None:
    def fail(*_: object) -> None:
        raise OperationalError

    with connection.execute_wrapper(fail):
        refused = ask_code(signed_in, jane.names)
        assert told(refused) == (503, "Service unavailable")
        assert signed_in.send("GET", "/auth/credentials").status_code in {401, 503}
    assert signed_in.is_signed_in()


def test_changing_the_password_renews_the_django_session(signed_in: Browser, jane: Person) -> None:
    """A copy of the old cookie stops working, as do the other sessions."""
    before = signed_in.session_key
    body = {"credentialUuid": str(jane.account.credentials.get().pk), "encryptedPrivateKey": opaque_envelope()}
    assert signed_in.signed(jane, "PUT", "/auth/credentials/key", body).status_code == 200
    assert signed_in.is_signed_in()
    assert signed_in.session_key != before
    thief = Browser()
    thief.cookies[django_settings.SESSION_COOKIE_NAME] = before
    assert not thief.is_signed_in()


def test_a_session_is_renewed_only_by_its_own_browser(signed_in: Browser, jane: Person, rf: RequestFactory) -> None:
    mine = only_session()
    sign_in(Client(), jane, loginCode=issue(jane.account.recipient))
    later = Session.objects.exclude(pk=mine.pk).get()
    before = signed_in.session_key
    request = rf.get("/")
    renew_browser_session(request, mine)  # a request that uses a token and has no Django session
    request.session = SessionStore(before)
    renew_browser_session(request, later)
    assert request.session.session_key == before
    renew_browser_session(request, mine)
    assert Session.objects.get(pk=mine.pk).django_session_key == request.session.session_key != before
