"""What every email looks like to mail programs: rules of the HTML, its size, both directions, and own templates."""

import logging
import re
from collections.abc import Iterator
from email import message_from_bytes, policy
from html.parser import HTMLParser
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.mail import EmailMultiAlternatives

from dfns_login.ceremonies.notices import notify_owner
from dfns_login.delivery import has_notice, sample_emails
from dfns_login.delivery.codes import RECIPIENT_STATES
from dfns_login.delivery.emails import code_email, notice_email
from dfns_login.delivery.notice_texts import FIXED, VARIED
from dfns_login.delivery.samples import AGENT, NOTICES
from dfns_login.models import Account, AuditEvent, AuditKind, Credential, CredentialKind, OneTimeCode, Organization
from dfns_login.settings.fields import DEFAULT_EMAIL_COLORS
from tests.support.clock import HOUR, NOW, SECOND

MOST_BYTES = 20_000
ALLOWED = frozenset(
    {"a", "body", "br", "div", "h1", "head", "html", "img", "meta", "p", "span", "style", "table", "td", "title", "tr"}
)
"""No list, section or other element that programs style in their own way, and nothing that runs or loads."""

Sample = tuple[str, str, EmailMultiAlternatives]


def samples() -> Iterator[Sample]:
    for language in ("en", "fr", "ar"):
        for name, email in sample_emails(language):
            yield language, name, email


class Linter(HTMLParser):
    """Collect what mail programs drop or misread. Sources: caniemail.com; Gmail's and Outlook's documentation."""

    def __init__(self) -> None:
        super().__init__()
        self.problems: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        style = given.get("style", "")
        if tag not in {"br", "img", "meta"}:
            self.open.append(tag)
        if tag == "a":
            self.links.append(given["href"])
        wrong = {
            "element": tag not in ALLOWED,
            "script": any(name.startswith("on") for name in given),
            "layout table without its role": tag == "table" and given.get("role") != "presentation",
            "image without a text": tag == "img" and not given.get("alt"),
            "style not inline": tag in {"td", "p", "h1", "a"} and not style,
            "URL in a style": "url(" in style,
            "property that Outlook or Gmail drops": bool(re.search(r"flex|grid|position|var\(|inset|inline-s", style)),
            "fixed width": any(int(each) > 320 for each in re.findall(r"(?<!max-)width:(\d+)px", style)),
            "text without a color of its own": tag in {"h1", "a", "td"}
            and "font-size" in style
            and "color" not in style,
        }
        self.problems += [f"{problem}: {self.get_starttag_text()}" for problem, found in wrong.items() if found]

    def handle_endtag(self, tag: str) -> None:
        if self.open.pop() != tag:
            self.problems.append(f"not closed before: {tag}")

    def handle_data(self, data: str) -> None:
        if self.open[-1:] == ["style"]:
            if re.search(r"url\(|@import|expression", data):
                self.problems.append("style that loads something")
        else:
            self.text += data


def linted(html: str) -> Linter:
    linter = Linter()
    linter.feed(html)
    return linter


def test_every_kind_of_email_has_a_sample() -> None:
    """A kind without a sample would be in no preview; a kind without a text can't be told of."""
    assert {kind for kind, _, _ in NOTICES.values()} == {*FIXED, *VARIED}
    assert {kind for _, kind, _ in NOTICES.values() if kind} == set(CredentialKind)
    names = {name for name, _ in sample_emails("en")}
    assert names == {f"{purpose}_code" for purpose in RECIPIENT_STATES} | {f"notice_{name}" for name in NOTICES}
    untold = next(kind for kind in AuditKind if not has_notice(kind))
    with pytest.raises(TypeError):
        notify_owner(AuditEvent(kind=untold, at=NOW))


def test_every_email_is_safe_for_mail_programs() -> None:
    """No script, no external resource, inline styles, small, and readable without HTML (R-113)."""
    for language, name, email in samples():
        html = str(email.alternatives[0][0])
        linter = linted(html)
        assert linter.problems == [], (language, name)
        assert linter.open == [], (language, name)
        assert len(email.message().as_bytes()) < MOST_BYTES, (language, name)
        assert not re.search(r"(?:src|background)=", html), (language, name)
        direction = "rtl" if language == "ar" else "ltr"
        assert f'<html lang="{language}" dir="{direction}">' in html
        assert '<meta name="color-scheme" content="light dark">' in html
        text = str(email.body)
        assert "<" not in text
        assert "\n\n\n" not in text.strip(), (language, name)
        assert {link for link in linter.links if link.startswith("http")} == set(re.findall(r"http\S+", text))
        received = message_from_bytes(email.message().as_bytes(), policy=policy.default)
        assert [part.get_content_type() for part in received.iter_parts()] == ["text/plain", "text/html"]


def test_the_code_is_neither_in_a_subject_nor_in_the_preview() -> None:
    """R-12. Lock screens show subjects and the beginnings of emails."""
    for _, name, email in samples():
        if name.endswith("_code"):
            html, code = str(email.alternatives[0][0]), re.findall(r"[0-9A-Z]{4}(?:-[0-9A-Z]{4})+", str(email.body))[0]
            assert code.partition("-")[0] not in email.subject
            preview = html[html.index("<body") : html.index("</div>")]
            assert code not in preview
            assert preview.count("&zwnj;") == 50
            assert "white-space:nowrap" in html[: html.index(code)].rpartition("<span")[2]


def test_advice_fits_the_event() -> None:
    """After a recovery, the kit is used up. What an administrator did, they say so, and no device is named."""
    emails = dict(sample_emails("en"))
    recovered, added = str(emails["notice_recovered"].body), str(emails["notice_fido2_added"].body)
    assert "/recover/" in added
    assert "Firefox on Linux" in added
    assert "192.0.2.0/24" in added
    labels = re.findall(r"^([\w ]+): ", added, re.MULTILINE)
    assert labels[:4] == ["When", "Device", "IP network", "Name"]
    assert "Name: My laptop" in added
    assert "Name:" not in str(emails["notice_password_protected_key_added"].body)  # its title says it
    for name in ("recovered", "recovery_started", "recovery_key_deactivated", "recovery_key_added"):
        assert "/recover/" not in str(emails[f"notice_{name}"].body), name
        assert "/lock/" in str(emails[f"notice_{name}"].body), name
    assert "Lock your account" in recovered
    locked = str(emails["notice_locked"].body)  # nothing is left to lock
    assert re.search(r"recover your account with your recovery kit\.\n\S+/recover/", locked)
    assert "/lock/" not in locked
    for name, (_, _, detail) in NOTICES.items():
        if "operator" in detail:
            body = str(emails[f"notice_{name}"].body)
            assert body.startswith("An administrator"), name
            assert "Firefox" not in body
            assert "Wasn't this you?" not in body


def test_an_email_has_one_button_and_asks_once() -> None:
    """The address of the button is at the end, once; what else helps is a link in the text."""
    for name, email in sample_emails("en"):
        html, text = str(email.alternatives[0][0]), str(email.body)
        buttons = re.findall(r'class="button[^>]*><a href="([^"]+)"', html)
        assert len(buttons) == ("/lock/" in text or "/register/" in text), name
        for url in buttons:
            assert html.count(f">{url}<") == 1
            assert not re.search("<h1|<p", html[html.index(f">{url}<") :]), name
        assert text.count("Wasn't this you?") + text.count("Didn't expect this?") == name.startswith("notice_"), name
        assert html.count("<h1") == 1


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({}, True),
        ({"purpose": "recovery"}, True),
        ({"agent": "evil.example"}, False),
        ({"asked_at": NOW + SECOND}, False),
        ({"purpose": "registration"}, False),
    ],
    ids=["first request", "recovery", "unknown", "requested again", "invitation"],
)
def test_a_code_says_which_device_requested_it(changed: dict[str, Any], named: bool) -> None:
    """R-113: by a name of ours. The row keeps the first request's device; an invitation's is the operator's."""
    organization = Organization(name="Example")
    account = Account(organization=organization, username="jane@example.co", email="jane@example.co")
    given = {"purpose": "login", "issued_at": NOW, "asked_at": NOW, "agent": AGENT, "expires_at": NOW + HOUR}
    email = code_email(OneTimeCode(**(given | changed)), code="1234-1234", account=account, now=NOW)
    for text in (str(email.body), str(email.alternatives[0][0])):
        assert ("Requested from Firefox on Linux." in text) == ("Requested from" in text) == named
        assert "evil" not in text


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("evil.example", ""),
        ("undo at evil2.example", ""),
        ("evil-.example", ""),
        ("evil。example", ""),
        ("www.1", ""),
        ("192.0.2.1/login", ""),
        ("tel://1", ""),
        ("mail@me", ""),
        ("<b>&'\"", "<b>&'\""),
        ("n" * 60, "n" * 40 + "…"),
        ("My laptop 16.2", "My laptop 16.2"),
    ],
)
def test_the_name_of_a_credential_is_escaped_cut_and_no_link(name: str, shown: str) -> None:
    """R-113: whoever added the credential chose its name."""
    organization = Organization(name="Example")
    account = Account(organization=organization, username="jane@example.co", email="jane@example.co")
    credential = Credential(kind=CredentialKind.FIDO2, name=name)
    event = AuditEvent(pk=1, kind=AuditKind.CREDENTIAL_CREATED, at=NOW, detail={"credential": credential.pk})
    email = notice_email(event, account=account, credential=credential)
    page = linted(str(email.alternatives[0][0]))
    assert page.problems == []
    assert ("Name:" in page.text) == ("Name:" in str(email.body)) == bool(shown)
    assert shown in page.text
    assert f"Name: {shown}" in str(email.body) or not shown


def test_logo_colors_and_support_come_from_settings(settings: Any) -> None:
    settings.DFNS_LOGIN = {
        **settings.DFNS_LOGIN,
        "RELYING_PARTY_NAME": "Shop & <Co>",
        "EMAIL_LOGO_URL": "https://shop.example/logo.png?a=1&b=2",
        "EMAIL_COLORS": {"accent": "#7a2e8c", "dark_accent": "#d9a5e6"},
        "SUPPORT_EMAIL": "help@shop.example",
    }
    email = dict(sample_emails("en"))["notice_fido2_added"]
    html = str(email.alternatives[0][0])
    assert linted(html).problems == []
    assert '<img src="https://shop.example/logo.png?a=1&amp;b=2" alt="Shop &amp; &lt;Co&gt;"' in html
    assert "background-color:#7a2e8c" in html
    assert "#d9a5e6 !important" in html
    assert "#24527a" not in html
    assert "help@shop.example" in str(email.body)
    assert '<a class="link" href="mailto:help@shop.example"' in html


def at_its_own_host(organization: Organization) -> str:
    return f"https://{organization.name.lower()}.acme.example"


def test_links_lead_to_the_origin_of_the_organization(settings: Any) -> None:
    """R-215. The host that phones fill a code in at is the same."""
    hook = {"PUBLIC_URL_FOR_ORGANIZATION": f"{__name__}.at_its_own_host"}
    known = {"ORIGINS": ("https://acme.example", "https://acme.acme.example"), "RELYING_PARTY_ID": "acme.example"}
    settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, "PUBLIC_URL": "https://acme.example", **known, **hook}
    hosts: set[str] = set()
    for _, name, email in samples():
        found = set(re.findall(r"https?://[^/\s]+", str(email.body)))
        hosts |= found
        assert found <= {"https://acme.acme.example"}, name
        if name.endswith("_code"):
            assert "\n@acme.acme.example #" in str(email.body)
    assert hosts


def at_none_of_its_own(_organization: Organization) -> None:
    return None


def test_an_organization_without_an_origin_of_its_own_has_the_public_url(settings: Any) -> None:
    """R-215: a function that has no answer may return None, too."""
    hook = {"PUBLIC_URL_FOR_ORGANIZATION": f"{__name__}.at_none_of_its_own"}
    settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, "PUBLIC_URL": "https://acme.example", **hook}
    assert any("https://acme.example/register/" in str(email.body) for _, _, email in samples())


def test_an_origin_that_is_not_listed_is_refused(settings: Any) -> None:
    """R-215: a lock token must not go to another host."""
    hook = {"PUBLIC_URL_FOR_ORGANIZATION": f"{__name__}.at_its_own_host"}
    settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, "PUBLIC_URL": "https://acme.example", **hook}
    with pytest.raises(ImproperlyConfigured, match="or-12345"):
        list(samples())


def test_a_project_overrides_one_block(settings: Any, tmp_path: Any) -> None:
    folder = tmp_path / "dfns_login" / "email"
    folder.mkdir(parents=True)
    (folder / "base.html").write_text(
        '{% extends "dfns_login/email/base.html" %}{% block brand %}<b>Shop</b>{% endblock %}'
    )
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]
    for _, email in sample_emails("en"):
        assert "<b>Shop</b>" in str(email.alternatives[0][0])


def test_no_secret_is_logged_if_a_template_names_what_is_missing(
    settings: Any, tmp_path: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """R-117. Django logs the whole context then, if the project logs everything."""
    with caplog.at_level(logging.DEBUG, logger="django.template"):
        texts = "".join(str(email.body) for _, _, email in samples())
        assert [record.getMessage() for record in caplog.records] == []  # our own name nothing that is missing
        folder = tmp_path / "dfns_login" / "email"
        folder.mkdir(parents=True)
        (folder / "base.html").write_text(
            '{% extends "dfns_login/email/base.html" %}{% block brand %}{{ a.b }}{% endblock %}'
        )
        settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]
        list(samples())
    logged = "".join(str(record.exc_info) + record.getMessage() for record in caplog.records) + caplog.text
    assert "'[hidden]'" in logged
    secrets = {*re.findall(r"\b\d{4}(?:-\d{4}){2,}\b", texts), *re.findall(r"token=(\S+)", texts)}
    assert len(secrets) > 1
    assert [secret for secret in secrets if secret in logged] == []


def test_colors_have_enough_contrast() -> None:
    """WCAG 2.2 SC 1.4.3: 4.5:1 for text, in both themes."""
    colors = DEFAULT_EMAIL_COLORS
    for theme in ("", "dark_"):
        for text, ground in (
            ("text", "surface"),
            ("text", "background"),
            ("muted", "surface"),
            ("muted", "background"),
            ("accent", "surface"),
            ("on_accent", "accent"),
        ):
            assert contrast(colors[theme + text], colors[theme + ground]) >= 4.5, (theme, text, ground)


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(color: str) -> float:
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
