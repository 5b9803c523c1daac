"""Nothing that was voided opens anything, however requests interleave on PostgreSQL (R-14, R-122, R-123, R-124).

A state machine issues, presents, signs in, acts, voids, rotates key rings, purges, and moves the clocks of two hosts.
Two requests at a time stop before any statement or commit, or with their body held back, while the other one goes on.
The controls take one safeguard away; the machine finds each of them.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from unittest import mock

import pytest
from django.conf import settings
from django.db import OperationalError, connection
from django.http import HttpResponse
from django.test import override_settings
from django.utils import timezone
from hypothesis import HealthCheck, Phase
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from pytest_django.plugin import DjangoDbBlocker
from rest_framework.request import Request
from rest_framework.views import APIView

from dfns_login.api.request_body import read_body
from dfns_login.api.view import LoginAPIView
from dfns_login.errors import Refusal
from dfns_login.key_rings import Ring, ring_texts, rotate_ring
from dfns_login.models import Account, AccountState, OneTimeCodeQuerySet, Session
from dfns_login.models.accounts import AccountQuerySet
from dfns_login.requester import Requester
from dfns_login.settings import DEFAULT_RATES
from tests.concurrency.conftest import SOAK
from tests.support.databases import MigratedDatabases, working_on
from tests.support.interleaving import TO_THE_END, HostClock, Lane, Run
from tests.support.voidable_account import TARGETS, Pick, Step, VoidableAccount
from tests.support.voiding_model import Thing

EXAMPLES = 2000 if SOAK else 20
EXAMPLES_OF_CONTROLS = 2000 if SOAK else 100
"""A control ends with the first one that finds what is missing."""
STEPS = 12
SETTINGS = hypothesis_settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
ISSUED_BY = {
    "login code": ("ask_login_code",),
    "login challenge": ("open_login",),
    "login challenge with code": ("present_code", "login code"),
    "session": ("sign_in", "login challenge"),
    "session with code": ("sign_in", "login challenge with code"),
    "action challenge": ("open_action", "session with code"),
    "user action": ("sign_action", "action challenge"),
    "credential challenge": ("open_credential", "session"),
    "credential code": ("act", "user action"),
    "challenge by code": ("present_credential_code", "credential code"),
    "recovery code": ("ask_recovery_code",),
    "recovery token": ("open_recovery", "recovery code"),
}
"""The request that issues each thing, and what that request needs."""
USES = {
    "use_session": "session",
    "open_action": "session with code",
    "sign_action": "action challenge",
    "act": "user action",
    "open_credential": "session",
    "sign_in": "login challenge",
    "present_code": "login code",
    "present_credential_code": "credential code",
    "add_with_code": "challenge by code",
    "open_recovery": "recovery code",
    "recover": "recovery token",
    "sign_out_everywhere": "session",
}
"""What each request needs."""
ACTS = {
    "act": "user action",
    "recover": "recovery token",
    "lock_down": "",
    "switch_account": "",
    "switch_organization": "",
    "remove_key": "",
    "sign_out": "session",
    "sign_out_everywhere": "session",
    "revoke_code": "login code",
}
"""What voids, and what that needs. The user action changes the password."""
OTHERS = ("ask_login_code", "ask_recovery_code", "open_login", "purge")
HOLDS = st.integers(0, 30)
PICKS = st.integers(0, 5)
use_names, act_names, targets = st.sampled_from(list(USES)), st.sampled_from(list(ACTS)), st.sampled_from(TARGETS)


@pytest.fixture(scope="module", autouse=True)
def _postgres(migrated: MigratedDatabases, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    app = {**settings.DFNS_LOGIN, "RATES": dict.fromkeys(DEFAULT_RATES, ("1000000/h",)), "KEYS": ring_texts()}
    with django_db_blocker.unblock(), working_on(migrated.new()), override_settings(DFNS_LOGIN=app):
        with connection.cursor() as cursor:  # locks that wait for each other end soon
            cursor.execute(f"ALTER DATABASE {connection.settings_dict['NAME']} SET deadlock_timeout = '20ms'")
        connection.close()
        Machine.lanes = [Lane(), Lane()]
        yield
        for lane in Machine.lanes:
            lane.stop()


class Machine(RuleBasedStateMachine):
    """An account, and two hosts that serve one request each."""

    lanes: ClassVar[list[Lane]]

    def __init__(self) -> None:
        super().__init__()
        self.clock = HostClock()
        patched = mock.patch("django.utils.timezone.now", self.clock)
        patched.start()
        self.undo: list[Callable[[], object]] = [patched.stop]
        self.jane = VoidableAccount.make()
        self.pending: dict[Lane, tuple[str, Run, Step]] = {}
        self.lengths: dict[str, int] = {}
        for lane in self.lanes:
            lane.offset = timedelta()

    def latest(self, kind: str) -> Thing:
        return self.jane.usable_key() if kind == "key" else self.jane.things[kind][-1]

    def at(self, number: int) -> Pick:
        def pick(kind: str) -> Thing:
            found = self.jane.things.get(kind, [])
            if not found:
                raise LookupError
            return found[-1 - number % len(found)]

        return pick

    def issue(self, kind: str, *, target: str) -> None:
        """Have a new thing of this kind issued, and first what that needs."""
        name, *needs = ISSUED_BY[kind]
        self.jane.target = "show code" if kind == "credential code" else target
        for need in needs:
            self.issue(need, target=self.jane.target)
        if name == "open_action" and target == "add":
            self.issue("credential challenge", target=target)
        self.begin(name, self.latest, lane=self.lanes[0])

    def begin(self, name: str, pick: Pick, *, lane: Lane, hold: float = TO_THE_END) -> None:
        try:
            step: Step = getattr(self.jane, name)(pick)
        except LookupError:
            return
        self.start(name, step, lane=lane, hold=hold)

    def start(self, name: str, step: Step, *, lane: Lane, hold: float = TO_THE_END) -> None:
        self.pending[lane] = name, lane.start(step.call, steps=hold), step
        self.settle()

    def hold_of(self, name: str, hold: int) -> int:
        """Spread the places to stop over the statements of this request."""
        return hold % (self.lengths.get(name, 10) + 1)

    def settle(self) -> None:
        for lane, (name, run, step) in list(self.pending.items()):
            if run.state == "done":
                del self.pending[lane]
                self.lengths[name] = len(run.statements) + len(run.commits)
                accept(run, step)
        assert self.jane.history.violations() == []

    def finish(self) -> None:
        while self.pending:
            for lane in list(self.pending):
                lane.resume(TO_THE_END)
            self.settle()

    @rule(use=use_names, act=act_names, purpose=targets, hold=HOLDS)
    def act_while_a_request_is_held(self, use: str, act: str, purpose: str, hold: int) -> None:
        self.race(use, act, purpose, lambda used, acting: (used, acting), hold=hold)

    @rule(use=use_names, act=act_names, purpose=targets, hold=HOLDS)
    def request_while_an_act_is_held(self, use: str, act: str, purpose: str, hold: int) -> None:
        self.race(use, act, purpose, lambda used, acting: (acting, used), hold=hold)

    def race(self, use: str, act: str, purpose: str, order: Callable[..., Any], *, hold: int) -> None:
        """Issue what both need. Hold the first of the two while the other one goes on."""
        self.finish()
        try:
            self.issue(USES[use], target=purpose)
            used = getattr(self.jane, use)(self.latest)
            if ACTS[act]:
                self.issue(ACTS[act], target="password")
            acting = getattr(self.jane, act)(self.latest)
        except LookupError:
            return
        first, second = order((use, used), (act, acting))
        self.start(*first, lane=self.lanes[0], hold=self.hold_of(first[0], hold))
        self.start(*second, lane=self.lanes[1])
        self.finish()

    @rule(name=st.sampled_from([*USES, *ACTS, *OTHERS]), number=PICKS, hold=HOLDS)
    def go(self, name: str, number: int, hold: int) -> None:
        lane = next((lane for lane in self.lanes if lane not in self.pending), None)
        if lane:
            self.begin(name, self.at(number), lane=lane, hold=self.hold_of(name, hold))

    @rule(number=PICKS, hold=HOLDS)
    def go_on(self, number: int, hold: int) -> None:
        if self.pending:
            list(self.pending)[number % len(self.pending)].resume(hold)
            self.settle()

    @rule(seconds=st.sampled_from([1, 40, 301, 601]), apart=st.sampled_from([-60, -10, -2, 0, 2, 10, 60]))
    def wait(self, seconds: int, apart: int) -> None:
        """Wait, and set the clock of one host."""
        self.clock.now += timedelta(seconds=seconds)
        self.lanes[seconds % 2].offset = timedelta(seconds=apart)

    @rule(ring=st.sampled_from([ring for ring in Ring if ring is not Ring.DECOYS]))
    def rotate(self, ring: Ring) -> None:
        """Put a new key in front. What was issued with the one before it stays good."""
        rings = rotate_ring(ring_texts(), ring=ring, now=datetime.now(UTC))
        rotated = override_settings(DFNS_LOGIN={**settings.DFNS_LOGIN, "KEYS": rings})
        rotated.enable()
        self.undo.append(rotated.disable)

    def teardown(self) -> None:
        try:
            self.finish()
            for name in USES:
                for number in range(3):
                    self.begin(name, self.at(number), lane=self.lanes[0])
        finally:
            self.finish()
            while self.undo:
                self.undo.pop()()


def accept(run: Run, step: Step) -> None:
    if isinstance(run.error, Refusal | OperationalError):  # PostgreSQL ends one of two that wait for each other
        return
    if run.error:
        raise run.error
    if not isinstance(run.answer, HttpResponse):
        step.accepted(run, run.answer)
    elif run.answer.status_code == 200:
        step.accepted(run, run.answer.json())
    else:
        assert run.answer.status_code < 500 or run.answer.status_code == 503, run.answer.content


def test_nothing_that_was_voided_opens_anything() -> None:
    run_state_machine_as_test(Machine, settings=SETTINGS)


# The controls


def compare_no_generation(accounts: AccountQuerySet, *, account: Account, generation: int) -> bool:
    current = accounts.filter(pk=account.pk, state=AccountState.REGISTERED)
    return current.select_for_update(no_key=True).first() is not None


def compare_without_a_lock(accounts: AccountQuerySet, *, account: Account, generation: int) -> bool:
    return accounts.filter(pk=account.pk, state=AccountState.REGISTERED, generation__lte=generation).exists()


def keep_codes(codes: OneTimeCodeQuerySet, *, account: Account, now: datetime) -> int:
    return 0


def authenticate_before_the_body(view: LoginAPIView, request: Request, *args: Any, **kwargs: Any) -> None:
    view.requester = Requester.of(view.django_request)
    view.now = timezone.now()
    APIView.initial(view, request, *args, **kwargs)
    read_body(view.django_request)


def trust_the_session_that_was_read(session: Session, *, now: datetime, others: Collection[str]) -> int:
    Account.objects.lock(account=session.account)
    return session.generation


def spend_nothing(jti: str, *, expires_at: datetime) -> bool:
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """A safeguard, and what takes its place. uses, acts: the requests that depend on it; empty if many do."""

    safeguard: str
    without: Callable[..., Any]
    uses: Sequence[str] = ()
    acts: Sequence[str] = ()

    def machine(self) -> type[Machine]:
        """Return the machine, or one that only races what depends on the safeguard: the whole one needs an hour."""
        return machine_of_races(self.uses, self.acts) if self.uses else Machine


def machine_of_races(uses: Sequence[str], acts: Sequence[str]) -> type[Machine]:
    drawn = {"use": st.sampled_from(uses), "act": st.sampled_from(acts), "purpose": targets, "hold": HOLDS}

    class Races(Machine):
        go = go_on = wait = rotate = None  # type: ignore[assignment]

        @rule(**drawn)
        def act_while_a_request_is_held(self, use: str, act: str, purpose: str, hold: int) -> None:
            self.race(use, act, purpose, lambda used, acting: (used, acting), hold=hold)

        @rule(**drawn)
        def request_while_an_act_is_held(self, use: str, act: str, purpose: str, hold: int) -> None:
            self.race(use, act, purpose, lambda used, acting: (acting, used), hold=hold)

    return Races


FOUND_SOON = {
    "no generation": Control(
        safeguard="dfns_login.models.accounts.AccountQuerySet.lock_current", without=compare_no_generation
    ),
    "no lock": Control(
        safeguard="dfns_login.models.accounts.AccountQuerySet.lock_current", without=compare_without_a_lock
    ),
}
FOUND_LATER = {
    "codes kept": Control(
        safeguard="dfns_login.models.one_time_codes.OneTimeCodeQuerySet.revoke_of_account",
        without=keep_codes,
        uses=("present_code", "open_recovery", "present_credential_code"),
        acts=("sign_out_everywhere", "recover", "switch_account", "remove_key"),
    ),
    "body after authentication": Control(
        safeguard="dfns_login.api.view.LoginAPIView.initial",
        without=authenticate_before_the_body,
        uses=("open_action", "open_credential", "sign_out_everywhere"),
        acts=("sign_out", "sign_out_everywhere", "switch_account"),
    ),
    "session not read again": Control(
        safeguard="dfns_login.proofs.user_actions.lock_session",
        without=trust_the_session_that_was_read,
        uses=("act",),
        acts=("sign_out_everywhere", "switch_account", "lock_down"),
    ),
    "nothing spent": Control(
        safeguard="dfns_login.proofs.challenges.spend_jti",
        without=spend_nothing,
        uses=("sign_action", "add_with_code", "recover"),
        acts=("revoke_code", "sign_out"),
    ),
}
"""Safeguards on which few requests depend, for a long run."""
CONTROLS = FOUND_SOON | (FOUND_LATER if SOAK else {})


@pytest.mark.parametrize("control", CONTROLS.values(), ids=CONTROLS.keys())
def test_control_the_machine_finds_a_missing_safeguard(control: Control) -> None:
    """The same examples in each run, so that what is found once is found always, and none after the first find."""
    same = hypothesis_settings(
        SETTINGS,
        max_examples=EXAMPLES_OF_CONTROLS,
        phases=[Phase.generate],
        derandomize=True,
        database=None,
        report_multiple_bugs=False,
    )
    with mock.patch(control.safeguard, control.without), pytest.raises(AssertionError, match=r"opened|released"):
        run_state_machine_as_test(control.machine(), settings=same)
