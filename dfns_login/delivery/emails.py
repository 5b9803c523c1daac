"""The mails, of codes and of notices: subject, text and HTML from templates that a project may override.

`templates/dfns_login/mail/{<purpose>_code,notice}.{subject.txt,txt,html}`. A code
stands in the body only (R-12), and nothing that a stranger typed does
(R-113).
"""

from datetime import datetime
from typing import Any
from urllib.parse import quote, urlsplit

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.urls import NoReverseMatch, reverse
from django.utils import translation
from django.utils.http import urlencode

from dfns_login.models import Account, AuditEvent, OneTimeCode
from dfns_login.settings import login_settings

SECONDS_PER_MINUTE = 60
MINUTES_PER_HOUR = 60
HEADERS = {"Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All"}
"""RFC 3834 §5: no out-of-office answers."""


def code_mail(row: OneTimeCode, *, code: str, account: Account, now: datetime) -> EmailMultiAlternatives:
    """The mail for an open row, to the stored address of its account, in the locale of the request."""
    conf = login_settings()
    minutes = max(1, int((row.expires_at - now).total_seconds()) // SECONDS_PER_MINUTE)
    context = {
        "code": code,
        "minutes": minutes,
        "hours": (minutes + 1) // MINUTES_PER_HOUR,  # a mail that comes at once says all of the day
        "expires_at": row.expires_at,
        "domain": urlsplit(conf.public_url).hostname,
        **_about(account),
    }
    with translation.override(row.locale or settings.LANGUAGE_CODE):
        return _mail(f"{row.purpose}_code", context, to=account.email)


def notice_mail(event: AuditEvent, *, account: Account) -> EmailMultiAlternatives:
    """The mail that tells the account's owner of an event, and what to do if it was not them (R-82)."""
    context = {"event": event, **_about(account)}
    with translation.override(settings.LANGUAGE_CODE):
        return _mail("notice", context, to=account.email)


def _about(account: Account) -> dict[str, Any]:
    conf = login_settings()
    return {
        "account": account,
        "organization": account.organization,
        "rp_name": conf.rp_name,
        "public_url": conf.public_url,
        "register_url": _page("register", account=account),
        "recover_url": _page("recover", account=account) or conf.public_url,
    }


def _page(name: str, *, account: Account) -> str:
    """Link to a page of ours, for this account; empty where the project serves no pages.

    The host is that of the settings, never of a request (R-112). The username stands in the
    fragment, which no server is sent and so no access log keeps; a code stands in no link (R-12).
    """
    try:
        path = reverse(f"dfns_login:{name}")
    except NoReverseMatch:
        return ""
    query = urlencode({"organization": account.organization_id})
    return f"{login_settings().public_url}{path}?{query}#{quote(account.username, safe='')}"


def _mail(name: str, context: dict[str, Any], *, to: str) -> EmailMultiAlternatives:
    path = f"dfns_login/mail/{name}"
    subject = " ".join(render_to_string(f"{path}.subject.txt", context).split())
    text = render_to_string(f"{path}.txt", context)
    html = render_to_string(f"{path}.html", context)
    mail = EmailMultiAlternatives(subject=subject, body=text, to=[to], headers=HEADERS)
    mail.attach_alternative(html, "text/html")
    return mail
