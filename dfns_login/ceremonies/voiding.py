"""Voiding: one step that revokes everything an account was issued before (R-122)."""

from datetime import datetime

from django.db.models import Q

from dfns_login.models import Account, OneTimeCode, Session
from dfns_login.settings import login_settings

EVERY_SESSION = Q()


def void_account(account: Account, *, ending: Q, now: datetime) -> int:
    """Revoke what the account was issued before, and end some of its sessions. Return how many ended.

    Call this in a transaction that locked the account.
    ending: selects the sessions that end. The others stay live.
    Stored: a new generation of the account, which revokes its challenges, temporary tokens and user actions; the
    ended sessions; the new generation of the sessions that stay; that open codes are revoked.
    """
    Account.objects.raise_generation(account=account)
    sessions = Session.objects.filter(account=account)
    ended = sessions.filter(ending).end(now=now, idle=login_settings().token_idle)
    sessions.keep(account=account)
    OneTimeCode.objects.revoke_of_account(account=account, now=now)
    return ended
