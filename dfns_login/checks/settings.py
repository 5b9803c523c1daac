"""System checks: what would fail at a request is said at the start.

What only a deployment needs stands in `deployment.py`. Any id can be
silenced by `SILENCED_SYSTEM_CHECKS`.

| id | what is wrong |
| --- | --- |
| `dfns_login.E001` | `DFNS_LOGIN` has an unknown setting, or a value of a wrong type or form |
| `dfns_login.E002` | `KEYS` is missing without `DEBUG`, or a ring does not parse |
| `dfns_login.E003` | `USER_FOR_ACCOUNT` names nothing that can be called |
| `dfns_login.E004` | the database cannot hold the one open code: neither PostgreSQL nor SQLite from 3.35 on |
| `dfns_login.E005` | `USE_TZ` is off |
| `dfns_login.E006` | `RELYING_PARTY_ID` is neither the host of every web origin nor a domain above it |
| `dfns_login.E007` | `CODE_GUESSES` is more than the form of the codes stands |
| `dfns_login.E008` | `ATTESTATION_ROOTS` does not parse, or is empty while `ATTESTATION` is `direct` |
"""

import ipaddress
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.exceptions import ImproperlyConfigured
from django.db import connections, router
from django.utils.module_loading import import_string

from dfns_login.checks import deployment
from dfns_login.key_rings import key_rings
from dfns_login.models import OneTimeCode
from dfns_login.proofs import FORMS
from dfns_login.settings import SettingsRefused, login_settings
from dfns_login.verification.attestation_object import AttestationPolicy

OLDEST_SQLITE: Final = (3, 35)
"""The first with `RETURNING`."""


@register(Tags.security)
def check_settings(**_: object) -> list[CheckMessage]:
    """E001; what the other checks find, only once there are settings to look at."""
    try:
        login_settings()
    except SettingsRefused as refused:
        return [Error(problem, id="dfns_login.E001") for problem in refused.problems]
    return [*_check_keys(), *_check_hook(), *_check_relying_party(), *_check_guesses(), *_check_attestation()]


@register(Tags.security)
def check_database(**_: object) -> list[CheckMessage]:
    """E004, E005. Opens no connection."""
    found: list[CheckMessage] = []
    connection: Any = connections[router.db_for_write(OneTimeCode)]
    if connection.vendor not in {"postgresql", "sqlite"}:
        found.append(
            Error(
                f"The app runs on PostgreSQL and SQLite, not on {connection.display_name}.",
                hint="One open code for each recipient is kept by a partial unique index.",
                id="dfns_login.E004",
            )
        )
    elif connection.vendor == "sqlite" and connection.Database.sqlite_version_info < OLDEST_SQLITE:
        found.append(
            Error(
                f"SQLite {connection.Database.sqlite_version} is too old: 3.35 knows RETURNING.", id="dfns_login.E004"
            )
        )
    if not settings.USE_TZ:
        found.append(
            Error(
                "USE_TZ is off: lifetimes and codes are reckoned in aware times.", hint="Set it.", id="dfns_login.E005"
            )
        )
    return found


@register(Tags.security, deploy=True)
def check_deployment(**_: object) -> list[CheckMessage]:
    """Everything in `deployment.py`; nothing where `check_settings` finds no settings."""
    try:
        conf = login_settings()
    except SettingsRefused:
        return []
    return [message for check in deployment.CHECKS for message in check(conf)]


def _check_keys() -> Iterator[CheckMessage]:
    try:
        key_rings()
    except ImproperlyConfigured as error:
        hint = "`manage.py dfns keys` prints fresh rings; keep them where SECRET_KEY is kept, and not in its place."
        yield Error(str(error), hint=hint, id="dfns_login.E002")


def _check_hook() -> Iterator[CheckMessage]:
    name = login_settings().user_for_account
    try:
        found = callable(import_string(name))
    except ImportError:
        found = False
    if not found:
        yield Error(f"DFNS_LOGIN['USER_FOR_ACCOUNT'] names no callable: {name}.", id="dfns_login.E003")


def _check_relying_party() -> Iterator[CheckMessage]:
    """E006: WebAuthn L3 §5.1.3 step 8. Which domains are public suffixes, the browser knows."""
    conf = login_settings()
    for origin in conf.webauthn_origins:
        parts = urlsplit(origin)
        if parts.scheme not in {"http", "https"}:
            continue
        host = parts.hostname or ""
        above = host.endswith(f".{conf.rp_id}") and "." in conf.rp_id and not _is_address(host)
        if conf.rp_id != host and not above:
            yield Error(
                f"The relying party id {conf.rp_id!r} is neither the host of {origin} nor a domain above it.",
                hint="Browsers refuse passkeys so. Mend DFNS_LOGIN['RELYING_PARTY_ID'] or ['ORIGINS'].",
                id="dfns_login.E006",
            )


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _check_guesses() -> Iterator[CheckMessage]:
    conf = login_settings()
    most = FORMS[conf.code_form].guesses
    # what is not set is the default, of which a form takes no more than it stands
    if "CODE_GUESSES" in settings.DFNS_LOGIN and conf.code_guesses > most:
        yield Error(
            f"DFNS_LOGIN['CODE_GUESSES'] is {conf.code_guesses}: codes of the form {conf.code_form} stand {most}.",
            hint="No more than that are evaluated.",
            id="dfns_login.E007",
        )


def _check_attestation() -> Iterator[CheckMessage]:
    conf = login_settings()
    hint = "PEM certificates, each in a text of its own, by the format of the statement: packed, tpm or apple."
    try:
        AttestationPolicy(roots=conf.attestation_roots)
    except ValueError:
        problem = "DFNS_LOGIN['ATTESTATION_ROOTS'] has a format that is not known, or what is no certificate."
        yield Error(problem, hint=hint, id="dfns_login.E008")
    if conf.attestation == "direct" and not any(conf.attestation_roots.values()):
        problem = "DFNS_LOGIN['ATTESTATION'] is 'direct' without ATTESTATION_ROOTS: no passkey can be registered."
        yield Error(problem, hint=hint, id="dfns_login.E008")
