"""The overview on the app's page in the admin. The page itself is Django's, so a tag adds what it lacks."""

from typing import Any

from django import template
from django.db.models import Model
from django.utils import timezone

register = template.Library()


@register.inclusion_tag("admin/dfns_login/overview.html", takes_context=True)
def dfns_overview(context: dict[str, Any]) -> dict[str, Any]:
    """Render the search for a person, and what the operator may view of the period and organization in the query.

    Django's list of the app's models says what that is: the admin that shows the page has made it for this operator.
    """
    # Django imports this module in every project, also in one without the admin.
    from dfns_login.admin.overview import OverviewQuery, overview  # noqa: PLC0415
    from dfns_login.models import Account  # noqa: PLC0415

    listed = {each["model"]: each for app in context["app_list"] for each in app["models"]}

    def may_view(model: type[Model]) -> bool:
        return model in listed and bool(listed[model]["perms"]["view"])

    return {
        "accounts_url": listed[Account]["admin_url"] if may_view(Account) else "",
        "overview": overview(OverviewQuery.of(context["request"]), may_view=may_view, now=timezone.now()),
    }
