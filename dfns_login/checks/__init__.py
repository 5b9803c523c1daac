"""System checks. Importing this package registers all of them."""

from dfns_login.checks import pages, poolers, settings

__all__ = ["pages", "poolers", "settings"]
