"""Content of the emails: subject, text and HTML, from templates that a project may override.

The templates are `dfns_login/email/{<purpose>_code,notice}.{subject.txt,txt,html}`. A
code appears in the body only (R-12). Nothing that a stranger typed appears
anywhere (R-113).
"""

from datetime import datetime
from typing import Any
from urllib.parse import quote, urlsplit

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.dateparse import parse_datetime
from django.utils.http import urlencode

from dfns_login.delivery.devices import device_name
from dfns_login.models import Account, AuditEvent, OneTimeCode
from dfns_login.paths import page_path
from dfns_login.proofs import lock_token
from dfns_login.requester import Requester
from dfns_login.settings import login_settings

SECONDS_PER_MINUTE = 60
MINUTES_PER_HOUR = 60
HEADERS = {"Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All"}
"""Prevent automatic replies (RFC 3834 §5)."""


def code_email(row: OneTimeCode, *, code: str, account: Account, now: datetime) -> EmailMultiAlternatives:
    """Compose the email of an open code, to the account's stored address, in the owner's language."""
    conf = login_settings()
    minutes = max(1, int((row.expires_at - now).total_seconds()) // SECONDS_PER_MINUTE)
    context = {
        "code": code,
        "minutes": minutes,
        "hours": (minutes + 1) // MINUTES_PER_HOUR,  # sent at once, it shows the full number of hours
        "expires_at": row.expires_at,
        "domain": urlsplit(conf.public_url).hostname,
        **_common(account),
    }
    with translation.override(language_of(row, account)):
        return _email(f"{row.purpose}_code", context, to=account.email)


def language_of(row: OneTimeCode, account: Account) -> str:
    """Return the language of a code's message.

    A stranger who asks for a code does not choose it: it is the language of the known device that asked, else the one
    in which the account was registered, else the project's.
    """
    return row.locale or account.locale or settings.LANGUAGE_CODE


def notice_email(event: AuditEvent, *, account: Account) -> EmailMultiAlternatives:
    """Compose the email that tells the owner about an event, and what to do if it wasn't them (R-82, R-130).

    device, network: where the owner's side acted; empty if an operator or a command did.
    """
    with translation.override(account.locale or settings.LANGUAGE_CODE):
        context = {
            "event": event,
            "device": "",
            "network": "",
            "lock_url": _lock_url(event),
            "until": parse_datetime(str(event.detail.get("until", ""))),
            "recoverable_from": parse_datetime(str(event.detail.get("recoverable_from", ""))),
            **_common(account),
        }
        if event.address and "operator" not in event.detail:
            requester = Requester(address=event.address, agent=event.agent)
            context |= {"device": device_name(requester.agent), "network": requester.network}
        return _email("notice", context, to=account.email)


def _lock_url(event: AuditEvent) -> str:
    """URL of the page that locks the account; empty if the event has no link or the project doesn't serve the pages.

    The token is in the query and not in the fragment, so that the page needs no script. Access logs may contain it: it
    locks one account, once.
    """
    token = lock_token(event)
    path = page_path("lock") if token else ""
    return f"{login_settings().public_url}{path}?{urlencode({'token': token})}" if path else ""


def _common(account: Account) -> dict[str, Any]:
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
    """URL of a page for this account; empty if the project doesn't serve the pages.

    The host comes from the settings, never from a request (R-112). The username is in the
    fragment, which browsers don't send, so it reaches no access log. No link contains a code (R-12).
    """
    path = page_path(name)
    query = urlencode({"organization": account.organization_id})
    return f"{login_settings().public_url}{path}?{query}#{quote(account.username, safe='')}" if path else ""


def _email(name: str, context: dict[str, Any], *, to: str) -> EmailMultiAlternatives:
    path = f"dfns_login/email/{name}"
    subject = " ".join(render_to_string(f"{path}.subject.txt", context).split())
    text = render_to_string(f"{path}.txt", context)
    html = render_to_string(f"{path}.html", context)
    sender = login_settings().from_email or None  # None: the project's default
    email = EmailMultiAlternatives(subject=subject, body=text, from_email=sender, to=[to], headers=HEADERS)
    email.attach_alternative(html, "text/html")
    return email
