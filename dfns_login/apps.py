"""The app's configuration."""

from django.apps import AppConfig


class DfnsLoginConfig(AppConfig):
    """For `INSTALLED_APPS`: `"dfns_login"`."""

    name = "dfns_login"
    verbose_name = "Dfns login"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # the imports register them, once models can be read
        from dfns_login import checks  # noqa: F401
        from dfns_login.pages import receivers  # noqa: F401
