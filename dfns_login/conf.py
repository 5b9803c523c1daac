"""The one settings dictionary, `DFNS_LOGIN`, as one frozen and typed value."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

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
        "mail_per_mailbox": ("10/h", "40/d"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginSettings:
    """Every setting of the app. The names in `DFNS_LOGIN` are these in upper case."""

    public_url: str = "http://localhost:8000"
    """Where people and clients reach the project: links, token issuer, default origin and relying party."""
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
    """Guesses that are evaluated for one code; `digits-8` allows 6 at most."""
    code_cooldown: timedelta = timedelta(seconds=60)
    """Asking again sooner than this sends no second mail."""
    code_retention: timedelta = timedelta(days=30)
    """How long closed codes of known accounts are kept for operators."""
    registration_code_lifetime: timedelta = timedelta(hours=24)
    """How long an invitation's code lives; 24 hours at most."""

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

    rates: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: DEFAULT_RATES)
    """Rates by name, each a tuple of windows such as `10/m` or `60/h`; what is not named keeps its default."""
    trusted_proxy_hops: int = 0
    """Proxies of yours in front; so many entries of `X-Forwarded-For`, from the right, are believed."""
    without_cache: Literal["pass", "refuse"] = "pass"
    """While the cache is down: `pass` on what the database bounds, or `refuse` with 503."""

    reveal_unknown_users: bool = False
    """Answer with the documented messages that name unknown users. Tells strangers who has an account."""
    user_for_account: str = "dfns_login.accounts.create_user"
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


def _parse(given: Mapping[str, Any]) -> LoginSettings:
    fields = {f.name.upper(): f.name for f in dataclasses.fields(LoginSettings)}
    unknown = sorted(set(given) - set(fields))
    if unknown:
        msg = f"DFNS_LOGIN has unknown settings: {', '.join(unknown)}."
        raise ImproperlyConfigured(msg)
    values = {fields[name]: value for name, value in given.items()}
    for name in ("origins", "key_origins"):
        if name in values:
            values[name] = tuple(values[name])
    if "key_algorithms" in values:
        try:
            values["key_algorithms"] = tuple(KeyAlgorithm(each) for each in values["key_algorithms"])
        except ValueError as error:
            msg = f"DFNS_LOGIN['KEY_ALGORITHMS']: {error}."
            raise ImproperlyConfigured(msg) from error
    if "rates" in values:
        values["rates"] = MappingProxyType(_merge_rates(values["rates"]))
    if isinstance(values.get("keys"), str) and values["keys"].strip():
        try:
            values["keys"] = json.loads(values["keys"])
        except ValueError:
            msg = "DFNS_LOGIN['KEYS'] is not JSON."
            raise ImproperlyConfigured(msg) from None
    return LoginSettings(**values)


def _merge_rates(given: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    unknown = sorted(set(given) - set(DEFAULT_RATES))
    if unknown:
        msg = f"DFNS_LOGIN['RATES'] has unknown rates: {', '.join(unknown)}."
        raise ImproperlyConfigured(msg)
    return {**DEFAULT_RATES, **{name: tuple(windows) for name, windows in given.items()}}


@lru_cache(maxsize=1)
def login_settings() -> LoginSettings:
    """Settings in force.

    Raises ImproperlyConfigured for a name that is not a setting.
    """
    return _parse(getattr(settings, "DFNS_LOGIN", {}))


def _forget(*, setting: str, **_: object) -> None:
    if setting == "DFNS_LOGIN":
        login_settings.cache_clear()


setting_changed.connect(_forget, dispatch_uid="dfns_login.conf")
