"""A database that Django knows and the app does not run on, as far as its name goes."""

from django.db.backends.sqlite3.base import DatabaseWrapper as SQLite


class DatabaseWrapper(SQLite):
    vendor = "foreign"
    display_name = "Foreign"
