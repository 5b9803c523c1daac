"""Which limits a person meets right now, for operators. Looking counts nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from django.conf import settings

from dfns_login.limits.cache_flaws import CacheFlaw
from dfns_login.limits.counting import KNOWN, counters_of, limits_are_on
from dfns_login.limits.rates import (
    CODE_RATES,
    EMAIL_PER_MAILBOX,
    GUESS_RATES,
    INIT_RATES,
    LOGIN_RATES,
    Rate,
    Subject,
)
from dfns_login.limits.stored_counts import read_counts
from dfns_login.requester import Requester
from dfns_login.usernames import Recipient

SCOPES: Final[Mapping[str, Sequence[Rate]]] = {
    "login_code": CODE_RATES,
    "login_init": GUESS_RATES,
    "login": LOGIN_RATES,
    "recovery_code": CODE_RATES,
    "recovery_init": INIT_RATES,
    "recovery": LOGIN_RATES,
    "registration_code": CODE_RATES,
    "registration_init": INIT_RATES,
    "registration": LOGIN_RATES,
    "mail": (EMAIL_PER_MAILBOX,),
    f"mail{KNOWN}": (EMAIL_PER_MAILBOX,),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedUp:
    """A rate whose next request is refused. until: when it counts from zero again."""

    rate: str
    until: datetime


def limits_used_up(
    recipient: Recipient, *, email: str, requester: Requester, now: datetime
) -> Sequence[UsedUp] | CacheFlaw:
    """Return the rates that are used up for strangers of this name, address and network, or why that is unknown.

    requester: only its address is used, as that of the last request for a code.
    Known devices have rates of their own, counted by device id, which only the device has.
    """
    if not limits_are_on():
        return ()
    user = f" {recipient.key}"
    subjects = {
        Subject.USER: user,
        Subject.ORGANIZATION: recipient.organization,
        Subject.MAILBOX: email,
    }
    if requester.address:
        subjects |= {
            Subject.ADDRESS: requester.prefix,
            Subject.NETWORK: requester.network,
            Subject.USER_AND_NETWORK: f"{requester.network} {user}",
        }
    second = int(now.timestamp())
    counters = [each for scope, rates in SCOPES.items() for each in counters_of(rates, subjects, scope=scope)]
    prefix = getattr(settings, "RATELIMIT_CACHE_PREFIX", "rl:")
    keys = {prefix + each.cache_key(each.ends_at(second)): each for each in counters}
    found = read_counts(keys)
    if isinstance(found, CacheFlaw):
        return found
    used_up: dict[str, UsedUp] = {}
    for key, count in found.items():
        counter = keys[key]
        if count >= counter.window.limit:
            rate = counter.window.rate
            until = datetime.fromtimestamp(counter.ends_at(second), UTC)
            before = used_up.get(rate)
            used_up[rate] = UsedUp(rate=rate, until=max(until, before.until) if before else until)
    return list(used_up.values())
