"""Organizations, and the accounts of people in them."""

from datetime import datetime
from typing import ClassVar, Final, Self

from django.apps import apps
from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from dfns_login.models.ids import ID_MAX_LENGTH, new_account_id
from dfns_login.models.organizations import Organization
from dfns_login.models.primary import PrimaryModel, PrimaryQuerySet
from dfns_login.usernames import USERNAME_MAX_LENGTH, Recipient

_ORGANIZATION_GENERATION: Final = models.Subquery(
    Organization.objects.filter(pk=models.OuterRef("organization")).values("generation")
)


class AccountKind(models.TextChoices):
    """Kinds of user. The value is the name on the wire."""

    CUSTOMER_EMPLOYEE = "CustomerEmployee", _("Employee")
    END_USER = "EndUser", _("End user")


class AccountState(models.TextChoices):
    """Where an account is in its life: it is invited, registers once, and may be deactivated."""

    INVITED = "invited", _("Invited")
    REGISTERED = "registered", _("Registered")
    DEACTIVATED = "deactivated", _("Deactivated")


class AccountQuerySet(PrimaryQuerySet["Account"]):
    """Queries and transitions of accounts. recorded: whether an event tells of the deletion of these rows."""

    recorded = False

    def of(self, recipient: Recipient) -> Self:
        """The recipient's account, compared exactly: at most one."""
        return self.filter(organization_id=recipient.organization, username=recipient.username)

    def in_active_organization(self, *, state: AccountState) -> Self:
        """Accounts in this state whose organization is active, each with its organization."""
        return self.select_related("organization").filter(state=state, organization__active=True)

    def registered(self) -> Self:
        """Accounts that may sign in."""
        return self.in_active_organization(state=AccountState.REGISTERED)

    def invited(self) -> Self:
        """Accounts that may register."""
        return self.in_active_organization(state=AccountState.INVITED)

    def lock(self, *, account: "Account") -> bool:
        """Lock the account until this transaction ends; false if it was deleted.

        Lock it before its sessions and before the organization. If the transaction acts on several, use `lock_each`.
        """
        return self.select_for_update(no_key=True).filter(pk=account.pk).first() is not None

    def lock_each(self) -> None:
        """Lock these accounts until this transaction ends, ordered by id, so that no two transactions deadlock."""
        list(self.select_for_update(no_key=True).order_by("pk").values_list("pk", flat=True))

    def lock_current(self, *, account: "Account", generation: int) -> bool:
        """Lock the registered account; false if it was voided after this generation."""
        current = self.filter(pk=account.pk, state=AccountState.REGISTERED, generation__lte=generation)
        return current.select_for_update(no_key=True).first() is not None

    def lock_invited(self, *, account: "Account", generation: int) -> "Account | None":
        """Lock and return the invited account; None if it was registered, or voided after this generation."""
        current = self.filter(pk=account.pk, state=AccountState.INVITED, generation__lte=generation)
        return current.select_for_update().first()

    def generation_of(self, account: "Account") -> int:
        """Return the account's generation as it is now stored."""
        return self.values_list("generation", flat=True).get(pk=account.pk)

    def raise_generation(self, *, account: "Account") -> None:
        """Revoke every challenge, temporary token and user action that was issued to the account. Lock it first.

        The organization counts, so that a challenge that names no account can carry
        the organization's generation, and every account voided later has a higher one.
        """
        Organization.objects.filter(pk=account.organization_id).update(generation=F("generation") + 1)
        self.filter(pk=account.pk).update(generation=_ORGANIZATION_GENERATION)

    def raise_every_generation(self, *, organization: Organization, by: int = 1) -> None:
        """Do what `raise_generation` does for every account of the organization."""
        mine = self.filter(organization=organization)
        mine.lock_each()
        # without a type, the number would be sent in four bytes, which silently cuts a large one off
        raised = F("generation") + models.Value(by, output_field=models.BigIntegerField())
        Organization.objects.filter(pk=organization.pk).update(generation=raised)
        mine.update(generation=_ORGANIZATION_GENERATION)

    def register(self, *, account: "Account", user: models.Model, locale: str) -> bool:
        """Register the invited account; true for exactly one caller."""
        invited = self.filter(pk=account.pk, state=AccountState.INVITED)
        return invited.update(state=AccountState.REGISTERED, user=user, locale=locale) == 1

    def record_email_refused(self, *, account: "Account", at: datetime | None) -> None:
        """Record when the mail server refused the account's address for good; None once it accepts an email."""
        self.filter(pk=account.pk).update(email_refused_at=at)

    def lock_down(self, *, account: "Account", until: datetime, now: datetime) -> None:
        """Lock the account until then. A locked account stays locked until its earlier end, so nobody can extend it."""
        self.filter(pk=account.pk).exclude(locked_until__gt=now).update(locked_until=until)

    def unlock(self, *, account: "Account", now: datetime) -> bool:
        """Unlock the account; true for exactly one caller."""
        return self.filter(pk=account.pk, locked_until__gt=now).update(locked_until=None) == 1

    def keep(self, *, account: "Account") -> bool:
        """Keep an account that signed itself up, as the user and of the kind that it was given.

        False if it was purged, registered or kept meanwhile.
        """
        waiting = self.filter(pk=account.pk, state=AccountState.INVITED, signed_up=True)
        return waiting.update(signed_up=False, user=account.user_id, kind=account.kind) == 1

    def deactivate(self, *, account: "Account") -> bool:
        """Deactivate the account; true for exactly one caller."""
        return (
            self.filter(pk=account.pk).exclude(state=AccountState.DEACTIVATED).update(state=AccountState.DEACTIVATED)
            == 1
        )

    def delete_recorded(self) -> None:
        """Delete accounts whose deletion is already recorded, so that the receiver of `pre_delete` doesn't."""
        self.recorded = True
        self.delete()

    delete_recorded.queryset_only = True  # type: ignore[attr-defined]  # as Django's `delete`

    def reactivate(self, *, account: "Account") -> bool:
        """Return a deactivated account to its earlier state; true for exactly one caller.

        It is registered again if it has a user and a credential, else invited.
        """
        credentials = apps.get_model("dfns_login", "Credential")._default_manager
        registered = Q(user__isnull=False) & models.Exists(credentials.filter(account=models.OuterRef("pk")))
        state = models.Case(
            models.When(registered, then=models.Value(AccountState.REGISTERED)),
            default=models.Value(AccountState.INVITED),
        )
        return self.filter(pk=account.pk, state=AccountState.DEACTIVATED).update(state=state, signed_up=False) == 1


class Account(PrimaryModel):
    """A person's membership in one organization, linked to the project's user once registered."""

    id = models.CharField(primary_key=True, max_length=ID_MAX_LENGTH, default=new_account_id, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="accounts")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, blank=True, related_name="dfns_accounts"
    )
    username = models.CharField(
        _("username"), max_length=USERNAME_MAX_LENGTH, help_text="In canonical form; compared exactly."
    )
    email = models.EmailField(
        _("email"), max_length=USERNAME_MAX_LENGTH, help_text="Codes are emailed only to this address."
    )
    kind = models.CharField(_("kind"), max_length=20, choices=AccountKind, default=AccountKind.END_USER)
    state = models.CharField(max_length=12, choices=AccountState, default=AccountState.INVITED)
    locale = models.CharField(
        max_length=16, blank=True, default="", editable=False, help_text="Language in which the account was registered."
    )
    generation = models.PositiveBigIntegerField(
        default=0, editable=False, help_text="What was issued under a lower generation is revoked."
    )
    email_refused_at = models.DateTimeField(
        null=True,
        editable=False,
        help_text="When the mail server last refused the address for good, until it accepts one.",
    )
    locked_until = models.DateTimeField(
        null=True,
        editable=False,
        help_text="The owner locked the account: until then, it releases no key and nobody signs in with a password.",
    )
    signed_up = models.BooleanField(
        default=False,
        editable=False,
        help_text="The person signed up without an invitation. The account is purged if it is not registered.",
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = AccountQuerySet.as_manager()

    class Meta:
        verbose_name = _("account")
        verbose_name_plural = _("accounts")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["organization", "username"], name="dfns_login_account_username"),
            models.UniqueConstraint(
                fields=["organization", "user"], condition=Q(user__isnull=False), name="dfns_login_account_user"
            ),
            models.CheckConstraint(condition=Q(state__in=AccountState.values), name="dfns_login_account_state"),
            models.CheckConstraint(
                condition=~Q(state=AccountState.REGISTERED) | Q(user__isnull=False),
                name="dfns_login_account_registered_has_user",
            ),
        ]
        indexes: ClassVar = [
            # for operators, who search by the beginning of a name
            models.Index(fields=["username"], opclasses=["varchar_pattern_ops"], name="dfns_login_account_name"),
            models.Index(fields=["email"], opclasses=["varchar_pattern_ops"], name="dfns_login_account_email"),
            models.Index(
                fields=["created_at"],
                condition=Q(signed_up=True, state=AccountState.INVITED),
                name="dfns_login_account_signed_up",
            ),
        ]

    def __str__(self) -> str:
        return self.username

    def __repr__(self) -> str:
        """Name the account by its id: log lines and tracebacks have no address."""
        return f"<Account {self.pk}>"

    def is_locked(self, *, now: datetime) -> bool:
        return self.locked_until is not None and self.locked_until > now

    @property
    def recipient(self) -> Recipient:
        return Recipient(organization=self.organization_id, username=self.username)
