"""Sends the emails of the outbox: codes that people wait for first."""

from dfns_login.delivery.celery_app import MISSING_APP, has_celery_app, missing_files, missing_lines
from dfns_login.delivery.devices import device_with_version
from dfns_login.delivery.emails import page_url
from dfns_login.delivery.lease import SEND_LIMIT
from dfns_login.delivery.notice_texts import has_notice
from dfns_login.delivery.outbox import deliver_due
from dfns_login.delivery.samples import sample_emails
from dfns_login.delivery.senders import CodeToSend, NotDeliverable
from dfns_login.delivery.wake_ups import WakeUps

__all__ = [
    "MISSING_APP",
    "SEND_LIMIT",
    "CodeToSend",
    "NotDeliverable",
    "WakeUps",
    "deliver_due",
    "device_with_version",
    "has_celery_app",
    "has_notice",
    "missing_files",
    "missing_lines",
    "page_url",
    "sample_emails",
]
