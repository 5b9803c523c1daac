"""People on known devices sign in while a stranger attacks their names from fifty networks (R-45, R-125).

Ten minutes of it. Only `make soak` runs this. The control comes without a device mark.
"""

import http.client
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import connections

from dfns_login.browsers.cookies import cookie_name
from dfns_login.browsers.devices import COOKIE, DeviceMark
from dfns_login.models import CodePurpose, OneTimeCode, Organization
from dfns_login.settings import DEFAULT_RATES
from tests.outages.conftest import StartSite
from tests.support.authenticators import SoftwareKey
from tests.support.factories import Person, make_account, make_organization, make_person
from tests.support.race_calls import Figure
from tests.support.servers import Site
from tests.support.smtp_sink import SmtpSink

SECONDS = 600
PEOPLE = 100
NETWORKS = 50
ATTACKERS = 6
MAIL_SECONDS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Victim:
    person: Person
    elsewhere: dict[str, str]
    """The same mailbox in another organization."""
    address: str
    cookie: str


@pytest.fixture(scope="module")
def site(start_site: StartSite) -> Site:
    """Start the project behind a proxy, with the default rates."""
    return start_site(DFNS_LOGIN={"RATES": dict(DEFAULT_RATES), "TRUSTED_PROXY_HOPS": 1})


@pytest.fixture
def organizations(site: Site) -> tuple[Organization, Organization]:
    return make_organization("Here"), make_organization("Elsewhere")


def victims(organizations: tuple[Organization, Organization], *, number: int, known: bool) -> list[Victim]:
    return list(_victims(*organizations, number=number, known=known))


def _victims(here: Organization, elsewhere: Organization, *, number: int, known: bool) -> Iterator[Victim]:
    for each in range(number):
        email = f"{'known' if known else 'new'}-{each}@example.co"
        person = make_person(here, email, SoftwareKey.make())
        other = make_account(elsewhere, email)
        mark = DeviceMark.make(person.account.recipient, now=datetime.now(UTC))
        yield Victim(
            person=person,
            elsewhere={"username": email, "orgId": other.organization_id},
            address=f"192.0.2.{each}" if known else f"198.51.100.{each}",
            cookie=f"{cookie_name(COOKIE)}={mark}" if known else "",
        )


def post(site: Site, path: str, body: dict[str, Any], *, address: str, cookie: str = "") -> tuple[int, Any]:
    """Send one request as a proxy passes it on from this address."""
    parts = urlsplit(site.url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=30)
    headers = {"Content-Type": "application/json", "X-Forwarded-For": address, **({"Cookie": cookie} if cookie else {})}
    try:
        connection.request("POST", path, json.dumps(body), headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read() or b"null")
    finally:
        connection.close()


class Stranger:
    """Requests and guesses for every victim, for unknown names, and for the same mailboxes in another organization."""

    def __init__(self, site: Site, attacked: list[Victim]) -> None:
        self.statuses: Counter[tuple[str, int]] = Counter()
        self._site, self._attacked, self._over = site, attacked, threading.Event()
        self._threads = ThreadPoolExecutor(ATTACKERS)
        self._running = [self._threads.submit(self._attack, random.Random(number)) for number in range(ATTACKERS)]

    def _attack(self, draw: random.Random) -> None:
        organization = self._attacked[0].person.names["orgId"]
        while not self._over.is_set():
            victim = draw.choice(self._attacked)
            address = f"10.{draw.randrange(NETWORKS)}.0.{draw.randrange(256)}"
            wrong = "-".join(f"{draw.randrange(10_000):04}" for _ in range(4))
            unknown = {"username": f"nobody-{draw.randrange(10**9)}@example.co", "orgId": organization}
            for path, body in (
                ("/auth/login/code", victim.person.names),
                ("/auth/login/init", {**victim.person.names, "loginCode": wrong}),
                ("/auth/login/code", unknown),
                ("/auth/login/code", victim.elsewhere),
                ("/auth/recover/user/code", victim.person.names),
            ):
                status, _ = post(self._site, path, body, address=address)
                self.statuses[path, status] += 1

    def stop(self) -> None:
        self._over.set()
        for each in self._running:
            each.result()
        self._threads.shutdown()


def sign_in(site: Site, sink: SmtpSink, victim: Victim) -> str:
    """Ask for a code, read the email, present the code, and sign. Return what went wrong, or nothing."""
    username = victim.person.account.username
    old = len(sink.of(username))  # a person doesn't try the codes of emails that were there before

    def send(path: str, body: dict[str, Any]) -> tuple[int, Any]:
        return post(site, path, body, address=victim.address, cookie=victim.cookie)

    status, _ = send("/auth/login/code", victim.person.names)
    if status != 200:
        return f"code {status}"
    deadline = time.monotonic() + MAIL_SECONDS
    tried: set[str] = set()
    while time.monotonic() < deadline:
        for mail in [mail for mail in sink.of(username)[old:] if mail.code and mail.code not in tried]:
            tried.add(mail.code)
            status, opened = send("/auth/login/init", {**victim.person.names, "loginCode": mail.code})
            if status == 200:
                factor = victim.person.key.factor(opened["challenge"])
                body = {"challengeIdentifier": opened["challengeIdentifier"], "firstFactor": factor}
                status, _ = send("/auth/login", body)
                return "" if status == 200 else f"login {status}"
        time.sleep(0.1)
    return f"no email with a code that works: {state_of(victim)}"


def state_of(victim: Victim) -> list[tuple[str, ...]]:
    recipient = victim.person.account.recipient
    rows = OneTimeCode.objects.of(recipient, purpose=CodePurpose.LOGIN).order_by("-pk")[:3]
    try:
        return [(each.caller, each.delivery, each.closed_as, str(each.sent_at)) for each in rows]
    finally:
        connections.close_all()


def test_people_on_known_devices_sign_in_under_attack(
    site: Site,
    smtp_sink: SmtpSink,
    organizations: tuple[Organization, Organization],
    record_property: Figure,
) -> None:
    known = victims(organizations, number=PEOPLE, known=True)
    new = victims(organizations, number=max(PEOPLE // 5, 3), known=False)
    stranger = Stranger(site, [*known, *new])
    outcomes: dict[bool, list[str]] = {True: [], False: []}
    try:
        with ThreadPoolExecutor(8) as threads:
            time.sleep(SECONDS / 5)  # until the rates that a stranger can use up are used up
            everybody = [(True, each) for each in known] + [(False, each) for each in new]
            random.Random(1).shuffle(everybody)
            running = []
            for is_known, victim in everybody:
                running.append((is_known, threads.submit(sign_in, site, smtp_sink, victim)))
                time.sleep(SECONDS * 0.8 / len(everybody))
            for is_known, each in running:
                outcomes[is_known].append(each.result())
    finally:
        stranger.stop()
    record_property("stranger", {f"{path} {status}": n for (path, status), n in stranger.statuses.items()})
    record_property("known", Counter(outcomes[True]))
    record_property("new", Counter(outcomes[False]))
    assert outcomes[True].count("") >= 0.99 * PEOPLE, Counter(outcomes[True])
    assert outcomes[False].count("") <= len(new) / 2  # the control: the attack is one
