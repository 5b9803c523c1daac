"""Accounts: invite people, deactivate and reactivate them. Their identity can't be edited."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, Final

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.options import IS_POPUP_VAR
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from dfns_login.admin.account_operations import CANCEL_RECOVERY, DEACTIVATE, INVITE_AGAIN, REACTIVATE, UNLOCK
from dfns_login.admin.filters import OrganizationFilter, choice_filter
from dfns_login.admin.invitation_form import InvitationForm
from dfns_login.admin.model_admin import ReadOnlyAdmin, operator_of
from dfns_login.admin.related import related_to
from dfns_login.admin.rendering import RelatedRows, Tone, badge, change_url, link_to, moment, with_below
from dfns_login.admin.search import starts_with, username_or_empty
from dfns_login.admin.verdict import verdict
from dfns_login.ceremonies.invitation import Invitation, invite
from dfns_login.ceremonies.recovery_waits import waiting_until
from dfns_login.errors import Refusal
from dfns_login.models import (
    Account,
    AccountKind,
    AccountState,
    AuditEvent,
    AuditKind,
    Organization,
)

TONES: Final = {
    AccountState.INVITED: Tone.WAITING,
    AccountState.REGISTERED: Tone.GOOD,
    AccountState.DEACTIVATED: Tone.OVER,
}

IDENTITY: Final = ("username", "email", "shown_organization", "kind", "shown_state", "shown_user", "shown_id")
DATES: Final = ("shown_created", "shown_last_sign_in", "shown_email_refused", "shown_locked", "shown_recovery")
OF_EVENTS: Final = frozenset({"shown_last_sign_in"})


@admin.register(Account)
class AccountAdmin(ReadOnlyAdmin[Account]):
    """Accounts: people as members of an organization."""

    operations = (INVITE_AGAIN, UNLOCK, REACTIVATE, CANCEL_RECOVERY, DEACTIVATE)
    list_display = ("shown_username", "shown_state", "shown_last_sign_in", "shown_created")
    list_filter = (
        choice_filter("state", AccountState, _("state")),
        choice_filter("kind", AccountKind, _("kind")),
        OrganizationFilter,
    )
    list_select_related = ("organization",)
    search_fields = ("username",)
    search_help_text = _("Start of the username or email address, or ID of the account")
    empty_text = _("No accounts yet. Invite a person: they get a code by email, and register with it.")
    add_label = _("Invite a person")
    ordering = ("organization", "username")
    readonly_fields = (
        "shown_id",
        "shown_organization",
        "shown_state",
        "shown_user",
        *DATES,
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Account]:
        rows = super().get_queryset(request).select_related("organization", "user")
        if not self.may_view(request, AuditEvent):
            return rows
        sign_ins = AuditEvent.objects.filter(account=OuterRef("pk"), kind=AuditKind.SIGNED_IN).order_by("-at")
        return rows.annotate(last_sign_in=Subquery(sign_ins.values("at")[:1]))

    def get_list_display(self, request: HttpRequest) -> Any:
        return self._viewable(request, self.list_display)

    def _viewable(self, request: HttpRequest, fields: Sequence[Any]) -> Sequence[Any]:
        """Leave out what only events tell, for those who may not view them."""
        return fields if self.may_view(request, AuditEvent) else [each for each in fields if each not in OF_EVENTS]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Account], bool]:
        typed = search_term.replace("\0", "").strip()
        if not typed:
            return queryset, False
        matches = starts_with("email", typed, queryset=queryset)
        if username := username_or_empty(typed):
            matches |= starts_with("username", username, queryset=queryset)
        by_id = queryset.filter(pk=typed)
        return (by_id if typed.startswith("us-") and by_id.exists() else queryset.filter(matches)), False

    # Inviting

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("dfns_login.add_account"))

    def get_form(
        self,
        request: HttpRequest,
        obj: Account | None = None,
        change: bool = False,  # noqa: FBT001, FBT002  Django's signature
        **kwargs: Any,
    ) -> "type[forms.ModelForm[Account]]":
        if obj is None:
            kwargs |= {"form": InvitationForm}
        return super().get_form(request, obj, change=change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Account | None = None) -> Any:
        if obj is None:
            return [(None, {"fields": InvitationForm.Meta.fields})]
        return [(None, {"fields": IDENTITY}), (_("Dates"), {"fields": self._viewable(request, DATES)})]

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "organization":
            kwargs["queryset"] = active = Organization.objects.filter(active=True).order_by("name", "pk")
            first = list(active[:2])
            kwargs["initial"] = first[0] if len(first) == 1 else None
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None and isinstance(field.widget, RelatedFieldWidgetWrapper):
            field.widget.can_change_related = field.widget.can_view_related = False  # this form only invites
        return field

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {"title": _("Invite a person"), **(extra_context or {})}
        try:
            return super().add_view(request, form_url, context)
        except Refusal as refusal:
            self.message_user(request, refusal.explanation, messages.ERROR)
            return HttpResponseRedirect(reverse("admin:dfns_login_account_changelist"))

    def save_form(self, request: HttpRequest, form: Any, change: Any) -> Account:
        submitted = form.cleaned_data
        operator = operator_of(request)
        invitation = Invitation(
            organization=submitted["organization"],
            email=submitted["email"],
            kind=AccountKind(submitted["kind"]),
            operator=operator.name,
        )
        return invite(invitation, requester=operator.requester, now=timezone.now())

    def save_model(self, request: HttpRequest, obj: Account, form: Any, change: Any) -> None:
        """Save nothing: `invite` already created the account, or found the invited one."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: Any) -> None:
        """Save nothing: the form has no related rows."""

    def response_add(self, request: HttpRequest, obj: Account, post_url_continue: str | None = None) -> HttpResponse:
        if IS_POPUP_VAR in request.POST:
            return super().response_add(request, obj, post_url_continue)
        text = gettext("The registration code for %(name)s will be emailed unless it was a moment ago.") % {
            "name": obj.username
        }
        self.message_user(request, text, messages.SUCCESS)
        return HttpResponseRedirect(request.path if "_addanother" in request.POST else change_url(obj))

    # The account's page

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        if (row := kwargs.get("obj")) is not None:
            context["verdict"] = verdict(row, may_view=partial(self.may_view, request), now=timezone.now())
        return super().render_change_form(request, context, *args, **kwargs)

    def related_rows(self, request: HttpRequest, row: Account) -> Iterable[RelatedRows]:
        return related_to(row, may_view=partial(self.may_view, request), now=timezone.now())

    @admin.display(description=_("username"))
    def shown_username(self, row: Account) -> str:
        return with_below(row.username, row.organization)

    @admin.display(description=_("ID"))
    def shown_id(self, row: Account) -> str:
        return row.pk

    @admin.display(description=_("organization"))
    def shown_organization(self, row: Account) -> str:
        return link_to(row.organization)

    @admin.display(description=_("state"))
    def shown_state(self, row: Account) -> str:
        if row.is_locked(now=timezone.now()):
            return badge(_("Locked"), Tone.BAD)
        state = AccountState(row.state)
        return badge(state.label, TONES[state])

    @admin.display(description=_("Django user"))
    def shown_user(self, row: Account) -> str:
        return link_to(row.user)

    @admin.display(description=_("invited"))
    def shown_created(self, row: Account) -> str:
        return moment(row.created_at)

    @admin.display(description=_("last sign-in"))
    def shown_last_sign_in(self, row: Account) -> str:
        return moment(getattr(row, "last_sign_in", None))

    @admin.display(description=_("address refused for good"))
    def shown_email_refused(self, row: Account) -> str:
        return moment(row.email_refused_at)

    @admin.display(description=_("locked until"))
    def shown_locked(self, row: Account) -> str:
        return moment(row.locked_until)

    @admin.display(description=_("recovery possible from"))
    def shown_recovery(self, row: Account) -> str:
        return moment(waiting_until(row, now=timezone.now()))
