"""The form that invites a person."""

from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from dfns_login.admin.django_types import TypedModelForm
from dfns_login.admin.search import username_or_empty
from dfns_login.ceremonies.invitation import Invitation, account_to_invite
from dfns_login.errors import Refusal
from dfns_login.models import Account, AccountState


class InvitationForm(TypedModelForm[Account]):
    class Meta:
        model = Account
        fields = ("organization", "email", "kind")
        help_texts: ClassVar = {"email": _("We send the invitation and all codes to this address.")}

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        organization, email = cleaned.get("organization"), cleaned.get("email")
        if organization is None or email is None:
            return cleaned
        username = username_or_empty(email)
        if not username:
            raise ValidationError({"email": gettext("This address can't be used as a username.")})
        known = Account.objects.filter(organization=organization, username=username).first()
        if known is not None and known.state != AccountState.INVITED:
            state = known.get_state_display().lower()
            text = gettext("This organization already has an account with this address (%(state)s).")
            raise ValidationError({"email": text % {"state": state}})
        try:
            account_to_invite(Invitation(organization=organization, email=email))
        except Refusal as refusal:
            raise ValidationError({"email": refusal.explanation}) from refusal
        return cleaned
