"""The mails that carry a code: subject, text and HTML from templates that a project may override.

`templates/dfns_login/mail/<purpose>_code.{subject.txt,txt,html}`. The code
stands in the body only (SECURITY R-12), and nothing that a stranger typed does
(R-113).
"""

from datetime import datetime
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.utils import translation

from dfns_login.conf import login_settings
from dfns_login.models import Account, OneTimeCode

SECONDS_PER_MINUTE = 60
HEADERS = {"Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All"}
"""RFC 3834 §5: no out-of-office answers."""


def code_mail(row: OneTimeCode, *, code: str, account: Account, now: datetime) -> EmailMultiAlternatives:
    """The mail for an open row, to the stored address of its account, in the locale of the request."""
    conf = login_settings()
    minutes = max(1, int((row.expires_at - now).total_seconds()) // SECONDS_PER_MINUTE)
    context = {
        "code": code,
        "minutes": minutes,
        "hours": minutes // SECONDS_PER_MINUTE,
        "expires_at": row.expires_at,
        "account": account,
        "organization": account.organization,
        "rp_name": conf.rp_name,
        "public_url": conf.public_url,
        "domain": urlsplit(conf.public_url).hostname,
    }
    with translation.override(row.locale or settings.LANGUAGE_CODE):
        name = f"dfns_login/mail/{row.purpose}_code"
        subject = " ".join(render_to_string(f"{name}.subject.txt", context).split())
        text = render_to_string(f"{name}.txt", context)
        html = render_to_string(f"{name}.html", context)
    mail = EmailMultiAlternatives(subject=subject, body=text, to=[account.email], headers=HEADERS)
    mail.attach_alternative(html, "text/html")
    return mail
