"""System checks of `check --deploy`: bounds that the requirements set, and services that would fail under load.

| id | what is wrong |
| --- | --- |
| `dfns_login.E010` | `PUBLIC_URL` is not https |
| `dfns_login.E011` | `CODE_LIFETIME`: over two minutes, up to ten |
| `dfns_login.E012` | `REGISTRATION_CODE_LIFETIME`: over two minutes, up to 24 hours |
| `dfns_login.E013` | `CHALLENGE_LIFETIME`: 5 to 10 minutes |
| `dfns_login.E014` | `CHALLENGE_LIFETIME_WITH_CODE`: 5 to 10 minutes |
| `dfns_login.E015` | `TOKEN_LIFETIME`: up to 24 hours |
| `dfns_login.E016` | `TOKEN_IDLE`: up to an hour |
| `dfns_login.E020` | the odds that a stranger guesses one account's code in a day are above one in a million |
| `dfns_login.I020` | those odds, where they are not |
| `dfns_login.E021` | a short code while `WITHOUT_CACHE` lets requests pass uncounted |
| `dfns_login.E022` | a rate without windows, or `RATELIMIT_ENABLE` off |
| `dfns_login.W022` | a rate with one window: twice as many get through around its edge |
| `dfns_login.E023` | a cache that processes do not share |
| `dfns_login.W023` | a cache that does not count atomically |
| `dfns_login.W024` | a cache without time-outs |
| `dfns_login.W030` | Celery takes more than JSON |
| `dfns_login.W031` | Celery has a result backend |
| `dfns_login.W032` | Celery waits for its broker without time-outs |
| `dfns_login.W033` | Celery beat does not run the sweep |
| `dfns_login.W034` | Celery runs tasks in the request |
| `dfns_login.W040` | the mail server is waited for longer than a worker's lease |
| `dfns_login.W050` | `REVEAL_UNKNOWN_USERS` is on |
| `dfns_login.W051` | the admin's own sign-in can be tried without limit |
| `dfns_login.W052` | a proxy in front, and `TRUSTED_PROXY_HOPS` is 0: all clients are one address |
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from celery import current_app
from django.apps import apps
from django.conf import settings
from django.core.cache.backends.db import DatabaseCache
from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.filebased import FileBasedCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache
from django.core.checks import CheckMessage, Error, Info, Warning  # noqa: A004  as Django names it
from django.core.mail.backends.smtp import EmailBackend
from django.urls import NoReverseMatch, resolve, reverse
from django.utils.module_loading import import_string

from dfns_login.delivery import LEASE
from dfns_login.limits import CODE_PER_USER
from dfns_login.models import CodePurpose
from dfns_login.proofs import RENEWAL_MARGIN, code_form, guess_cap
from dfns_login.settings import LoginSettings, Window

MINUTE: Final = timedelta(minutes=1)
DAY: Final = timedelta(days=1)
WORST_ODDS: Final = 1e-6
"""That a stranger guesses one account's code in a day."""
SAFE_UNCOUNTED_SPACE: Final = 10**14
"""So many codes stand a day of a thousand guesses a second at those odds."""
ADMIN_LOGIN: Final = ("django.contrib.admin.sites", "AdminSite.login")
GUARDS_OF_THE_ADMIN: Final = ("axes", "defender")
"""Apps that limit Django's own sign-in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """How long a duration may be: more than `above`, `most` at most."""

    setting: str
    number: str
    most: timedelta
    above: timedelta = timedelta(0)


BOUNDS: Final = (
    Bound(setting="code_lifetime", number="E011", above=RENEWAL_MARGIN, most=10 * MINUTE),
    Bound(setting="registration_code_lifetime", number="E012", above=RENEWAL_MARGIN, most=DAY),
    Bound(setting="challenge_lifetime", number="E013", above=5 * MINUTE - timedelta.resolution, most=10 * MINUTE),
    Bound(
        setting="challenge_lifetime_with_code", number="E014", above=5 * MINUTE - timedelta.resolution, most=10 * MINUTE
    ),
    Bound(setting="token_lifetime", number="E015", most=DAY),
    Bound(setting="token_idle", number="E016", most=60 * MINUTE),
)


def codes_per_day(windows: Iterable[str]) -> float:
    """Codes that a rate of these windows lets be asked for in a day; infinite where it has none."""
    parsed = [Window.parse(each) for each in windows]
    return min((each.count * max(DAY / each.period, 1) for each in parsed), default=float("inf"))


def odds_of_a_day(conf: LoginSettings) -> float:
    """The chance that a stranger who asks and guesses all day hits one account's login code."""
    guesses = codes_per_day(conf.rates[CODE_PER_USER.name]) * guess_cap(CodePurpose.LOGIN)
    return min(guesses / code_form(CodePurpose.LOGIN).space, 1.0)


def _check_address(conf: LoginSettings) -> Iterator[CheckMessage]:
    host = urlsplit(conf.public_url).hostname or ""
    here = host in {"localhost", "127.0.0.1", "::1"} or host.endswith(".localhost")
    if not conf.public_url.startswith("https:") and not here and not settings.DEBUG:
        yield Error("DFNS_LOGIN['PUBLIC_URL'] is not https: codes and tokens travel in clear.", id="dfns_login.E010")
    if settings.SECURE_PROXY_SSL_HEADER and not conf.trusted_proxy_hops:
        yield Warning(
            "SECURE_PROXY_SSL_HEADER says that a proxy stands in front, DFNS_LOGIN['TRUSTED_PROXY_HOPS'] says none.",
            hint="Every client has the proxy's address then, and they use up one another's limits.",
            id="dfns_login.W052",
        )


def _check_lifetimes(conf: LoginSettings) -> Iterator[CheckMessage]:
    for bound in BOUNDS:
        value: timedelta = getattr(conf, bound.setting)
        if not bound.above < value <= bound.most:
            least = f"more than {bound.above} and " if bound.above else ""
            yield Error(
                f"DFNS_LOGIN[{bound.setting.upper()!r}] is {value}: it must be {least}no more than {bound.most}.",
                id=f"dfns_login.{bound.number}",
            )


def _check_odds(conf: LoginSettings) -> Iterator[CheckMessage]:
    odds = odds_of_a_day(conf)
    form = code_form(CodePurpose.LOGIN)
    text = (
        f"A stranger guesses one account's login code within a day with a chance of 1 in {1 / odds:,.0f}: "
        f"{codes_per_day(conf.rates[CODE_PER_USER.name]):,.0f} codes a day, {guess_cap(CodePurpose.LOGIN)} guesses "
        f"each, among {form.space:.0e}."
    )
    if odds > WORST_ODDS:
        hint = (
            "One in a million is the most. Set CODE_FORM to digits-16, or lower CODE_GUESSES or RATES['code_per_user']."
        )
        yield Error(text, hint=hint, id="dfns_login.E020")
    else:
        yield Info(text, id="dfns_login.I020")
    if form.space < SAFE_UNCOUNTED_SPACE and conf.without_cache == "pass":
        yield Error(
            f"DFNS_LOGIN['WITHOUT_CACHE'] is 'pass' with codes of the form {conf.code_form}.",
            hint="While the cache is down nothing bounds how many codes are asked for: set it to 'refuse'.",
            id="dfns_login.E021",
        )


def _check_rates(conf: LoginSettings) -> Iterator[CheckMessage]:
    if not getattr(settings, "RATELIMIT_ENABLE", True):
        yield Error("RATELIMIT_ENABLE is off: nothing is limited.", id="dfns_login.E022")
    for name, windows in conf.rates.items():
        if not windows:
            yield Error(f"DFNS_LOGIN['RATES'][{name!r}] has no window: it limits nothing.", id="dfns_login.E022")
        elif len({Window.parse(each).period for each in windows}) == 1:
            hint = "A fixed window lets twice its number through around its edge: pair a short one with a long one."
            yield Warning(f"DFNS_LOGIN['RATES'][{name!r}] has one window.", hint=hint, id="dfns_login.W022")


def _check_cache(_conf: LoginSettings) -> Iterator[CheckMessage]:
    alias = getattr(settings, "RATELIMIT_USE_CACHE", "default")
    given: Mapping[str, Any] = settings.CACHES.get(alias, {})
    backend = import_string(given["BACKEND"]) if "BACKEND" in given else DummyCache
    hint = "Limits are counted in it, by every process together: use Redis or Valkey."
    if issubclass(backend, LocMemCache | DummyCache):
        yield Error(f"Processes do not share the cache {alias!r}.", hint=hint, id="dfns_login.E023")
    elif issubclass(backend, DatabaseCache | FileBasedCache):
        yield Warning(f"The cache {alias!r} does not count atomically.", hint=hint, id="dfns_login.W023")
    elif issubclass(backend, RedisCache) and not given.get("OPTIONS", {}).get("socket_timeout"):
        hint = "A cache that hangs hangs every request: set socket_timeout and socket_connect_timeout in its OPTIONS."
        yield Warning(f"The cache {alias!r} has no time-outs.", hint=hint, id="dfns_login.W024")


def _check_celery(_conf: LoginSettings) -> Iterator[CheckMessage]:
    celery = current_app.conf
    if celery.task_serializer != "json" or set(celery.accept_content) - {"json", "application/json"}:
        hint = "Whoever writes to the broker runs code in a worker that takes pickle (CVE-2021-23727)."
        yield Warning("Celery sends or accepts more than JSON.", hint=hint, id="dfns_login.W030")
    if celery.result_backend:
        hint = "The app's tasks have none to store."
        yield Warning("Celery keeps results.", hint=hint, id="dfns_login.W031")
    options: Mapping[str, Any] = celery.broker_transport_options
    over_redis = str(celery.broker_url or "").startswith(("redis", "valkey", "sentinel", "unix"))
    if over_redis and not (options.get("socket_timeout") and options.get("socket_connect_timeout")):
        hint = "A broker that hangs hangs whoever asks for a code: set both to 1 in broker_transport_options."
        yield Warning("Celery has no socket_timeout or socket_connect_timeout.", hint=hint, id="dfns_login.W032")
    # another scheduler, such as one that reads a database, has its schedule elsewhere
    by_settings = "PersistentScheduler" in str(celery.beat_scheduler)
    if by_settings and not any(entry.get("task") == "dfns_login.sweep" for entry in celery.beat_schedule.values()):
        hint = (
            "Add dfns_login.settings.BEAT_SCHEDULE to CELERY_BEAT_SCHEDULE: lost emails and expired codes wait for it."
        )
        yield Warning("Celery beat does not run dfns_login.sweep.", hint=hint, id="dfns_login.W033")
    if celery.task_always_eager:
        hint = "Requests mail themselves then, and take longer for names that somebody has."
        yield Warning("Celery runs tasks where they are sent (task_always_eager).", hint=hint, id="dfns_login.W034")


def _check_mail(_conf: LoginSettings) -> Iterator[CheckMessage]:
    mailers = getattr(settings, "MAILERS", None)  # from Django 6.1 on
    if mailers is None:
        backend, timeout = settings.EMAIL_BACKEND, settings.EMAIL_TIMEOUT
    else:
        given = mailers.get("default", {})
        backend, timeout = given.get("BACKEND", ""), given.get("OPTIONS", {}).get("timeout")
    over_smtp = not backend or issubclass(import_string(backend), EmailBackend)
    lease = LEASE.total_seconds()
    if over_smtp and (timeout is None or timeout >= lease):
        yield Warning(
            "The mail server is waited for without end." if timeout is None else f"EMAIL_TIMEOUT is {timeout} seconds.",
            hint=f"A worker has a code for {lease:.0f} seconds; then another one mails it too. Set ten.",
            id="dfns_login.W040",
        )


def _check_ways_around(conf: LoginSettings) -> Iterator[CheckMessage]:
    if conf.reveal_unknown_users:
        hint = "Leave it off unless a client depends on the documented messages."
        yield Warning("REVEAL_UNKNOWN_USERS tells strangers who has an account.", hint=hint, id="dfns_login.W050")
    try:
        admin_login = resolve(reverse("admin:login")).func
    except NoReverseMatch:
        return
    method = getattr(admin_login, "__func__", None)  # none where something is wrapped around it
    plain = (getattr(method, "__module__", ""), getattr(method, "__qualname__", "")) == ADMIN_LOGIN
    if plain and not any(map(apps.is_installed, GUARDS_OF_THE_ADMIN)):
        yield Warning(
            "The admin signs in by a password that can be tried without limit.",
            hint="Put a limited view before it, or the sign-in of this app (CVE-2022-24857). If a proxy limits it, "
            "silence this.",
            id="dfns_login.W051",
        )


CHECKS: Final[tuple[Callable[[LoginSettings], Iterator[CheckMessage]], ...]] = (
    _check_address,
    _check_lifetimes,
    _check_odds,
    _check_rates,
    _check_cache,
    _check_celery,
    _check_mail,
    _check_ways_around,
)
