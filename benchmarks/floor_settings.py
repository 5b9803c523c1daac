"""Settings of the floor: the benchmark's database and cache, and no middleware."""

from benchmarks.dfns_login_bench_settings import *  # noqa: F403

MIDDLEWARE: list[str] = []
ROOT_URLCONF = "benchmarks.floor"
