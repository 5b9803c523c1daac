"""`dfns sweep`: what beat and a worker do, in this process, for cron."""

import argparse
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from dfns_login.delivery import deliver_due
from dfns_login.management.terminal import Parsers, ReportedError, Terminal, add_command
from dfns_login.models import DeliveryState
from dfns_login.signals import email_handled
from dfns_login.tasks import database_clock, start_sweep

PAUSE_SECONDS: Final = 5.0
"""Between two sweeps, as in `BEAT_SCHEDULE`."""
LONGEST_SECONDS: Final = 3600
UNSENT: Final = (DeliveryState.FAILED, DeliveryState.REFUSED)


def add_commands(parsers: Parsers) -> None:
    about = "Close expired codes and send the emails that are due, in this process. Fails if one could not be sent."
    sweeping = add_command(parsers, "sweep", sweep, about)
    text = "sweep every five seconds for this long, instead of once"
    sweeping.add_argument("--for", type=_seconds, default=0, dest="seconds", metavar="SECONDS", help=text)


def sweep(given: argparse.Namespace, terminal: Terminal) -> None:
    until = time.monotonic() + given.seconds
    clock = database_clock()
    closed = 0
    with _outcomes() as outcomes:
        while True:
            closed += start_sweep(now=clock())
            more = deliver_due(clock=clock)
            rest = until - time.monotonic()
            if rest <= 0:
                break
            time.sleep(0 if more else min(PAUSE_SECONDS, rest))
    counts = {"closed": closed, **{each.value: outcomes[each] for each in (DeliveryState.SENT, *UNSENT)}, "more": more}
    terminal.print(counts, ", ".join(f"{name} {number}" for name, number in counts.items() if name != "more"))
    if unsent := sum(outcomes[each] for each in UNSENT):
        raise ReportedError(f"Emails that could not be sent: {unsent}. See the log, and the codes in the admin.")


@contextmanager
def _outcomes() -> Iterator[Counter[DeliveryState]]:
    """Count the attempts of this process to send an email."""
    found: Counter[DeliveryState] = Counter()

    def count(*, outcome: DeliveryState, **_: object) -> None:
        found[outcome] += 1

    email_handled.connect(count)
    try:
        yield found
    finally:
        email_handled.disconnect(count)


def _seconds(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > LONGEST_SECONDS:
        raise argparse.ArgumentTypeError(f"not a number of seconds from 0 to {LONGEST_SECONDS}")
    return int(text)
