"""The start page, the admin's sign-in with limits, and the development page of mails.

That page is there only with `DEBUG`, and only where mails are written to files.
"""

from django.conf import settings
from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import NoReverseMatch, reverse
from django.views.decorators.cache import never_cache

from dfns_login.errors import RateExceeded
from dfns_login.limits import CODE_RATES, count_requester
from dfns_login.requester import Requester
from project.mailbox import Mail, read_mails


def home(request: HttpRequest) -> HttpResponse:
    """Say what is served here."""
    try:
        mailbox_url = reverse("mailbox")
    except NoReverseMatch:
        mailbox_url = ""
    return render(request, "home.html", {"mailbox_url": mailbox_url})


@never_cache
def admin_login(request: HttpRequest) -> HttpResponse:
    """Django's own sign-in, at the rates of asking for a code: nobody tries passwords without end (CVE-2022-24857)."""
    if request.method == "POST":
        try:
            count_requester(CODE_RATES, requester=Requester.of(request), scope="admin")
        except RateExceeded as refusal:
            seconds = int(refusal.retry_after.total_seconds()) if refusal.retry_after else 60
            return HttpResponse(refusal.message, status=429, headers={"Retry-After": str(seconds)})
    return admin.site.login(request)


@never_cache
def mailbox(request: HttpRequest) -> HttpResponse:
    """Show every mail, the newest first."""
    mails = list(enumerate(_mails()))
    return render(request, "mailbox.html", {"mails": reversed(mails)})


@never_cache
def mail_as_html(_request: HttpRequest, number: int) -> HttpResponse:
    """Show one mail as a mail reader would, with no script and nothing loaded."""
    mails = _mails()
    if number >= len(mails) or not mails[number].html:
        raise Http404
    policy = "default-src 'none'; style-src 'unsafe-inline'; sandbox"  # mail has inline styles
    return HttpResponse(mails[number].html, headers={"Content-Security-Policy": policy})


def _mails() -> list[Mail]:
    return read_mails(settings.MAIL_FOLDER) if settings.MAIL_FOLDER else []
