"""The operator's pages, in plain Django admin. One module a model; importing them registers them."""

from dfns_login.admin import accounts, codes, credentials, events, organizations, sessions

__all__ = ["accounts", "codes", "credentials", "events", "organizations", "sessions"]
