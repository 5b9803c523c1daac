"""R-151: the functions of `dfns_login.accounts`, as a project's own code calls them."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.core.mail import EmailMultiAlternatives
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.utils import timezone
from rest_framework.request import Request

import dfns_login
from dfns_login.accounts import (
    BodyRefused,
    UserExists,
    create_organization,
    enroll,
    enroll_each,
    invite,
    organization_of,
    session_of,
)
from dfns_login.api.envelope import HEADERS
from dfns_login.decorators import recently_signed_in
from dfns_login.models import Account, OneTimeCode, Organization, Session
from dfns_login.signals import account_invited
from dfns_login.testing import api_client_for, last_code, login_as
from tests.support.factories import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme() -> Organization:
    return create_organization("Acme")


@pytest.fixture
def jane() -> AbstractBaseUser:
    return make_user("jane@example.co")


def test_the_version_is_that_of_the_package() -> None:
    assert dfns_login.__version__[0].isdigit()


def test_inviting_sends_a_code(acme: Organization, mailoutbox: list[EmailMultiAlternatives]) -> None:
    assert invite("lee@example.co").organization == acme
    assert last_code("lee@example.co") in mailoutbox[0].body


def test_several_organizations_have_to_be_named(acme: Organization) -> None:
    other = create_organization("Other")
    with pytest.raises(BodyRefused) as refused:
        invite("lee@example.co")
    assert refused.value.details == {"organization": ["Name the organization: there are several active ones, or none."]}
    assert invite("lee@example.co", organization=other).organization == other


def test_a_refused_invitation_says_why(acme: Organization) -> None:
    with pytest.raises(BodyRefused) as refused:
        invite("no address")
    assert refused.value.details == {"email": ["Enter a valid email address."]}


def test_enrolling_links_the_user(acme: Organization, jane: AbstractBaseUser) -> None:
    account = enroll(jane)
    assert (account.email, account.user, account.state) == ("jane@example.co", jane, "invited")
    assert enroll(jane) == account
    assert OneTimeCode.objects.get().recipient == "jane@example.co"


def test_one_user_who_cannot_be_enrolled_stops_no_other(acme: Organization, jane: AbstractBaseUser) -> None:
    same = get_user_model().objects.create(username="second", email="JANE@example.co")
    nameless = get_user_model().objects.create(username="nameless", email="")
    inactive = get_user_model().objects.create(username="x", email="x@example.co", is_active=False)
    lee = make_user("lee@example.co")
    done = list(enroll_each([jane, same, nameless, inactive, lee]))
    assert [each.account and each.account.email for each in done] == ["jane@example.co", None, None, None, lee.email]
    assert [each.invited for each in done] == [True, False, False, False, True]
    again = next(enroll_each([jane]))
    assert (again.account, again.invited, again.problem) == (done[0].account, False, "")
    assert OneTimeCode.objects.count() == 2
    assert [each.problem for each in done] == [
        "",
        "The account is already invited, and is not linked to this user.",
        "The user has no email address.",
        "The user is not active.",
        "",
    ]


def test_a_registered_person_is_not_invited_again(acme: Organization, jane: AbstractBaseUser) -> None:
    api_client_for(jane)
    with pytest.raises(UserExists):
        invite("jane@example.co")
    assert enroll(jane).state == "registered"


def test_a_users_accounts_are_at_hand(acme: Organization, jane: AbstractBaseUser) -> None:
    enroll(jane)
    enroll(jane, organization=create_organization("Other"))
    accounts: Any = jane
    assert accounts.dfns_accounts.count() == 2


def test_a_typed_receiver_is_called_as_others_are(acme: Organization, django_capture_on_commit_callbacks: Any) -> None:
    heard: list[Account | None] = []

    @account_invited.receiver
    def hear(sender: Any, *, account: Account | None, **kwargs: Any) -> None:
        heard.append(account)

    try:
        with django_capture_on_commit_callbacks(execute=True):
            invited = invite("lee@example.co")
    finally:
        account_invited.disconnect(hear)
    assert heard == [invited]


# The session and the organization of a request


def request_of(client: Client, **headers: str) -> HttpRequest:
    """The request that a view of the project would get."""
    caught: list[HttpRequest] = []
    handler = client.handler
    original = handler.get_response

    def catch(request: Any) -> HttpResponse:
        caught.append(request)
        answer: HttpResponse = original(request)
        return answer

    handler.get_response = catch  # type: ignore[method-assign]
    try:
        client.get("/login/", headers=headers)
    finally:
        handler.get_response = original  # type: ignore[method-assign]
    return caught[0]


def test_the_session_of_a_browser(client: Client, jane: AbstractBaseUser) -> None:
    assert session_of(request_of(client)) is None
    session = login_as(client, jane)
    assert session_of(request_of(client)) == session
    Session.objects.all().delete()
    assert session_of(request_of(client)) is None


def test_the_session_of_a_token(client: Client, jane: AbstractBaseUser) -> None:
    api = api_client_for(jane)
    request = request_of(client, Authorization=f"Bearer {api.token}")
    assert session_of(request) == api.login_session
    for token in ("", "x", api.token[:-2]):
        assert session_of(request_of(client, Authorization=f"Bearer {token}")) is None


def test_a_bad_token_is_not_replaced_by_a_cookie(client: Client, jane: AbstractBaseUser) -> None:
    login_as(client, jane)
    assert session_of(request_of(client, Authorization="Bearer x")) is None


def test_a_token_of_somebody_else_is_not_the_session_of_a_browser(client: Client, jane: AbstractBaseUser) -> None:
    """The view acts for `request.user`, who is the browser's."""
    fresh = api_client_for(make_user("mallory@example.co")).token
    for sign_in in (login_as, Client.force_login):
        sign_in(client, jane)
        assert session_of(request_of(client, Authorization=f"Bearer {fresh}")) is None
    mine = api_client_for(jane)
    assert session_of(request_of(client, Authorization=f"Bearer {mine.token}")) == mine.login_session


@pytest.mark.parametrize("other", ["Token 0123", "Basic eDp5", "bob"])
def test_other_credentials_in_the_header_are_not_the_session_of_a_browser(
    client: Client, jane: AbstractBaseUser, other: str
) -> None:
    """REST framework may authenticate somebody else by them."""
    login_as(client, jane)
    assert session_of(request_of(client, Authorization=other)) is None


def test_the_session_that_rest_framework_authenticated_is_the_one(client: Client, jane: AbstractBaseUser) -> None:
    browsers = login_as(client, jane)
    request = Request(request_of(client, Authorization=f"Bearer {api_client_for(jane).token}"))
    request.auth = browsers
    assert session_of(request) == browsers


def by_host(request: HttpRequest) -> str:
    return {"acme.example": "or-acme", "gone.example": "or-gone"}.get(request.get_host(), "")


def test_a_host_may_name_the_organization(settings: Any, client: Client) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    Organization.objects.create(pk="or-other", name="Other")
    acme = Organization.objects.create(pk="or-acme", name="Acme Corp")
    Organization.objects.create(pk="or-gone", name="Gone", active=False)
    settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, "ORGANIZATION_FOR_REQUEST": f"{__name__}.by_host"}
    assert organization_of(RequestFactory().get("/", headers={"host": "acme.example"})) == acme
    for host in ("gone.example", "unknown.example"):
        assert organization_of(RequestFactory().get("/", headers={"host": host})) is None
    for path in ("/login/", "/register/", "/recover/"):
        assert b"Acme Corp" in client.get(path, headers={"host": "acme.example"}).content
        assert b"Acme Corp" not in client.get(path, headers={"host": "unknown.example"}).content


def test_the_settings_name_the_organization_of_other_hosts(settings: Any, acme: Organization) -> None:
    Organization.objects.create(name="Other")
    hook = f"{__name__}.by_host"
    settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, "ORGANIZATION_FOR_REQUEST": hook, "ORGANIZATION": acme.pk}
    assert organization_of(RequestFactory().get("/")) == acme


# A recent sign-in


@recently_signed_in(within=timedelta(minutes=5))
def payout(request: HttpRequest) -> HttpResponse:
    return HttpResponse("paid")


@pytest.fixture
def again(client: Client, jane: AbstractBaseUser) -> HttpRequest:
    """A browser's request to a view, five minutes and a second after the sign-in."""
    session = login_as(client, jane)
    Session.objects.filter(pk=session.pk).update(issued_at=timezone.now() - timedelta(minutes=5, seconds=1))
    request = request_of(client)
    request.path = "/payout"
    request.META["HTTP_ACCEPT"] = "text/html"
    return request


def test_a_recent_sign_in_is_let_through(client: Client, jane: AbstractBaseUser) -> None:
    login_as(client, jane)
    assert payout(request_of(client)).status_code == 200


def test_somebody_elses_recent_sign_in_does_not_count(again: HttpRequest) -> None:
    fresh = api_client_for(make_user("mallory@example.co")).token
    again.META["HTTP_AUTHORIZATION"] = f"Bearer {fresh}"
    vars(again).pop("headers", None)  # may be cached
    assert payout(again).status_code == 403


@pytest.mark.urls("tests.support.urls_without_pages")
def test_without_pages_an_earlier_sign_in_is_refused(client: Client, jane: AbstractBaseUser) -> None:
    request = RequestFactory().get("/payout", headers={"Accept": "text/html"})
    request.session, request.user = client.session, jane
    assert payout(request).status_code == 403


def test_an_earlier_sign_in_leads_to_the_sign_in_page_and_back(
    client: Client, again: HttpRequest, jane: AbstractBaseUser
) -> None:
    """The sign-in page otherwise leads a signed-in person on: a loop."""
    refused = payout(again)
    assert refused["Location"] == "/login/?next=%2Fpayout&again=1"
    assert client.get(refused["Location"]).status_code == 200
    assert client.get("/login/?next=/payout")["Location"] == "/payout"
    login_as(client, jane)
    assert payout(request_of(client)).status_code == 200


def test_nobody_is_led_to_the_sign_in_page(client: Client) -> None:
    request = request_of(client, accept="text/html")
    assert payout(request)["Location"] == "/login/?next=%2Flogin%2F&again=1"


def test_a_script_is_told_to_sign_in_again(again: HttpRequest) -> None:
    again.META["HTTP_ACCEPT"] = "application/json"
    again.__dict__.pop("headers", None)
    refused: Any = payout(again)
    assert refused.status_code == 403
    assert b'"code": "sign_in_again"' in refused.content
    assert HEADERS.items() <= refused.headers.items()


def test_a_token_is_told_to_sign_in_again(client: Client, jane: AbstractBaseUser) -> None:
    api = api_client_for(jane)
    headers = {"Authorization": f"Bearer {api.token}", "accept": "text/html"}
    assert payout(request_of(client, **headers)).status_code == 200
    Session.objects.update(issued_at=timezone.now() - timedelta(minutes=6))
    assert payout(request_of(client, **headers)).status_code == 403
