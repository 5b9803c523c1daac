"""What notices say: a title and a text for each kind of event, and which advice fits it (R-82).

Everything is written for the person whose account it is, in the active language.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.utils.dateparse import parse_datetime
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.timezone import is_aware, localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from dfns_login.models import AuditEvent, AuditKind, CredentialKind

Text = str | Promise


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeText:
    """What the notice of an event says.

    advice: what to do in any case. suspicion: what it means if the owner didn't do it.
    by_operator: an administrator did it, so the owner can't have done it themselves.
    recovery_helps: whether the owner's recovery kit can undo it.
    """

    title: Text
    text: Text
    advice: Text = ""
    suspicion: Text = ""
    by_operator: bool = False
    recovery_helps: bool = True


CREDENTIAL_NAMES: Final[Mapping[str, Text]] = {
    CredentialKind.FIDO2: gettext_lazy("Passkey"),
    CredentialKind.KEY: gettext_lazy("App key"),
    CredentialKind.PASSWORD_PROTECTED_KEY: gettext_lazy("Password"),
    CredentialKind.RECOVERY_KEY: gettext_lazy("Recovery kit"),
}
"""Kinds of credential, as the pages name them."""
ADDED: Final[Mapping[str, Text]] = {
    CredentialKind.FIDO2: gettext_lazy("A passkey was added"),
    CredentialKind.KEY: gettext_lazy("An app key was added"),
    CredentialKind.PASSWORD_PROTECTED_KEY: gettext_lazy("A password was added"),
    CredentialKind.RECOVERY_KEY: gettext_lazy("A new recovery kit was created"),
}
DEACTIVATED: Final[Mapping[str, Text]] = {
    CredentialKind.FIDO2: gettext_lazy("A passkey was deactivated"),
    CredentialKind.KEY: gettext_lazy("An app key was deactivated"),
    CredentialKind.PASSWORD_PROTECTED_KEY: gettext_lazy("A password was deactivated"),
    CredentialKind.RECOVERY_KEY: gettext_lazy("A recovery kit was deactivated"),
}
DEACTIVATED_BY_OPERATOR: Final[Mapping[str, Text]] = {
    CredentialKind.FIDO2: gettext_lazy("An administrator deactivated your passkey"),
    CredentialKind.KEY: gettext_lazy("An administrator deactivated your app key"),
    CredentialKind.PASSWORD_PROTECTED_KEY: gettext_lazy("An administrator deactivated your password"),
    CredentialKind.RECOVERY_KEY: gettext_lazy("An administrator deactivated your recovery kit"),
}
REACTIVATED: Final[Mapping[str, Text]] = {
    CredentialKind.FIDO2: gettext_lazy("A passkey was reactivated"),
    CredentialKind.KEY: gettext_lazy("An app key was reactivated"),
    CredentialKind.PASSWORD_PROTECTED_KEY: gettext_lazy("A password was reactivated"),
    CredentialKind.RECOVERY_KEY: gettext_lazy("A recovery kit was reactivated"),
}

FIXED: Final[Mapping[str, NoticeText]] = {
    AuditKind.RECOVERED: NoticeText(
        title=gettext_lazy("Your account was recovered"),
        text=gettext_lazy(
            "Your recovery kit was used. Your old password, passkeys, recovery kits, sessions and codes no longer work."
        ),
        recovery_helps=False,  # the kit was used up
    ),
    AuditKind.CREDENTIAL_KEY_REPLACED: NoticeText(
        title=gettext_lazy("Your password was changed"),
        text=gettext_lazy("You've been signed out everywhere else."),
    ),
    AuditKind.CREDENTIAL_SUSPECTED: NoticeText(
        title=gettext_lazy("We blocked a sign-in with your passkey"),
        text=gettext_lazy("The passkey may have been copied."),
        advice=gettext_lazy("Sign in another way, deactivate this passkey and add a new one."),
        recovery_helps=False,
    ),
    AuditKind.DEACTIVATED: NoticeText(
        title=gettext_lazy("An administrator deactivated your account"),
        text=gettext_lazy("You can't sign in."),
        by_operator=True,
    ),
    AuditKind.REACTIVATED: NoticeText(
        title=gettext_lazy("An administrator reactivated your account"),
        text=gettext_lazy("You can sign in again."),
        by_operator=True,
    ),
    AuditKind.SIGNED_OUT: NoticeText(
        title=gettext_lazy("An administrator signed you out"),
        text=gettext_lazy("To continue, sign in again."),
        by_operator=True,
    ),
    AuditKind.CODE_REVOKED: NoticeText(
        title=gettext_lazy("An administrator revoked your code"),
        text=gettext_lazy("It no longer works. If you still need a code, request a new one."),
        by_operator=True,
    ),
    AuditKind.RECOVERY_CANCELLED: NoticeText(
        title=gettext_lazy("An administrator canceled the recovery of your account"),
        text=gettext_lazy("It can no longer be completed. To recover your account, start again."),
        by_operator=True,
    ),
}


def notice_text(event: AuditEvent, *, credential_kind: str) -> NoticeText:
    """Return what the notice of this event says. Raises: KeyError, if its kind has no notice."""
    return FIXED.get(event.kind) or VARIED[event.kind](event, credential_kind)


def has_notice(kind: str) -> bool:
    """Whether there is a text for events of this kind."""
    return kind in FIXED or kind in VARIED


def shown_time(at: datetime) -> str:
    """Return the time as the active language writes it, with its time zone."""
    local = localtime(at) if is_aware(at) else at
    return f"{date_format(local)} {date_format(local, 'H:i e')}"


def _added(_event: AuditEvent, kind: str) -> NoticeText:
    if kind == CredentialKind.RECOVERY_KEY:
        text = _("If you had a recovery kit before, it stops working once the new one is saved.")
        return NoticeText(title=ADDED[kind], text=text, recovery_helps=False)
    text = _("Programs can sign in with it.") if kind == CredentialKind.KEY else _("It can be used to sign in.")
    return NoticeText(title=ADDED[kind], text=text)


def _deactivated(event: AuditEvent, kind: str) -> NoticeText:
    text = _("It no longer works.")
    if "operator" in event.detail:
        return NoticeText(title=DEACTIVATED_BY_OPERATOR[kind], text=text, by_operator=True)
    return NoticeText(title=DEACTIVATED[kind], text=text, recovery_helps=kind != CredentialKind.RECOVERY_KEY)


def _reactivated(_event: AuditEvent, kind: str) -> NoticeText:
    return NoticeText(title=REACTIVATED[kind], text=_("It works again."))


def _locked(event: AuditEvent, _kind: str) -> NoticeText:
    text = _(
        "It was locked with a link that we emailed you, and everyone was signed out. To unlock it, sign in with a "
        "passkey or use your recovery kit. If you do nothing, it unlocks by itself: {moment}"
    )
    return NoticeText(title=_("Your account is locked"), text=text.format(moment=_moment(event, "until")))


def _unlocked(event: AuditEvent, _kind: str) -> NoticeText:
    if "credential" not in event.detail:
        title = _("An administrator unlocked your account")
        return NoticeText(title=title, text=_("You can sign in again."), by_operator=True)
    text = _("It was unlocked with a passkey, an app key or your recovery kit.")
    return NoticeText(title=_("Your account was unlocked"), text=text)


def _recovery_started(event: AuditEvent, _kind: str) -> NoticeText:
    moment = _moment(event, "recoverable_from")
    later = _(
        "They entered your recovery code and named your recovery kit. With a new code and the kit, they can recover "
        "your account from this time on: {moment}"
    )
    soon = _(
        "They entered your recovery code and named your recovery kit. If they have the kit, they can now recover your "
        "account."
    )
    return NoticeText(
        title=_("Somebody started to recover your account"),
        text=later.format(moment=moment) if moment else soon,
        suspicion=_("Somebody else may have your recovery kit: create a new one."),
        recovery_helps=False,
    )


def _key_released(event: AuditEvent, _kind: str) -> NoticeText:
    if event.detail.get("purpose") == "action":  # for a session, without a code
        return NoticeText(
            title=_("Your encrypted key was sent to a new network"),
            text=_("Somebody who is signed in to your account requested it. Only your password opens it."),
            suspicion=_("Somebody else is signed in to your account."),
        )
    return NoticeText(
        title=_("Your code was used on a new device or network"),
        text=_("Somebody entered a code that we emailed you, and got your encrypted key. Only your password opens it."),
        suspicion=_("Somebody else may be able to read your email. Change your email password."),
    )


def _signed_in(event: AuditEvent, _kind: str) -> NoticeText:
    failures = int(event.detail.get("failures", 0))
    if not failures:
        text = _("Somebody signed in from a device or network that hasn't used this sign-in method before.")
        return NoticeText(title=_("New sign-in to your account"), text=text)
    text = ngettext(
        "You were signed in after {failures} wrong code.", "You were signed in after {failures} wrong codes.", failures
    )
    return NoticeText(title=_("Sign-in to your account after wrong codes"), text=text.format(failures=failures))


def _moment(event: AuditEvent, name: str) -> str:
    at = parse_datetime(str(event.detail.get(name, "")))
    return shown_time(at) if at else ""


VARIED: Final[Mapping[str, Callable[[AuditEvent, str], NoticeText]]] = {
    AuditKind.CREDENTIAL_CREATED: _added,
    AuditKind.CREDENTIAL_DEACTIVATED: _deactivated,
    AuditKind.CREDENTIAL_ACTIVATED: _reactivated,
    AuditKind.LOCKED: _locked,
    AuditKind.UNLOCKED: _unlocked,
    AuditKind.CODE_PRESENTED: _recovery_started,
    AuditKind.KEY_RELEASED: _key_released,
    AuditKind.SIGNED_IN: _signed_in,
}
