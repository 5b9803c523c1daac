from dfns_login.limits.counting import count, count_request
from dfns_login.limits.rates import (
    BY_NAME,
    CODE_PER_USER,
    CODE_RATES,
    CREDENTIAL_CODE_RATES,
    EMAIL_PER_MAILBOX,
    INIT_RATES,
    LOGIN_RATES,
    Rate,
    Subject,
)
from dfns_login.limits.redis_counters import counts_in_one_call

__all__ = [
    "BY_NAME",
    "CODE_PER_USER",
    "CODE_RATES",
    "CREDENTIAL_CODE_RATES",
    "EMAIL_PER_MAILBOX",
    "INIT_RATES",
    "LOGIN_RATES",
    "Rate",
    "Subject",
    "count",
    "count_request",
    "counts_in_one_call",
]
