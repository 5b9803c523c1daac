"""Prometheus metrics, fed by signals. Imported only if prometheus-client is installed (the extra `metrics`).

Counters belong to processes: with `PROMETHEUS_MULTIPROC_DIR`, prometheus-client adds up those of all processes of the
host. The queue is read from the database when it is scraped (docs/decisions/0023-metrics.md). No label names a person,
an organization or an address, and each has few values.
"""

import os
from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from django.dispatch import receiver
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from dfns_login import signals
from dfns_login.errors import RateExceeded, Refusal
from dfns_login.models import AuditKind, DeliveryState
from dfns_login.monitoring.probes import PARTS, QUEUES

FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
WAITS: Final = (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800)
"""Upper ends of the histogram's buckets, in seconds."""

EVENTS: Final = Counter("dfns_login_events", "Events of the audit trail, such as sign-ins.", ["kind"])
CODES: Final = Counter("dfns_login_codes_requested", "Codes that were requested, for any name.", ["purpose"])
EMAILS: Final = Counter("dfns_login_emails", "Attempts to send an email, by outcome.", ["email", "outcome"])
WAIT: Final = Histogram(
    "dfns_login_email_wait_seconds",
    "From the request of an email to its acceptance by the mail server.",
    ["email"],
    buckets=WAITS,
)
REFUSALS: Final = Counter("dfns_login_refusals", "Refused requests, by class of the refusal.", ["refusal", "where"])
LIMITS: Final = Counter("dfns_login_limits_hit", "Requests and emails that exceeded a rate.", ["window"])
OUTAGES: Final = Counter("dfns_login_outages", "Calls to a service that failed.", ["service", "error"])


class StateCollector(Collector):
    """The queue and the services, which all hosts share. Read at a scrape, at most every few seconds."""

    def describe(self) -> list[Metric]:
        """Registering the collector must not read anything."""
        return []

    def collect(self) -> Iterator[Metric]:
        for probe in PARTS.values():
            probe.start()  # all at once
        QUEUES.start()
        up = GaugeMetricFamily("dfns_login_up", "Whether this process reaches a service.", labels=["service"])
        for name, probe in PARTS.items():
            up.add_metric([name], float(probe.result() is not None))
        yield up
        queues = QUEUES.result()
        if queues is None:
            return
        due = GaugeMetricFamily("dfns_login_queue_due", "Emails that are due, up to a thousand.", labels=["email"])
        name = "dfns_login_queue_oldest_due_seconds"
        oldest = GaugeMetricFamily(name, "How long the oldest of them has been due.", labels=["email"])
        for queue in queues:
            due.add_metric([queue.email], queue.due)
            oldest.add_metric([queue.email], queue.oldest.total_seconds())
        yield due
        yield oldest


def registry() -> CollectorRegistry:
    """Return what to expose: the metrics of all processes of this host, if they share a folder, or of this one."""
    for kind in AuditKind:
        EVENTS.labels(kind.value)  # Prometheus sees no increase in a series that begins with 1
    if FOLDER not in os.environ:
        return REGISTRY
    shared = CollectorRegistry()
    MultiProcessCollector(shared)  # type: ignore[no-untyped-call]
    shared.register(StateCollector())
    return shared


def exposition() -> bytes:
    """Return all metrics in Prometheus's text format."""
    return generate_latest(registry())


def _count_event(kind: AuditKind) -> None:
    @receiver(signals.SIGNALS[kind], weak=False, dispatch_uid="dfns_login.monitoring")
    def count(**_: object) -> None:
        EVENTS.labels(kind.value).inc()


@receiver(signals.code_requested, dispatch_uid="dfns_login.monitoring")
def _count_code(*, purpose: str, **_: object) -> None:
    CODES.labels(purpose).inc()


@receiver(signals.email_handled, dispatch_uid="dfns_login.monitoring")
def _count_email(*, email: str, outcome: DeliveryState, waited: timedelta, **_: object) -> None:
    EMAILS.labels(email, outcome.value).inc()
    if outcome == DeliveryState.SENT:
        WAIT.labels(email).observe(waited.total_seconds())


@receiver(signals.request_refused, dispatch_uid="dfns_login.monitoring")
def _count_refusal(*, refusal: Refusal, where: str, **_: object) -> None:
    REFUSALS.labels(type(refusal).__name__, where).inc()
    if isinstance(refusal, RateExceeded):
        LIMITS.labels(refusal.reason).inc()


@receiver(signals.service_failed, dispatch_uid="dfns_login.monitoring")
def _count_outage(*, what: str, error: str, **_: object) -> None:
    OUTAGES.labels(what, error).inc()


for each in AuditKind:
    _count_event(each)
REGISTRY.register(StateCollector())
