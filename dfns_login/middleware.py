"""Middleware for the project's `MIDDLEWARE` setting."""

from dfns_login.pages.middleware import BrowserSessionMiddleware

__all__ = ["BrowserSessionMiddleware"]
