"""Loading `DFNS_LOGIN`: parsing, validation and caching."""

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, get_type_hints
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

from dfns_login.settings.fields import DEFAULT_EMAIL_COLORS, DEFAULT_RATES, LoginSettings
from dfns_login.settings.rates import is_window
from dfns_login.settings.values import convert, describe

DECOY_KINDS: Final = frozenset({"key", "webauthn"})
EMAIL_ADDRESS: Final = re.compile(r"[^\s@<>,]+@[^\s@<>,]+")
HEX_COLOR: Final = re.compile(r"#[0-9A-Fa-f]{6}")
"""The only form of a color that every mail client reads, in attributes too."""


class SettingsRefused(ImproperlyConfigured):
    """`DFNS_LOGIN` is invalid. problems: one sentence each, without any value."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(" ".join(problems))
        self.problems = tuple(problems)


@lru_cache(maxsize=1)
def login_settings() -> LoginSettings:
    """Return the current settings.

    Raises: SettingsRefused, a subclass of ImproperlyConfigured, with all problems.
    """
    return _parse(getattr(settings, "DFNS_LOGIN", {}))


def _parse(given: object) -> LoginSettings:
    if not isinstance(given, Mapping):
        raise SettingsRefused(["DFNS_LOGIN must be a dictionary."])
    kinds = get_type_hints(LoginSettings)
    fields = {field.name.upper(): field.name for field in dataclasses.fields(LoginSettings)}
    problems, values = [], {}
    for name, value in given.items():
        if name not in fields:
            problems.append(f"DFNS_LOGIN has an unknown setting: {name}.")
            continue
        kind = kinds[fields[name]]
        try:
            values[fields[name]] = convert(value, kind)
        except TypeError:
            problems.append(f"DFNS_LOGIN[{name!r}] must be {describe(kind)}.")
    if problems:
        raise SettingsRefused(problems)
    conf = LoginSettings(**_completed(values))
    if problems := list(_contradictions(conf)):
        raise SettingsRefused(problems)
    return conf


def _completed(values: dict[str, Any]) -> dict[str, Any]:
    if "public_url" in values:
        values["public_url"] = values["public_url"].removesuffix("/")
    if "rates" in values:
        values["rates"] = MappingProxyType({**DEFAULT_RATES, **values["rates"]})
    if "email_colors" in values:
        values["email_colors"] = MappingProxyType({**DEFAULT_EMAIL_COLORS, **values["email_colors"]})
    if isinstance(values.get("keys"), str):
        try:
            values["keys"] = json.loads(values["keys"] if values["keys"].strip() else "{}")
        except ValueError:
            raise SettingsRefused(["DFNS_LOGIN['KEYS'] is not JSON."]) from None
        if not isinstance(values["keys"], dict):
            raise SettingsRefused(["DFNS_LOGIN['KEYS'] must be a JSON object."])
    return values


def _contradictions(conf: LoginSettings) -> Iterator[str]:
    """Check values whose types are right but which would fail or be unsafe at run time."""
    yield from _wrong_origins(conf)
    yield from _wrong_numbers(conf)
    yield from _wrong_emails(conf)
    for name, windows in conf.rates.items():
        if name not in DEFAULT_RATES:
            yield f"DFNS_LOGIN['RATES'] has an unknown rate: {name}."
        elif not all(map(is_window, windows)):
            yield f"DFNS_LOGIN['RATES'][{name!r}] has an invalid window. Valid ones are 10/m or 5/30s."
    weights = conf.decoy_credentials
    if {kind for kinds in weights for kind in kinds.split()} - DECOY_KINDS or min(weights.values(), default=0) < 0:
        yield f"DFNS_LOGIN['DECOY_CREDENTIALS'] must map lists of {', '.join(sorted(DECOY_KINDS))} to weights >= 0."
    elif not sum(weights.values()):
        yield "DFNS_LOGIN['DECOY_CREDENTIALS'] must have at least one weight above 0."
    if min(conf.decoy_algorithms.values(), default=0) < 0:
        yield "DFNS_LOGIN['DECOY_ALGORITHMS'] must map algorithms to weights >= 0."


def _wrong_origins(conf: LoginSettings) -> Iterator[str]:
    form = "an origin as browsers write it, such as https://login.example.com, without a path or trailing slash"
    if not _is_web_origin(conf.public_url):
        yield f"DFNS_LOGIN['PUBLIC_URL'] must be {form}."
    for name in ("origins", "key_origins"):
        # the origin of an app, such as android:apk-key-hash:…, is not a URL
        if any(each.startswith("http") and not _is_web_origin(each) for each in getattr(conf, name)):
            yield f"DFNS_LOGIN[{name.upper()!r}] has an entry that is not {form}."


def _wrong_numbers(conf: LoginSettings) -> Iterator[str]:
    least: dict[str, object] = {
        "code_cooldown": timedelta(0),
        "code_guesses": 1,
        "recovery_wait": timedelta(0),
        "trusted_proxy_hops": 0,
    }
    for each in dataclasses.fields(conf):
        value: Any = getattr(conf, each.name)
        if each.name in least and value < least[each.name]:
            yield f"DFNS_LOGIN[{each.name.upper()!r}] must not be less than {least[each.name]}."
        elif each.name not in least and isinstance(value, timedelta) and value <= timedelta(0):
            yield f"DFNS_LOGIN[{each.name.upper()!r}] must be longer than zero."
    if conf.recovery_wait >= conf.lock_link_lifetime:  # the owner must be able to stop it as long as it can be used
        yield "DFNS_LOGIN['RECOVERY_WAIT'] must be shorter than LOCK_LINK_LIFETIME."


def _wrong_emails(conf: LoginSettings) -> Iterator[str]:
    for name, color in conf.email_colors.items():
        if name not in DEFAULT_EMAIL_COLORS:
            yield f"DFNS_LOGIN['EMAIL_COLORS'] has an unknown color: {name}."
        elif not HEX_COLOR.fullmatch(color):
            yield f"DFNS_LOGIN['EMAIL_COLORS'][{name!r}] must have six hexadecimal digits, as in #24527a."
    for name in ("email_logo_url", "help_url"):
        url: str = getattr(conf, name)
        if url and not url.startswith("https://"):
            yield f"DFNS_LOGIN[{name.upper()!r}] must start with https://."
    if conf.support_email and not EMAIL_ADDRESS.fullmatch(conf.support_email):
        yield "DFNS_LOGIN['SUPPORT_EMAIL'] must be an email address, without a name."


def _is_web_origin(text: str) -> bool:
    """Whether the text is an http or https origin in the form that browsers send (RFC 6454 §6.2)."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    plain = f"{parts.scheme}://{host}" + ("" if port is None else f":{port}")
    standard = {"http": 80, "https": 443}
    return (
        bool(host) and host.isascii() and parts.scheme in standard and port != standard[parts.scheme] and text == plain
    )


def _forget(*, setting: str, **_: object) -> None:
    if setting == "DFNS_LOGIN":
        login_settings.cache_clear()


setting_changed.connect(_forget, dispatch_uid="dfns_login.settings.loading")
