"""The states of a code and of its email, as badges."""

from datetime import datetime
from typing import Final

from django.utils.translation import gettext_lazy as _

from dfns_login.admin.rendering import Tone, badge
from dfns_login.models import CodeClosed, CodePurpose, DeliveryState, OneTimeCode
from dfns_login.proofs import guess_cap

STATE_TONES: Final = {
    CodeClosed.CONSUMED: Tone.GOOD,
    CodeClosed.EXPIRED: Tone.OVER,
    CodeClosed.SUPERSEDED: Tone.OVER,
    CodeClosed.REVOKED: Tone.BAD,
}
DELIVERY_TONES: Final = {
    DeliveryState.QUEUED: Tone.WAITING,
    DeliveryState.SENDING: Tone.WAITING,
    DeliveryState.SENT: Tone.GOOD,
    DeliveryState.FAILED: Tone.BAD,
    DeliveryState.REFUSED: Tone.BAD,
    DeliveryState.NO_RECIPIENT: Tone.OVER,
    DeliveryState.EXPIRED_UNSENT: Tone.BAD,
    DeliveryState.SHOWN: Tone.GOOD,
}


def code_badge(row: OneTimeCode, *, now: datetime) -> str:
    """Render the state of the code. A code past its expiry counts as expired even before the sweep closes it."""
    if row.closed_at is not None:
        closed = CodeClosed(row.closed_as)
        return badge(closed.label, STATE_TONES[closed])
    if row.expires_at <= now:
        return badge(CodeClosed.EXPIRED.label, STATE_TONES[CodeClosed.EXPIRED])
    if row.callers_guesses >= guess_cap(CodePurpose(row.purpose)):
        return badge(_("Open, no guesses left"), Tone.BAD)
    return badge(_("Open"), Tone.WAITING)


def delivery_badge(row: OneTimeCode, *, now: datetime) -> str:
    """Render the state of the email. Nothing more is sent for a code that is no longer open."""
    delivery = DeliveryState(row.delivery)
    over = row.closed_at is not None or row.expires_at <= now
    if over and delivery in {DeliveryState.QUEUED, DeliveryState.SENDING, DeliveryState.FAILED}:
        return badge(_("Sent, last try abandoned") if row.sent_at else _("Abandoned"), Tone.BAD)
    if not over and delivery == DeliveryState.SENT and row.is_requested_again:
        return badge(_("Sent, queued again"), Tone.WAITING)
    return badge(delivery.label, DELIVERY_TONES[delivery])
