"""App configuration."""

from importlib.util import find_spec

from django.apps import AppConfig, apps


class DfnsLoginConfig(AppConfig):
    name = "dfns_login"
    verbose_name = "Dfns login"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # importing them registers checks and signal receivers, which need the models
        from dfns_login import checks  # noqa: F401
        from dfns_login.models import stale_plans  # noqa: F401
        from dfns_login.pages import receivers  # noqa: F401

        if find_spec("prometheus_client"):  # the extra `metrics`
            from dfns_login.monitoring import metrics  # noqa: F401
        if apps.is_installed("drf_spectacular"):
            from dfns_login.api import schema  # noqa: F401
