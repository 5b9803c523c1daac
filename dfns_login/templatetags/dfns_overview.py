"""The overview on the app's page in the admin. The page itself is Django's, so a tag adds what it lacks."""

from functools import partial
from typing import Any

from django import template
from django.urls import reverse
from django.utils import timezone

register = template.Library()


@register.inclusion_tag("admin/dfns_login/overview.html", takes_context=True)
def dfns_overview(context: dict[str, Any]) -> dict[str, Any]:
    """Render the search for a person, and what the operator may view of the period and organization in the query."""
    # Django imports this module in every project, also in one without the admin.
    from django.contrib.admin.sites import all_sites  # noqa: PLC0415

    from dfns_login.admin.overview import OverviewQuery, overview  # noqa: PLC0415
    from dfns_login.admin.permissions import may_view  # noqa: PLC0415
    from dfns_login.models import Account  # noqa: PLC0415

    request = context["request"]
    site = next(each for each in all_sites if each.name == request.current_app)
    allowed = partial(may_view, request=request, site=site)
    return {
        "accounts_url": reverse(f"{site.name}:dfns_login_account_changelist") if allowed(Account) else "",
        "overview": overview(OverviewQuery.of(request), may_view=allowed, now=timezone.now()),
    }
