"""What operators can do with accounts."""

from typing import Final

from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from dfns_login.admin.operations import Operation
from dfns_login.ceremonies.lockdown import unlock_account
from dfns_login.ceremonies.operators import deactivate_account, invite_again, reactivate_account
from dfns_login.ceremonies.recovery_waits import cancel_recovery, waiting_until
from dfns_login.models import Account, AccountState

INVITE_AGAIN: Final[Operation[Account]] = Operation(
    name="invite_again",
    label=_("Resend invitation"),
    list_label=_("Resend invitation to selected accounts"),
    consequence=_(
        "We email the registration code again. It's the same code as long as the last one is valid. "
        "Nothing is sent within a minute of the last request."
    ),
    applies=lambda row: row.state == AccountState.INVITED and row.organization.active,
    perform=lambda row, operator: invite_again(row, operator=operator, now=timezone.now()),
    done=lambda n: ngettext("%(n)d invitation requested.", "%(n)d invitations requested.", n) % {"n": n},
)
DEACTIVATE: Final[Operation[Account]] = Operation(
    name="deactivate",
    label=_("Deactivate account"),
    list_label=_("Deactivate selected accounts"),
    consequence=_("This person can no longer sign in. Their sessions end now, and their open codes are revoked."),
    applies=lambda row: row.state != AccountState.DEACTIVATED,
    perform=lambda row, operator: deactivate_account(row, operator=operator, now=timezone.now()),
    done=lambda n: ngettext("%(n)d account deactivated.", "%(n)d accounts deactivated.", n) % {"n": n},
)
REACTIVATE: Final[Operation[Account]] = Operation(
    name="reactivate",
    label=_("Reactivate account"),
    list_label=_("Reactivate selected accounts"),
    consequence=_("This person can sign in again, or register if they haven't yet. Ended sessions stay ended."),
    applies=lambda row: row.state == AccountState.DEACTIVATED,
    perform=lambda row, operator: reactivate_account(row, operator=operator, now=timezone.now()),
    done=lambda n: ngettext("%(n)d account reactivated.", "%(n)d accounts reactivated.", n) % {"n": n},
)
UNLOCK: Final[Operation[Account]] = Operation(
    name="unlock",
    label=_("Unlock account"),
    list_label=_("Unlock selected accounts"),
    consequence=_(
        "The owner locked the account by a link in an email. Make sure that it is the owner who asks you to unlock it: "
        "then its keys are released again, and a password signs in."
    ),
    applies=lambda row: row.is_locked(now=timezone.now()),
    perform=lambda row, operator: unlock_account(row, operator=operator, now=timezone.now()),
    done=lambda n: ngettext("%(n)d account unlocked.", "%(n)d accounts unlocked.", n) % {"n": n},
)
CANCEL_RECOVERY: Final[Operation[Account]] = Operation(
    name="cancel_recovery",
    label=_("Cancel recovery"),
    list_label=_("Cancel waiting recoveries of selected accounts"),
    consequence=_("The person who started to recover this account has to start again, and to wait again."),
    applies=lambda row: waiting_until(row, now=timezone.now()) is not None,
    perform=lambda row, operator: cancel_recovery(row, operator=operator, now=timezone.now()),
    done=lambda n: ngettext("%(n)d recovery canceled.", "%(n)d recoveries canceled.", n) % {"n": n},
)
