"""Self-service sign-up, decided by the worker.

An unknown address that asks for a registration code is invited here and not by the request, so that the request does
the same for every name (R-33).
"""

from datetime import datetime

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError
from django.utils.module_loading import import_string

from dfns_login.audit import log_outage, log_refusal, record_event
from dfns_login.errors import UserUnavailable
from dfns_login.models import Account, AuditKind, OneTimeCode, Organization, transaction
from dfns_login.project_users import check_user
from dfns_login.requester import Requester
from dfns_login.settings import login_settings


def sign_up(row: OneTimeCode, *, now: datetime) -> Account | None:
    """Invite the recipient of a registration code if `SIGN_UP` permits it, and the person could register.

    The account is purged if it isn't registered. Stored, in one transaction: the account, an event.
    """
    organization = _organization_to_join(row)
    if organization is None:
        return None
    requester = Requester(address=row.address, agent=row.agent)
    account = Account(organization=organization, username=row.recipient, email=row.recipient, signed_up=True)
    if not _is_permitted(account, requester=requester):
        return None
    try:
        with transaction.atomic():
            account.save(force_insert=True)
            record_event(AuditKind.INVITED, account=account, requester=requester, now=now, sign_up=1)
    except IntegrityError:  # invited by an operator meanwhile
        return None
    return account


def _organization_to_join(row: OneTimeCode) -> Organization | None:
    """Return the recipient's organization if people may sign up, and the recipient is an address."""
    if not login_settings().sign_up:
        return None
    try:
        validate_email(row.recipient)
    except ValidationError:
        return None
    return Organization.objects.filter(pk=row.organization, active=True).first()


def _is_permitted(account: Account, *, requester: Requester) -> bool:
    """Whether `SIGN_UP` and the project's user model permit it. If they raise, the other emails are still sent."""
    try:
        permitted = bool(import_string(login_settings().sign_up)(account.email, account.organization))
        if permitted:
            check_user(account)
    except UserUnavailable as refusal:
        log_refusal(refusal, where=sign_up.__name__, requester=requester)
        return False
    except Exception as error:  # noqa: BLE001  the project's own code
        log_outage("sign_up", error=error)
        return False
    return permitted
