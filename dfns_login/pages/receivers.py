"""What the project does to users and their Django sessions: end the `Session`, record the deletion of an account."""

from copy import copy

from django.contrib.auth.signals import user_logged_out
from django.db.models.signals import pre_delete
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils import timezone

from dfns_login.browsers import named_session
from dfns_login.ceremonies.operators import Operator, record_deletion
from dfns_login.ceremonies.sign_out import end_session
from dfns_login.models import Account, Session
from dfns_login.requester import Requester


@receiver(user_logged_out, dispatch_uid="dfns_login.pages.end_row")
def end_row(*, request: HttpRequest | None, **_: object) -> None:
    """End the `Session` of the browser's Django session, unless it has already ended."""
    row = None if request is None else named_session(request)
    if request is None or row is None:
        return
    session = Session.objects.select_related("account").filter(pk=row, revoked_at__isnull=True).first()
    if session is not None:
        end_session(session, requester=Requester.of(request), now=timezone.now())


@receiver(pre_delete, sender=Account, dispatch_uid="dfns_login.pages.record_deleted_account")
def record_deleted_account(*, instance: Account, origin: object = None, **_: object) -> None:
    """Record that the project deletes an account, as it does with `user.delete()`."""
    if not getattr(origin, "recorded", False):
        operator = Operator(requester=Requester(address=""))
        record_deletion(copy(instance), operator=operator, now=timezone.now())  # Django clears the instance's id
