"""The start page, the admin's rate-limited sign-in, and the pages of sent emails.

The pages of emails exist only with `DEBUG`, if emails are written to files.
"""

from dataclasses import replace
from datetime import timedelta
from http import HTTPStatus

from django.conf import settings
from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.clickjacking import xframe_options_sameorigin

from dfns_login.browsers import known_device, remember_device
from dfns_login.error_handlers import too_many_requests
from dfns_login.errors import RateExceeded
from dfns_login.limits import CODE_RATES, count_request
from dfns_login.requester import Requester
from dfns_login.settings import login_settings
from dfns_login.usernames import Recipient, canonical_username
from project.mailbox import Email, read_emails


@never_cache
def home(request: HttpRequest) -> HttpResponse:
    """Link to the pages of the project."""
    try:
        mailbox_url = reverse("mailbox")
    except NoReverseMatch:
        mailbox_url = ""
    return render(request, "home.html", {"mailbox_url": mailbox_url, "rp_name": login_settings().rp_name})


@never_cache
def admin_login(request: HttpRequest) -> HttpResponse:
    """Django's own sign-in, with the rates of requests for a code, by address and by name (CVE-2022-24857).

    A browser that has signed in with this name before has rates of its own, so that a stranger cannot lock its
    owner out.
    """
    if request.method != "POST":
        return admin.site.login(request)
    operator = _operator(request.POST.get("username", ""))
    now = timezone.now()  # once the form is there
    device = known_device(request, recipient=operator, now=now)
    requester = replace(Requester.of(request), device=device)
    try:
        count_request(CODE_RATES, requester=requester, recipient=operator, scope="admin")
    except RateExceeded as refusal:
        return too_many_requests(request, retry_after=refusal.retry_after or timedelta(minutes=1))
    response = admin.site.login(request)
    # Otherwise the form is shown again. Being signed in says nothing: another user may have signed in before.
    if response.status_code == HTTPStatus.FOUND:
        remember_device(request, response, recipient=operator, now=now)
    return response


def _operator(username: str) -> Recipient:
    """Return the name as rates count it. No organization has the id `admin`."""
    try:
        canonical = canonical_username(username)
    except ValueError:
        canonical = ""
    return Recipient(organization="admin", username=canonical)


@never_cache
def mailbox(request: HttpRequest, number: int | None = None, *, plain: bool = False) -> HttpResponse:
    """List every email, newest first, and show one of them: the newest, unless another is asked for."""
    mails = list(enumerate(_mails()))
    shown = number if number is not None else len(mails) - 1
    if number is not None and number >= len(mails):
        raise Http404
    context = {"mails": mails[::-1], "shown": shown, "plain": plain, "is_newest": number is None}
    return render(request, "mailbox.html", {**context, "rp_name": login_settings().rp_name})


@never_cache
@xframe_options_sameorigin
def mail_as_html(_request: HttpRequest, number: int) -> HttpResponse:
    """Show one email in HTML, without scripts and without loading anything. Its links leave the frame."""
    mails = _mails()
    if number >= len(mails) or not mails[number].html:
        raise Http404
    html = mails[number].html.replace("<head>", '<head><base target="_top">', 1)
    sandbox = "sandbox allow-top-navigation-by-user-activation"
    policy = f"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; {sandbox}"  # styles are inline
    return HttpResponse(html, headers={"Content-Security-Policy": policy})


def _mails() -> list[Email]:
    """Return every email, oldest first. Each worker writes a file of its own, so their order says nothing."""
    found = read_emails(settings.MAIL_FOLDER) if settings.MAIL_FOLDER else []
    return sorted(found, key=lambda mail: mail.sent_at)
