"""System checks: each test makes one change to valid settings."""

import re
import sys
import types
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from celery import Celery, current_app
from django.contrib.auth import get_user_model
from django.contrib.staticfiles.storage import ManifestStaticFilesStorage
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache
from django.core.checks import INFO, CheckMessage, run_checks
from django.db import connections
from django.http import HttpResponse
from django.urls import path

from dfns_login.checks import backends, deployment, monitoring, pages
from dfns_login.checks import settings as setting_checks
from dfns_login.proofs.code_formats import CodeFormat
from dfns_login.settings import login_settings
from tests.support.fido2_maker import Maker

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)


@pytest.fixture(autouse=True)
def production(settings) -> None:
    settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, "PUBLIC_URL": "https://login.example.com"}
    if hasattr(settings, "MAILERS"):
        settings.MAILERS = {"default": {"BACKEND": SMTP, "OPTIONS": {"host": "mail.example.com", "timeout": 10}}}
    else:
        settings.EMAIL_BACKEND = SMTP
        settings.EMAIL_TIMEOUT = 10


SMTP = "django.core.mail.backends.smtp.EmailBackend"


def messages(*, deploy: bool) -> list[CheckMessage]:
    found = run_checks(include_deployment_checks=deploy, databases=[])
    return [each for each in found if str(each.id).startswith("dfns_login.")]


def ids(*, deploy: bool = True) -> list[str]:
    """Return the ids of warnings and errors."""
    return [str(each.id).removeprefix("dfns_login.") for each in messages(deploy=deploy) if each.level > INFO]


def change(settings, **values: Any) -> None:
    settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, **values}


def test_the_project_in_production_passes(settings):
    assert ids() == []


def test_every_id_is_documented_once_and_tested():
    modules = (setting_checks, deployment, backends, monitoring, pages)
    texts = "\n".join(str(each.__doc__) for each in modules)
    documented = re.findall(r"^\| `dfns_login\.(\w+)`", texts, re.MULTILINE)
    assert len(set(documented)) == len(documented)
    source = "".join(Path(each.__file__).read_text() for each in modules)
    used = set(re.findall(r'id="dfns_login\.(\w+)"', source)) | {each.number for each in deployment.BOUNDS}
    assert used == set(documented)
    here = Path(__file__).read_text()
    assert [each for each in documented if f'"{each}"' not in here] == []


# Every check


def test_invalid_settings_are_errors_without_a_traceback(settings):
    settings.DFNS_LOGIN = {"CODE_LENGTH": 8, "CODE_LIFETIME": 600, "RATES": {"code_per_user": ["5/x"]}}
    assert ids(deploy=True) == ["E001", "E001"]


@pytest.mark.parametrize("value", [None, ["KEYS"], "KEYS"])
def test_settings_other_than_a_dictionary_are_one_error(settings, value):
    settings.DFNS_LOGIN = value
    assert ids() == ["E001"]


@pytest.mark.parametrize("keys", ["", "{}", '{"codes": []}'])
def test_missing_or_invalid_keys_are_an_error(settings, keys):
    change(settings, KEYS=keys)
    assert ids(deploy=False) == ["E002"]


def test_keys_may_be_missing_with_debug(settings):
    change(settings, KEYS="")
    settings.DEBUG = True
    assert ids(deploy=False) == []


@pytest.mark.parametrize(
    "name",
    [
        "",
        "create_user",
        "dfns_login.project_users.nobody",
        "no.such.module",
        "dfns_login.settings.BEAT_SCHEDULE",
    ],
)
def test_a_hook_that_is_not_callable_is_an_error(settings, name):
    change(settings, USER_FOR_ACCOUNT=name)
    assert ids(deploy=False) == ["E003"]


def takes_nothing() -> None: ...


def takes_more(first: object, second: object, third: object) -> None: ...


def takes_any(*given: object) -> None: ...


async def asynchronous(*given: object) -> bool:
    return bool(given)


class AsynchronousHook:
    async def __call__(self, *given: object) -> bool:
        return bool(given)


an_asynchronous_hook = AsynchronousHook()


@pytest.mark.parametrize(
    "setting", ["USER_FOR_ACCOUNT", "ORGANIZATION_FOR_REQUEST", "PUBLIC_URL_FOR_ORGANIZATION", "SIGN_UP", "SEND_CODE"]
)
@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("takes_any", ""),
        ("takes_nothing", "does not take the arguments"),
        ("takes_more", "does not take the arguments"),
        ("asynchronous", "is asynchronous"),
        ("an_asynchronous_hook", "is asynchronous"),
    ],
)
def test_a_hook_must_take_its_arguments(settings, setting, name, problem):
    """A coroutine is true, so an asynchronous `SIGN_UP` would let everybody in."""
    change(settings, **{setting: f"{__name__}.{name}"})
    found = setting_checks.check_settings()
    assert [each.id for each in found] == ["dfns_login.E003"] * bool(problem)
    assert all(problem in each.msg for each in found)


def test_a_hook_whose_module_fails_is_an_error(settings, tmp_path, monkeypatch):
    (tmp_path / "failing_hooks.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(tmp_path)
    change(settings, SIGN_UP="failing_hooks.may_sign_up")
    assert "because of ZeroDivisionError" in setting_checks.check_settings()[0].msg


def test_a_user_model_that_needs_more_is_an_error(settings, monkeypatch):
    """R-137. `tests/test_user_models.py` has real models."""
    field = get_user_model()._meta.get_field("first_name")
    monkeypatch.setattr(field, "blank", False)
    assert ids(deploy=False) == ["E017"]
    change(settings, USER_FOR_ACCOUNT="dfns_login.project_users.user_for_account")
    assert ids(deploy=False) == []


@pytest.fixture
def another_database(settings) -> Iterator[Any]:
    """Another database, to which the app is routed. It is not connected to."""
    connections.databases["another"] = {**connections.databases["default"]}
    settings.DATABASE_ROUTERS = ["tests.checks.test_checks.Elsewhere"]
    yield connections["another"]
    del connections["another"]
    del connections.databases["another"]


class Elsewhere:
    """Routes to the other database."""

    def db_for_write(self, model: type, **_: object) -> str:
        return "another"


@pytest.mark.parametrize("vendor", ["mysql", "oracle"])
def test_a_database_without_partial_unique_indexes_is_an_error(another_database, vendor):
    another_database.vendor = vendor
    assert ids(deploy=False) == ["E004"]


def test_a_sqlite_without_returning_is_an_error(another_database):
    class Old:
        sqlite_version_info = (3, 34, 1)
        sqlite_version = "3.34.1"

    another_database.vendor = "sqlite"
    another_database.Database = Old
    assert ids(deploy=False) == ["E004"]
    Old.sqlite_version_info = (3, 35, 0)
    assert ids(deploy=False) == []


class UsersElsewhere:
    """Routes users to the other database, as the example in Django's documentation does."""

    def db_for_write(self, model: Any, **_: object) -> str | None:
        return "another" if model._meta.app_label in {"auth", "contenttypes"} else None


class AppElsewhere:
    """Routes the app to the other database."""

    def db_for_write(self, model: Any, **_: object) -> str | None:
        return "another" if model._meta.app_label == "dfns_login" else None


class OneTableElsewhere:
    """Routes one of the app's tables to the other database."""

    def db_for_write(self, model: Any, **_: object) -> str | None:
        return "another" if model._meta.model_name == "auditevent" else None


class WithoutTables(Elsewhere):
    """Routes the app to the other database, and migrates only the others there."""

    def allow_migrate(self, db: str, app_label: str, **_: object) -> bool | None:
        return app_label != "dfns_login" if db == "another" else None


@pytest.mark.parametrize("router", ["UsersElsewhere", "AppElsewhere", "OneTableElsewhere", "WithoutTables"])
def test_routers_that_separate_users_from_their_accounts_are_an_error(another_database, settings, router):
    """R-135."""
    settings.DATABASE_ROUTERS = [f"{__name__}.{router}"]
    assert ids(deploy=False) == ["E009"]
    settings.DATABASE_ROUTERS = [f"{__name__}.Elsewhere"]
    assert ids(deploy=False) == []


def test_naive_times_are_an_error(settings):
    settings.USE_TZ = False
    assert ids(deploy=False) == ["E005"]


@pytest.mark.parametrize(
    ("url", "relying_party", "origins"),
    [
        ("https://login.example.com", "example.org", []),
        ("https://login.example.com", "other.login.example.com", []),
        ("https://login.example.com", "ogin.example.com", []),
        ("https://login.example.com", "com", []),
        ("https://login.example.com", "https://login.example.com", []),
        ("https://192.0.2.1", "2.1", []),
        ("https://login.example.com", "login.example.com", ["https://app.example.com"]),
    ],
)
def test_a_relying_party_id_that_browsers_reject_is_an_error(settings, url, relying_party, origins):
    change(settings, PUBLIC_URL=url, RELYING_PARTY_ID=relying_party, ORIGINS=origins)
    assert ids(deploy=False) == ["E006"]


@pytest.mark.parametrize(
    ("relying_party", "origins"),
    [
        ("", []),
        ("example.com", []),
        ("login.example.com", []),
        ("example.com", ["https://login.example.com", "https://app.example.com:8443", "android:apk-key-hash:abc"]),
    ],
)
def test_a_relying_party_id_that_covers_every_origin_passes(settings, relying_party, origins):
    change(settings, RELYING_PARTY_ID=relying_party, ORIGINS=origins)
    assert ids(deploy=False) == []


@pytest.mark.parametrize(("form", "most"), [("digits-16", 10), ("base32-16", 1_000_000), ("digits-8", 6)])
def test_more_guesses_than_the_format_allows_are_an_error(settings, form, most):
    change(settings, CODE_FORMAT=form, CODE_GUESSES=most)
    assert ids(deploy=False) == []
    change(settings, CODE_GUESSES=most + 1)
    assert ids(deploy=False) == ["E007"]


ROOT = Maker.make().root


@pytest.mark.parametrize(
    ("attestation", "roots", "found"),
    [
        ("none", {}, []),
        ("none", {"packed": [ROOT]}, []),
        ("direct", {"packed": [ROOT], "apple": []}, []),
        ("direct", {}, ["E008"]),
        ("direct", {"packed": []}, ["E008"]),
        ("direct", {"packed": ["not a certificate"]}, ["E008"]),
        ("direct", {"packed": [ROOT.replace("CERTIFICATE", "PUBLIC KEY")]}, ["E008"]),
        ("direct", {"fido-u2f": [ROOT]}, ["E008"]),
        ("none", {"none": [ROOT]}, ["E008"]),
    ],
)
def test_missing_or_invalid_attestation_roots_are_an_error(settings, attestation, roots, found):
    change(settings, ATTESTATION=attestation, ATTESTATION_ROOTS=roots)
    assert ids(deploy=False) == found


def test_a_format_with_fewer_guesses_needs_no_second_setting(settings):
    change(settings, CODE_FORMAT="digits-8")
    assert ids(deploy=False) == []


# check --deploy


def test_a_public_url_without_https_is_an_error(settings):
    change(settings, PUBLIC_URL="http://login.example.com")
    assert ids() == ["E010"]
    assert ids(deploy=False) == []
    settings.DEBUG = True
    assert ids() == []


@pytest.mark.parametrize(
    "url", ["http://localhost:8000", "http://127.0.0.1:8000", "http://[::1]", "http://app.localhost"]
)
def test_a_public_url_on_localhost_needs_no_https(settings, url):
    change(settings, PUBLIC_URL=url)
    assert ids() == []


@pytest.mark.parametrize(
    ("name", "number", "good", "bad"),
    [
        ("CODE_LIFETIME", "E011", [2 * MINUTE + SECOND, 10 * MINUTE], [2 * MINUTE, 10 * MINUTE + SECOND]),
        ("REGISTRATION_CODE_LIFETIME", "E012", [HOUR, 24 * HOUR], [MINUTE, 24 * HOUR + SECOND]),
        ("CHALLENGE_LIFETIME", "E013", [5 * MINUTE, 10 * MINUTE], [5 * MINUTE - SECOND, 10 * MINUTE + SECOND]),
        ("CHALLENGE_LIFETIME_WITH_CODE", "E014", [5 * MINUTE, 10 * MINUTE], [MINUTE, 11 * MINUTE]),
        ("TOKEN_LIFETIME", "E015", [MINUTE, 24 * HOUR], [24 * HOUR + SECOND]),
        ("TOKEN_IDLE", "E016", [MINUTE, HOUR], [HOUR + SECOND]),
    ],
)
def test_a_duration_outside_its_bounds_is_an_error(settings, name, number, good, bad):
    """R-02, R-73."""
    for value in good:
        change(settings, **{name: value})
        assert ids() == []
    for value in bad:
        change(settings, **{name: value})
        assert ids() == [number]
        assert ids(deploy=False) == []


def test_the_odds_are_printed():
    told = messages(deploy=True)[0]
    assert told.id == "dfns_login." + "I020"
    assert "1 in 312,500,000,000: 2,880 codes a day, 10 guesses each, 9e+15 possible codes." in told.msg


@pytest.mark.parametrize(
    ("form", "guesses", "windows", "expected"),
    [
        ("digits-16", 10, ("5/h", "15/d"), 150 / (9 * 10**15)),
        ("digits-16", 10, ("5/h",), 5 * 24 * 10 / (9 * 10**15)),
        ("digits-16", 10, ("5/h", "100/2d"), 100 * 10 / (9 * 10**15)),
        ("digits-8", 10, ("5/h", "15/d"), 90 / 10**8),
        ("digits-8", 3, ("1/m", "4/h", "20/d"), 60 / 10**8),
        ("base32-16", 10, ("5/h", "15/d"), 150 / 32**16),
        ("digits-16", 10, (), 1),
    ],
)
def test_the_odds_follow_from_codes_guesses_and_format(settings, form, guesses, windows, expected):
    """D-8."""
    change(settings, CODE_FORMAT=form, CODE_GUESSES=guesses, RATES={"code_per_user": windows})
    assert deployment.odds_of_a_day(login_settings()) == pytest.approx(expected)


def test_odds_above_one_in_a_million_are_an_error(settings):
    change(settings, CODE_FORMAT="digits-8", CACHE_OUTAGE="refuse", RATES={"code_per_user": ("5/h", "15/d")})
    assert ids() == []
    change(settings, RATES={"code_per_user": ("5/h", "17/d")})
    assert ids() == ["E020"]
    assert "dfns_login.I020" not in [each.id for each in messages(deploy=True)]


def test_short_codes_without_limits_during_outages_are_an_error(settings):
    change(settings, CODE_FORMAT="digits-8", RATES={"code_per_user": ("5/h", "15/d")})
    assert ids() == ["E021"]


def test_only_long_codes_are_safe_without_limits():
    stand = 1000 * 86_400 / deployment.MAX_ODDS
    assert stand <= deployment.SAFE_UNCOUNTED_SPACE
    assert CodeFormat(alphabet="0123456789", length=16).space > deployment.SAFE_UNCOUNTED_SPACE


def test_limits_that_are_off_are_an_error(settings):
    settings.RATELIMIT_ENABLE = False
    assert ids() == ["E022"]


def test_a_rate_without_windows_is_an_error(settings):
    change(settings, RATES={"login_per_address": ()})
    assert ids() == ["E022"]


def test_a_rate_of_one_window_is_a_warning(settings):
    change(settings, RATES={"login_per_address": ("60/m", "100/60s")})
    assert ids() == ["W022"]


class OurOwnMemory(LocMemCache):
    """A subclass, which django-ratelimit's own check accepts."""


class CacheOfItsOwn(RedisCache):
    """Its counters are not known to be plain integers."""

    def incr(self, key: Any, delta: int = 1, version: int | None = None) -> int:
        return super().incr(key, delta, version)


def test_a_redis_cache_needs_no_timeouts_for_limits(settings):
    backend = "django.core.cache.backends.redis.RedisCache"
    settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": "redis://localhost:1"}}
    assert ids() == []


@pytest.mark.parametrize(
    ("backend", "number"),
    [
        ("tests.checks.test_checks.OurOwnMemory", "E023"),
        ("django.core.cache.backends.dummy.DummyCache", "E023"),
        ("django.core.cache.backends.db.DatabaseCache", "W023"),
        ("django.core.cache.backends.filebased.FileBasedCache", "W023"),
        ("tests.checks.test_checks.CacheOfItsOwn", "W024"),
    ],
)
def test_a_cache_unfit_for_limits_is_reported(settings, backend, number, tmp_path):
    settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": str(tmp_path)}}
    assert ids() == [number]


def test_the_cache_that_limits_use_is_checked(settings):
    settings.CACHES = {**settings.CACHES, "limits": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
    assert ids() == []
    settings.RATELIMIT_USE_CACHE = "limits"
    assert ids() == ["E023"]


@pytest.fixture
def celery() -> Iterator[Any]:
    """Celery's settings, restored afterwards."""
    names = (
        "task_serializer",
        "accept_content",
        "result_backend",
        "broker_transport_options",
        "broker_url",
        "beat_schedule",
        "beat_scheduler",
        "task_always_eager",
    )
    held = {name: current_app.conf[name] for name in names}
    yield current_app.conf
    current_app.conf.update(held)


@pytest.mark.parametrize(
    ("values", "number"),
    [
        ({"task_serializer": "pickle"}, "W030"),
        ({"accept_content": ["json", "pickle"]}, "W030"),
        ({"result_backend": "redis://localhost:1"}, "W031"),
        ({"broker_url": "redis://localhost:1", "broker_transport_options": {"socket_timeout": 1}}, "W032"),
        ({"broker_url": "amqp://localhost:1", "broker_transport_options": {}}, None),
        ({"beat_schedule": {}}, "W033"),
        ({"beat_schedule": {"mine": {"task": "dfns_login.sweep", "schedule": 5}}}, None),
        ({"beat_schedule": {}, "beat_scheduler": "django_celery_beat.schedulers:DatabaseScheduler"}, None),
        ({"task_always_eager": True}, "W034"),
    ],
)
def test_unsafe_celery_settings_are_warnings(celery, values, number):
    """R-114."""
    celery.update(values)
    assert ids() == ([number] if number else [])


def test_a_project_without_a_celery_app_is_told_what_to_write(monkeypatch):
    """R-144. Celery makes up an app that has no broker. Checks of its settings would mislead."""
    made_up = Celery("default", set_as_current=False, fixups=[])
    for name in ("checks.backends", "delivery.celery_app"):
        monkeypatch.setattr(f"dfns_login.{name}.current_app", made_up)
    (found,) = [each for each in messages(deploy=True) if each.id == "dfns_login.W035"]
    assert ids() == ["W035"]
    assert 'app.config_from_object("django.conf:settings", namespace="CELERY")' in found.hint


@pytest.mark.parametrize(("timeout", "number"), [(None, "W040"), (30, "W040"), (29, None)])
def test_an_email_timeout_over_the_time_limit_is_a_warning(settings, timeout, number):
    if hasattr(settings, "MAILERS"):
        settings.MAILERS = {"default": {"OPTIONS": {"host": "mail.example.com", "timeout": timeout}}}
    else:
        settings.EMAIL_TIMEOUT = timeout
    assert ids() == ([number] if number else [])


def test_an_email_backend_with_a_queue_of_its_own_is_a_warning(settings, monkeypatch):
    module = types.ModuleType("post_office.backends")
    module.EmailBackend = type("EmailBackend", (), {})
    monkeypatch.setitem(sys.modules, "post_office", types.ModuleType("post_office"))
    monkeypatch.setitem(sys.modules, "post_office.backends", module)
    if hasattr(settings, "MAILERS"):
        settings.MAILERS = {"default": {"BACKEND": "post_office.backends.EmailBackend"}}
    else:
        settings.EMAIL_BACKEND = "post_office.backends.EmailBackend"
    assert ids() == ["W041"]


def test_other_email_backends_need_no_timeout(settings):
    if hasattr(settings, "MAILERS"):
        settings.MAILERS = {"default": {"BACKEND": "django.core.mail.backends.console.EmailBackend"}}
    else:
        settings.EMAIL_TIMEOUT = None
        settings.EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
    assert ids() == []


def test_revealing_unknown_users_is_a_warning(settings):
    change(settings, REVEAL_UNKNOWN_USERS=True)
    assert ids() == ["W050"]


def test_an_admin_login_without_a_rate_limit_is_a_warning(settings):
    """R-102."""
    settings.ROOT_URLCONF = "tests.support.urls_with_a_plain_admin"
    assert ids() == ["W051"]
    settings.SILENCED_SYSTEM_CHECKS = ["dfns_login.W051"]
    assert [each for each in messages(deploy=True) if each.level > INFO and not each.is_silenced()] == []
    settings.SILENCED_SYSTEM_CHECKS = []
    settings.ROOT_URLCONF = "tests.support.urls_with_our_sign_in_for_the_admin"
    assert ids() == []


urlpatterns = [path("", HttpResponse)]


def test_a_project_without_an_admin_needs_no_limit_for_it(settings):
    settings.ROOT_URLCONF = "tests.checks.test_checks"
    assert ids() == []


def test_a_proxy_that_is_not_trusted_is_a_warning(settings):
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    assert ids() == ["W052"]
    change(settings, TRUSTED_PROXY_HOPS=1)
    assert ids() == []


# Pages


def without(settings, name: str) -> None:
    settings.MIDDLEWARE = [each for each in settings.MIDDLEWARE if not each.endswith(name)]


@pytest.mark.parametrize("name", ["SessionMiddleware", "AuthenticationMiddleware", "CsrfViewMiddleware"])
def test_middleware_that_sign_in_needs_is_required(settings, name):
    without(settings, f".{name}")
    assert "E060" in ids(deploy=False)


def test_a_project_without_pages_needs_no_middleware(settings):
    settings.ROOT_URLCONF = "tests.support.urls_without_pages"
    settings.MIDDLEWARE = []
    settings.SESSION_ENGINE = pages.IN_COOKIES
    assert ids(deploy=False) == []


def test_the_browser_session_middleware_is_recommended(settings):
    without(settings, "BrowserSessionMiddleware")
    assert ids() == ["W060"]


def test_sessions_in_cookies_are_an_error(settings):
    settings.SESSION_ENGINE = pages.IN_COOKIES
    assert ids() == ["E061"]


def test_scripts_that_are_not_built_are_a_warning(settings, monkeypatch):
    monkeypatch.setattr(pages.finders, "find", lambda _: None)
    assert ids() == ["W062"]


def test_static_files_on_another_origin_are_a_warning(settings):
    settings.STATIC_URL = "https://static.example.com/"
    assert ids() == ["W061"]


def test_any_host_is_an_error(settings):
    settings.ALLOWED_HOSTS = ["*"]
    assert ids() == ["E053"]


# Monitoring


def test_a_short_monitoring_token_is_an_error(settings, monkeypatch, tmp_path: Path):
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    change(settings, MONITORING_TOKEN="x" * 32)
    assert ids() == []
    change(settings, MONITORING_TOKEN="x" * 31)
    assert ids() == ["E054"]


def test_counters_of_one_process_are_reported(settings, monkeypatch):
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    change(settings, MONITORING_TOKEN="x" * 32)
    assert ids() == ["W055"]
    monkeypatch.setattr("dfns_login.checks.monitoring.find_spec", lambda _name: None)
    assert ids() == []  # without the extra, nothing is counted


def test_a_missing_folder_for_metrics_is_an_error(monkeypatch, tmp_path: Path):
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path / "missing"))
    assert ids() == ["E055"]


def test_a_project_without_a_storage_of_static_files_is_checked(settings):
    settings.STORAGES = {"default": settings.STORAGES["default"]}
    assert ids(deploy=False) == []


@pytest.mark.parametrize("chosen", ["Django", "WhiteNoise", "WhiteNoise, only hashed names", "Django, rewritten"])
def test_static_files_must_keep_the_names_that_scripts_import(settings, chosen):
    """`tests/client/test_static_files.py` collects them."""
    backends = {
        "WhiteNoise": "whitenoise.storage.CompressedManifestStaticFilesStorage",
        "WhiteNoise, only hashed names": "whitenoise.storage.CompressedManifestStaticFilesStorage",
        "Django, rewritten": f"{__name__}.RewritingStorage",
    }
    if chosen in backends:
        settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": backends[chosen]}}
    settings.WHITENOISE_KEEP_ONLY_HASHED_FILES = "only" in chosen
    assert ids(deploy=False) == ["E062"] * (chosen in list(backends)[1:])


class RewritingStorage(ManifestStaticFilesStorage):
    support_js_module_import_aggregation = True
