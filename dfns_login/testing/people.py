"""People for tests: registered accounts whose software keys sign in, each by the real ceremonies.

Rates are not counted, because nothing here is a request.
"""

from dataclasses import dataclass, field
from typing import Any, Final, cast

from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils import timezone

from dfns_login.api.shapes import factor_answer
from dfns_login.ceremonies.login import LoginAnswer, LoginRequest, SignedIn, complete_login, open_login
from dfns_login.delivery import deliver_due
from dfns_login.models import (
    Account,
    AccountState,
    CodePurpose,
    Credential,
    CredentialKind,
    OneTimeCode,
    Organization,
    Session,
)
from dfns_login.project_users import email_of
from dfns_login.proofs import derive_code, issue_code, set_encrypted_key
from dfns_login.requester import Requester
from dfns_login.testing.authenticators import Kind, SoftwareKey
from dfns_login.usernames import canonical_username
from dfns_login.verification.credential_id import parse_credential_id
from dfns_login.verification.key_envelope import check_key_envelope

REQUESTER: Final = Requester(address="127.0.0.1", agent="dfns_login.testing")
_KEYS: Final[dict[str, SoftwareKey]] = {}
"""Keys that this process made, by the id of their credential. A rolled back credential's id is never used again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A registered account and the key that signs for it."""

    account: Account
    key: SoftwareKey = field(repr=False)

    @property
    def names(self) -> dict[str, str]:
        """The members that name the account in a request body."""
        return {"username": self.account.username, "orgId": self.account.organization_id}


def person_for(user: AbstractBaseUser, *, organization: Organization | None = None) -> Person:
    """Return the user as a registered person, with the same key every time.

    What the user lacks is made without email or events: an account, the registration of an invited account, a
    credential.
    organization: default: that of the user's only account; the only active one; or a new one.
    Raises: LookupError, if the account is deactivated, or if another account has the user's address.
    """
    account = _account_of(user, organization)
    held = [_KEYS[pk] for pk in account.credentials.values_list("pk", flat=True) if pk in _KEYS]
    return Person(account=account, key=held[0] if held else _new_key(account))


def sign_in(person: Person) -> SignedIn:
    """Sign in with a code and a signature, as a client does. Return the session and its token."""
    now, recipient = timezone.now(), person.account.recipient
    code = OneTimeCode.objects.get(pk=issue_code(recipient, purpose=CodePurpose.LOGIN, requester=REQUESTER, now=now))
    asked = LoginRequest(organization=recipient.organization, recipient=recipient, login_code=derive_code(code))
    opened = open_login(asked, requester=REQUESTER, now=now).opened
    factor = factor_answer(person.key.factor(opened.challenge))
    answer = LoginAnswer(challenge_identifier=opened.identifier, first_factor=factor)
    signed_in = complete_login(answer, requester=REQUESTER, now=now)
    return SignedIn(session=_with_user(signed_in.session), token=signed_in.token)


def last_code(email: str) -> str:
    """Send what is due, and return the newest code that was sent to this address and is still open.

    Raises: LookupError, if there is none.
    """
    deliver_due(clock=timezone.now)
    accounts = Account.objects.filter(email=email)
    sent = OneTimeCode.objects.open().filter(account__in=accounts, sent_at__isnull=False)
    newest = sent.order_by("-asked_at", "-pk").first()
    if newest is None:
        raise LookupError(f"No open code has been sent to {email}. Was one requested, and is there such an account?")
    return derive_code(newest)


def _account_of(user: AbstractBaseUser, organization: Organization | None) -> Account:
    mine = Account.objects.select_related("organization", "user").filter(user=user.pk)
    if organization is None:
        found = list(mine[:2])
        organization = found[0].organization if len(found) == 1 else _only_organization()
    account = mine.filter(organization=organization).first()
    if account is not None and account.state == AccountState.REGISTERED:
        return account
    if account is not None and account.state == AccountState.DEACTIVATED:
        raise LookupError(f"The account {account.pk} is deactivated.")
    if account is None:
        email = _address_of(user)
        names = {"organization": organization, "username": canonical_username(email)}
        account = Account.objects.select_related("organization").filter(**names).first() or Account(
            **names, email=email
        )
        if account.user_id is not None or account.state != AccountState.INVITED:
            raise LookupError(
                f"The account {account.pk} has the user's address, but is {account.state} for another user."
            )
    account.user = cast("Any", user)  # AUTH_USER_MODEL is the project's choice
    account.state = AccountState.REGISTERED
    account.save()
    return account


def _only_organization() -> Organization:
    active = list(Organization.objects.filter(active=True)[:2])
    return active[0] if len(active) == 1 else Organization.objects.create(name="Example")


def _address_of(user: AbstractBaseUser) -> str:
    email = email_of(user)
    try:
        validate_email(email)
    except ValidationError:
        return f"user-{user.pk}@example.com"
    return email


def add_credential(account: Account, key: SoftwareKey) -> Credential:
    """Store the key's credential, as registration does."""
    credential = Credential(
        organization_id=account.organization_id,
        account=account,
        kind=CredentialKind(key.kind.value),
        credential_id=key.credential_id,
        canonical_credential_id=parse_credential_id(key.credential_id),
        public_key=key.spki,
        algorithm=key.algorithm.value,
        created_at=timezone.now(),
    )
    if key.encrypted_private_key is not None:
        set_encrypted_key(credential, check_key_envelope(key.encrypted_private_key))
    credential.save(force_insert=True)
    return credential


def _new_key(account: Account) -> SoftwareKey:
    key = SoftwareKey.make(kind=Kind.PASSWORD_PROTECTED_KEY)
    _KEYS[add_credential(account, key).pk] = key
    return key


def _with_user(session: Session) -> Session:
    related = Session.objects.select_related("account__organization", "account__user", "credential")
    return related.defer("credential__encrypted_key_at_rest").get(pk=session.pk)
