"""What happened to one code, in order: from its row, and from the events of its account."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.utils.translation import gettext as _

from dfns_login.admin.rendering import Tone
from dfns_login.models import AuditEvent, AuditKind, CodeClosed, CodeDelivery, CodePurpose, OneTimeCode
from dfns_login.proofs import guess_cap

EVENTS_READ: Final = 200
AFTERWARDS: Final = timedelta(minutes=5)
"""How long after a code has ended its last mail may still be recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that happened, or is to come. at: none where the row does not keep it. order: where it stands."""

    text: str
    tone: Tone
    order: datetime
    at: datetime | None = None
    detail: str = ""
    to_come: bool = False


def timeline(code: OneTimeCode, *, now: datetime) -> Sequence[Step]:
    """Every step that is known, the earliest first, and what comes next."""
    over = code.closed_at is not None or code.expires_at <= now
    last = min(now, code.closed_at or code.expires_at)
    steps = [*_asked(code), *_mailed(code), *_failed(code, last=last), *_guessed(code, last=last)]
    steps += _ended(code) if over else _to_come(code)
    return sorted(steps, key=lambda step: (step.to_come, step.order))


def is_asked_again(code: OneTimeCode) -> bool:
    """Whether it was asked for again after its mail was sent, so that another one is due."""
    return code.handled_at is not None and code.asked_at > code.handled_at


def _asked(code: OneTimeCode) -> Iterator[Step]:
    origin = " · ".join(each for each in (code.address, code.agent) if each)
    if code.delivery == CodeDelivery.SHOWN:
        yield _step(code.issued_at, _("Shown to its owner, who was signed in"), Tone.GOOD, detail=origin)
        return
    yield _step(code.issued_at, _("Asked for; queued for mailing"), Tone.WAITING, detail=origin)
    if code.asked_at > code.issued_at:
        yield _step(code.asked_at, _("Last asked for again: the same code"), Tone.WAITING)


def _mailed(code: OneTimeCode) -> Iterator[Step]:
    sent = [event.at for event in _events(code) if _is_mailing(event, code)]
    if code.sent_at is not None and code.sent_at not in sent:
        sent.append(code.sent_at)
    for at in sent:
        yield _step(at, _("Handed to the mail server"), Tone.GOOD)
    if code.delivery == CodeDelivery.NO_RECIPIENT and code.handled_at is not None:
        why = _("Nobody of this name could be mailed a code of this purpose.")
        yield _step(code.handled_at, _("Not mailed: no recipient"), Tone.OVER, detail=why)


def _failed(code: OneTimeCode, *, last: datetime) -> Iterator[Step]:
    if code.delivery == CodeDelivery.FAILED or (code.last_error and code.sent_at is None):
        text = _("Try %(count)d failed") % {"count": code.tries}
        yield Step(text=text, tone=Tone.BAD, order=last, detail=code.last_error)


def _to_come(code: OneTimeCode) -> Iterator[Step]:
    """What delivery does next, and the end."""
    if code.delivery == CodeDelivery.SENDING:
        text = _("A worker is mailing it (try %(count)d). If it dies, another one takes over") % {"count": code.tries}
        yield _step(code.next_try_at, text, Tone.WAITING, to_come=True)
    elif code.delivery == CodeDelivery.FAILED:
        yield _step(code.next_try_at, _("Next try"), Tone.WAITING, to_come=True)
    elif code.delivery == CodeDelivery.QUEUED or is_asked_again(code):
        yield _step(max(code.next_try_at, code.asked_at), _("Due to be mailed"), Tone.WAITING, to_come=True)
    yield _step(code.expires_at, _("Expires"), Tone.WAITING, to_come=True)


def _guessed(code: OneTimeCode, *, last: datetime) -> Iterator[Step]:
    presented = code.closed_as == CodeClosed.CONSUMED
    wrong = code.guesses - presented
    if wrong > 0:
        cap = guess_cap(CodePurpose(code.purpose))
        text = _("Wrong guesses: %(count)d (%(cap)d are evaluated)") % {"count": wrong, "cap": cap}
        yield Step(text=text, tone=Tone.BAD if wrong >= cap else Tone.WAITING, order=last)


def _ended(code: OneTimeCode) -> Iterator[Step]:
    unsent = code.sent_at is None and code.delivery not in {CodeDelivery.NO_RECIPIENT, CodeDelivery.SHOWN}
    detail = _("It was never mailed.") if unsent else ""
    if code.closed_at is None:
        yield _step(code.expires_at, _("Expired"), Tone.OVER, detail=detail)
        return
    texts = {
        CodeClosed.CONSUMED: (_("Presented, and spent"), Tone.GOOD),
        CodeClosed.EXPIRED: (_("Expired"), Tone.OVER),
        CodeClosed.SUPERSEDED: (_("Superseded: worn out when it was asked for again"), Tone.OVER),
        CodeClosed.REVOKED: (_("Revoked"), Tone.BAD),
    }
    text, tone = texts[CodeClosed(code.closed_as)]
    if code.closed_as == CodeClosed.CONSUMED:
        detail = next((_origin(each) for each in _events(code) if each.kind == AuditKind.CODE_PRESENTED), "")
    at = code.expires_at if code.closed_as == CodeClosed.EXPIRED else code.closed_at
    yield _step(at, text, tone, detail=detail)


def _events(code: OneTimeCode) -> list[AuditEvent]:
    """Events of the code's account while it lived, one probe of an index."""
    if code.account is None:
        return []
    until = (code.closed_at or code.expires_at) + AFTERWARDS
    kinds = (AuditKind.CODE_MAILED, AuditKind.CODE_PRESENTED)
    events = AuditEvent.objects.filter(account=code.account, kind__in=kinds, at__gte=code.issued_at, at__lte=until)
    return [each for each in events.order_by("at", "pk")[:EVENTS_READ] if each.detail.get("purpose") == code.purpose]


def _is_mailing(event: AuditEvent, code: OneTimeCode) -> bool:
    return event.kind == AuditKind.CODE_MAILED and event.detail.get("code") == code.pk


def _origin(event: AuditEvent) -> str:
    return " · ".join(each for each in (event.address, event.agent) if each)


def _step(at: datetime, text: str, tone: Tone, *, detail: str = "", to_come: bool = False) -> Step:
    return Step(text=text, tone=tone, order=at, at=at, detail=detail, to_come=to_come)
