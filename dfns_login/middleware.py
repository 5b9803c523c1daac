"""Middleware for the project's `MIDDLEWARE` setting."""

from dfns_login.api.slow_senders import SlowSendersMiddleware
from dfns_login.error_handlers import MaintenanceMiddleware
from dfns_login.monitoring.endpoints import MonitoringMiddleware
from dfns_login.monitoring.request_ids import RequestIDMiddleware
from dfns_login.pages.middleware import BrowserSessionMiddleware

__all__ = [
    "BrowserSessionMiddleware",
    "MaintenanceMiddleware",
    "MonitoringMiddleware",
    "RequestIDMiddleware",
    "SlowSendersMiddleware",
]
