"""Organizations."""

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from dfns_login.models.ids import ID_MAX_LENGTH, new_organization_id
from dfns_login.models.primary import PrimaryModel, PrimaryQuerySet


class SecondFactor(models.TextChoices):
    """An organization's policy on a second factor, at sign-in and for user actions."""

    NONE = "none", _("Not accepted")
    OPTIONAL = "optional", _("Accepted")
    REQUIRED = "required", _("Required")


class Organization(PrimaryModel):
    """A tenant. Every account, credential and code belongs to one organization."""

    id = models.CharField(primary_key=True, max_length=ID_MAX_LENGTH, default=new_organization_id, editable=False)
    name = models.CharField(_("name"), max_length=200)
    active = models.BooleanField(default=True)
    second_factor = models.CharField(
        _("second factor"),
        max_length=8,
        choices=SecondFactor,
        default=SecondFactor.OPTIONAL,
        help_text=_("Required: a passkey or key is needed besides the first one, to sign in and to confirm changes."),
    )
    generation = models.PositiveBigIntegerField(
        default=0, editable=False, help_text="The newest generation of any account. Voiding an account raises it."
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = PrimaryQuerySet.as_manager()

    class Meta:
        verbose_name = _("organization")
        verbose_name_plural = _("organizations")

    def __str__(self) -> str:
        return self.name
