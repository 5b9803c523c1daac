"""What happened to an account, as its owner reads it: each act once, with the steps that led to it (R-180).

The audit trail has an event for each step. A sign-in is four of them: a code was sent, it was presented, a key was
released, and a session was opened. Steps are never dropped: a code that somebody presents without signing in is an act
of its own, and an act takes as many steps as it needs and not one more.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, auto
from itertools import groupby
from typing import Final

from dfns_login.ceremonies.credential_changes import RENEWAL
from dfns_login.models import AuditEvent, AuditKind, CodePurpose, Credential, CredentialKind, Session
from dfns_login.settings import login_settings

SHOWN: Final = 100
"""The most acts on one page."""
WINDOW: Final = 400
"""The most events that one page reads. If most are steps or of another category, a page may be short or empty."""
NEAR: Final = 20
"""How many acts may lie between an act and its steps."""
EPOCH: Final = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
MICROSECOND: Final = timedelta(microseconds=1)

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


class Category(Enum):
    """What owners filter by."""

    SIGN_INS = auto()
    CHANGES = auto()


SIGN_INS: Final = frozenset(
    {
        AuditKind.SIGNED_IN,
        AuditKind.SIGNED_OUT,
        AuditKind.CODE_SENT,
        AuditKind.CODE_PRESENTED,
        AuditKind.KEY_RELEASED,
    }
)


@dataclass(slots=True, kw_only=True)
class Act:
    """Something that happened. events: the one that names it first, then its follow-ups and steps.

    credential: the one that it is about. ended: the session that it ended.
    """

    events: list[AuditEvent]
    credential: Credential | None = field(default=None, repr=False)
    ended: Session | None = field(default=None, repr=False)

    @property
    def event(self) -> AuditEvent:
        return self.events[0]

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


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityPage:
    """Some acts, the newest first. next_token: where the next page begins; 0 on the last page."""

    acts: Sequence[Act]
    next_token: int = 0


def list_activity(session: Session, *, category: Category | None, before: int, limit: int) -> ActivityPage:
    """Return one page of what happened to the account, the newest first.

    before: `next_token` of the page before, or 0.
    """
    events = AuditEvent.objects.filter(account=session.account).defer("evidence").order_by("-at", "-pk")
    if before:
        events = events.filter(at__lt=EPOCH + before * MICROSECOND)
    page = fold(list(events[:WINDOW]), category=category, limit=min(limit, SHOWN))
    _name(page.acts)
    return page


def fold(events: Sequence[AuditEvent], *, category: Category | None, limit: int, window: int = WINDOW) -> ActivityPage:
    """Make acts of events, the newest first. What one request stored has one time, and stays on one page."""
    groups = [list(group) for _, group in groupby(events, key=lambda event: event.at)]
    is_cut = len(events) >= window
    if is_cut and len(groups) > 1:
        groups.pop()  # the window may have cut it
    acts, last = list[Act](), None
    for group in groups:
        fresh = [act for act in _acts_of(group) if not _joins(act, acts)]
        wanted = [act for act in fresh if category in {None, act.category}]
        full = sum(category in {None, act.category} for act in acts) + len(wanted) > limit
        if full and last is not None:
            is_cut = True
            break
        acts += fresh
        last = group[0].at
    shown = [act for act in acts if category in {None, act.category}]
    return ActivityPage(acts=shown, next_token=(last - EPOCH) // MICROSECOND if is_cut and last else 0)


def _acts_of(group: Sequence[AuditEvent]) -> Iterable[Act]:
    rest = sorted(group, key=lambda event: event.kind not in FOLLOW_UPS)
    while rest:
        main = rest.pop(0)
        taken = [each for each in rest if each.kind in FOLLOW_UPS.get(main.kind, ())]
        rest = [each for each in rest if each not in taken]
        yield Act(events=[main, *taken])


def _joins(step: Act, acts: list[Act]) -> bool:
    """Add the step to the act that it led to: the next one that still lacks it. False if it is an act of its own."""
    for act in reversed(acts[-NEAR:]):
        if _leads_to(step.event, act):
            act.events += step.events
            return True
        if _names(step.event, act):
            act.events = step.events + act.events
            acts.remove(act)
            if not _joins(act, acts):  # as a new recovery kit does
                acts.append(act)
            return True
    return False


def _names(changed: AuditEvent, act: Act) -> bool:
    """Whether the event is what the act changed: the user action that permitted it, or the end of the earlier kit."""
    last = act.event
    if last.kind == AuditKind.ACTION_USED:
        is_ours = changed.kind in CHANGED_WITH_ACTION and PATH in str(last.detail.get("path"))
        return is_ours and _same_browser(last, changed) and last.at - changed.at < LONGEST_REQUEST
    return _renews(changed, act)


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


def _name(acts: Sequence[Act]) -> None:
    named = {str(act.event.detail["credential"]) for act in acts if "credential" in act.event.detail}
    found = Credential.objects.only("kind", "name").in_bulk(named) if named else {}
    closed = {act.event.detail.get("session") for act in acts if act.event.kind == AuditKind.SIGNED_OUT} - {None}
    ended = Session.objects.only("agent").in_bulk(closed) if closed else {}
    for act in acts:
        act.credential = found.get(str(act.event.detail.get("credential")))
        if act.event.kind == AuditKind.SIGNED_OUT:
            act.ended = ended.get(act.event.detail.get("session"))
