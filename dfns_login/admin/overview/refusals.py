"""Refused requests and limits hit, of all organizations: refusals belong to none."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.utils.translation import gettext_lazy as _

from dfns_login import errors
from dfns_login.admin.django_types import Text
from dfns_login.limits import CacheFlaw, refused_since

REASONS: Final[dict[str, Text]] = {
    errors.CodeRefused.__name__: _("Wrong, expired or used code"),
    errors.AssertionRefused.__name__: _("Signature not accepted"),
    errors.SignCountRegressed.__name__: _("Passkey may have been copied"),
    errors.ChallengeRefused.__name__: _("Challenge expired or already used"),
    errors.TokenRefused.__name__: _("Token or session not valid"),
    errors.AccountDeactivated.__name__: _("Account deactivated"),
    errors.AccountLocked.__name__: _("Account locked by its owner"),
    errors.RecoveryWaits.__name__: _("Recovery has to wait"),
    errors.RecoveryCredentialRefused.__name__: _("Not a recovery kit"),
    errors.AttestationRefused.__name__: _("New credential not accepted"),
    errors.UserActionRefused.__name__: _("User action not signed"),
    errors.UserUnavailable.__name__: _("No user can be created"),
    errors.UserTaken.__name__: _("Another user has this address"),
    errors.BodyRefused.__name__: _("Request not valid"),
    errors.CrossSiteRefused.__name__: _("Form from another site, or an outdated page"),
    errors.ServiceUnavailable.__name__: _("Database, cache or thread not available"),
    errors.Unexpected.__name__: _("Error in the server"),
}
LIMITS: Final[dict[str, Text]] = {
    "code_per_address": _("Codes requested from one address"),
    "code_per_network": _("Codes requested from one network"),
    "code_per_user_and_network": _("Codes requested for one person from one network"),
    "code_per_user": _("Codes requested for one person"),
    "code_per_organization": _("Codes requested in one organization"),
    "init_per_address": _("Sign-ins begun from one address"),
    "init_per_network": _("Sign-ins begun from one network"),
    "guess_per_user_and_network": _("Codes entered for one person from one network"),
    "init_per_user": _("Sign-ins begun for one person"),
    "login_per_address": _("Sign-ins completed from one address"),
    "login_per_network": _("Sign-ins completed from one network"),
    "email_per_mailbox": _("Emails to one mailbox"),
}


UNKNOWN: Final[dict[CacheFlaw, Text]] = {
    CacheFlaw.NOT_SHARED: _("The processes don't share the project's cache. Use Redis or Valkey."),
    CacheFlaw.NOT_ATOMIC: _("The project's cache loses counts. Use Redis or Valkey."),
    CacheFlaw.DOWN: _("The project's cache doesn't answer, or doesn't count. Run manage.py dfns doctor."),
}
"""Why counts in the cache are unknown, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusals:
    """Refused requests by reason, and those among them that hit a limit; the most frequent first.

    unknown: why neither is known; empty if they are.
    """

    reasons: Sequence[tuple[Text, int]] = ()
    limits: Sequence[tuple[Text, int]] = ()
    unknown: Text = ""


def refusals(*, since: datetime, now: datetime) -> Refusals:
    """Return the counts since then, which are in the cache, or why they are unknown."""
    counted = refused_since(since, [*REASONS, *LIMITS], now=now)
    if isinstance(counted, CacheFlaw):
        return Refusals(unknown=UNKNOWN[counted])
    ranked = sorted(counted.items(), key=lambda each: (-each[1], each[0]))
    return Refusals(
        reasons=[(REASONS[name], count) for name, count in ranked if name in REASONS],
        limits=[(LIMITS[name], count) for name, count in ranked if name in LIMITS],
    )
