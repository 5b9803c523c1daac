"""System checks of settings that would make requests fail.

`deployment.py` has those that only matter in production. Any id can be silenced with `SILENCED_SYSTEM_CHECKS`.

| id | problem |
| --- | --- |
| `dfns_login.E001` | `DFNS_LOGIN` has an unknown setting, or a value of the wrong type or format |
| `dfns_login.E002` | `KEYS` is missing without `DEBUG`, or a ring is invalid |
| `dfns_login.E003` | a setting such as `USER_FOR_ACCOUNT` names no callable, or one with other arguments |
| `dfns_login.E004` | the database is neither PostgreSQL nor SQLite 3.35 or newer |
| `dfns_login.E005` | `USE_TZ` is off |
| `dfns_login.E006` | `RELYING_PARTY_ID` is neither the host of every web origin nor a parent domain of it |
| `dfns_login.E007` | `CODE_GUESSES` is more than the code format allows |
| `dfns_login.E008` | `ATTESTATION_ROOTS` is invalid, or empty while `ATTESTATION` is `direct` |
| `dfns_login.E009` | routers put the app's tables and users into different databases, or don't migrate the tables |
| `dfns_login.E017` | the user model needs what `USER_FOR_ACCOUNT` cannot know |
"""

import ipaddress
from collections.abc import Callable, Iterator, Sequence
from inspect import iscoroutinefunction, signature
from typing import Any, Final
from urllib.parse import urlsplit

from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.exceptions import ImproperlyConfigured
from django.db import connections, router
from django.db.models import Model
from django.utils.module_loading import import_string

from dfns_login.checks import deployment
from dfns_login.key_rings import key_rings
from dfns_login.models import OneTimeCode
from dfns_login.models.primary import primary
from dfns_login.project_users import missing_fields
from dfns_login.proofs import FORMS
from dfns_login.settings import SettingsRefused, login_settings
from dfns_login.verification.attestation_object import AttestationPolicy

OPTIONAL: Final = ("organization_for_request", "public_url_for_organization", "sign_up", "send_code")
HOOKS: Final = {
    "user_for_account": ["account"],
    "organization_for_request": ["request"],
    "public_url_for_organization": ["organization"],
    "sign_up": ["email", "organization"],
    "send_code": ["code"],
}
"""Settings that are dotted paths of callables, and the positional arguments that each is called with."""
OLDEST_SQLITE: Final = (3, 35)  # has RETURNING


@register(Tags.security)
def check_settings(**_: object) -> list[CheckMessage]:
    """Check that the settings are valid (E001), and if so, run the other checks."""
    try:
        login_settings()
    except SettingsRefused as refused:
        return [Error(problem, id="dfns_login.E001") for problem in refused.problems]
    return [
        *_check_keys(),
        *_check_hooks(),
        *_check_user_model(),
        *_check_relying_party(),
        *_check_guesses(),
        *_check_attestation(),
    ]


@register(Tags.security)
def check_database(**_: object) -> list[CheckMessage]:
    """Check E004 and E005 without opening a connection."""
    found: list[CheckMessage] = []
    connection: Any = connections[router.db_for_write(OneTimeCode)]
    if connection.vendor not in {"postgresql", "sqlite"}:
        found.append(
            Error(
                f"{connection.display_name} is not supported. Use PostgreSQL or SQLite.",
                hint="A partial unique index ensures that each recipient has at most one open code.",
                id="dfns_login.E004",
            )
        )
    elif connection.vendor == "sqlite" and connection.Database.sqlite_version_info < OLDEST_SQLITE:
        found.append(
            Error(f"SQLite {connection.Database.sqlite_version} is too old. Use 3.35 or newer.", id="dfns_login.E004")
        )
    if not settings.USE_TZ:
        found.append(
            Error("USE_TZ is off.", hint="Turn it on. The app uses time zone aware datetimes.", id="dfns_login.E005")
        )
    return [*found, *_check_routers()]


def _check_routers() -> Iterator[CheckMessage]:
    users: type[Model] = get_user_model()
    homes = {router.db_for_write(each): each for each in (users, *apps.get_app_config("dfns_login").get_models())}
    if len(homes) > 1:
        yield Error(
            "Users and the app's tables are in different databases: "
            f"{', '.join(f'{model._meta.label} in {alias!r}' for alias, model in homes.items())}.",
            hint="Accounts refer to users. Have DATABASE_ROUTERS put both into the same database.",
            id="dfns_login.E009",
        )
    elif not router.allow_migrate_model(primary(), OneTimeCode):
        yield Error(
            f"DATABASE_ROUTERS put the app's tables into {primary()!r}, but don't let migrations create them there.",
            hint="Have allow_migrate return True for the app label dfns_login and this database.",
            id="dfns_login.E009",
        )


@register(Tags.security, deploy=True)
def check_deployment(**_: object) -> list[CheckMessage]:
    """Run the checks in `deployment.py` if the settings are valid."""
    try:
        conf = login_settings()
    except SettingsRefused:
        return []
    return [message for check in deployment.CHECKS for message in check(conf)]


def _check_keys() -> Iterator[CheckMessage]:
    try:
        key_rings()
    except ImproperlyConfigured as error:
        hint = "Generate rings with `manage.py dfns keys`, and store them like SECRET_KEY."
        yield Error(str(error), hint=hint, id="dfns_login.E002")


def _check_hooks() -> Iterator[CheckMessage]:
    conf = login_settings()
    for name, arguments in HOOKS.items():
        path: str = getattr(conf, name)
        if not path and name in OPTIONAL:
            continue
        if problem := _problem_of_hook(path, arguments):
            yield Error(f"DFNS_LOGIN[{name.upper()!r}] {problem}: {path}.", id="dfns_login.E003")


def _problem_of_hook(path: str, arguments: Sequence[str]) -> str:
    try:
        hook = import_string(path)
    except ImportError:
        return "is not the path of a callable"
    except Exception as error:  # noqa: BLE001  whatever the project's module raises
        return f"cannot be imported because of {type(error).__name__}"
    return _problem_of_callable(hook, arguments) if callable(hook) else "is not the path of a callable"


def _problem_of_callable(hook: Callable[..., object], arguments: Sequence[str]) -> str:
    if iscoroutinefunction(hook) or iscoroutinefunction(type(hook).__call__):
        return "is asynchronous, and nothing awaits its result"
    try:
        signature(hook).bind(*arguments)
    except TypeError:
        return f"does not take the arguments ({', '.join(arguments)})"
    except ValueError:  # a callable in C, which may not tell its arguments
        return ""
    return ""


def _check_user_model() -> Iterator[CheckMessage]:
    if missing := missing_fields():
        yield Error(
            f"{login_settings().user_for_account} cannot create a {settings.AUTH_USER_MODEL}: "
            f"no acceptable value for {', '.join(missing)}.",
            hint="Give the fields defaults, or set DFNS_LOGIN['USER_FOR_ACCOUNT'] to a callable of your own.",
            id="dfns_login.E017",
        )


def _check_relying_party() -> Iterator[CheckMessage]:
    """Check E006 (WebAuthn L3 §5.1.3 step 8). Only browsers know which domains are public suffixes."""
    conf = login_settings()
    for origin in conf.webauthn_origins:
        parts = urlsplit(origin)
        if parts.scheme not in {"http", "https"}:
            continue
        host = parts.hostname or ""
        above = host.endswith(f".{conf.rp_id}") and "." in conf.rp_id and not _is_address(host)
        if conf.rp_id != host and not above:
            yield Error(
                f"The relying party id {conf.rp_id!r} is neither the host of {origin} nor a parent domain of it.",
                hint="Browsers reject passkeys here. Fix DFNS_LOGIN['RELYING_PARTY_ID'] or DFNS_LOGIN['ORIGINS'].",
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
    most = FORMS[conf.code_format].guesses
    # the default needs no check: a format with a lower maximum reduces it
    if "CODE_GUESSES" in settings.DFNS_LOGIN and conf.code_guesses > most:
        yield Error(
            f"DFNS_LOGIN['CODE_GUESSES'] is {conf.code_guesses}, but the code format {conf.code_format} allows {most}.",
            hint=f"Set it to {most} or less. Further guesses are not evaluated.",
            id="dfns_login.E007",
        )


def _check_attestation() -> Iterator[CheckMessage]:
    conf = login_settings()
    hint = "Map each attestation format (packed, tpm or apple) to a list of PEM certificates, one per string."
    try:
        AttestationPolicy(roots=conf.attestation_roots)
    except ValueError:
        problem = "DFNS_LOGIN['ATTESTATION_ROOTS'] has an unknown format or an invalid certificate."
        yield Error(problem, hint=hint, id="dfns_login.E008")
    if conf.attestation == "direct" and not any(conf.attestation_roots.values()):
        problem = "DFNS_LOGIN['ATTESTATION'] is 'direct' without ATTESTATION_ROOTS, so no passkey can be registered."
        yield Error(problem, hint=hint, id="dfns_login.E008")
