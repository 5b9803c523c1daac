"""Acts: what somebody did, made of the events that the audit trail has of it (R-180).

A sign-in is four events: a code was sent, it was presented, a key was released, and a session was opened. Steps are
never dropped: a code that somebody presents without signing in is an act of its own, and an act takes as many steps as
it needs and not one more.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, auto
from itertools import groupby
from typing import Final

from dfns_login.ceremonies.credential_changes import RENEWAL
from dfns_login.models import AuditEvent, AuditKind, CodePurpose, Credential, CredentialKind, Session
from dfns_login.settings import login_settings

REACH: Final = 50
"""How many events may lie between an act's newest request and its other ones. A page reads that many more events."""

FOLLOW_UPS: Final[Mapping[str, frozenset[str]]] = {
    AuditKind.RECOVERED: frozenset({AuditKind.CREDENTIAL_CREATED, AuditKind.UNLOCKED}),
    AuditKind.REGISTERED: frozenset({AuditKind.CREDENTIAL_CREATED}),
    AuditKind.SIGNED_IN: frozenset({AuditKind.UNLOCKED}),
    AuditKind.DEACTIVATED: frozenset({AuditKind.SIGNED_OUT}),
    AuditKind.REACTIVATED: frozenset({AuditKind.SIGNED_OUT}),
    AuditKind.CODE_PRESENTED: frozenset({AuditKind.KEY_RELEASED}),
}
"""By the kind of an event: what its own request stores besides."""
COMPLETES: Final[Mapping[str, str]] = {
    CodePurpose.LOGIN: AuditKind.SIGNED_IN,
    CodePurpose.REGISTRATION: AuditKind.REGISTERED,
    CodePurpose.RECOVERY: AuditKind.RECOVERED,
    CodePurpose.CREDENTIAL: AuditKind.CREDENTIAL_CREATED,
}
"""By the purpose of a code: what somebody presents it for."""
CHANGED_WITH_ACTION: Final = frozenset(
    {
        AuditKind.CREDENTIAL_CREATED,
        AuditKind.CREDENTIAL_DEACTIVATED,
        AuditKind.CREDENTIAL_ACTIVATED,
        AuditKind.CREDENTIAL_RENAMED,
        AuditKind.CREDENTIAL_KEY_REPLACED,
        AuditKind.CODE_SHOWN,
    }
)
PATH: Final = "/auth/credentials"
"""In the path of each request that makes such a change. Other paths are the project's, or act on other accounts."""
LONGEST_REQUEST: Final = timedelta(minutes=1)
"""A request reads the clock when it begins, and again when it spends its user action."""
BY_OPERATORS: Final = frozenset(
    {AuditKind.DEACTIVATED, AuditKind.REACTIVATED, AuditKind.CODE_REVOKED, AuditKind.RECOVERY_CANCELLED}
)


SIGN_INS: Final = frozenset(
    {
        AuditKind.SIGNED_IN,
        AuditKind.SIGNED_OUT,
        AuditKind.CODE_SENT,
        AuditKind.CODE_PRESENTED,
        AuditKind.KEY_RELEASED,
    }
)


class Category(Enum):
    """What owners filter by."""

    SIGN_INS = auto()
    CHANGES = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRequest:
    """Events that one request stored: they have one time. start: the position of the first one."""

    start: int
    events: Sequence[AuditEvent]


@dataclass(slots=True, kw_only=True, eq=False)
class Act:
    """Something that happened. events: the one that names it first, then its follow-ups and steps.

    start: as in the `StoredRequest` of its newest event. credential: the one that it is about.
    ended: the session that it ended.
    """

    start: int
    events: list[AuditEvent]
    credential: Credential | None = field(default=None, repr=False)
    ended: Session | None = field(default=None, repr=False)

    @property
    def event(self) -> AuditEvent:
        return self.events[0]

    @property
    def at(self) -> datetime:
        """When it was complete."""
        return max(each.at for each in self.events)

    @property
    def includes(self) -> Sequence[str]:
        """The kinds of the other events, each once."""
        return sorted({each.kind for each in self.events[1:]})

    @property
    def category(self) -> Category:
        return Category.SIGN_INS if self.event.kind in SIGN_INS else Category.CHANGES

    @property
    def by_operator(self) -> bool:
        """Whether an operator did it: from the admin or the API, or with a command."""
        kind, detail = self.event.kind, self.event.detail
        if kind == AuditKind.INVITED:
            return "sign_up" not in detail
        if kind == AuditKind.UNLOCKED:
            return "credential" not in detail
        is_request = bool(self.event.request_id or self.event.address)
        by_command = kind in {AuditKind.SIGNED_OUT, AuditKind.CREDENTIAL_DEACTIVATED} and not is_request
        return "operator" in detail or kind in BY_OPERATORS or by_command


def stored_requests(events: Sequence[AuditEvent]) -> Iterator[StoredRequest]:
    """Divide events, the newest first, by request. More than `REACH` events of one time count as several requests."""
    start = 0
    for _, same_time in groupby(events, key=lambda event: event.at):
        rest = list(same_time)
        while rest:
            yield StoredRequest(start=start, events=rest[:REACH])
            start += len(rest[:REACH])
            rest = rest[REACH:]


def fold(requests: Iterable[StoredRequest], *, taken: Collection[int] = ()) -> Iterator[Act]:
    """Make acts of what requests stored, and yield each once nothing can join it. Both are in order, the newest first.

    taken: ids of events that belong to newer acts.
    """
    acts = list[Act]()
    for request in requests:
        while acts and request.start - acts[0].start > REACH:
            yield acts.pop(0)
        acts += [act for act in _acts_of(request, taken=taken) if not _joins(act, acts)]
    yield from acts


def _acts_of(request: StoredRequest, *, taken: Collection[int]) -> Iterator[Act]:
    rest = [event for event in request.events if event.pk not in taken]
    rest.sort(key=lambda event: event.kind not in FOLLOW_UPS)
    while rest:
        main = rest.pop(0)
        follow_ups = [each for each in rest if each.kind in FOLLOW_UPS.get(main.kind, ())]
        rest = [each for each in rest if each not in follow_ups]
        yield Act(start=request.start, events=[main, *follow_ups])


def _joins(step: Act, acts: list[Act]) -> bool:
    """Add the step to the next act that still lacks it. False if it is an act of its own.

    A change names the user action that permitted it. A new recovery kit does that, and names the end of the earlier
    one. They become one act, in the place of the newest.
    """
    led_to = next((act for act in reversed(acts) if _leads_to(step.event, act)), None)
    if led_to:
        led_to.events += step.events
        return True
    permitted_by = next((act for act in reversed(acts) if _permits(act.event, step.event)), None)
    renewal_of = next((act for act in reversed(acts) if _renews(step.event, act)), None)
    named = [act for act in acts if act in {permitted_by, renewal_of}]
    if not named:
        return False
    newest, *others = named
    newest.events = [*step.events, *(event for act in named for event in act.events)]
    for other in others:
        acts.remove(other)
    return True


def _permits(used: AuditEvent, changed: AuditEvent) -> bool:
    """Whether this is the user action that permitted the change."""
    return (
        used.kind == AuditKind.ACTION_USED
        and changed.kind in CHANGED_WITH_ACTION
        and PATH in str(used.detail.get("path"))
        and _same_browser(used, changed)
        and used.at - changed.at < LONGEST_REQUEST
    )


def _leads_to(step: AuditEvent, act: Act) -> bool:
    match step.kind:
        case AuditKind.ACTION_SIGNED:
            kinds = _kinds_in_session(step, act)
            return kinds.count(AuditKind.ACTION_SIGNED) < kinds.count(AuditKind.ACTION_USED)
        case AuditKind.KEY_RELEASED:
            confirms = {AuditKind.ACTION_USED, AuditKind.ACTION_SIGNED, AuditKind.KEY_RELEASED}
            return step.detail.get("purpose") == "action" and not confirms.isdisjoint(_kinds_in_session(step, act))
        case AuditKind.CODE_PRESENTED:
            return _presented_for(step, act)
        case AuditKind.CODE_SENT:
            codes = {each.detail.get("code") for each in act.events if each.kind == AuditKind.CODE_SENT}
            purposes = {each.detail.get("purpose") for each in act.events if each.kind == AuditKind.CODE_PRESENTED}
            return codes == {step.detail.get("code")} or (not codes and step.detail.get("purpose") in purposes)
    return False


def _kinds_in_session(step: AuditEvent, act: Act) -> list[str]:
    session = step.detail.get("session")
    return [each.kind for each in act.events if each.detail.get("session") == session]


def _presented_for(step: AuditEvent, act: Act) -> bool:
    """Whether the act completes what this code was presented for, from the same browser, and lacks a code."""
    main, purpose = act.event, str(step.detail.get("purpose"))
    if main.kind != COMPLETES.get(purpose) or not _same_browser(main, step):
        return False
    if any(each.kind in {AuditKind.CODE_PRESENTED, AuditKind.ACTION_USED} for each in act.events):
        return False
    in_time = main.at - step.at < login_settings().challenge_lifetime_with_code
    return purpose != CodePurpose.LOGIN or ("with_code" in main.detail and in_time)


def _renews(created: AuditEvent, act: Act) -> bool:
    """Whether the act is the end of the recovery kit that this one replaced."""
    ended = act.event
    return (
        created.kind == AuditKind.CREDENTIAL_CREATED
        and ended.kind == AuditKind.CREDENTIAL_DEACTIVATED
        and ended.detail.get("kind") == created.detail.get("kind") == CredentialKind.RECOVERY_KEY
        and ended.detail.get("credential") != created.detail.get("credential")
        and not act.by_operator
        and _same_browser(ended, created)
        and ended.at - created.at < RENEWAL
    )


def _same_browser(one: AuditEvent, other: AuditEvent) -> bool:
    return (one.address, one.agent) == (other.address, other.agent)
