"""Settings of the runnable project. Everything that differs between installations comes from the environment.

`DEBUG=1` sets defaults for a developer's machine. Without it, settings that have no safe default are required.
"""

from pathlib import Path
from urllib.parse import urlsplit

import environ
from django.conf import global_settings

from dfns_login.pages.headers import add_worker_policy
from dfns_login.settings import BEAT_SCHEDULE
from project.addresses import broker_address, mail_folder, mail_settings
from project.databases import database_settings, prepare_statements

env = environ.FileAwareEnv()  # `SECRET_KEY_FILE` names a file with the value of `SECRET_KEY`, and so on
BASE_DIR = Path(__file__).resolve().parent.parent

DEBUG = env.bool("DEBUG", default=False)
REQUIRED = environ.Env.NOTSET

# Address

PUBLIC_URL: str = env.str("PUBLIC_URL", default="http://localhost:8000" if DEBUG else REQUIRED)
ALLOWED_HOSTS: list[str] = env.list("ALLOWED_HOSTS", default=[urlsplit(PUBLIC_URL).hostname or ""])
TRUSTED_PROXY_HOPS: int = env.int("TRUSTED_PROXY_HOPS", default=0)

# Apps and middleware

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_ratelimit",
    "rest_framework",
    "dfns_login",
]
MIDDLEWARE = [
    "dfns_login.middleware.RequestIDMiddleware",
    "dfns_login.middleware.MonitoringMiddleware",
    "dfns_login.middleware.SlowSendersMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "dfns_login.middleware.MaintenanceMiddleware",
    "project.middleware.ContentSecurityPolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "project.middleware.PagesLocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "dfns_login.middleware.BrowserSessionMiddleware",
    "project.middleware.PagesMessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "project.urls"
WSGI_APPLICATION = "project.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.debug",
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
SILENCED_SYSTEM_CHECKS = [
    "django_ratelimit.W001",  # RedisCache counts atomically, but the check does not know it
    "security.W021",  # HSTS preload binds a whole domain for years, so its owner has to decide
]

# Database

if DEBUG and "DATABASE_URL" not in env:
    (BASE_DIR / "var").mkdir(exist_ok=True)
DATABASE = env.db("DATABASE_URL", default=f"sqlite:///{BASE_DIR}/var/db.sqlite3" if DEBUG else REQUIRED)
DATABASES = {"default": database_settings(DATABASE, pool_size=env.int("DATABASE_POOL_SIZE", default=0))}
if env.bool("DATABASE_PREPARED_STATEMENTS", default=True):
    prepare_statements(DATABASES["default"])
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Cache: holds the rate limits. Its timeouts are short, so that requests do not hang when it is down.

REDIS_URL: str = env.str("REDIS_URL", default="redis://localhost:6379/0" if DEBUG else REQUIRED)
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "dfns",
        "OPTIONS": {"socket_timeout": 1, "socket_connect_timeout": 1},
    }
}

# Celery: a message only wakes a worker. The database says what to send.

CELERY_BROKER_URL: str = env.str("CELERY_BROKER_URL", default=broker_address(REDIS_URL))
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_SERIALIZER = "json"
CELERY_TASK_IGNORE_RESULT = True
CELERY_BEAT_SCHEDULE = {**BEAT_SCHEDULE}
CELERY_BROKER_CONNECTION_TIMEOUT = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # a worker waits for its broker forever
CELERY_BROKER_TRANSPORT_OPTIONS = {"max_retries": 0}  # the scheduler does not wait for a broker that is down
if CELERY_BROKER_URL.startswith(("redis", "sentinel")):
    CELERY_BROKER_TRANSPORT_OPTIONS |= {
        "socket_timeout": 1,
        "socket_connect_timeout": 1,
        "visibility_timeout": 120,  # redeliver a message whose worker died; the default is an hour
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
    }
CELERY_WORKER_REDIRECT_STDOUTS = False  # `consolemail://` prints emails to standard output

# Email

EMAIL_URL: str = env.str("EMAIL_URL", default="consolemail://" if DEBUG else REQUIRED)
MAIL_FOLDER = mail_folder(EMAIL_URL)
globals().update(mail_settings(EMAIL_URL))
DEFAULT_FROM_EMAIL: str = env.str("DEFAULT_FROM_EMAIL", default="login@localhost" if DEBUG else REQUIRED)
SERVER_EMAIL = DEFAULT_FROM_EMAIL

# dfns_login

DFNS_LOGIN = {
    "PUBLIC_URL": PUBLIC_URL,
    "RELYING_PARTY_NAME": env.str("RELYING_PARTY_NAME", default=""),
    "ORIGINS": tuple(env.list("ORIGINS", default=[])),
    "KEYS": env.str("DFNS_LOGIN_KEYS", default=""),
    "EMAIL_COLORS": {"accent": "#2f5d50", "dark_accent": "#9dd1bf"},  # those of project/static/project/login.css
    "TRUSTED_PROXY_HOPS": TRUSTED_PROXY_HOPS,
    "MAINTENANCE": env.bool("MAINTENANCE", default=False),
    "MONITORING_TOKEN": env.str("MONITORING_TOKEN", default=""),
}
LOGIN_URL = "dfns_login:sign-in"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

# Cookies, security headers and static files

SECRET_KEY: str = env.str("SECRET_KEY", default="django-insecure-for-development-only" if DEBUG else REQUIRED)
SECURE_SSL_REDIRECT: bool = env.bool("SECURE_SSL_REDIRECT", default=not DEBUG)
SECURE_HSTS_SECONDS = 0 if DEBUG else 31_536_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = not DEBUG
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXY_HOPS > 0 else None
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not DEBUG
SESSION_COOKIE_NAME = "sessionid" if DEBUG else "__Host-sessionid"
CSRF_COOKIE_NAME = "csrftoken" if DEBUG else "__Host-csrftoken"
CSRF_FAILURE_VIEW = "dfns_login.error_handlers.csrf_failure"
X_FRAME_OPTIONS = "DENY"
STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "project" / "static"]
# With a folder, which `collectstatic` fills: compressed, and cached for years. Without one: from the apps, as they are.
STATIC_ROOT: str | None = env.str("STATIC_ROOT", default=None)
if STATIC_ROOT:
    STORAGES = {**global_settings.STORAGES, "staticfiles": {"BACKEND": "project.static_files.CollectedStaticFiles"}}
WHITENOISE_ADD_HEADERS_FUNCTION = add_worker_policy
WHITENOISE_IMMUTABLE_FILE_TEST = r"(\.[0-9a-f]{12}\.\w+|/chunk-[0-9A-Z]{8}\.js)$"  # the hash of Django or of the build
WHITENOISE_ALLOW_ALL_ORIGINS = False  # no fonts for other sites
WHITENOISE_USE_FINDERS = not STATIC_ROOT
WHITENOISE_AUTOREFRESH = DEBUG and not STATIC_ROOT

# Languages and time

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("fr", "Français"), ("ar", "العربية")]
LOCALE_PATHS = [BASE_DIR / "project" / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

# Logging: one JSON object per line

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "dfns_login.logs.JSONFormatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"handlers": ["stderr"], "level": env.str("LOG_LEVEL", default="INFO").upper()},
    "loggers": {"django": {"handlers": [], "level": "INFO"}},  # replaces Django's own handlers
}
