"""Settings for `tests/pages/test_static_origin.py`: static files on another origin (docs/how-to/static-files.md)."""

from urllib.parse import urlsplit

from django.contrib.staticfiles.storage import StaticFilesStorage

from tests.support.pages_settings import *  # noqa: F403
from tests.support.pages_settings import PUBLIC_URL


class StaticFiles(StaticFilesStorage):
    """Everything from the other origin but the workers. The same server answers on both."""

    def url(self, name: str | None) -> str:
        path = super().url(name)
        origin = "" if str(name).endswith(".worker.js") else f"http://127.0.0.1:{urlsplit(PUBLIC_URL).port}"
        return origin + path


STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "tests.support.static_origin_settings.StaticFiles"},
}
WHITENOISE_ALLOW_ALL_ORIGINS = True
