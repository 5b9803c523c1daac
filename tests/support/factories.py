"""Rows for tests to start from, with real keys."""

from dataclasses import dataclass
from datetime import UTC, datetime

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser

from dfns_login.models import (
    Account,
    AccountState,
    CodePurpose,
    OneTimeCode,
    Organization,
)
from dfns_login.proofs.codes import derive_code, issue_code
from dfns_login.requester import Requester
from dfns_login.testing.people import add_credential
from dfns_login.usernames import Recipient, canonical_username
from tests.support.authenticators import Kind, SoftwareKey

SOMEWHERE = Requester(address="192.0.2.1", agent="tests", locale="en")


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A registered account and its private keys."""

    account: Account
    keys: tuple[SoftwareKey, ...]

    @property
    def key(self) -> SoftwareKey:
        return self.keys[0]

    @property
    def names(self) -> dict[str, str]:
        """The members that name the account in a request."""
        return {"username": self.account.username, "orgId": self.account.organization_id}


def make_organization(name: str = "Acme") -> Organization:
    return Organization.objects.create(name=name)


def make_user(name: str) -> AbstractBaseUser:
    user: AbstractBaseUser = get_user_model().objects.create(username=name, email=name)
    return user


def make_account(
    organization: Organization, email: str = "jane@example.co", *, state: AccountState = AccountState.REGISTERED
) -> Account:
    user = None if state == AccountState.INVITED else make_user(f"{email} {organization.pk}")
    return Account.objects.create(
        organization=organization, username=canonical_username(email), email=email, state=state, user=user
    )


make_credential = add_credential


def make_person(organization: Organization | None = None, email: str = "jane@example.co", *keys: SoftwareKey) -> Person:
    """Make a registered person, with a password-protected key unless keys are given."""
    account = make_account(organization or make_organization(), email)
    held = keys or (SoftwareKey.make(kind=Kind.PASSWORD_PROTECTED_KEY),)
    for key in held:
        make_credential(account, key)
    return Person(account=account, keys=held)


def issue(
    recipient: Recipient,
    *,
    purpose: CodePurpose = CodePurpose.LOGIN,
    now: datetime | None = None,
    requester: Requester = SOMEWHERE,
) -> str:
    """Issue a code, and return it as the worker would send it."""
    pk = issue_code(recipient, purpose=purpose, requester=requester, now=now or datetime.now(UTC))
    return derive_code(OneTimeCode.objects.get(pk=pk))
