"""Settings for `benchmarks.timing`: those of load tests, equally frequent decoys, and a leak on request."""

from benchmarks.dfns_login_bench_settings import *  # noqa: F403
from benchmarks.dfns_login_bench_settings import DFNS_LOGIN, MIDDLEWARE
from dfns_login.verification.public_keys import KeyAlgorithm

DFNS_LOGIN = {
    **DFNS_LOGIN,
    "DECOY_CREDENTIALS": dict.fromkeys(("", "key", "webauthn", "webauthn webauthn"), 1),
    "DECOY_ALGORITHMS": {algorithm.value: 1 for algorithm in KeyAlgorithm},
}
MIDDLEWARE = ["benchmarks.timing_leak.leak", *MIDDLEWARE]
