"""Whether everything that a login leans on is there, answers, and can be trusted: for `dfns doctor`.

Each service is asked in a thread of its own, and not waited for beyond a few
seconds: a service that hangs is a finding.
"""

import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from django.conf import settings
from django.core.cache import caches
from django.core.checks import ERROR, WARNING, run_checks
from django.db import connections

from dfns_login.doctor.probes import HELP, PROBES, Clock, Finding, Level, Probe, bad, good

PATIENCE: Final = timedelta(seconds=5)
"""How long all services together are waited for."""


class Asking(threading.Thread):
    """One probe in its own thread. What it found before it hung or failed is kept."""

    def __init__(self, name: str, probe: Probe, clock: Clock) -> None:
        super().__init__(name=f"doctor {name}", daemon=True)
        self._subject = name
        self._probe = probe
        self._clock = clock
        self._found: list[Finding] = []

    def run(self) -> None:
        try:
            for finding in self._probe(self._clock):
                self._found.append(finding)
        except Exception as error:  # noqa: BLE001  behind each service stands somebody else's library
            self._found.append(bad(self._subject, f"It fails: {_reason(error)}.", do=HELP[self._subject]))
        finally:
            connections.close_all()
            caches.close_all()

    def findings(self, *, until: float) -> list[Finding]:
        """What it found until then, on the monotonic clock."""
        self.join(max(0.0, until - time.monotonic()))
        found = list(self._found)
        if self.is_alive():
            found.append(bad(self._subject, "It does not answer in time.", do=HELP[self._subject]))
        return found


def examine(*, clock: Clock, patience: timedelta = PATIENCE) -> list[Finding]:
    """Look at everything, and say what was found, in a fixed order. Returns within the patience, whatever hangs."""
    until = time.monotonic() + patience.total_seconds()
    asking = [Asking(name, probe, clock) for name, probe in PROBES.items()]
    for each in asking:
        each.start()
    checked = list(_system_checks())
    return [*checked, *(finding for each in asking for finding in each.findings(until=until))]


def _system_checks() -> Iterator[Finding]:
    # no databases: a check that asks one could hang
    messages = run_checks(include_deployment_checks=not settings.DEBUG, databases=[])
    found = [each for each in messages if each.level >= WARNING and not each.is_silenced()]
    if not found:
        yield good("system checks", "The system checks find nothing.")
        return
    level = Level.ERROR if any(each.level >= ERROR for each in found) else Level.WARNING
    ids = ", ".join(sorted({str(each.id) for each in found}))
    do = f"See `manage.py check{'' if settings.DEBUG else ' --deploy'}`."
    yield Finding(name="system checks", level=level, says=f"The system checks find {ids}.", do=do)


def _reason(error: BaseException) -> str:
    """What kind of error it was, and what the system said; an error's own text may hold an address with a password."""
    cause: BaseException | None = error
    while cause is not None and not (isinstance(cause, OSError) and cause.strerror):
        cause = cause.__cause__ or cause.__context__
    return f"{type(error).__name__} ({cause.strerror})" if isinstance(cause, OSError) else type(error).__name__
