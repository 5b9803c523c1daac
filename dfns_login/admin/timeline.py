"""Timeline of a code, made from its row and the audit events of its account."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dfns_login.admin.guesses import guesses_in_words
from dfns_login.admin.rendering import Tone, agent_name, moment, moment_after, seconds
from dfns_login.models import AuditEvent, AuditKind, CodeClosed, CodePurpose, DeliveryState, OneTimeCode
from dfns_login.proofs import guess_cap

EVENTS_READ: Final = 200
AFTERWARDS: Final = timedelta(minutes=5)
"""How long after a code is closed its last email may still be recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """An entry of the timeline. at: None if the time isn't stored. order: where the entry is placed."""

    text: str
    tone: Tone
    order: datetime
    at: datetime | None = None
    detail: str = ""
    to_come: bool = False


def when(step: Step, *, begin: datetime) -> str:
    """Render the step's time, and how long after the beginning it is. Empty if the time isn't stored."""
    if step.at is None or step.at <= begin:
        return moment(step.at) if step.at else ""
    offset = seconds((step.at - begin).total_seconds())
    text = '{} <span class="dfns-offset" dir="ltr">+{}</span>'
    return format_html(text, moment_after(step.at, begin=begin), offset)


def events_of(code: OneTimeCode) -> Sequence[AuditEvent]:
    """Events of the account while the code was open, from one index lookup."""
    if code.account is None:
        return []
    until = (code.closed_at or code.expires_at) + AFTERWARDS
    kinds = (AuditKind.CODE_SENT, AuditKind.CODE_PRESENTED)
    events = AuditEvent.objects.filter(account=code.account, kind__in=kinds, at__gte=code.issued_at, at__lte=until)
    return [each for each in events.order_by("at", "pk")[:EVENTS_READ] if each.detail.get("purpose") == code.purpose]


def timeline(code: OneTimeCode, *, events: Sequence[AuditEvent], now: datetime) -> Sequence[Step]:
    """Return the known steps, earliest first, then what comes next. events: those of the code that may be shown."""
    over = code.closed_at is not None or code.expires_at <= now
    last = min(now, code.closed_at or code.expires_at)
    steps = [*_requested(code), *_sent(code, events), *_failed(code, last=last), *_guessed(code, last=last)]
    steps += _ended(code, events) if over else _to_come(code)
    return sorted(steps, key=lambda step: (step.to_come, step.order))


def _requested(code: OneTimeCode) -> Iterator[Step]:
    if code.delivery == DeliveryState.SHOWN:
        yield _step(code.issued_at, _("Shown to the signed-in owner"), Tone.GOOD, detail=_origin(code))
        return
    yield _step(code.issued_at, _("Requested; email queued"), Tone.WAITING, detail=_origin(code))
    if code.asked_at > code.issued_at:
        yield _step(code.asked_at, _("Requested again: same code"), Tone.WAITING)


def _sent(code: OneTimeCode, events: Sequence[AuditEvent]) -> Iterator[Step]:
    sent = [event.at for event in events if _is_sending(event, code)]
    if code.sent_at is not None and code.sent_at not in sent:
        sent.append(code.sent_at)
    for at in sent:
        yield _step(at, _("Handed to the mail server"), Tone.GOOD)
    if code.delivery == DeliveryState.NO_RECIPIENT and code.handled_at is not None:
        why = _("No account with this username can receive this kind of code.")
        yield _step(code.handled_at, _("Not sent: no recipient"), Tone.OVER, detail=why)


def _failed(code: OneTimeCode, *, last: datetime) -> Iterator[Step]:
    if code.delivery == DeliveryState.REFUSED and code.handled_at is not None:
        text = _("Refused for good by the recipient's mail server")
        yield _step(code.handled_at, text, Tone.BAD, detail=code.last_error)
        return
    if code.delivery == DeliveryState.FAILED or (code.last_error and code.sent_at is None):
        text = _("Try %(count)d failed") % {"count": code.tries}
        yield Step(text=text, tone=Tone.BAD, order=last, detail=code.last_error)


def _to_come(code: OneTimeCode) -> Iterator[Step]:
    """Yield what delivery does next, and the expiry."""
    if code.delivery == DeliveryState.SENDING:
        text = _("A worker is sending it (try %(count)d). If it stops, another one takes over") % {"count": code.tries}
        yield _step(code.next_try_at, text, Tone.WAITING, to_come=True)
    elif code.delivery == DeliveryState.FAILED:
        yield _step(code.next_try_at, _("Next try"), Tone.WAITING, to_come=True)
    elif code.delivery == DeliveryState.QUEUED or code.is_requested_again:
        yield _step(max(code.next_try_at, code.asked_at), _("Email due"), Tone.WAITING, to_come=True)
    yield _step(code.expires_at, _("Expires"), Tone.WAITING, to_come=True)


def _guessed(code: OneTimeCode, *, last: datetime) -> Iterator[Step]:
    presented = code.closed_as == CodeClosed.CONSUMED
    wrong = code.guesses + code.device_guesses - presented
    if wrong > 0:
        text = ngettext("%(count)d wrong guess", "%(count)d wrong guesses", wrong) % {"count": wrong}
        who = "" if presented else guesses_in_words(code)  # the right guess is one of them
        used_up = code.callers_guesses >= guess_cap(CodePurpose(code.purpose))
        yield Step(text=text, tone=Tone.BAD if used_up else Tone.WAITING, order=last, detail=who)


def _ended(code: OneTimeCode, events: Sequence[AuditEvent]) -> Iterator[Step]:
    unsent = code.sent_at is None and code.delivery not in {DeliveryState.NO_RECIPIENT, DeliveryState.SHOWN}
    detail = _("It was never sent.") if unsent else ""
    if code.closed_at is None:
        yield _step(code.expires_at, _("Expired"), Tone.OVER, detail=detail)
        return
    texts = {
        CodeClosed.CONSUMED: (_("Presented and used up"), Tone.GOOD),
        CodeClosed.EXPIRED: (_("Expired"), Tone.OVER),
        CodeClosed.SUPERSEDED: (
            _("Replaced by a new code: it was about to expire or had no guesses left"),
            Tone.OVER,
        ),
        CodeClosed.REVOKED: (_("Revoked"), Tone.BAD),
    }
    text, tone = texts[CodeClosed(code.closed_as)]
    if code.closed_as == CodeClosed.CONSUMED:
        detail = next((_origin(each) for each in events if each.kind == AuditKind.CODE_PRESENTED), "")
    at = code.expires_at if code.closed_as == CodeClosed.EXPIRED else code.closed_at
    if detail == _origin(code):
        detail = _("From where it was requested")
    yield _step(at, text, tone, detail=detail)


def _is_sending(event: AuditEvent, code: OneTimeCode) -> bool:
    return event.kind == AuditKind.CODE_SENT and event.detail.get("code") == code.pk


def _origin(row: AuditEvent | OneTimeCode) -> str:
    return " · ".join(each for each in (row.address, agent_name(row.agent)) if each)


def _step(at: datetime, text: str, tone: Tone, *, detail: str = "", to_come: bool = False) -> Step:
    return Step(text=text, tone=tone, order=at, at=at, detail=detail, to_come=to_come)
