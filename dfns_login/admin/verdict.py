"""Why somebody can't sign in: what stops or hinders them, in order, each with what to do next.

A wrong password is not among the reasons. It never reaches the server: the browser fails to decrypt the key, and the
sign-in ends after its code was entered.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Model
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from dfns_login.admin.code_badges import code_badge, delivery_badge
from dfns_login.admin.django_types import Text
from dfns_login.admin.guesses import guesses_in_words
from dfns_login.admin.overview import LIMITS, UNKNOWN
from dfns_login.admin.permissions import MayView
from dfns_login.admin.rendering import Tone, link_to, moment
from dfns_login.ceremonies.recovery_waits import waiting_until
from dfns_login.limits import CacheFlaw, limits_used_up
from dfns_login.models import (
    Account,
    AccountState,
    AuditEvent,
    AuditKind,
    CodeClosed,
    CodePurpose,
    Credential,
    CredentialKind,
    DeliveryState,
    OneTimeCode,
    SecondFactor,
)
from dfns_login.proofs import guess_cap
from dfns_login.requester import Requester
from dfns_login.settings import login_settings

UNFINISHED_AFTER: Final = timedelta(minutes=2)
"""A sign-in whose code was entered longer ago than this, and that opened no session, was given up."""
USUAL_DELIVERY: Final = timedelta(seconds=30)
JUDGED: Final[Sequence[type[Model]]] = (Credential, OneTimeCode, AuditEvent)
"""What the verdict looks at beside the account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """tone: BAD if it stops every sign-in, WAITING if it hinders, GOOD or OVER if it only informs."""

    tone: Tone
    text: Text
    advice: Text = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the page begins with."""

    tone: Tone
    text: Text
    reasons: Sequence[Reason]


def verdict(account: Account, *, may_view: MayView, now: datetime) -> Verdict:
    """Return the verdict, from what the operator may view: at most four statements and a call to the cache.

    account: read with its organization and user.
    """
    reasons = [*_account_reasons(account)]
    signing: Collection[str] = ()
    if may_view(Credential) and account.state == AccountState.REGISTERED:
        kinds = list(account.credentials.usable().values_list("kind", flat=True))
        signing = [kind for kind in kinds if kind != CredentialKind.RECOVERY_KEY]
        reasons += _credential_reasons(account, signing, has_kit=len(signing) < len(kinds))
    reasons += _lock_reasons(account, signing, now=now)
    if may_view(OneTimeCode):
        reasons += _code_reasons(account, now=now)
    if may_view(AuditEvent):
        reasons += _event_reasons(account, now=now)
    reasons += _recovery_reasons(account, now=now)
    tones = {each.tone for each in reasons}
    if Tone.BAD in tones:
        text, tone = _("This person can't sign in"), Tone.BAD
    elif Tone.WAITING in tones:
        text, tone = _("This person may have trouble signing in"), Tone.WAITING
    elif all(map(may_view, JUDGED)):
        text, tone = _("Nothing stops this person from signing in"), Tone.GOOD
    else:
        text, tone = _("Nothing that you may view stops this person from signing in"), Tone.GOOD
    order = [Tone.BAD, Tone.WAITING, Tone.GOOD, Tone.OVER]
    return Verdict(tone=tone, text=text, reasons=sorted(reasons, key=lambda each: order.index(each.tone)))


def _account_reasons(account: Account) -> Iterator[Reason]:
    if not account.organization.active:
        yield _stops(_("The organization is deactivated."), _("Reactivate it on its own page."))
    if account.state == AccountState.DEACTIVATED:
        yield _stops(_("The account is deactivated."), _("Reactivate it with the button below, if it should be."))
    if account.state == AccountState.INVITED:
        advice = _("Ask them to look for the invitation, also in spam. “Resend invitation” emails the code again.")
        yield _stops(_("They have not registered yet."), advice)
    if account.user is not None and not getattr(account.user, "is_active", True):
        yield _stops(_("Their Django user is not active."), _("Set “Active” on the page of the user."))
    if account.email_refused_at is not None:
        yield _hinders(
            _interpolate(
                _("The mail server refused their address for good, last on {}."), moment(account.email_refused_at)
            ),
            _("Check the address with them, and whether their mailbox is full. A passkey needs no email."),
        )


def _lock_reasons(account: Account, signing: Collection[str], *, now: datetime) -> Iterator[Reason]:
    if not account.is_locked(now=now):
        return
    only_password = set(signing) == {CredentialKind.PASSWORD_PROTECTED_KEY}
    yield (_stops if only_password else _hinders)(
        _interpolate(
            _("The owner locked the account until {}. A password doesn't sign in."), moment(account.locked_until)
        ),
        _("A passkey or the recovery kit unlocks it. Before you unlock it, make sure that the owner asks you to."),
    )


def _credential_reasons(account: Account, signing: Collection[str], *, has_kit: bool) -> Iterator[Reason]:
    if not signing and has_kit:
        advice = _("They can recover the account with their recovery kit, on the recovery page.")
        yield _stops(_("No password, passkey or key is active."), advice)
    elif not signing:
        advice = _("They have no recovery kit either. Only a new account helps: delete this one and invite them again.")
        yield _stops(_("No password, passkey or key is active."), advice)
    elif account.organization.second_factor == SecondFactor.REQUIRED and len(signing) == 1:
        advice = _("With their recovery kit, they can register new ones. Or change the organization's second factor.")
        yield _stops(_("The organization requires a second factor, and they have only one credential."), advice)
    else:
        labels = sorted({str(CredentialKind(kind).label) for kind in signing})
        yield Reason(tone=Tone.GOOD, text=_interpolate(_("Active credentials: {}."), ", ".join(labels)))


def _code_reasons(account: Account, *, now: datetime) -> Iterator[Reason]:
    mine = OneTimeCode.objects.filter(organization=account.organization_id, recipient=account.username)
    code = mine.exclude(purpose=CodePurpose.CREDENTIAL).defer("salt", "key_id").order_by("-issued_at", "-pk").first()
    yield from _limit_reasons(account, address=code.address if code else "", now=now)
    if code is not None:
        badges = code_badge(code, now=now), delivery_badge(code, now=now), guesses_in_words(code)
        text = _interpolate(_("Last code, requested {}: {} {} {}"), link_to(code, moment(code.issued_at)), *badges)
        yield _last_code_reason(code, text, now=now)


def _limit_reasons(account: Account, *, address: str, now: datetime) -> Iterator[Reason]:
    requester = Requester(address=address)
    used_up = limits_used_up(account.recipient, email=account.email, requester=requester, now=now)
    if used_up == CacheFlaw.DOWN and login_settings().cache_outage == "refuse":
        yield _stops(_("The cache is down, and CACHE_OUTAGE refuses everybody meanwhile."), UNKNOWN[used_up])
    elif isinstance(used_up, CacheFlaw):
        yield Reason(tone=Tone.OVER, text=_("Whether a limit is reached is unknown."), advice=UNKNOWN[used_up])
    else:
        for each in used_up:
            text = _interpolate(_("A limit is reached: {}, until {}."), LIMITS[each.rate], moment(each.until))
            yield _hinders(text, _("It ends by itself. Known devices have limits of their own."))


def _last_code_reason(code: OneTimeCode, text: Text, *, now: datetime) -> Reason:
    """What became of the last code, and what to do about it."""
    over = code.closed_at is not None or code.expires_at <= now
    delivery = DeliveryState(code.delivery)
    if code.closed_as == CodeClosed.CONSUMED:
        return Reason(tone=Tone.OVER, text=text)
    on_its_way = delivery in {DeliveryState.QUEUED, DeliveryState.SENDING} and code.asked_at > now - USUAL_DELIVERY
    if delivery in UNDELIVERED and not on_its_way:
        return _hinders(text, UNDELIVERED[delivery])
    if over:
        return Reason(tone=Tone.OVER, text=text, advice=_("They have to request a new code."))
    if code.callers_guesses >= guess_cap(CodePurpose(code.purpose)):
        return _hinders(text, _("Revoke the code on its page: then a new one can be requested at once."))
    return Reason(tone=Tone.OVER, text=text, advice=_("Ask them to look for the email, also in spam."))


UNDELIVERED: Final[dict[DeliveryState, Text]] = {
    DeliveryState.QUEUED: _("If it stays queued, no worker is running: run manage.py dfns doctor."),
    DeliveryState.SENDING: _("Wait half a minute. If the worker died, another one sends it."),
    DeliveryState.FAILED: _("The page of the code has the reason and the time of the next try."),
    DeliveryState.REFUSED: _("The page of the code has the mail server's answer. Check the address with them."),
    DeliveryState.EXPIRED_UNSENT: _("The worker or the mail server was down: run manage.py dfns doctor."),
    DeliveryState.NO_RECIPIENT: _("When it was requested, this account could not get this kind of code."),
}


def _event_reasons(account: Account, *, now: datetime) -> Iterator[Reason]:
    kinds = (AuditKind.SIGNED_IN, AuditKind.CODE_PRESENTED, AuditKind.CREDENTIAL_SUSPECTED)
    last = account.events.filter(kind__in=kinds).defer("evidence").order_by("-at", "-pk").first()
    if last is None:
        return
    linked = link_to(last, moment(last.at))
    if last.kind == AuditKind.SIGNED_IN:
        yield Reason(tone=Tone.GOOD, text=_interpolate(_("They last signed in {}."), linked))
    elif last.kind == AuditKind.CREDENTIAL_SUSPECTED:
        text = _interpolate(_("Last refused sign-in {}: a passkey may have been copied."), linked)
        yield _hinders(text, _("Ask them whether they restored a device. If not, deactivate that passkey."))
    elif last.detail.get("purpose") == CodePurpose.LOGIN and last.at <= now - UNFINISHED_AFTER:
        text = _interpolate(_("Last sign-in {}: the code was right, but no valid signature followed."), linked)
        yield _hinders(
            text,
            _(
                "Most likely the password was wrong, or the passkey was canceled. Nobody can reset a password: they "
                "recover the account with their recovery kit."
            ),
        )


def _recovery_reasons(account: Account, *, now: datetime) -> Iterator[Reason]:
    if (ready := waiting_until(account, now=now)) is None:
        return
    if ready > now:
        text = _interpolate(_("A recovery waits until {}."), moment(ready))
        yield Reason(tone=Tone.OVER, text=text, advice=_("Then they start it again. If they didn't, cancel it below."))
    else:
        text = _("A recovery has waited and can be completed.")
        yield Reason(
            tone=Tone.OVER, text=text, advice=_("They start it again, with a new code and their recovery kit.")
        )


def _interpolate(template: Promise | str, *values: object) -> Text:
    return format_html(str(template), *values)


def _stops(text: Text, advice: Text) -> Reason:
    return Reason(tone=Tone.BAD, text=text, advice=advice)


def _hinders(text: Text, advice: Text) -> Reason:
    return Reason(tone=Tone.WAITING, text=text, advice=advice)
