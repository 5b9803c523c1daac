"""Pages of the activity: together they have the acts that one page with everything has."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, count
from random import Random
from typing import Any, Final

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from dfns_login.ceremonies.activity import make_page
from dfns_login.ceremonies.acts import REACH, Act, Category
from dfns_login.models import Account, AuditEvent, AuditKind
from tests.support.api_client import call, sign_in
from tests.support.clock import SECOND
from tests.support.factories import Person

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("without_rates")]

WIDE: Final = 120
"""A window in which pages of many acts are cut."""
DETAILS: Final[dict[AuditKind, tuple[dict[str, Any], ...]]] = {
    AuditKind.SIGNED_IN: ({"with_code": True, "session": 1}, {"session": 2}),
    AuditKind.UNLOCKED: ({"credential": "a"}, {}),
    AuditKind.CODE_SENT: ({"purpose": "login", "code": 1}, {"purpose": "login", "code": 2}, {"purpose": "credential"}),
    AuditKind.CODE_PRESENTED: ({"purpose": "login"}, {"purpose": "recovery"}, {"purpose": "credential"}),
    AuditKind.KEY_RELEASED: ({"purpose": "login"}, {"purpose": "action", "session": 1}),
    AuditKind.ACTION_SIGNED: ({"session": 1}, {"session": 2}),
    AuditKind.ACTION_USED: ({"session": 1, "path": "/auth/credentials", "method": "POST"},),
    AuditKind.CREDENTIAL_CREATED: ({"credential": "a", "kind": "RecoveryKey"}, {"credential": "b", "kind": "Fido2"}),
    AuditKind.CREDENTIAL_DEACTIVATED: ({"credential": "c", "kind": "RecoveryKey"},),
    AuditKind.RECOVERED: ({},),
    AuditKind.REGISTERED: ({},),
}


class Past:
    """What happened to somebody. Events of one request have one time."""

    def __init__(self, *, seed: int) -> None:
        self.random = Random(seed)
        self.at = timezone.now()
        self.ids = count(1)
        self.pauses = self.random.choices((0 * SECOND, SECOND, 30 * SECOND), k=3)

    def go_on(self, *, count: int) -> list[AuditEvent]:
        """Return newer events, the oldest first."""
        return [self._event() for _ in range(count)]

    def _event(self) -> AuditEvent:
        self.at += self.random.choice(self.pauses)
        kind = self.random.choice(list(DETAILS))
        agent, detail = self.random.choice(("", "curl")), self.random.choice(DETAILS[kind])
        return AuditEvent(pk=next(self.ids), kind=kind, at=self.at, agent=agent, detail=detail)


def store(account: Account, events: list[AuditEvent]) -> None:
    for event in events:
        event.pk, event.account, event.organization = None, account, account.organization
        AuditEvent.objects.add(event)


def page(client: Client, token: str, query: str) -> dict[str, Any]:
    answer = call(client, "GET", f"/auth/activity?{query}", bearer=token)
    assert answer.status_code == 200, answer.content
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize("category", ["", "&category=signIns", "&category=changes"])
@pytest.mark.parametrize("limit", [1, 4])
def test_pages_have_what_one_page_has_while_events_are_added(
    client: Client, kim: Person, limit: int, category: str
) -> None:
    """R-180."""
    token, past = sign_in(client, kim), Past(seed=limit)
    store(kim.account, past.go_on(count=30))
    whole = page(client, token, f"limit=100{category}")["items"]
    found, following = list[dict[str, Any]](), ""
    while True:
        got = page(client, token, f"limit={limit}{category}{following}")
        assert len(got["items"]) <= limit
        found += got["items"]
        if "nextPageToken" not in got:
            break
        following = f"&paginationToken={got['nextPageToken']}"
        store(kim.account, past.go_on(count=1))
    assert found == whole


def test_pages_cost_the_same_statements_however_much_happened(client: Client, kim: Person) -> None:
    """R-180."""
    token, past = sign_in(client, kim), Past(seed=1)
    counts = list[int]()
    for more in (60, 600):
        store(kim.account, past.go_on(count=more))
        with CaptureQueriesContext(connection) as statements:
            page(client, token, "limit=50")
        counts.append(len(statements))
    assert counts[0] == counts[1]


# Events become acts, page by page


def at_once(events: list[AuditEvent], category: Category | None) -> Sequence[Act]:
    nothing = frozenset[int]()
    return make_page(events, taken=nothing, category=category, limit=len(events) + 1, window=len(events) + 1).acts


def page_by_page(events: list[AuditEvent], category: Category | None, *, limit: int, window: int) -> Iterator[Act]:
    start, taken = 0, frozenset[int]()
    while True:
        some = events[start : start + window]
        got = make_page(some, taken=taken, category=category, limit=limit, window=window)
        assert len(got.acts) <= limit
        yield from got.acts
        if got.following is None:
            break
        start = next(index for index, event in enumerate(events) if event.pk == got.following.pk)
        assert len(got.following.taken) <= 2 * REACH
        taken = got.following.taken


def ids(acts: Iterable[Act]) -> list[list[int]]:
    return [[event.pk for event in act.events] for act in acts]


@hypothesis_settings(max_examples=40, deadline=None, phases=[Phase.generate])
@given(
    seed=st.integers(min_value=0),
    count=st.integers(min_value=0, max_value=3 * WIDE),
    category=st.sampled_from([None, *Category]),
    limit=st.integers(min_value=1, max_value=40),
    window=st.integers(min_value=2 * REACH + 1, max_value=WIDE),
)
def test_an_act_is_on_one_page_with_all_its_events(
    seed: int, count: int, category: Category | None, limit: int, window: int
) -> None:
    """R-180."""
    events = Past(seed=seed).go_on(count=count)[::-1]
    whole = ids(at_once(events, category))
    assert ids(page_by_page(events, category, limit=limit, window=window)) == whole
    if category is None:
        assert sorted(chain.from_iterable(whole)) == sorted(event.pk for event in events)


def test_acts_are_in_the_order_of_their_newest_events() -> None:
    """R-180."""
    events = Past(seed=1).go_on(count=200)[::-1]
    times = [act.at for act in at_once(events, None)]
    assert times == sorted(times, reverse=True)
