"""Links in emails: on our own host, without a code, and with the username where no server logs it."""

import re
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from dfns_login.delivery.emails import code_email, notice_email
from dfns_login.models import Account, AccountState, AuditEvent, AuditKind, CodePurpose, OneTimeCode
from tests.support.clock import NOW
from tests.support.factories import issue, make_account, make_organization

pytestmark = pytest.mark.django_db
EMAIL = "lee+a&b#c@example.co"
LINK = re.compile(r"http[^\s\"<]+")


@pytest.fixture
def lee() -> Account:
    return make_account(make_organization(), EMAIL, state=AccountState.INVITED)


def invitation(account: Account) -> tuple[str, str, str]:
    """Return the invitation's code, text and HTML."""
    code = issue(account.recipient, purpose=CodePurpose.REGISTRATION)
    mail = code_email(OneTimeCode.objects.get(), code=code, account=account, now=NOW)
    return code, str(mail.body), str(mail.alternatives[0][0])


def test_the_invitation_links_to_the_registration_page(lee: Account) -> None:
    """R-12, R-112."""
    code, text, html = invitation(lee)
    (link,) = LINK.findall(text)
    assert link.replace("&", "&amp;") in html
    parts = urlsplit(link)
    assert (parts.scheme, parts.netloc, parts.path) == ("http", "localhost:8000", "/register/")
    assert parse_qs(parts.query) == {"organization": [lee.organization_id]}
    assert unquote(parts.fragment) == EMAIL
    assert code not in link


def test_a_notice_links_to_the_pages_for_recovering_and_securing_the_account(lee: Account) -> None:
    event = AuditEvent(kind=AuditKind.CREDENTIAL_CREATED, account=lee, organization=lee.organization, at=NOW)
    _lock, link, secure = LINK.findall(str(notice_email(event, account=lee).body))
    mine = f"organization={lee.organization_id}"
    assert link.startswith(f"http://localhost:8000/recover/?{mine}#")
    assert secure.startswith(f"http://localhost:8000/login/?{mine}&next=%2Faccount%2Fsecure%2F#")


def test_links_use_the_host_in_the_settings(lee: Account, settings: Any) -> None:
    settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, "PUBLIC_URL": "https://login.example.com"}
    assert "https://login.example.com/register/" in invitation(lee)[1]


def test_without_pages_emails_do_not_link_to_them(lee: Account, settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.support.urls_without_pages"
    _, text, html = invitation(lee)
    assert not LINK.search(text)
    assert "register/" not in html
    event = AuditEvent(kind=AuditKind.CREDENTIAL_CREATED, account=lee, organization=lee.organization, at=NOW)
    assert LINK.findall(str(notice_email(event, account=lee).body)) == ["http://localhost:8000"]
