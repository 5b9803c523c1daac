"""Sends the emails of the outbox: codes that people wait for first."""

from dfns_login.delivery.lease import SEND_LIMIT
from dfns_login.delivery.outbox import deliver_due

__all__ = ["SEND_LIMIT", "deliver_due"]
