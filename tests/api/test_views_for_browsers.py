"""A project's own REST framework views, for tokens and for browsers that signed in on our pages."""

import json
from io import BytesIO

import pytest
from django.contrib.auth import get_user_model
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.urls import include, path
from rest_framework.authentication import SessionAuthentication
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from dfns_login.api.authentication import BrowserSessionAuthentication, SessionTokenAuthentication
from dfns_login.api.envelope import RefusedRequest
from dfns_login.api.signed_requests import user_action_required
from dfns_login.models import Session
from tests.support.api_browser import Browser
from tests.support.api_client import told
from tests.support.factories import Person
from tests.support.signed_in import signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]

CSRF = (403, "CSRF verification failed.")
BODY = {"amount": 1}


class Disconnected(BytesIO):
    """The body of a client that went away."""

    def read(self, *_: object) -> bytes:
        raise OSError


class Wallets(APIView):
    """A view of an integrator. The last class authenticates another login of the project."""

    authentication_classes = (SessionTokenAuthentication, BrowserSessionAuthentication, SessionAuthentication)
    permission_classes = (IsAuthenticated,)

    def get(self, request: Request) -> Response:
        return Response({"user": request.user.pk, "organization": self.organization(request)})

    def put(self, request: Request) -> Response:
        return self.get(request)

    @user_action_required
    def post(self, request: Request) -> Response:
        return self.get(request)

    def organization(self, request: Request) -> str | None:
        return request.auth.account.organization_id if isinstance(request.auth, Session) else None


urlpatterns = [path("", include("dfns_login.urls")), path("wallets", Wallets.as_view())]


@pytest.fixture
def browser(jane: Person) -> Browser:
    """Jane's browser, signed in."""
    browser = Browser()
    assert browser.sign_in(jane).status_code == 200
    return browser


def seen(answer: HttpResponse) -> tuple[object, object]:
    assert answer.status_code == 200, answer.content
    body = json.loads(answer.content)
    return body["user"], body["organization"]


def test_browsers_and_tokens_are_accepted(client: Client, browser: Browser, jane: Person) -> None:
    mine = (jane.account.user_id, jane.account.organization_id)
    token = signed_in(client, jane)
    assert seen(browser.send("GET", "/wallets", x_csrftoken="")) == mine
    assert seen(browser.send("PUT", "/wallets")) == mine
    assert seen(browser.signed(jane, "POST", "/wallets", BODY)) == mine
    assert seen(token.call("PUT", "/wallets")) == mine
    assert seen(token.signed("POST", "/wallets", BODY)) == mine


def test_requests_authenticate_without_a_view(client: Client, browser: Browser, jane: Person) -> None:
    """A project may authenticate in a middleware. What is refused is refused there too."""
    token = signed_in(client, jane).token
    plain = RequestFactory().get("/", headers={"authorization": f"Bearer {token}"})
    user, session = SessionTokenAuthentication().authenticate(Request(plain))
    assert (user, session.account) == (jane.account.user, jane.account)
    cut_short = {"wsgi.input": Disconnected(), "HTTP_AUTHORIZATION": f"Bearer {token}"}
    plain = RequestFactory().generic("PUT", "/", b"{}", **cut_short)
    with pytest.raises(RefusedRequest):
        SessionTokenAuthentication().authenticate(Request(plain))


def test_a_page_of_another_site_is_refused(browser: Browser) -> None:
    """R-95: with the error envelope, although the view is the project's."""
    for headers in ({"x_csrftoken": ""}, {"origin": "https://evil.example"}):
        for method in ("PUT", "POST"):
            assert told(browser.send(method, "/wallets", BODY, **headers)) == CSRF


def test_signing_in_does_not_replace_a_user_action(browser: Browser) -> None:
    """R-84."""
    refused = browser.send("POST", "/wallets", BODY)
    assert told(refused) == (403, "user action signature is missing or invalid")


def test_another_login_of_the_project_is_left_to_the_next_class(jane: Person) -> None:
    browser = Browser()
    browser.force_login(get_user_model().objects.get(pk=jane.account.user_id))
    assert seen(browser.send("GET", "/wallets")) == (jane.account.user_id, None)
    assert told(browser.send("POST", "/wallets", BODY)) == (
        401,
        "Not Authorized.",
    )  # without one of our sessions, nobody can sign
    assert Browser().send("GET", "/wallets").status_code == 401


def test_a_browser_whose_session_ended_is_refused(browser: Browser) -> None:
    Session.objects.all().delete()
    assert browser.send("GET", "/wallets").status_code == 401
