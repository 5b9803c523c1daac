"""An account's credentials: what it proves itself with."""

from collections.abc import Sequence

from dfns_login.models import Account, Credential


def list_credentials(account: Account) -> Sequence[Credential]:
    """Every credential of the account, usable or not, the oldest first. No encrypted key is read.

    Source: Dfns API, List User Credentials.
    """
    return list(account.credentials.defer("sealed_private_key").order_by("created_at", "pk"))
