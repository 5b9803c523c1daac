"""A browser that has signed in has codes, guesses and rates that no stranger can use up (R-45, R-125, D-2, D-8)."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.mail import EmailMessage, EmailMultiAlternatives
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.utils import timezone

from dfns_login.browsers.cookies import cookie_name
from dfns_login.browsers.devices import COOKIE, PEOPLE, DeviceMark, known_device, remember_device
from dfns_login.limits import CODE_RATES, count_request
from dfns_login.models import Account, Caller, OneTimeCode
from dfns_login.proofs import derive_code
from dfns_login.usernames import Recipient
from tests.support.api_browser import Browser
from tests.support.api_client import INVALID_CODE, ask_code, open_login, post, sign_in, told
from tests.support.clock import DAY, NOW, SECOND, StillClock
from tests.support.factories import SOMEWHERE, Person, issue, make_organization, make_person
from tests.support.mail import deliver_at

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("windows")]

TOO_MANY = (429, "Too many requests")
WRONG = "0000-0000-0000-0000"
GUESSES = 10
JANE = Recipient(organization="or-x", username="jane@example.co")
KIM = Recipient(organization="or-x", username="kim@example.co")


@pytest.fixture(autouse=True)
def many_guesses(configure: Any) -> None:
    """Let all requests come from one network."""
    configure(RATES={"guess_per_user_and_network": ("1000/m",)})


@pytest.fixture
def device(jane: Person) -> Browser:
    """A browser that Jane has signed in with."""
    browser = Browser()
    assert browser.sign_in(jane).status_code == 200
    return browser


def guess(client: Client, person: Person, code: str = WRONG) -> Any:
    return open_login(client, person.names, loginCode=code)


def row_of(person: Person) -> OneTimeCode:
    """The open code of the person's known devices, or the strangers'."""
    return min(OneTimeCode.objects.open().filter(recipient=person.account.username), key=lambda row: row.caller)


# The cookie


def test_signing_in_sets_the_cookie(jane: Person) -> None:
    cookie = Browser().sign_in(jane).cookies[cookie_name(COOKIE)]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"], cookie["domain"]) == (True, "Strict", "/", "")
    assert cookie["max-age"] == 180 * 24 * 3600


def test_the_cookie_has_the_host_prefix_over_https(jane: Person, configure: Any) -> None:
    configure(PUBLIC_URL="https://login.example.com")
    request, response = HttpRequest(), HttpResponse()
    remember_device(request, response, recipient=JANE, now=NOW)
    (cookie,) = response.cookies.values()
    assert (cookie.key, cookie["secure"]) == ("__Host-dfns-device", True)


def test_the_cookie_does_not_identify_the_account(device: Browser, jane: Person) -> None:
    text = device.cookies[cookie_name(COOKIE)].value
    for secret in (jane.account.username, jane.account.pk, jane.account.organization_id):
        assert secret not in text


def test_an_api_client_gets_no_cookie(jane: Person) -> None:
    client = Client()
    sign_in(client, jane, loginCode=issue(jane.account.recipient))
    assert not client.cookies


def marked(*marks: object) -> HttpRequest:
    request = HttpRequest()
    request.COOKIES[cookie_name(COOKIE)] = "~".join(map(str, marks))
    return request


def test_the_cookie_is_valid_only_for_its_account() -> None:
    mark = DeviceMark.make(JANE, now=NOW)
    assert known_device(marked(mark), recipient=JANE, now=NOW) == mark.device
    assert known_device(marked(mark), recipient=KIM, now=NOW) == ""
    elsewhere = Recipient(organization="or-y", username=JANE.username)
    assert known_device(marked(mark), recipient=elsewhere, now=NOW) == ""


def test_names_and_organizations_are_separated_in_the_mac() -> None:
    mark = DeviceMark.make(Recipient(organization="or-x", username="1@example.co"), now=NOW)
    other = Recipient(organization="or-x1", username="@example.co")
    assert known_device(marked(mark), recipient=other, now=NOW) == ""


def test_a_name_cannot_imitate_another_part_of_the_mac() -> None:
    mark = DeviceMark.make(Recipient(organization="or-x", username=f"a 99999999999 4:or-x{JANE.username}"), now=NOW)
    forged = f"{mark.device} {mark.signed_in} 4:or-xa.99999999999.{mark.mac}"
    assert known_device(marked(forged), recipient=JANE, now=NOW) == ""


@pytest.mark.parametrize("age", [timedelta(0), 180 * DAY])
def test_the_cookie_is_valid_for_half_a_year(age: timedelta) -> None:
    mark = DeviceMark.make(JANE, now=NOW)
    assert known_device(marked(mark), recipient=JANE, now=NOW + age) == mark.device
    assert known_device(marked(mark), recipient=JANE, now=NOW + 180 * DAY + SECOND) == ""


@pytest.mark.parametrize("position", range(3))
def test_a_forged_cookie_is_ignored(position: int) -> None:
    parts = str(DeviceMark.make(JANE, now=NOW)).split(".")
    parts[position] = parts[position][:-2] + "11"
    assert known_device(marked(".".join(parts)), recipient=JANE, now=NOW) == ""


MALFORMED = ["", ".", "..", "~", "a.b.c", "a.1.", ".1.a", "a.-1.b", "é.1.b", "a.\N{ARABIC-INDIC DIGIT ONE}.b"]


@pytest.mark.parametrize("text", [*MALFORMED, "a." + "9" * 30 + ".b", "x" * 5000])
def test_a_malformed_cookie_is_ignored(text: str) -> None:
    assert known_device(marked(text), recipient=JANE, now=NOW) == ""


def test_a_browser_keeps_the_last_few_accounts() -> None:
    people = [Recipient(organization="or-x", username=f"{n}@example.co") for n in range(PEOPLE + 1)]
    request = HttpRequest()
    for each in people:
        response = HttpResponse()
        remember_device(request, response, recipient=each, now=NOW)
        request.COOKIES[cookie_name(COOKIE)] = response.cookies[cookie_name(COOKIE)].value
    known = [bool(known_device(request, recipient=each, now=NOW)) for each in people]
    assert known == [False, *[True] * PEOPLE]


def test_signing_in_again_makes_a_new_cookie(device: Browser, jane: Person) -> None:
    before = device.cookies[cookie_name(COOKIE)].value
    assert device.sign_in(jane).status_code == 200
    after = device.cookies[cookie_name(COOKIE)].value
    assert "~" not in after
    assert after != before


# Guesses


def test_a_stranger_cannot_use_up_its_guesses(device: Browser, jane: Person) -> None:
    code = issue(jane.account.recipient)
    stranger = Client()
    for _ in range(GUESSES + 1):
        assert told(guess(stranger, jane)) == INVALID_CODE
    assert told(guess(stranger, jane, code)) == INVALID_CODE
    assert guess(device, jane, code).status_code == 200


def test_its_own_guesses_are_counted_too(device: Browser, jane: Person) -> None:
    code = issue(jane.account.recipient)
    for _ in range(GUESSES):
        assert told(guess(device, jane)) == INVALID_CODE
    row = row_of(jane)
    assert (row.guesses, row.device_guesses) == (0, GUESSES)
    assert told(guess(device, jane, code)) == INVALID_CODE
    assert guess(Client(), jane, code).status_code == 200


def test_after_its_guesses_are_used_up_a_device_gets_a_new_code(device: Browser, jane: Person) -> None:
    ask_code(device, jane.names)
    first = row_of(jane).pk
    for _ in range(GUESSES):
        guess(device, jane)
    assert ask_code(device, jane.names).status_code == 200
    assert row_of(jane).pk != first
    assert guess(device, jane, derive_code(row_of(jane))).status_code == 200


def test_a_stranger_cannot_end_its_code(device: Browser, jane: Person) -> None:
    """Ten wrong guesses and another request close the strangers' code."""
    ask_code(device, jane.names)
    own, stranger = row_of(jane), Client()
    for minute in range(2):
        assert post(stranger, "/auth/login/code", jane.names, peer=f"198.51.100.{minute}").status_code == 200
        for _ in range(GUESSES):
            assert told(guess(stranger, jane)) == INVALID_CODE
    assert told(guess(stranger, jane, derive_code(own))) == INVALID_CODE
    assert guess(device, jane, derive_code(own)).status_code == 200


def test_it_may_enter_a_code_that_was_requested_elsewhere(device: Browser, jane: Person) -> None:
    ask_code(device, jane.names)
    ask_code(Client(), jane.names)
    requested_elsewhere = OneTimeCode.objects.open().get(caller=Caller.STRANGER)
    assert guess(device, jane, derive_code(requested_elsewhere)).status_code == 200
    assert guess(device, jane, derive_code(row_of(jane))).status_code == 200


def test_a_device_is_unknown_to_another_account(device: Browser) -> None:
    other = make_person(make_organization(), "other@example.co")
    issue(other.account.recipient)
    guess(device, other)
    row = row_of(other)
    assert (row.guesses, row.device_guesses) == (1, 0)


# Rates


@pytest.mark.parametrize("rate", [rate.name for rate in CODE_RATES])
@pytest.mark.parametrize("asked", ["device first", "stranger first"])
def test_a_stranger_cannot_use_up_its_rates(
    device: Browser, jane: Person, configure: Any, asked: str, rate: str
) -> None:
    """Not even from its own address."""
    configure(RATES={rate: ("2/h",)})
    first, second = (device, Client()) if asked == "device first" else (Client(), device)
    for _ in range(2):
        assert ask_code(first, jane.names).status_code == 200
    assert told(ask_code(first, jane.names)) == TOO_MANY
    assert ask_code(second, jane.names).status_code == 200


def test_strangers_cannot_use_up_the_organization(device: Browser, jane: Person) -> None:
    """Six hundred requests for names that nobody has exhaust the strangers' share alone."""
    rates = [rate for rate in CODE_RATES if rate.name == "code_per_organization"]
    for number in range(600):
        names = Recipient(organization=jane.account.organization_id, username=f"{number}@example.co")
        count_request(rates, requester=SOMEWHERE, recipient=names, scope="login_code")
    assert told(ask_code(Client(), jane.names)) == TOO_MANY
    assert ask_code(device, jane.names).status_code == 200


def test_a_stranger_cannot_use_up_its_logins(device: Browser, jane: Person, configure: Any) -> None:
    configure(RATES={"init_per_user": ("2/h",)})
    for _ in range(2):
        assert told(guess(Client(), jane)) == INVALID_CODE
    assert told(guess(Client(), jane)) == TOO_MANY
    assert told(guess(device, jane)) == INVALID_CODE


@pytest.mark.parametrize("elsewhere", [True, False], ids=["another organization", "the same"])
def test_a_stranger_cannot_use_up_its_emails(
    device: Browser, jane: Person, configure: Any, mailoutbox: list[EmailMessage], *, elsewhere: bool
) -> None:
    """The strangers' codes of one mailbox share a budget, whatever the organization; known devices have their own."""
    configure(RATES={"email_per_mailbox": ("2/h",)}, CODE_COOLDOWN=timedelta(0))
    asked = make_person(make_organization(), jane.account.email) if elsewhere else jane
    for _ in range(3):
        assert ask_code(Client(), asked.names).status_code == 200
        deliver_at(timezone.now())
    assert len(mailoutbox) == 2
    assert ask_code(device, jane.names).status_code == 200
    deliver_at(timezone.now())
    assert len(mailoutbox) == 3
    assert derive_code(row_of(jane)) in mailoutbox[-1].body


def test_a_stranger_does_not_choose_the_language_of_the_email(
    device: Browser, jane: Person, mailoutbox: list[EmailMultiAlternatives]
) -> None:
    for client in (Client(), device):
        assert ask_code(client, jane.names, accept_language="fr").status_code == 200
    deliver_at(timezone.now())
    Account.objects.update(locale="ar")
    post(Client(), "/auth/recover/user/code", jane.names, accept_language="fr")
    deliver_at(timezone.now())
    languages = [str(mail.alternatives[0][0]).partition('lang="')[2][:2] for mail in mailoutbox]
    assert languages == ["en", "fr", "ar"]


def test_two_devices_have_rates_of_their_own(jane: Person, configure: Any) -> None:
    devices = [Browser(), Browser()]
    for each in devices:
        assert each.sign_in(jane).status_code == 200
    configure(RATES={"code_per_user": ("1/h",)})
    for each in devices:
        assert ask_code(each, jane.names).status_code == 200
        assert told(ask_code(each, jane.names)) == TOO_MANY


def test_rates_by_address_count_devices_too(device: Browser, jane: Person, configure: Any) -> None:
    configure(RATES={"code_per_address": ("1/h",)})
    assert ask_code(device, jane.names).status_code == 200
    assert told(ask_code(device, jane.names)) == TOO_MANY


def test_requests_with_a_cookie_cost_the_same(device: Browser, jane: Person, django_assert_num_queries: Any) -> None:
    """The cookie causes no query, so it reveals nothing by timing."""
    known = Client()
    known.cookies[cookie_name(COOKIE)] = device.cookies[cookie_name(COOKIE)].value
    for client in (known, Client()):
        with django_assert_num_queries(1):
            assert ask_code(client, jane.names).status_code == 200


def test_the_cookie_dates_from_the_sign_in(device: Browser, windows: StillClock) -> None:
    mark = DeviceMark.parse(device.cookies[cookie_name(COOKIE)].value)
    assert mark is not None
    made = datetime.fromtimestamp(mark.signed_in, timezone.get_current_timezone())
    assert abs(made - timezone.now()) < timedelta(minutes=1)
