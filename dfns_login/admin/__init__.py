"""The operator's pages in the Django admin, one module per model. Importing this package registers them."""

from dfns_login.admin import accounts, codes, credentials, events, organizations, sessions

__all__ = ["accounts", "codes", "credentials", "events", "organizations", "sessions"]
