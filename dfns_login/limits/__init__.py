from dfns_login.limits.bounded import CacheDown
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
    "Rate",
    "Subject",
    "clear_flag",
    "count",
    "count_request",
    "set_flag",
    "store_number",
    "waits_are_bounded",
]
