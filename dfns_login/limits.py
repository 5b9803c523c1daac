"""Every rate, counted by django-ratelimit, whose edges are taken off here.

Counted atomically in the project's cache, in pairs of windows (a fixed window
lets twice its rate through around its edge). What a rate counts is an HMAC, so
the cache holds no name and no address.
"""

import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from django.http import HttpRequest
from django_ratelimit.core import get_usage
from redis.exceptions import RedisError

from dfns_login.audit import log_outage
from dfns_login.errors import RateExceeded, ServiceUnavailable
from dfns_login.key_rings import key_rings
from dfns_login.requester import Requester
from dfns_login.settings import login_settings
from dfns_login.usernames import Recipient

RETRY_AFTER_OUTAGE: Final = timedelta(seconds=5)


class Subject(StrEnum):
    """Whom a rate counts."""

    ADDRESS = "address"
    NETWORK = "network"
    USER = "user"
    ORGANIZATION = "organization"
    MAILBOX = "mailbox"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A named rate; its windows are `DFNS_LOGIN["RATES"][name]`."""

    name: str
    subject: Subject


CODE_PER_ADDRESS: Final = Rate(name="code_per_address", subject=Subject.ADDRESS)
CODE_PER_NETWORK: Final = Rate(name="code_per_network", subject=Subject.NETWORK)
CODE_PER_USER: Final = Rate(name="code_per_user", subject=Subject.USER)
CODE_PER_ORGANIZATION: Final = Rate(name="code_per_organization", subject=Subject.ORGANIZATION)
INIT_PER_ADDRESS: Final = Rate(name="init_per_address", subject=Subject.ADDRESS)
INIT_PER_NETWORK: Final = Rate(name="init_per_network", subject=Subject.NETWORK)
INIT_PER_USER: Final = Rate(name="init_per_user", subject=Subject.USER)
LOGIN_PER_ADDRESS: Final = Rate(name="login_per_address", subject=Subject.ADDRESS)
LOGIN_PER_NETWORK: Final = Rate(name="login_per_network", subject=Subject.NETWORK)
EMAIL_PER_MAILBOX: Final = Rate(name="email_per_mailbox", subject=Subject.MAILBOX)

CODE_RATES: Final = (CODE_PER_ADDRESS, CODE_PER_NETWORK, CODE_PER_USER, CODE_PER_ORGANIZATION)
INIT_RATES: Final = (INIT_PER_ADDRESS, INIT_PER_NETWORK, INIT_PER_USER)
CREDENTIAL_CODE_RATES: Final = (INIT_PER_ADDRESS, INIT_PER_NETWORK)
LOGIN_RATES: Final = (LOGIN_PER_ADDRESS, LOGIN_PER_NETWORK)


def count_requester(rates: Iterable[Rate], *, requester: Requester, scope: str) -> None:
    """Count the rates that are by address. Raises as `count` does."""
    count(rates, {Subject.ADDRESS: requester.prefix, Subject.NETWORK: requester.network}, scope=scope)


def count_recipient(rates: Iterable[Rate], *, recipient: Recipient, scope: str, device: str = "") -> None:
    """Count the rates that are by name, somebody there or not. Raises as `count` does.

    device: as `Requester.device`; a known one is counted apart, so that no stranger uses up what is its own.
    """
    user = recipient.key + (f" device {device}" if device else "")
    count(rates, {Subject.USER: user, Subject.ORGANIZATION: recipient.organization}, scope=scope)


def count(rates: Iterable[Rate], values: Mapping[Subject, str], *, scope: str) -> None:
    """Count one request against each rate whose subject is among the values, in order.

    scope: what is counted apart from what, such as login and registration codes.
    Raises RateExceeded at the first rate that is used up; those after it are not
    counted, so whoever is stopped by address spends nobody's name.
    Raises ServiceUnavailable if the cache is down and the project wants it so.
    """
    try:
        for rate in rates:
            if rate.subject in values:
                _count_windows(rate, values[rate.subject], scope=scope)
    except (RedisError, OSError) as error:
        _handle_outage(error)


def _count_windows(rate: Rate, value: str, *, scope: str) -> None:
    request = HttpRequest()
    hashed = hmac.digest(key_rings().rate_pseudonyms, f"{rate.subject} {value}".encode(), "sha256").hex()
    for window in login_settings().rates[rate.name]:
        usage = get_usage(
            request, group=f"dfns_login:{scope}:{rate.name}:", key=lambda *_: hashed, rate=window, increment=True
        )
        if usage is None:
            continue
        if usage["count"] < 1:  # not `time_left`: that is -1 also where a window ends while it is counted
            msg = "the cache does not count"
            raise ConnectionError(msg)
        if usage["should_limit"]:
            msg = f"{rate.name} {window}"
            raise RateExceeded(msg, retry_after=timedelta(seconds=usage["time_left"] + 1))


def _handle_outage(error: Exception) -> None:
    log_outage("cache", error=error)
    if login_settings().cache_outage == "refuse":
        msg = "cache down"
        raise ServiceUnavailable(msg, retry_after=RETRY_AFTER_OUTAGE) from error
