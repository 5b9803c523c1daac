from dfns_login.limits.bounded import CacheDown
from dfns_login.limits.cache_flaws import CacheFlaw, flaw_of
from dfns_login.limits.counting import KNOWN, count, count_request
from dfns_login.limits.flags import clear_flag, set_flag, store_number
from dfns_login.limits.rates import (
    BY_NAME,
    CODE_PER_USER,
    CODE_RATES,
    CREDENTIAL_CODE_RATES,
    EMAIL_PER_MAILBOX,
    GUESS_RATES,
    INIT_RATES,
    LOGIN_RATES,
    Rate,
    Subject,
)
from dfns_login.limits.redis_server import waits_are_bounded
from dfns_login.limits.tallies import refused_since
from dfns_login.limits.used_up import UsedUp, limits_used_up

__all__ = [
    "BY_NAME",
    "CODE_PER_USER",
    "CODE_RATES",
    "CREDENTIAL_CODE_RATES",
    "EMAIL_PER_MAILBOX",
    "GUESS_RATES",
    "INIT_RATES",
    "KNOWN",
    "LOGIN_RATES",
    "CacheDown",
    "CacheFlaw",
    "Rate",
    "Subject",
    "UsedUp",
    "clear_flag",
    "count",
    "count_request",
    "flaw_of",
    "limits_used_up",
    "refused_since",
    "set_flag",
    "store_number",
    "waits_are_bounded",
]
