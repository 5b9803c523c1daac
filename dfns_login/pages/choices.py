"""What a page lets people choose: the organization and the language."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.text import capfirst
from django.utils.translation import get_language_info

from dfns_login.browsers import own_path
from dfns_login.models import ORGANIZATION_ID, Organization
from dfns_login.organizations import organization_of
from dfns_login.pages.compression import leave_uncompressed
from dfns_login.settings import login_settings


def organization_context(request: HttpRequest, *, remembered: Sequence[Organization]) -> dict[str, Any]:
    """Return the organization that the pages are for, and which others the page offers.

    The one in the link wins. The name for an id in a link is not looked up, so as not to reveal whether it exists.
    Without one, it is the organization that the project names, or its only one, or else the newest that this browser
    has signed in to. An empty id in the link asks for none of these.

    other_organizations: what else was remembered. choose_organization: whether another id may be entered.
    """
    fixed = organization_of(request)
    if remembered and not fixed:
        leave_uncompressed(request)
    known = [fixed] if fixed else remembered
    wanted = request.GET.get("organization")
    if wanted is not None and ORGANIZATION_ID.fullmatch(wanted):
        organization = next((each for each in known if each.pk == wanted), None)
        organization_id = wanted
    else:
        organization = known[0] if known and (fixed or wanted is None) else None
        organization_id = organization.pk if organization else ""
    return {
        "organization": organization,
        "organization_id": organization_id,
        "choose_organization": fixed is None and bool(organization_id),
        "remembered_organizations": () if fixed else remembered,
        "other_organizations": () if fixed else [each for each in remembered if each != organization],
    }


def language_context(request: HttpRequest) -> dict[str, Any]:
    """Return the languages to choose from: none without `LocaleMiddleware`, or if there is only one.

    here: the path to come back to.
    """
    names = dict(settings.LANGUAGES)
    offered = [code for code in login_settings().languages if code in names]
    chosen = getattr(request, "LANGUAGE_CODE", "")
    languages = [(code, capfirst(_own_name(code) or names[code])) for code in offered]
    return {"languages": languages if chosen and len(offered) > 1 else (), "here": own_path(request.get_full_path())}


def _own_name(code: str) -> str:
    """Return the name of a language in the language itself; empty if Django doesn't know the language."""
    try:
        return str(get_language_info(code)["name_local"])
    except KeyError:
        return ""
