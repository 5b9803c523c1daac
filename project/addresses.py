"""Turn the URLs of services in the environment into the forms that Celery and Django expect."""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import django
import environ

MAILER_OPTIONS = {
    "EMAIL_HOST": "host",
    "EMAIL_PORT": "port",
    "EMAIL_HOST_USER": "username",
    "EMAIL_HOST_PASSWORD": "password",
    "EMAIL_USE_TLS": "use_tls",
    "EMAIL_USE_SSL": "use_ssl",
    "EMAIL_TIMEOUT": "timeout",
    "EMAIL_FILE_PATH": "file_path",
}
"""Options of `MAILERS`, by the settings that they replace in Django 6.1."""

MAIL_TIMEOUT_SECONDS = 10


def broker_address(redis_url: str) -> str:
    """Return the URL as Celery spells it. Only the URL of a Unix socket differs from redis-py's."""
    url = urlsplit(redis_url)
    if url.scheme != "unix":
        return redis_url
    database = parse_qs(url.query).get("db", ["0"])[0]
    return f"redis+socket://{url.netloc}{url.path}?virtual_host={database}"


def mail_folder(email_url: str) -> Path | None:
    """Return the absolute path of the folder in `filemail:///folder`, or None for another URL."""
    url = urlsplit(email_url)
    return Path("/", unquote(url.path).lstrip("/")) if url.scheme == "filemail" else None


def mail_settings(email_url: str) -> dict[str, Any]:
    """Return Django's settings for email: `MAILERS` from Django 6.1 on, `EMAIL_…` before.

    `email_url` is `smtp://`, `smtp+tls://` or `smtp+ssl://` with user, password, host and port, or
    `filemail:///folder`, or `consolemail://`.
    """
    given = environ.Env.email_url_config(email_url)
    if given["EMAIL_BACKEND"].endswith(".smtp.EmailBackend"):
        values = {name: given[name] for name in MAILER_OPTIONS if given.get(name)}
        values = {**values, "EMAIL_TIMEOUT": MAIL_TIMEOUT_SECONDS}
        values.pop("EMAIL_FILE_PATH", None)
    else:
        folder = mail_folder(email_url)
        values = {"EMAIL_FILE_PATH": str(folder)} if folder else {}
    if django.VERSION < (6, 1):
        return {"EMAIL_BACKEND": given["EMAIL_BACKEND"], **values}
    options = {MAILER_OPTIONS[name]: value for name, value in values.items()}
    return {"MAILERS": {"default": {"BACKEND": given["EMAIL_BACKEND"], "OPTIONS": options}}}
