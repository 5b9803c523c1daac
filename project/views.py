"""The start page, the admin's rate-limited sign-in, and the page of sent emails.

The page of emails exists only with `DEBUG`, if emails are written to files.
"""

from django.conf import settings
from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import NoReverseMatch, reverse
from django.views.decorators.cache import never_cache

from dfns_login.errors import RateExceeded
from dfns_login.limits import CODE_RATES, count_request
from dfns_login.requester import Requester
from project.mailbox import Email, read_emails


def home(request: HttpRequest) -> HttpResponse:
    """Link to the pages of the project."""
    try:
        mailbox_url = reverse("mailbox")
    except NoReverseMatch:
        mailbox_url = ""
    return render(request, "home.html", {"mailbox_url": mailbox_url})


@never_cache
def admin_login(request: HttpRequest) -> HttpResponse:
    """Django's own sign-in, with the rates of requests for a code (CVE-2022-24857)."""
    if request.method == "POST":
        try:
            count_request(CODE_RATES, requester=Requester.of(request), scope="admin")
        except RateExceeded as refusal:
            seconds = int(refusal.retry_after.total_seconds()) if refusal.retry_after else 60
            return HttpResponse(refusal.message, status=429, headers={"Retry-After": str(seconds)})
    return admin.site.login(request)


@never_cache
def mailbox(request: HttpRequest) -> HttpResponse:
    """Show every email, newest first."""
    mails = list(enumerate(_mails()))
    return render(request, "mailbox.html", {"mails": reversed(mails)})


@never_cache
def mail_as_html(_request: HttpRequest, number: int) -> HttpResponse:
    """Show one email in HTML, without scripts and without loading anything."""
    mails = _mails()
    if number >= len(mails) or not mails[number].html:
        raise Http404
    policy = "default-src 'none'; style-src 'unsafe-inline'; sandbox"  # emails have inline styles
    return HttpResponse(mails[number].html, headers={"Content-Security-Policy": policy})


def _mails() -> list[Email]:
    return read_emails(settings.MAIL_FOLDER) if settings.MAIL_FOLDER else []
