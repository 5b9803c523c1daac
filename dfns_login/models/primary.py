"""The one database that has the app's tables, read and written: a replica may not have the newest rows yet.

A router may choose any database for the app, and send reads elsewhere. A session that was just revoked must not be live
on a replica, so the app asks routers only for the database to write to (R-135).
"""

from typing import ClassVar, TypeVar

from django.apps import apps
from django.db import models, router

M_co = TypeVar("M_co", bound=models.Model, covariant=True)


class PrimaryQuerySet(models.QuerySet[M_co]):
    """Queries that read from the database that is written to."""

    @property
    def db(self) -> str:
        chosen: str | None = vars(self)["_db"]  # by `using`
        return chosen or router.db_for_write(self.model, **vars(self)["_hints"])


class PrimaryModel(models.Model):
    """A model that is read from the database that is written to, also through relations and `refresh_from_db`."""

    rows = PrimaryQuerySet.as_manager()

    class Meta:
        abstract = True
        base_manager_name: ClassVar = "rows"


def primary() -> str:
    """Return the alias of the database that has the app's tables."""
    return router.db_for_write(apps.get_model("dfns_login", "Account"))
