"""Requests for a code by email. They do the same work for every name, known or not."""

from datetime import datetime

from dfns_login.audit import log_code_request
from dfns_login.models import CodePurpose
from dfns_login.proofs import issue_code
from dfns_login.requester import Requester
from dfns_login.tasks import wake_delivery
from dfns_login.usernames import Recipient


def send_code(recipient: Recipient, *, purpose: CodePurpose, requester: Requester, now: datetime) -> None:
    """Issue a code and have it emailed. The worker finds out whether the recipient exists.

    Nothing about the account changes (R-13). Stored: the code's row, for any name.
    Source: Dfns API, Send Login Code, Resend Registration Code, Send Recovery Code.
    """
    code = issue_code(recipient, purpose=purpose, requester=requester, now=now)
    log_code_request(recipient, purpose=purpose.value, code=code, requester=requester)
    wake_delivery()
