"""Content of the emails: subject, text and HTML, from templates that a project may override.

The templates are `dfns_login/email/{<purpose>_code,notice}.{subject.txt,txt,html}`. A
code appears in the body only (R-12). Nothing that a stranger typed appears
anywhere (R-113).
"""

import re
from datetime import datetime
from functools import partial
from typing import Any, Final
from urllib.parse import quote, urlsplit

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.dateparse import parse_datetime
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from dfns_login.delivery.devices import device_name, known_device_name
from dfns_login.delivery.notice_texts import CREDENTIAL_NAMES, notice_text, shown_time
from dfns_login.models import Account, AuditEvent, AuditKind, CodePurpose, Credential, CredentialKind, OneTimeCode
from dfns_login.organizations import public_url_of
from dfns_login.paths import page_path
from dfns_login.proofs import lock_token
from dfns_login.requester import Requester
from dfns_login.settings import login_settings

SECONDS_PER_MINUTE = 60
MINUTES_PER_HOUR = 60
HEADERS = {"Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All"}
"""Prevent automatic replies (RFC 3834 §5)."""
PREVIEW_PADDING: Final = SafeString(("&#847;&zwnj;&nbsp;" * 10 + "\n") * 5)
"""Fills the preview in a list of emails, so that it doesn't continue with the code. It is invisible."""
NAME_LENGTH: Final = 40
LINK_LIKE: Final = re.compile(r"://|@|[\w-][.\u3002\uff0e\uff61][^\W\d_]{2}|www\.|\d\.\d+\.\d", re.IGNORECASE)
"""What mail programs turn into a link. The person who named the credential may not be the owner."""


class _Hidden(str):
    """Text whose `repr` hides it: Django logs the whole context if a template names a missing variable."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'[hidden]'"


def code_email(row: OneTimeCode, *, code: str, account: Account, now: datetime) -> EmailMultiAlternatives:
    """Compose the email of an open code, to the account's stored address, in the owner's language."""
    minutes = max(1, round((row.expires_at - now).total_seconds() / SECONDS_PER_MINUTE))
    context = {
        "code": _Hidden(code),
        "minutes": minutes,
        "hours": (minutes + 1) // MINUTES_PER_HOUR,  # sent at once, it shows the full number of hours
        "expires_at": row.expires_at,
        "domain": urlsplit(public_url_of(account.organization)).hostname,
    }
    with translation.override(language_of(row, account)):
        context["details"] = ((_("Organization ID:"), account.organization_id), (_("Username:"), account.username))
        context["device"] = _device_of(row)
        return _email(f"{row.purpose}_code", context, account=account)


def _device_of(row: OneTimeCode) -> str:
    """Return the name of the device that requested the code; empty if it isn't known.

    The row keeps the first request's. An invitation's is the operator's, which the invited needn't know.
    """
    is_first = row.asked_at == row.issued_at
    return known_device_name(row.agent) if is_first and row.purpose != CodePurpose.REGISTRATION else ""


def language_of(row: OneTimeCode, account: Account) -> str:
    """Return the language of a code's message.

    A stranger who asks for a code does not choose it: it is the language of the known device that asked, else the one
    in which the account was registered, else the project's.
    """
    return row.locale or account.locale or settings.LANGUAGE_CODE


def notice_email(
    event: AuditEvent, *, account: Account, credential: Credential | None = None
) -> EmailMultiAlternatives:
    """Compose the email that tells the owner about an event, and what to do if it wasn't them (R-82, R-130).

    credential: the one that the event is about.
    """
    kind = str(event.detail.get("kind", "")) or (credential.kind if credential else CredentialKind.KEY)
    with translation.override(account.locale or settings.LANGUAGE_CODE):
        notice = notice_text(event, credential_kind=kind)
        device, network = ("", "") if notice.by_operator else _origin(event)
        context = {
            "event": event,
            "notice": notice,
            "credential": credential,
            "device": device,
            "network": network,
            "details": _details(event, account=account, credential=credential, device=device, network=network),
            "lock_url": _Hidden(_lock_url(event, account=account)),
            "secure_url": _secure_url(account),
            "until": parse_datetime(str(event.detail.get("until", ""))),
            "recoverable_from": parse_datetime(str(event.detail.get("recoverable_from", ""))),
        }
        return _email("notice", context, account=account)


def _origin(event: AuditEvent) -> tuple[str, str]:
    """Return where the owner's side acted: the device's name and the network; empty if a command did."""
    if not event.address:
        return "", ""
    requester = Requester(address=event.address, agent=event.agent)
    return device_name(requester.agent), requester.network


def _details(
    event: AuditEvent, *, account: Account, credential: Credential | None, device: str, network: str
) -> list[tuple[str, str]]:
    """Return the rows below a notice's text: each a label and a value. Empty values are left out.

    The account is named if its username is not the address that the email goes to.
    """
    kind = CREDENTIAL_NAMES[credential.kind] if credential else ""
    name = _shown_name(credential.name) if credential and credential.name != kind else ""
    rows = (
        (_("When:"), shown_time(event.at)),
        (_("Device:"), device),
        (_("IP network:"), network),
        (_("Sign-in method:"), kind if event.kind == AuditKind.SIGNED_IN else ""),
        (_("Name:"), name),
        (_("Account:"), account.username if account.username != account.email.lower() else ""),
    )
    return [(label, str(value)) for label, value in rows if value]


def _shown_name(name: str) -> str:
    """Return a credential's name for an email; empty if mail programs would make a link of it."""
    if LINK_LIKE.search(name):
        return ""
    return name if len(name) <= NAME_LENGTH else f"{name[:NAME_LENGTH]}…"


def _lock_url(event: AuditEvent, *, account: Account) -> str:
    """URL of the page that locks the account; empty if the event has no link or the project doesn't serve the pages.

    The token is in the query and not in the fragment, so that the page needs no script. Access logs may contain it: it
    locks one account, once.
    """
    token = lock_token(event)
    path = page_path("lock") if token else ""
    return f"{public_url_of(account.organization)}{path}?{urlencode({'token': token})}" if path else ""


def _secure_url(account: Account) -> str:
    """URL of the page that secures the account, by way of the sign-in; empty if the project doesn't serve the pages."""
    path = page_path("secure")
    return page_url("sign-in", account=account, next=path) if path else ""


def _common(account: Account) -> dict[str, Any]:
    """Return the context of every email, in the active language.

    register_url, recover_url: callables, so that only the emails that have these links look them up.
    start, end: the sides where lines begin and end, because mail programs don't know logical properties.
    """
    conf, public_url = login_settings(), public_url_of(account.organization)
    is_rtl = translation.get_language_bidi()
    return {
        "account": account,
        "organization": account.organization,
        "rp_name": conf.rp_name,
        "public_url": public_url,
        "register_url": partial(page_url, "register", account=account),
        "recover_url": lambda: page_url("recover", account=account) or public_url,
        "support_email": conf.support_email,
        "logo_url": conf.email_logo_url,
        "preview_padding": PREVIEW_PADDING,
        "colors": conf.email_colors,
        "language": translation.get_language(),
        "dir": "rtl" if is_rtl else "ltr",
        "start": "right" if is_rtl else "left",
        "end": "left" if is_rtl else "right",
    }


def page_url(name: str, *, account: Account, **query: str) -> str:
    """URL of a page for this account; empty if the project doesn't serve the pages.

    The host comes from the settings, never from a request (R-112). The username is in the
    fragment, which browsers don't send, so it reaches no access log. No link contains a code (R-12).
    """
    path = page_path(name)
    if not path:
        return ""
    parameters = urlencode({"organization": account.organization_id, **query})
    return f"{public_url_of(account.organization)}{path}?{parameters}#{quote(account.username, safe='')}"


def _email(name: str, context: dict[str, Any], *, account: Account) -> EmailMultiAlternatives:
    path = f"dfns_login/email/{name}"
    context |= _common(account)
    context["subject"] = subject = " ".join(render_to_string(f"{path}.subject.txt", context).split())
    text = render_to_string(f"{path}.txt", context)
    html = render_to_string(f"{path}.html", context)
    sender = login_settings().from_email or None  # None: the project's default
    email = EmailMultiAlternatives(subject=subject, body=text, from_email=sender, to=[account.email], headers=HEADERS)
    email.attach_alternative(html, "text/html")
    return email
