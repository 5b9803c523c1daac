"""The organizations that a browser has signed in to, which the pages offer (R-172).

Their ids are in a signed cookie, which only this site can write, so the pages may show the names.
"""

from typing import Final

from django.http import HttpRequest, HttpResponseBase

from dfns_login.browsers.cookies import delete_cookie, set_signed_cookie, signed_cookie
from dfns_login.models import Organization
from dfns_login.settings import login_settings

_COOKIE: Final = "organizations"
_SEPARATOR: Final = "~"
"""Not part of any id."""
_MOST: Final = 5


def remembered_organizations(request: HttpRequest) -> list[Organization]:
    """Return the active organizations that this browser has signed in to, newest first."""
    ids = _ids(request)
    found = {each.pk: each for each in Organization.objects.filter(active=True, pk__in=ids)} if ids else {}
    return [found[each] for each in ids if each in found]


def remember_organization(request: HttpRequest, response: HttpResponseBase, organization: str) -> None:
    """Remember the organization of a sign-in, unless the project decides which one a request is for."""
    conf = login_settings()
    if conf.organization or conf.organization_for_request:
        return
    ids = [organization, *(each for each in _ids(request) if each != organization)][:_MOST]
    set_signed_cookie(response, _COOKIE, _SEPARATOR.join(ids), lasting=conf.device_lifetime)


def forget_organizations(request: HttpRequest, response: HttpResponseBase) -> None:
    delete_cookie(request, response, _COOKIE)


def _ids(request: HttpRequest) -> list[str]:
    return list(filter(None, signed_cookie(request, _COOKIE).split(_SEPARATOR)))
