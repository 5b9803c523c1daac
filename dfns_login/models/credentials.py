"""Credentials: the public keys that accounts sign in with."""

from datetime import datetime
from typing import ClassVar, Final, Self

from django.db import connections, models, router
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from dfns_login.models.accounts import Account
from dfns_login.models.compiled import CompiledSelect, Parameter
from dfns_login.models.ids import ID_MAX_LENGTH, new_credential_id
from dfns_login.models.organizations import Organization
from dfns_login.models.primary import PrimaryModel, PrimaryQuerySet
from dfns_login.verification.assertion import StoredPasskey
from dfns_login.verification.fido2 import PasskeyState

NETWORKS: Final = 20
"""How many networks a credential remembers, the newest last."""


class CredentialKind(models.TextChoices):
    """Kinds of credential. The value is the name on the wire."""

    KEY = "Key", _("Key")
    PASSWORD_PROTECTED_KEY = "PasswordProtectedKey", _("Password-protected key")
    FIDO2 = "Fido2", _("Passkey")
    RECOVERY_KEY = "RecoveryKey", _("Recovery key")


class CredentialQuerySet(PrimaryQuerySet["Credential"]):
    """Queries and transitions of credentials. Only `proofs/key_release.py` decrypts an encrypted key."""

    def usable(self) -> Self:
        return self.filter(active=True)

    def with_id_of(self, credential: "Credential") -> Self:
        """The organization's credential with the same id, of any account: at most one."""
        return self.filter(
            organization_id=credential.organization_id, canonical_credential_id=credential.canonical_credential_id
        )

    def deactivate(self, *, credential: "Credential") -> bool:
        """Deactivate the credential; true for exactly one caller."""
        return self.usable().filter(pk=credential.pk).update(active=False) == 1

    def activate(self, *, credential: "Credential", unlocks_from: datetime) -> bool:
        """Reactivate a credential, unless a recovery revoked it; true for exactly one caller."""
        inactive = self.filter(pk=credential.pk, active=False, replaced=False)
        return inactive.update(active=True, unlocks_from=unlocks_from) == 1

    def unlock_not_before(self, until: datetime, *, account: Account, now: datetime) -> None:
        """Have the account's credentials that don't unlock yet not do so until then."""
        self.filter(account=account, unlocks_from__gt=now, unlocks_from__lt=until).update(unlocks_from=until)

    def replace_all(self, *, account: Account) -> None:
        """Revoke every credential of the account for good, as a recovery does."""
        self.filter(account=account).update(active=False, replaced=True)

    def remember_network(self, *, credential: "Credential", network: str) -> bool:
        """Store that the credential was used on this network. Lock its account first. Returns whether that is new."""
        known = self.filter(pk=credential.pk).values_list("networks", flat=True).get()
        others = [each for each in known if each != network]
        self.filter(pk=credential.pk).update(networks=[*others, network][-NETWORKS:])
        return network not in known

    def rename(self, *, credential: "Credential", name: str) -> bool:
        """Rename the credential; false if it already has that name."""
        return self.filter(pk=credential.pk).exclude(name=name).update(name=name) == 1

    def first_factors(self) -> Self:
        """Usable credentials of the kinds that sign in."""
        return self.usable().exclude(kind=CredentialKind.RECOVERY_KEY)

    def signing_key(
        self, *, organization_id: str, account_id: str, canonical_credential_id: str, kind: CredentialKind
    ) -> StoredPasskey | None:
        """Return the key of a credential that signs in, if there is one.

        The statement returns one row in any case, so that finding nothing takes as long (R-126).
        """
        values = [organization_id, account_id, canonical_credential_id, kind.value]
        with connections[router.db_for_write(Credential)].cursor() as cursor:
            cursor.execute(_SIGNING_KEY, [*values, CredentialKind.RECOVERY_KEY.value])
            spki, sign_count, backup_eligible = cursor.fetchone()
        stored = StoredPasskey(
            credential_id=canonical_credential_id,
            spki=bytes(spki or b""),
            account_id=account_id,
            sign_count=sign_count or 0,
            backup_eligible=bool(backup_eligible),
        )
        return stored if spki else None

    def listed(self, account_id: str) -> list[tuple[str, str]]:
        """Return kind and id of the account's usable keys and passkeys, the oldest first.

        As in `signing_key`, the statement always returns a row.
        """
        with connections[router.db_for_write(Credential)].cursor() as cursor:
            cursor.execute(_LISTED, [account_id, CredentialKind.KEY.value, CredentialKind.FIDO2.value])
            return [(kind, credential_id) for kind, credential_id in cursor.fetchall() if kind]

    def with_key(self, stored: StoredPasskey) -> "Credential | None":
        """Return the credential that has this key, with its account, organization and user but no encrypted key."""
        return _WITH_KEY.first(account=stored.account_id, credential_id=stored.credential_id)

    def record_use(self, *, credential: "Credential", state: PasskeyState, now: datetime) -> bool:
        """Store the use, and the sign count if it rose or is always zero; false if another use was faster.

        Source: WebAuthn Level 3 §6.1.1, §7.2 step 26.
        """
        risen = Q(sign_count=0) | Q(sign_count__lt=state.sign_count)
        using = self.filter(risen if state.sign_count else Q(sign_count=0), pk=credential.pk)
        return using.update(sign_count=state.sign_count, backed_up=state.backed_up, last_used_at=now) == 1


class Credential(PrimaryModel):
    """A public key that an account signs in with, and the encrypted private key if its owner stored one here."""

    id = models.CharField(primary_key=True, max_length=ID_MAX_LENGTH, default=new_credential_id, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="+")
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="credentials")
    kind = models.CharField(_("kind"), max_length=24, choices=CredentialKind)
    name = models.CharField(_("name"), max_length=200, default="Default Credential")
    credential_id = models.CharField(max_length=1368, help_text=_("In the client's spelling."))
    canonical_credential_id = models.CharField(max_length=1364, help_text="Base64url without padding (RFC 4648 §5).")
    public_key = models.BinaryField(help_text="SubjectPublicKeyInfo, DER (RFC 5280 §4.1).")
    algorithm = models.CharField(max_length=16)
    encrypted_key_at_rest = models.BinaryField(null=True, editable=False)
    sign_count = models.PositiveBigIntegerField(default=0)
    transports = models.JSONField(default=list, blank=True)
    backup_eligible = models.BooleanField(default=False, help_text=_("Whether the passkey can be synchronized."))
    backed_up = models.BooleanField(default=False)
    aaguid = models.CharField(max_length=36, blank=True, help_text=_("The authenticator's model."))
    origin = models.CharField(max_length=255, blank=True)
    active = models.BooleanField(default=True)
    replaced = models.BooleanField(
        default=False, editable=False, help_text="A recovery revoked it. It cannot be activated again."
    )
    created_at = models.DateTimeField(editable=False)
    last_used_at = models.DateTimeField(null=True, editable=False, help_text="When a passkey last signed.")
    networks = models.JSONField(
        default=list, editable=False, help_text="The last networks that it signed in from, as prefixes."
    )
    unlocks_from = models.DateTimeField(
        null=True,
        editable=False,
        help_text="When its signature begins to unlock the account: once the links of the email about it have expired.",
    )

    objects = CredentialQuerySet.as_manager()

    class Meta:
        verbose_name = _("credential")
        verbose_name_plural = _("credentials")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["organization", "canonical_credential_id"], name="dfns_login_credential_id"
            ),
            models.CheckConstraint(condition=Q(kind__in=CredentialKind.values), name="dfns_login_credential_kind"),
            models.CheckConstraint(
                condition=(
                    Q(kind=CredentialKind.PASSWORD_PROTECTED_KEY, encrypted_key_at_rest__isnull=False)
                    | Q(kind=CredentialKind.RECOVERY_KEY)
                    | Q(kind__in=[CredentialKind.KEY, CredentialKind.FIDO2], encrypted_key_at_rest__isnull=True)
                ),
                name="dfns_login_credential_encrypted_key",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"


def _with_key() -> CredentialQuerySet:
    field = Credential._meta.get_field
    mine = Credential.objects.first_factors().filter(
        account_id=Parameter("account", field("account")),
        canonical_credential_id=Parameter("credential_id", field("canonical_credential_id")),
    )
    return mine.select_related("account__organization", "account__user").defer("encrypted_key_at_rest")


_LISTED: Final = """
SELECT held.kind, held.credential_id FROM (SELECT 1) always LEFT JOIN dfns_login_credential held
ON held.account_id = %s AND held.kind IN (%s, %s) AND held.active ORDER BY held.created_at, held.id
"""
_SIGNING_KEY: Final = """
SELECT held.public_key, held.sign_count, held.backup_eligible
FROM (SELECT 1) always LEFT JOIN dfns_login_credential held
ON held.organization_id = %s AND held.account_id = %s AND held.canonical_credential_id = %s
AND held.kind = %s AND held.kind <> %s AND held.active
"""
_WITH_KEY: Final = CompiledSelect(_with_key)
