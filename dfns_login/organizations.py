"""The organization that a request is for, and the address that its people know."""

from django.core.exceptions import ImproperlyConfigured
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


def public_url_of(organization: Organization) -> str:
    """Return what the links in an organization's emails begin with: an origin, without a slash at the end.

    `PUBLIC_URL_FOR_ORGANIZATION` decides. If it is not set or returns an empty text: `PUBLIC_URL`.
    Raises: ImproperlyConfigured, if the origin is not in `ORIGINS`: the pages would not work there, and a link with a
    lock token must not lead to a foreign host.
    """
    conf = login_settings()
    hook = conf.public_url_for_organization
    named: str = (import_string(hook)(organization) or "").removesuffix("/") if hook else ""
    if named and named not in conf.webauthn_origins:
        raise ImproperlyConfigured(
            f"PUBLIC_URL_FOR_ORGANIZATION returned an origin for {organization.pk} that is not in ORIGINS."
        )
    return named or conf.public_url
