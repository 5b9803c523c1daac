"""The app's configuration."""

from django.apps import AppConfig


class DfnsLoginConfig(AppConfig):
    name = "dfns_login"
    verbose_name = "Dfns login"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from dfns_login import checks  # noqa: F401, PLC0415  the import registers them, once models can be read
