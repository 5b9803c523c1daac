"""Settings of a project that uses the whole public API."""

import django

from dfns_login.settings import BEAT_SCHEDULE

SECRET_KEY = "example"
DEBUG = True
USE_TZ = True
ALLOWED_HOSTS = ["localhost"]
ROOT_URLCONF = "shop.urls"
AUTH_USER_MODEL = "people.Person"
LOGIN_URL = "dfns_login:sign-in"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "rest_framework",
    "people",
    "dfns_login",
]
MIDDLEWARE = [
    "dfns_login.middleware.SlowSendersMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "dfns_login.middleware.BrowserSessionMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
    }
]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
if django.VERSION >= (6, 1):
    MAILERS = {"default": {"BACKEND": "django.core.mail.backends.console.EmailBackend"}}
else:
    EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
STATIC_URL = "static/"
CELERY_BEAT_SCHEDULE = {**BEAT_SCHEDULE}
DFNS_LOGIN = {
    "PUBLIC_URL": "http://localhost",
    "FROM_EMAIL": "codes@shop.example",
    "USER_FOR_ACCOUNT": "shop.hooks.create_person",
    "SIGN_UP": "shop.hooks.may_sign_up",
    "SEND_CODE": "shop.hooks.send_text",
    "ORGANIZATION_FOR_REQUEST": "shop.hooks.organization_by_host",
}
