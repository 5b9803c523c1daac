"""`LoginSettings`: the names, types, defaults and meanings of all settings.

The docstring of each field is its row in `docs/settings.md`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from dfns_login.verification.public_keys import KeyAlgorithm

CodeFormatName = Literal["digits-16", "base32-16", "digits-8"]

BEAT_SCHEDULE: Final[dict[str, dict[str, Any]]] = {
    "dfns_login.sweep": {"task": "dfns_login.sweep", "schedule": 5.0, "options": {"expires": 3600}},
    "dfns_login.purge": {"task": "dfns_login.purge", "schedule": 600.0, "options": {"expires": 3600}},
    "dfns_login.chain": {"task": "dfns_login.chain", "schedule": 30.0, "options": {"expires": 3600}},
}
"""For `CELERY_BEAT_SCHEDULE`. Numbers are seconds, as Celery expects them."""

DEFAULT_RATES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "code_per_address": ("10/m", "60/h"),
        "code_per_network": ("60/m", "600/h"),
        "code_per_user_and_network": ("5/m", "8/10m", "30/d"),
        "code_per_user": ("10/m", "20/10m"),
        "code_per_organization": ("600/m", "3000/10m"),
        "init_per_address": ("30/m", "600/h"),
        "init_per_network": ("180/m", "3600/h"),
        "guess_per_user_and_network": ("8/m", "8/10m"),
        "init_per_user": ("200/m", "2000/10m"),
        "login_per_address": ("60/m", "600/h"),
        "login_per_network": ("360/m", "3600/h"),
        "email_per_mailbox": ("6/m", "14/5m", "200/d"),
    }
)

DEFAULT_EMAIL_COLORS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "background": "#f5f7f9",
        "surface": "#ffffff",
        "text": "#1a1f24",
        "muted": "#59616a",
        "divider": "#dde1e6",
        "accent": "#24527a",
        "on_accent": "#ffffff",
        "dark_background": "#141618",
        "dark_surface": "#1d2023",
        "dark_text": "#e8eaec",
        "dark_muted": "#a5acb3",
        "dark_divider": "#34393e",
        "dark_accent": "#92bfe8",
        "dark_on_accent": "#10202e",
    }
)
"""The colors of the pages without a brand color, in the form that email programs understand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginSettings:
    """All settings of the app. In `DFNS_LOGIN`, their names are in upper case."""

    public_url: str = "http://localhost:8000"
    """Public address of the project, without a path. Used for links, the token issuer and the default origin."""
    relying_party_id: str = ""
    """WebAuthn relying party id. Default: the host of `PUBLIC_URL`."""
    relying_party_name: str = ""
    """Name shown by authenticators and in emails. Default: the relying party id."""
    origins: tuple[str, ...] = ()
    """Origins accepted in `Fido2` ceremonies. Default: the origin of `PUBLIC_URL`."""
    key_origins: tuple[str, ...] = ("https://app.dfns.io",)
    """Origins accepted in key client data, in addition to `ORIGINS`. The official Python client sends the default."""
    keys: str | Mapping[str, Any] = ""
    """Key rings as printed by `manage.py dfns keys`: JSON text or a dictionary."""
    key_algorithms: tuple[KeyAlgorithm, ...] = tuple(KeyAlgorithm)
    """Public key algorithms that may be registered."""

    code_format: CodeFormatName = "digits-16"
    """Format of login codes: `digits-16` (53 bits), `base32-16` (80 bits) or `digits-8` (26 bits)."""
    code_lifetime: timedelta = timedelta(minutes=10)
    """Lifetime of a login code; at most 10 minutes."""
    code_guesses: int = 10
    """Guesses allowed per login code; at most 10 with `digits-16`, 6 with `digits-8` and a million with `base32-16`."""
    code_cooldown: timedelta = timedelta(seconds=60)
    """If a code is requested again within this time, no second email is sent."""
    code_retention: timedelta = timedelta(days=30)
    """How long closed codes of known accounts are kept for operators."""
    registration_code_lifetime: timedelta = timedelta(hours=24)
    """Lifetime of a registration code; at most 24 hours."""
    recovery_code_lifetime: timedelta = timedelta(hours=1)
    """Lifetime of a recovery code; at most 24 hours."""

    challenge_lifetime: timedelta = timedelta(minutes=5)
    """Lifetime of a challenge."""
    challenge_lifetime_with_code: timedelta = timedelta(minutes=10)
    """Lifetime of a challenge opened with a code. Longer, so that a mistyped password does not require a new code."""
    token_lifetime: timedelta = timedelta(hours=12)
    """Lifetime of a session; at most 24 hours."""
    token_idle: timedelta = timedelta(hours=1)
    """A session that is unused for this long expires; at most 1 hour."""
    lock_duration: timedelta = timedelta(hours=24)
    """How long a lock by the account's owner lasts, unless the account is unlocked earlier."""
    lock_link_lifetime: timedelta = timedelta(days=7)
    """Lifetime of the link in a notice that locks the account. Credentials newer than this can't unlock it."""
    recovery_wait: timedelta = timedelta(0)
    """How long a recovery waits, so that the owner can stop it; less than `LOCK_LINK_LIFETIME`. Default: no wait."""
    audit_retention: timedelta = timedelta(days=365)
    """How long audit events are kept."""
    device_lifetime: timedelta = timedelta(days=180)
    """How long a browser stays a known device after sign-in. Known devices have separate codes, rates and guesses."""

    organization: str = ""
    """Organization id for the pages, unless the link names one. Default: the only one that exists."""
    organization_for_request: str = ""
    """Callable that returns the organization id for a request of the pages; empty for `ORGANIZATION`."""
    public_url_for_organization: str = ""
    """Callable that returns the origin of the links in an organization's emails; empty for `PUBLIC_URL`."""
    from_email: str = ""
    """Address that codes and notices are sent from. Default: `DEFAULT_FROM_EMAIL`."""
    email_colors: Mapping[str, str] = field(default_factory=lambda: DEFAULT_EMAIL_COLORS)
    """Colors of emails by name, such as `"accent": "#24527a"`. Colors left out keep their default."""
    email_logo_url: str = ""
    """`https://` address of a logo for emails. Default: your name instead, so that emails load nothing."""
    support_email: str = ""
    """Address that emails and pages show for help; empty for none."""
    help_url: str = ""
    """`https://` address of your help page, to which the pages link; empty for none."""
    inbox_links: bool = True
    """Where the pages ask for a code, link to the inbox of large mail providers. Nothing is loaded from them."""
    languages: tuple[str, ...] = ("en", "fr", "ar")
    """Languages that the pages offer, if Django's `LANGUAGES` has them too. Empty to offer none."""
    maintenance: bool = False
    """`MaintenanceMiddleware` answers every request with 503, except for health checks and metrics."""

    rates: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: DEFAULT_RATES)
    """Rate limits by name, each a tuple of windows such as `10/m` or `60/h`. Rates left out keep their default."""
    trusted_proxy_hops: int = 0
    """Number of your own proxies in front. That many entries of `X-Forwarded-For` are trusted, from the right."""
    cache_outage: Literal["allow", "refuse"] = "allow"
    """While the cache is down, `allow` requests without rate limits, or `refuse` them with 503."""
    monitoring_token: str = ""
    """Bearer token for `/metrics` and for the details in `/readyz`; at least 32 characters. If empty, both are off."""

    release_keys_for_actions: bool = True
    """Release encrypted keys also for user actions, to sessions opened with a code. If off, only at sign-in."""
    attestation: Literal["none", "direct"] = "none"
    """Attestation required from passkeys: `none`, or `direct` for a chain that ends in `ATTESTATION_ROOTS`."""
    attestation_roots: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    """Trusted PEM certificates by attestation format, such as `packed`. Required for `direct`."""
    reveal_unknown_users: bool = False
    """Use the documented Dfns error messages for unknown users. They reveal to strangers who has an account."""
    user_for_account: str = "dfns_login.project_users.create_user"
    """Callable that creates or finds the project's user when somebody registers."""
    sign_up: str = ""
    """Callable that decides whether an unknown address may register in an organization; empty for nobody."""
    send_code: str = ""
    """Callable that sends a code by other means than email, or returns False to have it emailed; empty for email."""
    decoy_credentials: Mapping[str, int] = field(
        default_factory=lambda: MappingProxyType({"": 6, "key": 1, "webauthn": 2, "webauthn webauthn": 1})
    )
    """Weights of the made-up credentials that `login/init` returns for unknown users, by space-separated kinds."""
    decoy_algorithms: Mapping[KeyAlgorithm, int] = field(
        default_factory=lambda: MappingProxyType(
            {
                KeyAlgorithm.P256: 80,
                KeyAlgorithm.RSA: 10,
                KeyAlgorithm.ED25519: 4,
                KeyAlgorithm.SECP256K1: 4,
                KeyAlgorithm.P384: 2,
            }
        )
    )
    """Weights of the algorithms that made-up credentials are verified with. Use the proportions of your accounts."""

    @property
    def issuer(self) -> str:
        """The origin of `public_url`."""
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
