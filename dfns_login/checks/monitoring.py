"""System checks of `check --deploy` on `/metrics`.

| id | problem |
| --- | --- |
| `dfns_login.E054` | `MONITORING_TOKEN` is short |
| `dfns_login.E055` | `PROMETHEUS_MULTIPROC_DIR` is not a folder |
| `dfns_login.W055` | `/metrics` is served without `PROMETHEUS_MULTIPROC_DIR`, so each process counts for itself |
"""

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from django.core.checks import CheckMessage, Error, Warning  # noqa: A004  as Django names it

from dfns_login.settings import LoginSettings

TOKEN_LENGTH: Final = 32


def check(conf: LoginSettings) -> Iterator[CheckMessage]:
    if 0 < len(conf.monitoring_token) < TOKEN_LENGTH:
        hint = "Anybody may guess it, without a limit. Use 32 random characters or more."
        yield Error("DFNS_LOGIN['MONITORING_TOKEN'] is short.", hint=hint, id="dfns_login.E054")
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if folder is not None and not Path(folder).is_dir():
        hint = "Create it empty before the processes start, and let them write to it."
        yield Error("PROMETHEUS_MULTIPROC_DIR is not a folder.", hint=hint, id="dfns_login.E055")
    elif folder is None and conf.monitoring_token and find_spec("prometheus_client"):
        yield Warning(
            "PROMETHEUS_MULTIPROC_DIR is not set, so /metrics has the counters of one process only.",
            hint="Set it to an empty folder of this host, or silence this check if there is one process.",
            id="dfns_login.W055",
        )
