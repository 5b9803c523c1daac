"""Guesses at a code, in words: who made them, and how many are left."""

from typing import Final

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dfns_login.models import Caller, CodePurpose, OneTimeCode
from dfns_login.proofs import guess_cap

COUNTABLE: Final = 100
"""Limits above this are not shown: a code of 80 bits takes a million guesses, too many to use up by mistake."""


def guesses_in_words(code: OneTimeCode) -> str:
    """Say how often the code was guessed, and by whom; the right guess counts too."""
    phrases = [_guesses_by(caller, getattr(code, caller.counter)) for caller in Caller if getattr(code, caller.counter)]
    if not phrases:
        return _("Not entered yet") if code.closed_at is None else _("Never entered")
    cap = guess_cap(CodePurpose(code.purpose))
    if code.closed_at is None and cap <= COUNTABLE:
        left = max(0, cap - code.callers_guesses)
        phrases.append(ngettext("%(count)d guess left", "%(count)d guesses left", left) % {"count": left})
    return " · ".join(phrases)


def _guesses_by(caller: Caller, count: int) -> str:
    if caller == Caller.DEVICE:
        text = ngettext("%(count)d guess from a known device", "%(count)d guesses from known devices", count)
    else:
        text = ngettext("%(count)d guess by a stranger", "%(count)d guesses by strangers", count)
    return text % {"count": count}
