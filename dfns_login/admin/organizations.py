"""Organizations: add, rename, deactivate; delete those without accounts."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from dfns_login.admin.django_types import AnyModelAdmin, Text, TypedModelForm
from dfns_login.admin.filters import Filter
from dfns_login.admin.model_admin import OperationsAdmin, operator_of
from dfns_login.admin.operations import Operation
from dfns_login.admin.rendering import active_badge, list_url, moment
from dfns_login.ceremonies.names import checked_name
from dfns_login.ceremonies.operators import deactivate_organization, reactivate_organization, record_change
from dfns_login.errors import BodyRefused
from dfns_login.models import Account, AuditKind, OneTimeCode, Organization

DEACTIVATE: Operation[Organization] = Operation(
    name="deactivate",
    label=_("Deactivate organization"),
    list_label=_("Deactivate selected organizations"),
    consequence=_("Members can no longer sign in. Their sessions end, and their open codes are revoked."),
    applies=lambda row: row.active,
    perform=lambda row, operator: deactivate_organization(row, operator=operator, now=timezone.now()),
    done=lambda n: ngettext("%(n)d organization deactivated.", "%(n)d organizations deactivated.", n) % {"n": n},
)
REACTIVATE: Operation[Organization] = Operation(
    name="reactivate",
    label=_("Reactivate organization"),
    list_label=_("Reactivate selected organizations"),
    consequence=_("Members can sign in again. Ended sessions stay ended."),
    applies=lambda row: not row.active,
    perform=lambda row, operator: reactivate_organization(row, operator=operator, now=timezone.now()),
    done=lambda n: ngettext("%(n)d organization reactivated.", "%(n)d organizations reactivated.", n) % {"n": n},
)


class ActiveFilter(Filter):
    """Filter by whether the row is active."""

    title = _("state")
    parameter_name = "active"

    def lookups(self, request: HttpRequest, model_admin: AnyModelAdmin) -> Iterable[tuple[str, Text]]:
        return [("yes", _("Active")), ("no", _("Deactivated"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any] | None:
        return queryset.filter(active=self.value() == "yes") if self.value() else None


class OrganizationForm(TypedModelForm[Organization]):
    """The name is checked as at creation by command."""

    def clean_name(self) -> str:
        try:
            return checked_name(self.cleaned_data["name"], field="name")
        except BodyRefused as refusal:
            raise forms.ValidationError(list((refusal.details or {})["name"])) from refusal


@admin.register(Organization)
class OrganizationAdmin(OperationsAdmin[Organization]):
    """Organizations. Clients send the ID as `orgId`."""

    form = OrganizationForm
    operations = (DEACTIVATE, REACTIVATE)
    offers_invitation = False  # it needs an organization
    list_display = ("name", "shown_id", "shown_state", "shown_created")
    list_filter = (ActiveFilter,)
    search_fields = ("name", "id__exact")
    search_help_text = _("Part of the name, or the ID")
    empty_text = _("No organizations yet. Add one first: every account belongs to an organization.")
    ordering = ("name", "id")
    fields = ("name", "second_factor", "shown_id", "shown_state", "shown_created", "shown_lists")
    readonly_fields = ("shown_id", "shown_state", "shown_created", "shown_lists")

    def save_model(self, request: HttpRequest, obj: Organization, form: Any, change: Any) -> None:
        """Save and record the event. Django has opened a transaction."""
        super().save_model(request, obj, form, change)
        changed = {name: form.cleaned_data[name] for name in form.changed_data}
        kind = AuditKind.ORGANIZATION_CHANGED if change else AuditKind.ORGANIZATION_CREATED
        record_change(kind, obj, operator=operator_of(request), now=timezone.now(), **changed)

    def get_fields(self, request: HttpRequest, obj: Organization | None = None) -> Any:
        return super().get_fields(request, obj) if obj else ("name", "second_factor")

    def has_delete_permission(self, request: HttpRequest, obj: Organization | None = None) -> bool:
        if obj is None or not super().has_delete_permission(request, obj):
            return False  # nor in bulk: the confirmation page would list every account
        return not obj.accounts.exists()

    @admin.display(description=_("ID"))
    def shown_id(self, row: Organization) -> str:
        return row.pk

    @admin.display(description=_("state"))
    def shown_state(self, row: Organization) -> str:
        return active_badge(active=row.active)

    @admin.display(description=_("created"))
    def shown_created(self, row: Organization) -> str:
        return moment(row.created_at)

    @admin.display(description=_("contents"))
    def shown_lists(self, row: Organization) -> str:
        return format_html(
            '<a href="{}">{}</a> · <a href="{}">{}</a>',
            list_url(Account, organization=row.pk),
            _("Accounts"),
            list_url(OneTimeCode, organization=row.pk),
            _("Issued codes"),
        )
