"""Count a request against its rates.

Rates are counted with django-ratelimit's algorithm and counters, in fixed windows. Around the edge of a fixed window,
twice its number of requests may pass, so a rate has a short and a long window. Counters are named by a keyed hash, so
the cache contains no names and no addresses.

If the cache is Redis or Valkey, all windows of a request are counted in one call. Other caches take one or two calls
for each window.
"""

import hmac
from collections.abc import Iterable, Mapping
from datetime import timedelta
from functools import partial
from typing import Final

from django.conf import settings

from dfns_login.audit import log_outage
from dfns_login.errors import RateExceeded, ServiceUnavailable
from dfns_login.key_rings import key_rings
from dfns_login.limits.bounded import CacheDown, call_cache, call_in_place
from dfns_login.limits.rates import Rate, Subject
from dfns_login.limits.redis_counters import count_in_one_call
from dfns_login.limits.redis_server import cache_alias, redis_server, waits_are_bounded
from dfns_login.limits.windows import Counter, count_one_by_one, windows_of
from dfns_login.requester import Requester
from dfns_login.settings import login_settings
from dfns_login.usernames import Recipient

KNOWN: Final = " of known devices"
"""Added to a scope. Known devices count separately from strangers, by every subject."""
RETRY_AFTER_OUTAGE: Final = timedelta(seconds=5)


def count_request(
    rates: Iterable[Rate], *, requester: Requester, scope: str, recipient: Recipient | None = None
) -> None:
    """Count a request by address and network and, if it names a recipient, by user and organization.

    Whether the recipient exists makes no difference. Known devices (`requester.device`) count separately from
    strangers, and each has its own count of the user's rates, so strangers cannot use up anything of theirs (R-125).

    Raises: like `count`.
    """
    subjects = {Subject.ADDRESS: requester.prefix, Subject.NETWORK: requester.network}
    if recipient is not None:
        user = f"{requester.device} {recipient.key}"
        subjects |= {
            Subject.USER_AND_NETWORK: f"{requester.network} {user}",
            Subject.USER: user,
            Subject.ORGANIZATION: recipient.organization,
        }
    count(rates, subjects, scope=scope + KNOWN if requester.device else scope)


def count(rates: Iterable[Rate], subjects: Mapping[Subject, str], *, scope: str) -> None:
    """Count one request against each rate whose subject is given, in order.

    Rates after the first that is used up are not counted, so a request refused by its address does not use up anybody's
    rates by name.

    scope: requests with different scopes, such as login and registration codes, are counted separately.

    Raises: RateExceeded, if a rate is used up. ServiceUnavailable, if the cache is down and `CACHE_OUTAGE` is `refuse`.
    """
    if not limits_are_on():
        return
    counters = counters_of(rates, subjects, scope=scope)
    try:
        server = None if hasattr(settings, "RATELIMIT_HASH_ALGORITHM") else redis_server()  # it names counters
        counting = partial(count_one_by_one, counters)
        if server is not None:
            counting = partial(count_in_one_call, counters, server=server)
        ends_in_time = server is not None and waits_are_bounded()
        exceeded = call_in_place(counting) if ends_in_time else call_cache(counting, alias=cache_alias())
    except CacheDown as error:
        log_outage("cache", error=error.reason)
        if login_settings().cache_outage == "refuse":
            raise ServiceUnavailable("cache down", retry_after=RETRY_AFTER_OUTAGE) from error
        return
    if exceeded is not None:
        wait = timedelta(seconds=exceeded.seconds_left + 1)
        raise RateExceeded.of(exceeded.window.rate, window=exceeded.window.text, retry_after=wait)


def limits_are_on() -> bool:
    """Whether the project has not turned rate limits off."""
    return bool(getattr(settings, "RATELIMIT_ENABLE", True))


def counters_of(rates: Iterable[Rate], subjects: Mapping[Subject, str], *, scope: str) -> list[Counter]:
    """Return the counters of each rate whose subject is given, in order."""
    configured, key = login_settings().rates, key_rings().rate_pseudonyms
    counters = []
    for rate in rates:
        if rate.subject in subjects:
            text = f"{rate.subject} {subjects[rate.subject]}"
            pseudonym = hmac.digest(key, text.encode(), "sha256").hex()
            windows = windows_of(rate, texts=configured[rate.name], scope=scope)
            counters += [Counter(window=window, pseudonym=pseudonym) for window in windows]
    return counters
