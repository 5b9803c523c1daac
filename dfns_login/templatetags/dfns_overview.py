"""The overview on the app's page in the admin. The page itself is Django's, so a tag adds what it lacks."""

from typing import Any

from django import template
from django.utils import timezone

register = template.Library()


@register.inclusion_tag("admin/dfns_login/overview.html", takes_context=True)
def dfns_overview(context: dict[str, Any]) -> dict[str, Any]:
    """Render what the signed-in operator may view, for the period and organization in the query."""
    # Django imports this module in every project, also in one without the admin.
    from dfns_login.admin.overview import Asked, overview  # noqa: PLC0415

    request = context["request"]
    return {"overview": overview(Asked.of(request), may=request.user.has_perm, now=timezone.now())}
