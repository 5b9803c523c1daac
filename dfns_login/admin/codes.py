"""Issued codes: their state, delivery and history. The code and what it is derived from are never shown."""

from collections.abc import Iterable
from typing import Any, Final

from django.contrib import admin
from django.db.models import OuterRef, Q, QuerySet, Subquery, Value
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from dfns_login.admin.code_badges import code_badge, delivery_badge
from dfns_login.admin.django_types import AnyModelAdmin, Text
from dfns_login.admin.export_columns import CODE_COLUMNS
from dfns_login.admin.exports import ExportedAdmin
from dfns_login.admin.filters import AccountFilter, Filter, OrganizationFilter, PeriodFilter, choice_filter
from dfns_login.admin.guesses import guesses_in_words
from dfns_login.admin.operations import Operation
from dfns_login.admin.rendering import NOTHING, link_to, moment, moment_after, whole_agent, with_below
from dfns_login.admin.search import starts_with, username_or_empty
from dfns_login.admin.timeline import events_of, timeline, when
from dfns_login.ceremonies.operators import revoke_code
from dfns_login.models import Account, AuditEvent, CodeClosed, CodePurpose, DeliveryState, OneTimeCode, Organization

OPEN: Final = "open"
NUMBER_MAX_LENGTH: Final = 18

REVOKE: Operation[OneTimeCode] = Operation(
    name="revoke",
    label=_("Revoke code"),
    list_label=_("Revoke selected open codes"),
    consequence=_("The code can no longer be used. A new one can be requested at once."),
    applies=lambda row: row.closed_at is None and row.expires_at > timezone.now(),
    perform=lambda row, operator: revoke_code(row, operator=operator, now=timezone.now()),
    done=lambda n: ngettext("%(n)d code revoked.", "%(n)d codes revoked.", n) % {"n": n},
)


class CodeStateFilter(Filter):
    """Filter by whether the code is open, or how it was closed."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: AnyModelAdmin) -> Iterable[tuple[str, Text]]:
        return [(OPEN, _("Open")), *CodeClosed.choices]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any] | None:
        state, now = self.value(), timezone.now()
        if not state:
            return None
        if state == OPEN:
            return queryset.filter(closed_at__isnull=True, expires_at__gt=now)
        if state == CodeClosed.EXPIRED:
            return queryset.filter(Q(closed_as=state) | Q(closed_at__isnull=True, expires_at__lte=now))
        return queryset.filter(closed_as=state)


class RecipientFilter(AccountFilter):
    """Filter by the account that codes were requested for. The row of a code that was not sent yet doesn't name it."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any] | None:
        if not self.value():
            return None
        account = Account.objects.filter(pk=self.value()).first()
        if account is None:
            return queryset.none()
        return queryset.filter(organization=account.organization_id, recipient=account.username)


class RequestedFilter(PeriodFilter):
    """Filter by when the code was first requested."""

    title = _("request time")
    parameter_name = "requested"
    column = "issued_at"


@admin.register(OneTimeCode)
class OneTimeCodeAdmin(ExportedAdmin[OneTimeCode]):
    """Issued codes, newest first."""

    operations = (REVOKE,)
    exported = CODE_COLUMNS
    list_display = (
        "shown_recipient",
        "shown_state_and_guesses",
        "shown_delivery",
        "purpose",
        "shown_life",
    )
    list_filter = (
        CodeStateFilter,
        choice_filter("delivery", DeliveryState, _("delivery")),
        choice_filter("purpose", CodePurpose, _("purpose")),
        RequestedFilter,
        OrganizationFilter,
        RecipientFilter,
    )
    search_fields = ("recipient",)
    search_help_text = _("Start of the recipient's username, or the number of a code in the log")
    empty_text = _("No codes yet. The first is emailed when you invite a person or somebody signs in.")
    ordering = ("-issued_at", "-pk")
    window_key = "issued_at"
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "recipient",
                    "shown_state",
                    "purpose",
                    "shown_organization",
                    "shown_account",
                    "shown_guesses",
                    "caller",
                    "shown_issued",
                    "shown_expires",
                )
            },
        ),
        (_("Delivery"), {"fields": ("shown_delivery", "shown_tries", "shown_timeline")}),
        (_("Requested from"), {"fields": ("shown_address", "shown_agent", "locale")}),
    )
    readonly_fields = (
        "shown_state",
        "shown_organization",
        "shown_account",
        "shown_guesses",
        "shown_issued",
        "shown_expires",
        "shown_delivery",
        "shown_tries",
        "shown_timeline",
        "shown_address",
        "shown_agent",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[OneTimeCode]:
        names = Organization.objects.filter(pk=OuterRef("organization")).values("name")
        rows = super().get_queryset(request).select_related("account").defer("salt", "key_id")
        shows_events = Value(self.may_view(request, AuditEvent))
        return rows.annotate(organization_name=Subquery(names[:1]), shows_events=shows_events)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[OneTimeCode], bool]:
        typed = search_term.strip()
        if not typed:
            return queryset, False
        username = username_or_empty(typed)
        found = starts_with("recipient", username, queryset=queryset) if username else Q(pk__in=[])
        if typed.isdecimal() and len(typed) <= NUMBER_MAX_LENGTH:
            found |= Q(pk=int(typed))
        return queryset.filter(found), False

    def heading(self, row: OneTimeCode) -> str:
        return f"{row.get_purpose_display()} · {row.recipient}"

    @admin.display(description=_("state"))
    def shown_state(self, row: OneTimeCode) -> str:
        return code_badge(row, now=timezone.now())

    @admin.display(description=_("delivery"))
    def shown_delivery(self, row: OneTimeCode) -> str:
        return delivery_badge(row, now=timezone.now())

    @admin.display(description=_("organization"))
    def shown_organization(self, row: OneTimeCode) -> str:
        name = getattr(row, "organization_name", None)
        if name is None:
            return gettext("%(id)s (no such organization)") % {"id": row.organization}
        return link_to(Organization(pk=row.organization, name=name))

    @admin.display(description=_("account"))
    def shown_account(self, row: OneTimeCode) -> str:
        return link_to(row.account)

    @admin.display(description=_("guesses"))
    def shown_guesses(self, row: OneTimeCode) -> str:
        return guesses_in_words(row)

    @admin.display(description=_("requested"))
    def shown_issued(self, row: OneTimeCode) -> str:
        return moment(row.issued_at)

    @admin.display(description=_("recipient"))
    def shown_recipient(self, row: OneTimeCode) -> str:
        organization = getattr(row, "organization_name", None) or row.organization
        return with_below(row.recipient, organization)

    @admin.display(description=_("state"))
    def shown_state_and_guesses(self, row: OneTimeCode) -> str:
        return with_below(self.shown_state(row), guesses_in_words(row))

    @admin.display(description=_("requested"))
    def shown_life(self, row: OneTimeCode) -> str:
        until = format_html(gettext("until {}"), moment_after(row.expires_at, begin=row.issued_at))
        return with_below(moment(row.issued_at), until)

    @admin.display(description=_("expires"))
    def shown_expires(self, row: OneTimeCode) -> str:
        return moment(row.expires_at)

    @admin.display(description=_("tries"))
    def shown_tries(self, row: OneTimeCode) -> str:
        return str(row.tries)

    @admin.display(description=_("timeline"))
    def shown_timeline(self, row: OneTimeCode) -> str:
        events = events_of(row) if getattr(row, "shows_events", False) else ()
        known = timeline(row, events=events, now=timezone.now())
        steps = [(each, when(each, begin=row.issued_at)) for each in known]
        context = {"steps": steps, "zone": timezone.get_current_timezone_name()}
        return render_to_string("admin/dfns_login/timeline.html", context)

    @admin.display(description=_("address"))
    def shown_address(self, row: OneTimeCode) -> str:
        return row.address or NOTHING

    @admin.display(description=_("browser"))
    def shown_agent(self, row: OneTimeCode) -> str:
        return whole_agent(row.agent)
