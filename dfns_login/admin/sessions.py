"""Sessions: view and end them. Token IDs and Django session keys are never shown."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from dfns_login.admin.django_types import AnyModelAdmin, Text
from dfns_login.admin.filters import AccountFilter, AccountOrganizationFilter, Filter
from dfns_login.admin.model_admin import AccountRowsAdmin
from dfns_login.admin.operations import Operation
from dfns_login.admin.rendering import Tone, agent_name, badge, link_to, moment, moment_after, with_below
from dfns_login.ceremonies.sign_out import end_session
from dfns_login.models import AccountState, Session
from dfns_login.settings import login_settings

END: Operation[Session] = Operation(
    name="end",
    label=_("End session"),
    list_label=_("End selected sessions"),
    consequence=_("The session's token stops working at once. The person can sign in again."),
    applies=lambda row: row.is_lasting(now=timezone.now(), idle=login_settings().token_idle),
    perform=lambda row, operator: end_session(
        row, requester=operator.requester, operator=operator.name, now=timezone.now()
    ),
    done=lambda n: ngettext("%(n)d session ended.", "%(n)d sessions ended.", n) % {"n": n},
)


def session_badge(row: Session, *, now: datetime) -> str:
    """Render the state of the session. Reads its account, organization and credential."""
    if row.revoked_at is not None:
        return badge(_("Ended"), Tone.OVER)
    if row.expires_at <= now:
        return badge(_("Expired"), Tone.OVER)
    if row.last_seen_at <= now - login_settings().token_idle:
        return badge(_("Timed out"), Tone.OVER)
    account = row.account
    if account.state != AccountState.REGISTERED or not account.organization.active or not row.credential.active:
        return badge(_("Blocked"), Tone.BAD)
    return badge(_("Active"), Tone.GOOD)


class SessionStateFilter(Filter):
    """Filter by whether the session can be used."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: AnyModelAdmin) -> Iterable[tuple[str, Text]]:
        return [("live", _("Active")), ("over", _("Not active"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any] | None:
        if not self.value():
            return None
        live = Session.objects.live(now=timezone.now(), idle=login_settings().token_idle).values("pk")
        return queryset.filter(pk__in=live) if self.value() == "live" else queryset.exclude(pk__in=live)


@admin.register(Session)
class SessionAdmin(AccountRowsAdmin[Session]):
    """Sessions, newest first."""

    operations = (END,)
    list_display = ("shown_who", "shown_state", "shown_times", "shown_origin")
    list_filter = (SessionStateFilter, AccountOrganizationFilter, AccountFilter)
    empty_text = _("No sessions yet. One begins when a registered person signs in.")
    ordering = ("-pk",)
    window_key = "pk"
    fields = (
        "shown_state",
        "shown_account",
        "shown_organization",
        "shown_credential",
        "shown_how",
        "shown_issued",
        "shown_seen",
        "shown_expires",
        "shown_ended",
        "shown_address",
        "shown_agent",
    )
    readonly_fields = (
        "shown_state",
        "shown_account",
        "shown_organization",
        "shown_credential",
        "shown_how",
        "shown_issued",
        "shown_seen",
        "shown_expires",
        "shown_ended",
        "shown_address",
        "shown_agent",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Session]:
        rows = super().get_queryset(request).select_related("account__organization", "credential")
        return rows.defer("jti", "django_session_key", "credential__encrypted_key_at_rest", "credential__public_key")

    def heading(self, row: Session) -> str:
        return " · ".join(filter(None, (str(row.account), agent_name(row.agent))))

    @admin.display(description=_("state"))
    def shown_state(self, row: Session) -> str:
        return session_badge(row, now=timezone.now())

    @admin.display(description=_("account"))
    def shown_who(self, row: Session) -> str:
        return with_below(str(row.account), row.account.organization)

    @admin.display(description=_("account"))
    def shown_account(self, row: Session) -> str:
        return str(row.account)

    @admin.display(description=_("organization"))
    def shown_organization(self, row: Session) -> str:
        return link_to(row.account.organization)

    @admin.display(description=_("credential"))
    def shown_credential(self, row: Session) -> str:
        return link_to(row.credential)

    @admin.display(description=_("signed in with"))
    def shown_how(self, row: Session) -> str:
        kind = row.credential.get_kind_display()
        return gettext("%(kind)s and an emailed code") % {"kind": kind} if row.code_presented else kind

    @admin.display(description=_("signed in"))
    def shown_issued(self, row: Session) -> str:
        return moment(row.issued_at)

    @admin.display(description=_("signed in"))
    def shown_times(self, row: Session) -> str:
        seen = format_html(gettext("seen {}"), moment_after(row.last_seen_at, begin=row.issued_at))
        return with_below(moment(row.issued_at), seen)

    @admin.display(description=_("last seen"))
    def shown_seen(self, row: Session) -> str:
        return moment(row.last_seen_at)

    @admin.display(description=_("expires"))
    def shown_expires(self, row: Session) -> str:
        return moment(row.expires_at)

    @admin.display(description=_("ended"))
    def shown_ended(self, row: Session) -> str:
        return moment(row.revoked_at)
