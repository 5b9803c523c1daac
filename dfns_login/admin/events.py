"""Audit events. They can only be viewed."""

import json

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from dfns_login.admin.event_details import details_in_brief, details_in_full
from dfns_login.admin.export_columns import EVENT_COLUMNS
from dfns_login.admin.exports import ExportedAdmin
from dfns_login.admin.filters import AccountFilter, OrganizationFilter, PeriodFilter, choice_filter
from dfns_login.admin.model_admin import AccountRowsAdmin
from dfns_login.admin.rendering import NOTHING, Tone, badge, link_to, moment, with_below
from dfns_login.models import AuditEvent, AuditKind, AuditLink, Notice
from dfns_login.verification.evidence import EvidenceError, verify_evidence


class EventTimeFilter(PeriodFilter):
    """Filter by when the event happened."""

    title = _("time")
    parameter_name = "when"
    column = "at"


@admin.register(AuditEvent)
class AuditEventAdmin(ExportedAdmin[AuditEvent], AccountRowsAdmin[AuditEvent]):
    """Audit events, newest first."""

    exported = EVENT_COLUMNS
    list_display = ("shown_at", "shown_what", "shown_who", "shown_origin")
    list_filter = (
        EventTimeFilter,
        choice_filter("kind", AuditKind, _("event"), template="admin/dfns_login/select_filter.html"),
        OrganizationFilter,
        AccountFilter,
    )
    list_select_related = ()
    empty_text = _("No events yet. Invitations, emailed codes, sign-ins and what operators do are recorded here.")
    ordering = ("-at", "-pk")
    window_key = "at"
    fields = (
        "kind",
        "shown_at",
        "shown_account",
        "shown_organization",
        "shown_address",
        "shown_agent",
        "request_id",
        "shown_details",
        "shown_evidence",
        "shown_link",
        "shown_notice",
    )
    readonly_fields = (
        "shown_at",
        "shown_account",
        "shown_organization",
        "shown_address",
        "shown_agent",
        "shown_details",
        "shown_evidence",
        "shown_link",
        "shown_notice",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuditEvent]:
        """Prefetch what events refer to: a join leaves out those of a deleted account. Lists need no evidence."""
        return super().get_queryset(request).prefetch_related("account", "organization").defer("evidence")

    def exported_rows(self, rows: QuerySet[AuditEvent], *, export: int) -> QuerySet[AuditEvent]:
        """Leave out the event of the export itself."""
        return rows.exclude(pk=export)

    def heading(self, row: AuditEvent) -> str:
        return " · ".join(filter(None, (row.get_kind_display(), str(row.account or row.organization or ""))))

    @admin.display(description=_("event"))
    def shown_what(self, row: AuditEvent) -> str:
        return with_below(row.get_kind_display(), details_in_brief(row))

    @admin.display(description=_("account"))
    def shown_who(self, row: AuditEvent) -> str:
        return with_below(self.shown_account(row), row.organization or row.organization_id or "")

    @admin.display(description=_("time"))
    def shown_at(self, row: AuditEvent) -> str:
        return moment(row.at)

    @admin.display(description=_("account"))
    def shown_account(self, row: AuditEvent) -> str:
        return link_to(row.account) if row.account else row.account_id or NOTHING

    @admin.display(description=_("organization"))
    def shown_organization(self, row: AuditEvent) -> str:
        return link_to(row.organization) if row.organization else row.organization_id or NOTHING

    @admin.display(description=_("details"))
    def shown_details(self, row: AuditEvent) -> str:
        return details_in_full(row)

    @admin.display(description=_("what was signed"))
    def shown_evidence(self, row: AuditEvent) -> str:
        """Whether the signatures verify, then the evidence itself."""
        if row.evidence is None:
            return NOTHING
        try:
            verify_evidence(row.evidence)
            verdict = badge(_("Signature valid"), Tone.GOOD)
        except EvidenceError:
            verdict = badge(_("Signature not valid"), Tone.BAD)
        text = json.dumps(row.evidence, indent=2, ensure_ascii=True)
        return format_html('{}<pre class="dfns-long" dir="ltr">{}</pre>', verdict, text)

    @admin.display(description=_("place in the chain"))
    def shown_link(self, row: AuditEvent) -> str:
        link = AuditLink.objects.filter(event=row.pk).first()
        return str(link.position) if link else NOTHING

    @admin.display(description=_("email to the owner"))
    def shown_notice(self, row: AuditEvent) -> str:
        notice = Notice.objects.filter(event=row).first()
        if notice is None:
            return NOTHING
        when = moment(notice.sent_at) if notice.sent_at else notice.last_error
        return format_html("{} {}", notice.get_delivery_display(), when)
