"""Credentials: view and deactivate them. The encrypted private key is never read from the database here."""

import hashlib
from typing import Any, Final

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from dfns_login.admin.filters import AccountFilter, OrganizationFilter, choice_filter
from dfns_login.admin.model_admin import AccountRowsAdmin
from dfns_login.admin.operations import Operation
from dfns_login.admin.organizations import ActiveFilter
from dfns_login.admin.rendering import active_badge, link_to, moment, with_below
from dfns_login.ceremonies.credential_changes import deactivate_credential
from dfns_login.models import Credential, CredentialKind
from dfns_login.verification.public_keys import PublicKeyError, public_key_pem

DEACTIVATE: Operation[Credential] = Operation(
    name="deactivate",
    label=_("Deactivate credential"),
    list_label=_("Deactivate selected credentials"),
    consequence=_(
        "This credential can no longer be used to sign in, and you can't reactivate it here. Sessions opened with it "
        "end, and the account's open codes are revoked. A person with no other credential is locked out."
    ),
    applies=lambda row: row.active,
    perform=lambda row, operator: deactivate_credential(
        row, requester=operator.requester, operator=operator.name, now=timezone.now()
    ),
    done=lambda n: ngettext("%(n)d credential deactivated.", "%(n)d credentials deactivated.", n) % {"n": n},
)


OF_PASSKEYS: Final = ("sign_count", "transports", "backup_eligible", "backed_up", "aaguid")


@admin.register(Credential)
class CredentialAdmin(AccountRowsAdmin[Credential]):
    """Credentials: public keys that people sign in with."""

    operations = (DEACTIVATE,)
    list_display = ("shown_name", "shown_who", "shown_state", "shown_created")
    list_filter = (choice_filter("kind", CredentialKind, _("kind")), ActiveFilter, OrganizationFilter, AccountFilter)
    search_help_text = _("Username or ID of the account, or ID of the credential (cr-…)")
    empty_text = _("No credentials yet. People create them when they register. Invite a person first.")
    ordering = ("account", "-created_at", "-pk")
    fields = (
        "name",
        "kind",
        "shown_state",
        "shown_account",
        "shown_organization",
        "shown_id",
        "credential_id",
        "algorithm",
        "shown_fingerprint",
        "shown_public_key",
        "sign_count",
        "transports",
        "backup_eligible",
        "backed_up",
        "aaguid",
        "origin",
        "shown_created",
    )
    readonly_fields = (
        "shown_id",
        "shown_state",
        "shown_account",
        "shown_organization",
        "shown_fingerprint",
        "shown_public_key",
        "shown_created",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Credential]:
        rows = super().get_queryset(request).select_related("account", "organization")
        return rows.defer("encrypted_key_at_rest", "public_key")

    def get_fields(self, request: HttpRequest, obj: Credential | None = None) -> Any:
        """Leave out what only passkeys have."""
        is_passkey = obj is None or obj.kind == CredentialKind.FIDO2
        return [each for each in self.fields if is_passkey or each not in OF_PASSKEYS]

    def heading(self, row: Credential) -> str:
        return f"{row.name} · {row.account}"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Credential], bool]:
        typed = search_term.strip()
        if typed.startswith("cr-"):
            return queryset.filter(pk=typed), False
        return super().get_search_results(request, queryset, typed)

    @admin.display(description=_("ID"))
    def shown_id(self, row: Credential) -> str:
        return row.pk

    @admin.display(description=_("state"))
    def shown_state(self, row: Credential) -> str:
        return active_badge(active=row.active)

    @admin.display(description=_("name"))
    def shown_name(self, row: Credential) -> str:
        return with_below(row.name, row.get_kind_display())

    @admin.display(description=_("account"))
    def shown_who(self, row: Credential) -> str:
        return with_below(link_to(row.account), row.organization)

    @admin.display(description=_("account"))
    def shown_account(self, row: Credential) -> str:
        return link_to(row.account)

    @admin.display(description=_("organization"))
    def shown_organization(self, row: Credential) -> str:
        return link_to(row.organization)

    @admin.display(description=_("fingerprint"))
    def shown_fingerprint(self, row: Credential) -> str:
        digest = hashlib.sha256(bytes(row.public_key)).hexdigest()
        return format_html('<code class="dfns-long">SHA-256 {}</code>', digest)

    @admin.display(description=_("public key"))
    def shown_public_key(self, row: Credential) -> str:
        try:
            pem = public_key_pem(bytes(row.public_key))
        except PublicKeyError:
            return gettext("This key can't be read.")
        return format_html('<pre class="dfns-key">{}</pre>', pem.strip())

    @admin.display(description=_("registered"))
    def shown_created(self, row: Credential) -> str:
        return moment(row.created_at)
