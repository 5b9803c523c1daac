"""Run one probe of the doctor."""

import time

from django.utils import timezone

from dfns_login.doctor.findings import ProbeThread
from dfns_login.doctor.probes import PROBES
from dfns_login.doctor.results import Clock, Finding

SUBJECTS = {
    "clock": "database",
    "migrations": "database",
    "one open code": "database",
    "delivery": "database",
    "audit chain": "database",
    "purge": "database",
    "encrypted keys": "database",
    "links": "database",
    "sweep": "cache",
    "worker": "broker",
}
"""What finds it, where that has another name."""


def find(name: str, *, clock: Clock = timezone.now) -> Finding:
    """The finding of this name, asked for alone."""
    subject = SUBJECTS.get(name, name)
    asking = ProbeThread(subject, PROBES[subject], clock)
    asking.start()
    found = asking.findings(until=time.monotonic() + 10)
    assert name in [each.name for each in found], found
    return next(each for each in found if each.name == name)
