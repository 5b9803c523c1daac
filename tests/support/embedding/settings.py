"""Settings of a small project that embeds the app and documents its own API with drf-spectacular."""

SECRET_KEY = "embedding"
DEBUG = True
USE_TZ = True
ROOT_URLCONF = "tests.support.embedding.urls"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "rest_framework",
    "drf_spectacular",
    "dfns_login",
]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
REST_FRAMEWORK = {"DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema"}
DFNS_LOGIN = {"PUBLIC_URL": "https://login.example.com"}
