"""The default rates over HTTP: each is exceeded by one, for known and unknown names (R-40)."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from dfns_login.models import OneTimeCode
from dfns_login.settings import DEFAULT_RATES, Window
from tests.support.api_client import ask_code, ask_registration_code, complete_login, open_login, post, told
from tests.support.authenticators import SoftwareKey
from tests.support.clock import MINUTE, SECOND, StillClock
from tests.support.endpoints import Endpoint, of_each_open, send
from tests.support.factories import Person, issue

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("windows")]

TOO_MANY = (429, "Too many requests")
LIFTED = ("1000000/m",)


@pytest.fixture
def only(configure: Any) -> Callable[..., None]:
    """Keep one rate, or one of its windows, and lift all others."""

    def keep(name: str, window: str = "") -> None:
        windows = (window,) if window else DEFAULT_RATES[name]
        configure(RATES={**dict.fromkeys(DEFAULT_RATES, LIFTED), name: windows})

    return keep


def assert_limit(request: Callable[[int], HttpResponse], *, limit: int, status: int = 200) -> HttpResponse:
    """Assert that this many requests are served and the next is not. request: makes the n-th request."""
    for number in range(limit):
        assert request(number).status_code == status, number
    refused = request(limit)
    assert told(refused) == TOO_MANY
    return refused


def somebody(number: int = 0, organization: str = "or-x") -> dict[str, str]:
    return {"username": f"somebody{number}@example.co", "orgId": organization}


of_both_codes = pytest.mark.parametrize("ask", [ask_code, ask_registration_code])
of_known_and_unknown = pytest.mark.parametrize("there", [True, False], ids=["known", "unknown"])


@pytest.mark.slow
@of_both_codes
@pytest.mark.parametrize("window", DEFAULT_RATES["code_per_address"])
def test_codes_per_address(client: Client, only: Any, ask: Any, window: str) -> None:
    only("code_per_address", window)
    limit = int(window.partition("/")[0])
    refused = assert_limit(lambda number: ask(client, somebody(number)), limit=limit)
    assert 1 <= int(refused["Retry-After"]) <= (61 if window.endswith("m") else 3601)
    assert OneTimeCode.objects.count() == limit


@of_both_codes
@of_known_and_unknown
def test_codes_per_user(client: Client, only: Any, kim: Person, ask: Any, *, there: bool) -> None:
    only("code_per_user")
    names = kim.names if there else somebody()
    assert_limit(lambda _: ask(client, names), limit=10)
    assert ask(client, somebody(1)).status_code == 200


def test_codes_per_user_over_several_minutes(client: Client, only: Any) -> None:
    only("code_per_user", DEFAULT_RATES["code_per_user"][1])
    refused = assert_limit(lambda _: ask_code(client, somebody()), limit=20)
    assert int(refused["Retry-After"]) <= 601


def test_codes_per_user_and_network(client: Client, only: Any) -> None:
    only("code_per_user_and_network")
    assert_limit(lambda _: ask_code(client, somebody()), limit=5)
    assert ask_code(client, somebody(1)).status_code == 200
    assert told(post(client, "/auth/login/code", somebody(), peer="127.0.0.77")) == TOO_MANY
    assert post(client, "/auth/login/code", somebody(), peer="198.51.100.7").status_code == 200


def test_no_rate_keeps_a_name_waiting_for_more_than_ten_minutes() -> None:
    """R-125: strangers can use up a name's rates and an organization's, but not for long."""
    for name, windows in DEFAULT_RATES.items():
        if name.endswith(("_user", "_organization")):
            assert all(Window.parse(each).period <= 10 * MINUTE for each in windows), name


def test_one_network_can_neither_flood_a_mailbox_nor_use_up_its_emails() -> None:
    """R-125: unwanted emails are bounded by the day, and it takes several networks to reach the mailbox's bound."""
    a_network, a_mailbox = (
        Window.parse(DEFAULT_RATES[name][-1]) for name in ("code_per_user_and_network", "email_per_mailbox")
    )
    assert a_network.period == a_mailbox.period == 24 * 60 * MINUTE
    assert 6 * a_network.count < a_mailbox.count <= 200


def test_one_network_cannot_use_up_a_code(client: Client, jane: Person) -> None:
    """R-125: it has fewer guesses than the code takes, and opening a login without a code is not one."""
    code = issue(jane.account.recipient)
    assert_limit(lambda _: open_login(client, jane.names, loginCode="1"), limit=8, status=403)
    assert told(open_login(client, jane.names, loginCode=code)) == TOO_MANY
    assert open_login(client, jane.names).status_code == 200
    elsewhere = post(client, "/auth/login/init", {**jane.names, "loginCode": code}, peer="198.51.100.7")
    assert elsewhere.status_code == 200


@pytest.mark.slow
def test_one_address_locks_no_name_out(client: Client, kim: Person) -> None:
    """R-125: two hundred requests from one address are refused by its own rates."""
    for path, body in (("/auth/login/code", kim.names), ("/auth/login/init", kim.names)):
        answers = [post(client, path, body, peer="198.51.100.1").status_code for _ in range(200)]
        assert answers.count(429) >= 170
        assert post(client, path, body, peer="203.0.113.1").status_code == 200


def test_codes_per_organization(client: Client, only: Any) -> None:
    only("code_per_organization", "7/m")
    assert_limit(lambda number: ask_code(client, somebody(number)), limit=7)
    assert ask_code(client, somebody(0, "or-y")).status_code == 200


@pytest.mark.slow
@of_known_and_unknown
@pytest.mark.parametrize(("rate", "limit"), [("init_per_address", 30), ("init_per_user", 200)])
def test_opening_logins(client: Client, only: Any, kim: Person, rate: str, limit: int, *, there: bool) -> None:
    only(rate)
    names = kim.names if there else somebody()
    assert_limit(lambda _: open_login(client, names), limit=limit)


def test_opening_logins_without_a_name(client: Client, only: Any) -> None:
    only("init_per_address")
    assert_limit(lambda _: open_login(client, {"orgId": "or-x"}), limit=30)


@pytest.mark.slow
def test_completing_logins(client: Client, only: Any, kim: Person) -> None:
    only("login_per_address")
    challenge = open_login(client, kim.names).json()
    stranger = SoftwareKey.make()
    assert_limit(lambda _: complete_login(client, challenge, stranger), limit=60, status=401)
    assert told(complete_login(client, challenge, kim.key)) == TOO_MANY


def test_a_right_code_over_the_limit_is_refused(client: Client, only: Any, jane: Person) -> None:
    """R-48: the limit also applies when a code is presented."""
    only("init_per_user", "2/m")
    ask_code(client, jane.names)
    assert_limit(lambda _: open_login(client, jane.names, loginCode="1"), limit=2, status=403)
    assert OneTimeCode.objects.get().guesses == 2


# Which names count together


def test_all_spellings_of_a_name_count_together(client: Client, only: Any, kim: Person) -> None:
    only("code_per_user", "5/h")
    writings = [
        "kim@example.co",
        "KIM@EXAMPLE.CO",
        " kim@example.co\n".strip("\n"),
        "\uff4b\uff49\uff4d@example.co",
        "\u212aim@example.co",
        "kim@example.co\u00a0",
    ]
    assert_limit(lambda number: ask_code(client, {**kim.names, "username": writings[number]}), limit=5)
    assert OneTimeCode.objects.get().recipient == "kim@example.co"


@pytest.mark.parametrize(
    "writing",
    [
        "k\u0131m@example.co",
        "kim@example.co.",
        "kim+1@example.co",
        "k.im@example.co",
        '"kim"@example.co',
        "kim@example.c0",
    ],
)
def test_similar_names_count_separately(client: Client, kim: Person, writing: str) -> None:
    assert ask_code(client, {**kim.names, "username": writing}).status_code == 200
    assert OneTimeCode.objects.get().recipient != kim.account.username


def test_a_name_counts_separately_in_each_organization(client: Client, only: Any) -> None:
    only("code_per_user", "5/h")
    assert_limit(lambda _: ask_code(client, somebody()), limit=5)
    assert ask_code(client, somebody(0, "or-y")).status_code == 200


def test_login_and_registration_codes_count_separately(client: Client, only: Any) -> None:
    only("code_per_user", "5/h")
    assert_limit(lambda _: ask_code(client, somebody()), limit=5)
    assert ask_registration_code(client, somebody()).status_code == 200


# The order of counting


def test_a_request_stopped_by_address_does_not_count_the_name(client: Client, configure: Any, kim: Person) -> None:
    configure(RATES={"code_per_address": ("3/m",), "code_per_user": ("5/h",)})
    for _ in range(20):
        ask_code(client, kim.names)
    elsewhere = [post(client, "/auth/login/code", kim.names, peer="198.51.100.7").status_code for _ in range(3)]
    assert elsewhere == [200, 200, 429]


@of_each_open
def test_the_limit_by_address_applies_to_any_body(client: Client, endpoint: Endpoint, configure: Any) -> None:
    configure(RATES={name: ("2/m",) for name in DEFAULT_RATES if name.endswith("_address")})
    for body in (b"[]", b"\xff"):
        assert send(client, endpoint, body=body).status_code == 400
    for body in (b"[]", endpoint.body, b"x" * 2**20):
        assert told(send(client, endpoint, body=body)) == TOO_MANY
    assert told(send(client, endpoint, content_type="text/plain")) == TOO_MANY
    assert told(send(client, endpoint, path=f"{endpoint.path}?x=1")) == TOO_MANY


# Where a request comes from


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff"),
        ("2001:db8::1", "2001:0DB8:0000:0000:0000:0000:0000:0002"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::1"),
    ],
)
def test_addresses_of_one_client_count_together(client: Client, only: Any, one: str, other: str) -> None:
    only("code_per_address", "1/m")
    assert post(client, "/auth/login/code", somebody(), peer=one).status_code == 200
    assert told(post(client, "/auth/login/code", somebody(), peer=other)) == TOO_MANY


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:3::1"),
        ("::ffff:192.0.2.7", "::ffff:192.0.2.8"),
        ("192.0.2.7", "192.0.2.8"),
        ("::1", "127.0.0.1"),
    ],
)
def test_different_clients_count_separately(client: Client, only: Any, one: str, other: str) -> None:
    only("code_per_address", "1/m")
    assert post(client, "/auth/login/code", somebody(), peer=one).status_code == 200
    assert post(client, "/auth/login/code", somebody(), peer=other).status_code == 200


def test_the_network_of_one_customer_has_a_budget(client: Client, configure: Any) -> None:
    lifted = dict.fromkeys(DEFAULT_RATES, LIFTED)
    configure(RATES={**lifted, "code_per_address": ("1/m",), "code_per_network": ("3/m",)})
    for peer in (lambda number: f"2001:db8:1:{number:x}::1", lambda number: f"192.0.2.{number}"):
        answers = [post(client, "/auth/login/code", somebody(), peer=peer(number)).status_code for number in range(5)]
        assert answers == [200, 200, 200, 429, 429]
    for peer_elsewhere in ("2001:db8:2::1", "192.0.3.1"):
        assert post(client, "/auth/login/code", somebody(), peer=peer_elsewhere).status_code == 200


FORGED = [
    {"x_forwarded_for": "203.0.113.9"},
    {"x_forwarded_for": "a"},
    {"x_forwarded_for": "203.0.113.9, 203.0.113.10"},
    {"x_real_ip": "203.0.113.9"},
    {"forwarded": "for=203.0.113.9"},
    {"client_ip": "203.0.113.9"},
    {"x_client_ip": "203.0.113.9"},
    {"true_client_ip": "203.0.113.9"},
    {"x_forwarded_for": ""},
    {"x_forwarded_for": ",,,"},
]


@pytest.mark.parametrize("hops", [0, 1, 2])
def test_no_header_changes_the_client(client: Client, configure: Any, hops: int) -> None:
    """The proxies append the true address. Earlier entries are ignored."""
    configure(RATES={"code_per_address": (f"{len(FORGED)}/m",)}, TRUSTED_PROXY_HOPS=hops)
    appended = ["198.51.100.7", "10.0.0.2"][:hops]
    for forged in [*FORGED, {}]:
        sent = [value for name, value in forged.items() if name == "x_forwarded_for" and value]
        forwarded = {"x_forwarded_for": ", ".join([*sent, *appended])} if hops else {}
        answer = post(client, "/auth/login/code", somebody(), **{**forged, **forwarded})
    assert told(answer) == TOO_MANY


def test_clients_behind_a_proxy_count_separately(client: Client, configure: Any) -> None:
    configure(RATES={"code_per_address": ("1/m",)}, TRUSTED_PROXY_HOPS=1)
    for address in ("198.51.100.7", "198.51.100.8"):
        forwarded = {"x_forwarded_for": address}
        assert post(client, "/auth/login/code", somebody(), **forwarded).status_code == 200
        assert told(post(client, "/auth/login/code", somebody(), **forwarded)) == TOO_MANY


# Windows


def test_a_window_ends(client: Client, only: Any, windows: StillClock) -> None:
    only("code_per_user", "5/h")
    refused = assert_limit(lambda _: ask_code(client, somebody()), limit=5)
    windows.move(timedelta(seconds=int(refused["Retry-After"])))
    assert ask_code(client, somebody()).status_code == 200


def test_the_longer_window_holds_around_the_edge_of_the_shorter(
    client: Client, configure: Any, windows: StillClock
) -> None:
    """A fixed window lets twice its rate through around its edge. The pair of windows does not."""
    lifted = dict.fromkeys(DEFAULT_RATES, LIFTED)
    configure(RATES={**lifted, "code_per_address": ("1/h",)})
    refused = assert_limit(lambda number: ask_code(client, somebody(number)), limit=1)
    windows.move(timedelta(seconds=int(refused["Retry-After"])))  # to the start of an hour's window
    configure(RATES={**lifted, "code_per_address": ("3/m", "4/h")})
    assert_limit(lambda number: ask_code(client, somebody(number)), limit=3)
    windows.move(MINUTE + SECOND)
    assert_limit(lambda number: ask_code(client, somebody(number)), limit=1)


# Without the cache


@pytest.fixture
def dead_cache(settings: Any, tmp_path: Any) -> None:
    default = settings.CACHES["default"]
    settings.CACHES = {"default": {**default, "LOCATION": f"unix://{tmp_path}/nobody.sock?db=0"}}


def test_without_the_cache_requests_pass(
    client: Client, jane: Person, dead_cache: None, caplog: pytest.LogCaptureFixture
) -> None:
    """The database still limits them: one open row, and counted guesses."""
    for _ in range(12):
        assert ask_code(client, jane.names).status_code == 200
    assert OneTimeCode.objects.count() == 1
    for _ in range(12):
        assert open_login(client, jane.names, loginCode="1").status_code == 403
    assert OneTimeCode.objects.get().guesses == 10
    assert "outage what=cache error=ConnectionError" in caplog.text
    assert "nobody.sock" not in caplog.text


@of_each_open
def test_without_the_cache_a_project_can_refuse(
    client: Client, endpoint: Endpoint, dead_cache: None, configure: Any
) -> None:
    configure(CACHE_OUTAGE="refuse")
    refused = send(client, endpoint)
    assert told(refused) == (503, "Service unavailable")
    assert int(refused["Retry-After"]) == 5
    assert not OneTimeCode.objects.exists()
