"""What an operator may view and add. The project's admin decides, which may have unregistered or replaced our pages."""

from collections.abc import Callable

from django.contrib.admin import AdminSite
from django.db.models import Model
from django.http import HttpRequest

MayView = Callable[[type[Model]], bool]


def may_view(model: type[Model], *, request: HttpRequest, site: AdminSite) -> bool:
    """Whether the signed-in user may view rows of the model in this admin."""
    return site.is_registered(model) and site.get_model_admin(model).has_view_permission(request)


def may_add(model: type[Model], *, request: HttpRequest, site: AdminSite) -> bool:
    """Whether the signed-in user may add rows of the model in this admin."""
    return site.is_registered(model) and site.get_model_admin(model).has_add_permission(request)
