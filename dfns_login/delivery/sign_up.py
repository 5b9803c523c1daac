"""Self-service sign-up, decided by the worker.

An unknown address that asks for a registration code is invited here and not by the request, so that the request does
the same for every name (R-33).
"""

from datetime import datetime

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError
from django.utils.module_loading import import_string

from dfns_login.audit import log_outage, record_event
from dfns_login.models import Account, AuditKind, OneTimeCode, Organization, transaction
from dfns_login.requester import Requester
from dfns_login.settings import login_settings


def sign_up(row: OneTimeCode, *, now: datetime) -> Account | None:
    """Invite the recipient of a registration code if `SIGN_UP` permits it, and the name is an address.

    Stored, in one transaction: the account, an event.
    """
    hook = login_settings().sign_up
    organization = Organization.objects.filter(pk=row.organization, active=True).first() if hook else None
    if organization is None:
        return None
    email = row.recipient
    try:
        validate_email(email)
    except ValidationError:
        return None
    try:
        if not import_string(hook)(email, organization):
            return None
    except Exception as error:  # noqa: BLE001  the project's own; the other emails must go out
        log_outage("sign_up", error=error)
        return None
    requester = Requester(address=row.address, agent=row.agent)
    try:
        with transaction.atomic():
            account = Account.objects.create(organization=organization, username=email, email=email)
            record_event(AuditKind.INVITED, account=account, requester=requester, now=now, sign_up=1)
    except IntegrityError:  # invited by an operator meanwhile
        return None
    return account
