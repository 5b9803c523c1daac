"""Audit events: looked at, and nothing else."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext_lazy as _

from dfns_login.admin.lists import AccountFilter, OrganizationFilter, PeriodFilter, choice_filter, of_username
from dfns_login.admin.read_only import ReadOnlyAdmin
from dfns_login.admin.rendering import NOTHING, link_to, moment
from dfns_login.models import AuditEvent, AuditKind, Notice


class HappenedFilter(PeriodFilter):
    """When it happened."""

    title = _("when")
    parameter_name = "when"
    column = "at"


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin[AuditEvent]):
    """What happened to accounts, the newest first."""

    list_display = ("shown_at", "kind", "shown_account", "shown_organization", "shown_address", "shown_detail")
    list_filter = (
        HappenedFilter,
        choice_filter("kind", AuditKind, _("what happened")),
        OrganizationFilter,
        AccountFilter,
    )
    list_select_related = ("account", "organization")
    search_fields = ("id",)
    search_help_text = _("The account's username or id.")
    ordering = ("-at", "-pk")
    window_key = "at"
    fields = (
        "kind",
        "shown_at",
        "shown_account",
        "shown_organization",
        "shown_address",
        "agent",
        "shown_detail",
        "shown_notice",
    )
    readonly_fields = (
        "shown_at",
        "shown_account",
        "shown_organization",
        "shown_address",
        "shown_detail",
        "shown_notice",
    )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[AuditEvent], bool]:
        return (of_username(queryset, search_term) if search_term.strip() else queryset), False

    @admin.display(description=_("when"))
    def shown_at(self, row: AuditEvent) -> str:
        return moment(row.at)

    @admin.display(description=_("account"))
    def shown_account(self, row: AuditEvent) -> str:
        return link_to(row.account) if row.account else row.account_reference or NOTHING

    @admin.display(description=_("organization"))
    def shown_organization(self, row: AuditEvent) -> str:
        return link_to(row.organization)

    @admin.display(description=_("address"))
    def shown_address(self, row: AuditEvent) -> str:
        return row.address or NOTHING

    @admin.display(description=_("detail"))
    def shown_detail(self, row: AuditEvent) -> str:
        return format_html_join(", ", "{}: {}", row.detail.items()) or NOTHING

    @admin.display(description=_("notice to its owner"))
    def shown_notice(self, row: AuditEvent) -> str:
        notice = Notice.objects.filter(event=row).first()
        if notice is None:
            return NOTHING
        when = moment(notice.sent_at) if notice.sent_at else notice.last_error
        return format_html("{} {}", notice.get_delivery_display(), when)
