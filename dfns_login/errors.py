"""Every refusal: its status, its message on the wire, its reason for the log.

One class is one row of the error table of the wire contract. `message` is what
a client reads, and says no more than the contract allows; `reason` is for the
operator's log alone, and holds no code, token, key or address.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import ClassVar, Self

Details = Mapping[str, Sequence[str]]
"""What is wrong with a body, by the field's path on the wire."""


class Refusal(Exception):
    """A request that is turned down, in words fit for whoever sent it.

    reason: for the log; never a secret, never what was submitted.
    details: for the wire; what is wrong, by field.
    retry_after: for the wire; how long to wait before trying again.
    """

    status: ClassVar[int]
    code: ClassVar[str]
    message: str

    def __init__(
        self,
        reason: str = "",
        *,
        details: Details | None = None,
        retry_after: timedelta | None = None,
    ) -> None:
        super().__init__(reason or self.message)
        self.reason = reason
        self.details = details
        self.retry_after = retry_after


class BodyRefused(Refusal):
    """The body does not parse, or a field of it does not validate."""

    status = 400
    code = "invalid_request"
    message = "The request is not valid."


class AttestationRefused(BodyRefused):
    """A credential that cannot be registered: what is wrong is in `details`."""

    code = "invalid_credential"
    message = "The credential is not valid."


class CredentialIdTaken(BodyRefused):
    """The organization has a credential of this id already."""

    code = "credential_id_taken"
    message = "The credential id is taken."


class AccountDeactivated(Refusal):
    """Said only to a caller who has proved who they are."""

    status = 400
    code = "account_deactivated"
    message = "User account has been deactivated."


class ChallengeRefused(Refusal):
    """A challenge identifier that is expired, spent, foreign or of another ceremony."""

    status = 400
    code = "invalid_challenge"
    message = "Challenge token is not valid."


class RegistrationCodeExpired(Refusal):
    """Only where the project reveals unknown users; elsewhere `CodeRefused`."""

    status = 400
    code = "registration_code_expired"
    message = "Registration code expired"


class UserActionSpent(Refusal):
    """A user action that was good once."""

    status = 400
    code = "user_action_used"
    message = "user action has already been used"


class LastFirstFactor(BodyRefused):
    """Without this credential the account could sign in no more."""

    code = "last_credential"
    message = "The last credential that can sign in cannot be deactivated."


class NotAuthorized(Refusal):
    """No proof of identity, or one that fails: the same answer whatever went wrong."""

    status = 401
    code = "not_authorized"
    message = "Not Authorized."


class AssertionRefused(NotAuthorized):
    """A signature, or what it covers, does not hold."""


class SignCountRegressed(AssertionRefused):
    """A passkey signed, and its counter has not risen: there may be a copy of it. Its owner is to be told."""


class TokenRefused(NotAuthorized):
    """A bearer token that is missing, malformed, expired, revoked, spent or of another class."""


class RecoveryCredentialRefused(Refusal):
    """Said only to somebody who has presented a recovery code."""

    status = 401
    code = "not_a_recovery_credential"
    message = "Credential cannot be used as a recovery factor."


class UserNotFound(Refusal):
    """Only where the project reveals unknown users."""

    status = 401
    code = "user_not_found"
    message = "User not found"


class NoUsableCredential(Refusal):
    """Only where the project reveals unknown users."""

    status = 401
    code = "no_usable_credential"
    message = "User does not have a credential that can be used for the application."


class UserExists(Refusal):
    """An operator invites somebody who has registered already."""

    status = 401
    code = "user_exists"
    message = "User already exists."


class CodeRefused(Refusal):
    """A one-time code that is wrong, expired, spent, revoked or of another purpose."""

    status = 403
    code = "invalid_code"
    message = "Invalid code"


class UserActionRefused(Refusal):
    """A call that has to be signed, without a user action that covers it."""

    status = 403
    code = "user_action_refused"
    message = "user action signature is missing or invalid"


class NotPermitted(Refusal):
    """Authenticated, and not allowed.

    who: kind and id of the account; operation: what was tried. Both go on the wire.
    """

    status = 403
    code = "not_permitted"
    message = "You are not authorized to perform this operation."

    @classmethod
    def to(cls, operation: str, *, who: str) -> Self:
        """The refusal in the words of the contract, for this operation."""
        refusal = cls(f"not permitted: {operation}")
        refusal.message = f"{who} is not authorized to perform operation ({operation})"
        return refusal


class CrossSiteRefused(Refusal):
    """A request that a cookie vouches for, without the token that only our own pages can read."""

    status = 403
    code = "csrf"
    message = "CSRF verification failed."


class NotFound(Refusal):
    """Nothing stands at this path."""

    status = 404
    code = "not_found"
    message = "Not found."


class MethodNotAllowed(Refusal):
    """The path is served, and not by this method."""

    status = 405
    code = "method_not_allowed"
    message = "Method not allowed."


class BodyTooLarge(Refusal):
    """The body is longer than any that a client of ours sends."""

    status = 413
    code = "body_too_large"
    message = "The request body is too large."


class MediaTypeRefused(Refusal):
    """A body that is not declared as JSON."""

    status = 415
    code = "unsupported_media_type"
    message = "The request body must be application/json."


class RateExceeded(Refusal):
    """A rate is used up; `retry_after` says until when."""

    status = 429
    code = "too_many_requests"
    message = "Too many requests"


class Unexpected(Refusal):
    """A fault of ours. What it was stands in the log."""

    status = 500
    code = "internal_error"
    message = "Internal Server Error"


class ServiceUnavailable(Refusal):
    """The database is out of reach, or the cache where the project wants limits or nothing."""

    status = 503
    code = "service_unavailable"
    message = "Service unavailable"
