"""The one settings dictionary, `DFNS_LOGIN`, as one frozen and typed value."""

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, Literal, get_type_hints
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

from dfns_login.settings.rates import is_window
from dfns_login.settings.values import convert, describe
from dfns_login.verification.public_keys import KeyAlgorithm

CodeForm = Literal["digits-16", "base32-16", "digits-8"]

BEAT_SCHEDULE: Final[dict[str, dict[str, Any]]] = {
    "dfns_login.sweep": {"task": "dfns_login.sweep", "schedule": 10.0, "options": {"expires": 10}},
    "dfns_login.purge": {"task": "dfns_login.purge", "schedule": 600.0, "options": {"expires": 600}},
}
"""For `CELERY_BEAT_SCHEDULE`; seconds, as Celery wants them."""

DEFAULT_RATES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "code_per_address": ("10/m", "60/h"),
        "code_per_network": ("60/m", "600/h"),
        "code_per_user": ("5/h", "15/d"),
        "code_per_organization": ("600/m", "10000/h"),
        "init_per_address": ("30/m", "600/h"),
        "init_per_network": ("180/m", "3600/h"),
        "init_per_user": ("30/m", "200/h"),
        "login_per_address": ("60/m", "600/h"),
        "login_per_network": ("360/m", "3600/h"),
        "mail_per_mailbox": ("20/h", "60/d"),
    }
)

DECOY_KINDS: Final = frozenset({"key", "webauthn"})


class SettingsRefused(ImproperlyConfigured):
    """`DFNS_LOGIN` cannot be used. problems: a sentence each, which quotes no value."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(" ".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginSettings:
    """Every setting of the app. The names in `DFNS_LOGIN` are these in upper case."""

    public_url: str = "http://localhost:8000"
    """Where people and clients reach the project, without a path: links, issuer, default origin, relying party."""
    relying_party_id: str = ""
    """Relying party id; the host of `PUBLIC_URL` where empty."""
    relying_party_name: str = ""
    """Name that authenticators and mails show; the relying party id where empty."""
    origins: tuple[str, ...] = ()
    """Origins that a `Fido2` ceremony may come from; that of `PUBLIC_URL` where empty."""
    key_origins: tuple[str, ...] = ("https://app.dfns.io",)
    """Origins that key client data may name besides `ORIGINS`; the default is what the official Python client sends."""
    keys: str | Mapping[str, Any] = ""
    """Key rings, as `manage.py dfns keys` prints them: JSON text or the same as a dictionary."""
    key_algorithms: tuple[KeyAlgorithm, ...] = tuple(KeyAlgorithm)
    """Kinds of public key that may be registered."""

    code_form: CodeForm = "digits-16"
    """Form of login codes: 16 digits (53 bits), 16 base32 characters (80 bits) or 8 digits (26 bits)."""
    code_lifetime: timedelta = timedelta(minutes=10)
    """How long a login code lives; ten minutes at most."""
    code_guesses: int = 10
    """Guesses that are evaluated for one code: 10 at most, and 6 where the form is `digits-8`, whatever stands here."""
    code_cooldown: timedelta = timedelta(seconds=60)
    """Asking again sooner than this sends no second mail."""
    code_retention: timedelta = timedelta(days=30)
    """How long closed codes of known accounts are kept for operators."""
    registration_code_lifetime: timedelta = timedelta(hours=24)
    """How long an invitation's code lives; 24 hours at most."""
    recovery_code_lifetime: timedelta = timedelta(hours=1)
    """How long a recovery code lives; 24 hours at most."""

    challenge_lifetime: timedelta = timedelta(minutes=5)
    """How long a challenge may be answered."""
    challenge_lifetime_with_code: timedelta = timedelta(minutes=10)
    """The same where a code was presented, so that a mistyped password costs no new code."""
    token_lifetime: timedelta = timedelta(hours=12)
    """How long a login token lives at most; 24 hours at most."""
    token_idle: timedelta = timedelta(hours=1)
    """A login token that was not used for so long is dead; one hour at most."""
    audit_retention: timedelta = timedelta(days=365)
    """How long audit events are kept."""
    device_lifetime: timedelta = timedelta(days=180)
    """How long a browser that has signed in keeps its own rates and guesses."""

    organization: str = ""
    """Organization that the pages are for; where empty, the one that the link names, or the only one there is."""

    rates: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: DEFAULT_RATES)
    """Rates by name, each a tuple of windows such as `10/m` or `60/h`; what is not named keeps its default."""
    trusted_proxy_hops: int = 0
    """Proxies of yours in front; so many entries of `X-Forwarded-For`, from the right, are believed."""
    without_cache: Literal["pass", "refuse"] = "pass"
    """While the cache is down: `pass` on what the database bounds, or `refuse` with 503."""

    release_keys_for_actions: bool = True
    """Release encrypted keys for user actions too, to sessions that were opened with a code; else at sign-in only."""
    attestation: Literal["none", "direct"] = "none"
    """What is asked of authenticators about their make: nothing, or a statement that leads to `ATTESTATION_ROOTS`."""
    attestation_roots: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    """PEM certificates that statements are trusted by, by their format, such as `packed`; for `direct`."""
    reveal_unknown_users: bool = False
    """Answer with the documented messages that name unknown users. Tells strangers who has an account."""
    user_for_account: str = "dfns_login.project_users.create_user"
    """Callable that makes or finds the project's user when somebody registers."""
    decoy_credentials: Mapping[str, int] = field(
        default_factory=lambda: MappingProxyType({"": 6, "key": 1, "webauthn": 2, "webauthn webauthn": 1})
    )
    """Weights of what unknown names are shown at `login/init`: kinds of credential, by space."""

    @property
    def issuer(self) -> str:
        """Origin of `public_url`: issuer of tokens, and the origin of the pages."""
        parts = urlsplit(self.public_url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def rp_id(self) -> str:
        return self.relying_party_id or urlsplit(self.public_url).hostname or ""

    @property
    def rp_name(self) -> str:
        return self.relying_party_name or self.rp_id

    @property
    def webauthn_origins(self) -> tuple[str, ...]:
        return self.origins or (self.issuer,)

    @property
    def key_client_origins(self) -> tuple[str, ...]:
        return (*self.webauthn_origins, *self.key_origins)

    def __repr__(self) -> str:
        return "LoginSettings(…)"


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
    if isinstance(values.get("keys"), str):
        try:
            values["keys"] = json.loads(values["keys"] if values["keys"].strip() else "{}")
        except ValueError:
            raise SettingsRefused(["DFNS_LOGIN['KEYS'] is not JSON."]) from None
        if not isinstance(values["keys"], dict):
            raise SettingsRefused(["DFNS_LOGIN['KEYS'] must be a JSON object."])
    return values


def _contradictions(conf: LoginSettings) -> Iterator[str]:
    """What no type says, and what would fail or harm at the first request."""
    yield from _wrong_origins(conf)
    yield from _wrong_numbers(conf)
    for name, windows in conf.rates.items():
        if name not in DEFAULT_RATES:
            yield f"DFNS_LOGIN['RATES'] has an unknown rate: {name}."
        elif not all(map(is_window, windows)):
            yield f"DFNS_LOGIN['RATES'][{name!r}] has a window that is not a number by a period, such as 10/m or 5/30s."
    weights = conf.decoy_credentials
    if {kind for kinds in weights for kind in kinds.split()} - DECOY_KINDS or min(weights.values(), default=0) < 0:
        yield f"DFNS_LOGIN['DECOY_CREDENTIALS'] must weigh lists of {', '.join(sorted(DECOY_KINDS))} by 0 or more."
    elif not sum(weights.values()):
        yield "DFNS_LOGIN['DECOY_CREDENTIALS'] must have a weight above 0."


def _wrong_origins(conf: LoginSettings) -> Iterator[str]:
    form = "an origin as browsers write it, such as https://login.example.com: no path, no slash at the end"
    if not _is_web_origin(conf.public_url):
        yield f"DFNS_LOGIN['PUBLIC_URL'] must be {form}."
    for name in ("origins", "key_origins"):
        # an app's origin, such as android:apk-key-hash:…, is no address
        if any(each.startswith("http") and not _is_web_origin(each) for each in getattr(conf, name)):
            yield f"DFNS_LOGIN[{name.upper()!r}] has an entry that is not {form}."


def _wrong_numbers(conf: LoginSettings) -> Iterator[str]:
    least: dict[str, object] = {"code_cooldown": timedelta(0), "code_guesses": 1, "trusted_proxy_hops": 0}
    for each in dataclasses.fields(conf):
        value: Any = getattr(conf, each.name)
        if each.name in least and value < least[each.name]:
            yield f"DFNS_LOGIN[{each.name.upper()!r}] must not be less than {least[each.name]}."
        elif each.name not in least and isinstance(value, timedelta) and value <= timedelta(0):
            yield f"DFNS_LOGIN[{each.name.upper()!r}] must be longer than nothing."


def _is_web_origin(text: str) -> bool:
    """Scheme, host and port in the one form that browsers send (RFC 6454 §6.2)."""
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


@lru_cache(maxsize=1)
def login_settings() -> LoginSettings:
    """Settings in force.

    Raises SettingsRefused, which is ImproperlyConfigured, with everything that is wrong.
    """
    return _parse(getattr(settings, "DFNS_LOGIN", {}))


def _forget(*, setting: str, **_: object) -> None:
    if setting == "DFNS_LOGIN":
        login_settings.cache_clear()


setting_changed.connect(_forget, dispatch_uid="dfns_login.settings.schema")
