"""System checks of `check --deploy`: bounds on settings, and what is unsafe or unreliable in production.

| id | problem |
| --- | --- |
| `dfns_login.E010` | `PUBLIC_URL` is not https |
| `dfns_login.E011` | `CODE_LIFETIME` is not between 2 and 10 minutes |
| `dfns_login.E012` | `REGISTRATION_CODE_LIFETIME` is not between 2 minutes and 24 hours |
| `dfns_login.E013` | `CHALLENGE_LIFETIME` is not between 5 and 10 minutes |
| `dfns_login.E014` | `CHALLENGE_LIFETIME_WITH_CODE` is not between 5 and 10 minutes |
| `dfns_login.E015` | `TOKEN_LIFETIME` is over 24 hours |
| `dfns_login.E016` | `TOKEN_IDLE` is over an hour |
| `dfns_login.E020` | the odds that a stranger guesses an account's code within a day are above one in a million |
| `dfns_login.I020` | those odds, if they are lower |
| `dfns_login.E021` | codes are short and `CACHE_OUTAGE` allows requests without rate limits |
| `dfns_login.E022` | a rate has no window, or `RATELIMIT_ENABLE` is off |
| `dfns_login.W022` | a rate has only one window, which allows twice its number around its edge |
| `dfns_login.W050` | `REVEAL_UNKNOWN_USERS` is on |
| `dfns_login.W051` | the admin's login view has no rate limit |
| `dfns_login.E053` | `ALLOWED_HOSTS` allows any host |
| `dfns_login.W052` | there is a proxy, but `TRUSTED_PROXY_HOPS` is 0, so all clients share one address |
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from urllib.parse import unquote, urlsplit

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Info, Warning  # noqa: A004  as Django names it
from django.urls import NoReverseMatch, reverse

from dfns_login.checks import monitoring
from dfns_login.checks.backends import check_cache, check_celery, check_mail
from dfns_login.limits import CODE_PER_USER
from dfns_login.models import CodePurpose
from dfns_login.paths import resolve_path
from dfns_login.proofs import RENEWAL_MARGIN, code_format, guess_cap
from dfns_login.settings import LoginSettings, Window

MINUTE: Final = timedelta(minutes=1)
DAY: Final = timedelta(days=1)
MAX_ODDS: Final = 1e-6
"""That a stranger guesses an account's code within a day."""
SAFE_UNCOUNTED_SPACE: Final = 10**14
"""The number of possible codes at which a thousand guesses a second for a day stay below `MAX_ODDS`."""
ADMIN_LOGIN: Final = ("django.contrib.admin.sites", "AdminSite.login")
LOGIN_LIMITERS: Final = ("axes", "defender")
"""Apps that rate-limit Django's login views."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """The bounds of a duration: more than `above`, and at most `most`."""

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
    """The number of codes that these windows allow in a day; infinite if there is no window."""
    parsed = [Window.parse(each) for each in windows]
    return min((each.count * max(DAY / each.period, 1) for each in parsed), default=float("inf"))


def odds_of_a_day(conf: LoginSettings) -> float:
    """The odds that a stranger who requests codes and guesses all day guesses an account's login code."""
    guesses = codes_per_day(conf.rates[CODE_PER_USER.name]) * guess_cap(CodePurpose.LOGIN)
    return min(guesses / code_format(CodePurpose.LOGIN).space, 1.0)


def _check_public_url(conf: LoginSettings) -> Iterator[CheckMessage]:
    host = urlsplit(conf.public_url).hostname or ""
    local = host in {"localhost", "127.0.0.1", "::1"} or host.endswith(".localhost")
    if not conf.public_url.startswith("https:") and not local and not settings.DEBUG:
        problem = "DFNS_LOGIN['PUBLIC_URL'] is not https, so codes and tokens are sent unencrypted."
        yield Error(problem, id="dfns_login.E010")
    if "*" in settings.ALLOWED_HOSTS:
        yield Error(
            "ALLOWED_HOSTS allows any host.",
            hint="A forged Host header ends up in links and passes the CSRF check. List your hosts.",
            id="dfns_login.E053",
        )
    if settings.SECURE_PROXY_SSL_HEADER and not conf.trusted_proxy_hops:
        yield Warning(
            "SECURE_PROXY_SSL_HEADER is set, but DFNS_LOGIN['TRUSTED_PROXY_HOPS'] is 0.",
            hint="All clients appear to have the proxy's address and share its rate limits. Set TRUSTED_PROXY_HOPS.",
            id="dfns_login.W052",
        )


def _check_lifetimes(conf: LoginSettings) -> Iterator[CheckMessage]:
    for bound in BOUNDS:
        value: timedelta = getattr(conf, bound.setting)
        if not bound.above < value <= bound.most:
            least = f"more than {bound.above} and " if bound.above else ""
            yield Error(
                f"DFNS_LOGIN[{bound.setting.upper()!r}] is {value}, but must be {least}at most {bound.most}.",
                id=f"dfns_login.{bound.number}",
            )


def _check_odds(conf: LoginSettings) -> Iterator[CheckMessage]:
    odds = odds_of_a_day(conf)
    space = code_format(CodePurpose.LOGIN).space
    text = (
        f"The odds that a stranger guesses an account's login code within a day are 1 in {1 / odds:,.0f}: "
        f"{codes_per_day(conf.rates[CODE_PER_USER.name]):,.0f} codes a day, {guess_cap(CodePurpose.LOGIN)} guesses "
        f"each, {space:.0e} possible codes."
    )
    if odds > MAX_ODDS:
        hint = "The maximum is 1 in 1,000,000. Use digits-16, or lower CODE_GUESSES or RATES['code_per_user']."
        yield Error(text, hint=hint, id="dfns_login.E020")
    else:
        yield Info(text, id="dfns_login.I020")
    if space < SAFE_UNCOUNTED_SPACE and conf.cache_outage == "allow":
        yield Error(
            f"DFNS_LOGIN['CACHE_OUTAGE'] is 'allow', but codes of the format {conf.code_format} are short.",
            hint="While the cache is down, the number of codes requested has no limit. Set CACHE_OUTAGE to 'refuse'.",
            id="dfns_login.E021",
        )


def _check_rates(conf: LoginSettings) -> Iterator[CheckMessage]:
    if not getattr(settings, "RATELIMIT_ENABLE", True):
        yield Error("RATELIMIT_ENABLE is off, so there are no rate limits.", id="dfns_login.E022")
    for name, windows in conf.rates.items():
        if not windows:
            yield Error(f"DFNS_LOGIN['RATES'][{name!r}] has no window, so it limits nothing.", id="dfns_login.E022")
        elif len({Window.parse(each).period for each in windows}) == 1:
            hint = "A fixed window allows twice its number around its edge. Combine a short window with a long one."
            yield Warning(f"DFNS_LOGIN['RATES'][{name!r}] has only one window.", hint=hint, id="dfns_login.W022")


def _check_exposure(conf: LoginSettings) -> Iterator[CheckMessage]:
    if conf.reveal_unknown_users:
        hint = "Turn it off unless a client depends on the documented messages."
        yield Warning("REVEAL_UNKNOWN_USERS tells strangers who has an account.", hint=hint, id="dfns_login.W050")
    try:
        admin_login = resolve_path(unquote(reverse("admin:login"))).func
    except NoReverseMatch:
        return
    method = getattr(admin_login, "__func__", None)  # missing if the view is wrapped
    plain = (getattr(method, "__module__", ""), getattr(method, "__qualname__", "")) == ADMIN_LOGIN
    if plain and not any(map(apps.is_installed, LOGIN_LIMITERS)):
        yield Warning(
            "The admin's login view allows unlimited password guesses.",
            hint="Use a rate-limited view, or this app's sign-in: admin.site.login = login_required(admin.site.login) "
            "in the root URLconf (CVE-2022-24857). If a proxy limits it, silence this check.",
            id="dfns_login.W051",
        )


CHECKS: Final[tuple[Callable[[LoginSettings], Iterator[CheckMessage]], ...]] = (
    _check_public_url,
    _check_lifetimes,
    _check_odds,
    _check_rates,
    check_cache,
    check_celery,
    check_mail,
    _check_exposure,
    monitoring.check,
)
