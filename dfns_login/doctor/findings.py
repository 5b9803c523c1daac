"""Run the probes and the system checks for `dfns doctor`.

Each probe runs in its own thread with a time limit, so that a service that hangs becomes a finding.
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

from dfns_login.doctor.probes import PROBES, REMEDIES
from dfns_login.doctor.results import Clock, Finding, Level, Probe, bad, good

TIMEOUT: Final = timedelta(seconds=5)
"""For all probes together."""


class ProbeThread(threading.Thread):
    """Runs one probe and keeps its findings, including those made before it failed or hung."""

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
        except Exception as error:  # noqa: BLE001  any library may be behind a service
            self._found.append(bad(self._subject, f"Failed: {_reason(error)}.", remedy=REMEDIES[self._subject]))
        finally:
            connections.close_all()
            caches.close_all()

    def findings(self, *, until: float) -> list[Finding]:
        """Wait for the probe and return its findings.

        until: deadline on the monotonic clock.
        """
        self.join(max(0.0, until - time.monotonic()))
        found = list(self._found)
        if self.is_alive():
            found.append(bad(self._subject, "Timed out.", remedy=REMEDIES[self._subject]))
        return found


def examine(*, clock: Clock, timeout: timedelta = TIMEOUT) -> list[Finding]:
    """Run the system checks and all probes. Returns the findings in a fixed order, within the timeout."""
    until = time.monotonic() + timeout.total_seconds()
    threads = [ProbeThread(name, probe, clock) for name, probe in PROBES.items()]
    for thread in threads:
        thread.start()
    checked = list(_system_checks())
    return [*checked, *(finding for thread in threads for finding in thread.findings(until=until))]


def _system_checks() -> Iterator[Finding]:
    # no databases: a check that queries one could hang
    messages = run_checks(include_deployment_checks=not settings.DEBUG, databases=[])
    found = [each for each in messages if each.level >= WARNING and not each.is_silenced()]
    if not found:
        yield good("system checks", "No issues.")
        return
    level = Level.ERROR if any(each.level >= ERROR for each in found) else Level.WARNING
    ids = ", ".join(sorted({str(each.id) for each in found}))
    remedy = f"Run `manage.py check{'' if settings.DEBUG else ' --deploy'}` for details."
    yield Finding(name="system checks", level=level, message=f"Issues found: {ids}.", remedy=remedy)


def _reason(error: BaseException) -> str:
    """The error's class and the operating system's message. The error's own text may contain a URL with a password."""
    cause: BaseException | None = error
    while cause is not None and not (isinstance(cause, OSError) and cause.strerror):
        cause = cause.__cause__ or cause.__context__
    return f"{type(error).__name__} ({cause.strerror})" if isinstance(cause, OSError) else type(error).__name__
