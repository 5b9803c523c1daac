"""The organization that a request is for."""

from django.http import HttpRequest
from django.utils.module_loading import import_string

from dfns_login.models import Organization
from dfns_login.settings import login_settings


def organization_of(request: HttpRequest) -> Organization | None:
    """Return the active organization that a request is for, if the project or its data say so.

    `ORGANIZATION_FOR_REQUEST` decides. If it is not set or returns an empty text: `default_organization`.
    """
    hook = login_settings().organization_for_request
    named: str = import_string(hook)(request) if hook else ""
    if named:
        return Organization.objects.filter(active=True, pk=named).first()
    return default_organization()


def default_organization() -> Organization | None:
    """Return the active organization that `ORGANIZATION` names, or else the only active one."""
    active = Organization.objects.filter(active=True)
    if wanted := login_settings().organization:
        return active.filter(pk=wanted).first()
    found = list(active.order_by()[:2])
    return found[0] if len(found) == 1 else None
