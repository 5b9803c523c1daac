"""For a project's `MIDDLEWARE`."""

from dfns_login.pages.middleware import BrowserSessionMiddleware

__all__ = ["BrowserSessionMiddleware"]
