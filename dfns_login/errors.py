"""The refusals: status, message for the client, reason for the log.

Each class is a row of the error table in the wire contract. Clients read `message`, which says no more than the
contract allows. Only the log has `reason`. It contains no code, token, key or address.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Self

Details = Mapping[str, Sequence[str]]
"""What is wrong with a request, by field. The API translates field names to those of the wire."""


class Refusal(Exception):
    """A refused request.

    reason: for the log. Never a secret or what was submitted.
    details: for the client. What is wrong, by field.
    retry_after: for the client. How long to wait before trying again.
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

    @property
    def explanation(self) -> str:
        """What is wrong, for operators: the texts of `details`, or else the message."""
        return " ".join(text for texts in (self.details or {}).values() for text in texts) or self.message


def retry_seconds(wait: timedelta) -> str:
    """Return the value of `Retry-After`: whole seconds, at least one."""
    return str(max(1, round(wait.total_seconds())))


class BodyRefused(Refusal):
    """The request is not valid. `details` says what is wrong, by field."""

    status = 400
    code = "invalid_request"
    message = "The request is not valid."


class AttestationRefused(BodyRefused):
    """The credential cannot be registered. `details` says why, by field."""

    code = "invalid_credential"
    message = "The credential is not valid."


class CredentialIdTaken(BodyRefused):
    """The organization already has a credential with this id."""

    code = "credential_id_taken"
    message = "The credential id is taken."


class AccountDeactivated(Refusal):
    """The account is deactivated. Only someone who has proved who they are is told."""

    status = 400
    code = "account_deactivated"
    message = "User account has been deactivated."


class AccountLocked(Refusal):
    """The owner locked the account. Only someone who has proved who they are is told."""

    status = 400
    code = "account_locked"
    message = "This account is locked. Unlock it with a passkey, a key or your recovery kit, or wait until it unlocks."


class RecoveryWaits(Refusal):
    """The recovery has to wait first. Only someone who has presented a recovery code is told."""

    status = 400
    code = "recovery_waiting"
    message = "You can complete this recovery from <time> on. Start it again then, with a new code."

    @classmethod
    def until(cls, ready_at: datetime, *, retry_after: timedelta) -> Self:
        """Return the refusal of a recovery that can be completed from this time on."""
        refusal = cls("recovery waits", retry_after=retry_after)
        moment = ready_at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        refusal.message = cls.message.replace("<time>", moment)
        return refusal


class ChallengeRefused(Refusal):
    """The challenge identifier is expired, already used, or belongs to another client or ceremony."""

    status = 400
    code = "invalid_challenge"
    message = "Challenge token is not valid."


class RegistrationCodeExpired(Refusal):
    """The code has expired. Sent only if the project reveals unknown users; otherwise `invalid_code`."""

    status = 400
    code = "registration_code_expired"
    message = "Registration code expired"


class UserActionSpent(Refusal):
    """The user action has already been used."""

    status = 400
    code = "user_action_used"
    message = "user action has already been used"


class LastFirstFactor(BodyRefused):
    """Without this credential, the account could no longer sign in."""

    code = "last_credential"
    message = "The last credential that can sign in cannot be deactivated."


class TooManyCredentials(BodyRefused):
    """The account has as many usable credentials as one may have."""

    code = "too_many_credentials"
    message = "The account has too many credentials. Deactivate one first."


class NotAuthorized(Refusal):
    """Proof of identity is missing or invalid. The answer is the same whatever went wrong."""

    status = 401
    code = "not_authorized"
    message = "Not Authorized."


class AssertionRefused(NotAuthorized):
    """An assertion failed verification."""


class SignCountRegressed(AssertionRefused):
    """The signature is valid, but the sign count did not rise, so the passkey may have been cloned."""


class TokenRefused(NotAuthorized):
    """The bearer token is missing, malformed, expired, revoked, used or of another class."""


class RecoveryCredentialRefused(Refusal):
    """The credential is not a recovery key. Only someone who has presented a recovery code is told."""

    status = 401
    code = "not_a_recovery_credential"
    message = "Credential cannot be used as a recovery factor."


class UserNotFound(Refusal):
    """There is no such user. Sent only if the project reveals unknown users."""

    status = 401
    code = "user_not_found"
    message = "User not found"


class NoUsableCredential(Refusal):
    """The user has no suitable credential. Sent only if the project reveals unknown users."""

    status = 401
    code = "no_usable_credential"
    message = "User does not have a credential that can be used for the application."


class UserExists(Refusal):
    """The user is already registered. Strangers are told only if the project reveals unknown users."""

    status = 401
    code = "user_exists"
    message = "User already exists."


class UserUnavailable(Refusal):
    """The project's user for an account can be neither found nor created. Only a person with its code sees this.

    fields: of the user model, which prevent it.
    """

    status = 403
    code = "user_unavailable"
    message = "You cannot be registered yet. Ask the people who invited you."

    def __init__(self, reason: str = "", *, fields: Sequence[str] = ()) -> None:
        super().__init__(reason)
        self.fields = fields


class UserTaken(UserUnavailable):
    """The project has another user with the account's address, and doesn't let the account have it."""


class CodeRefused(Refusal):
    """The code is wrong, expired, used, revoked, or meant for something else."""

    status = 403
    code = "invalid_code"
    message = "Invalid code"


class UserActionRefused(Refusal):
    """There is no user action, or it does not cover this request."""

    status = 403
    code = "user_action_refused"
    message = "user action signature is missing or invalid"


class SignInTooOld(Refusal):
    """The view requires a more recent sign-in. Raised only by the project's own views."""

    status = 403
    code = "sign_in_again"
    message = "Sign in again to continue."


class NotPermitted(Refusal):
    """The caller is authenticated but not allowed to do this.

    The message names the account, by kind and id, and the operation.
    """

    status = 403
    code = "not_permitted"
    message = "You are not authorized to perform this operation."

    @classmethod
    def to(cls, operation: str, *, who: str) -> Self:
        """Return the refusal of an operation. who: kind and id of the account."""
        refusal = cls(f"not permitted: {operation}")
        refusal.message = f"{who} is not authorized to perform operation ({operation})"
        return refusal


class CrossSiteRefused(Refusal):
    """The request relies on a cookie but lacks the CSRF token of our pages."""

    status = 403
    code = "csrf"
    message = "CSRF verification failed."


class NotFound(Refusal):
    """It does not exist in this account or organization."""

    status = 404
    code = "not_found"
    message = "Not found."


class MethodNotAllowed(Refusal):
    """The path does not support this method."""

    status = 405
    code = "method_not_allowed"
    message = "Method not allowed."


class BodyTooLarge(Refusal):
    """The body is larger than any that a client needs to send."""

    status = 413
    code = "body_too_large"
    message = "The request body is too large."


class MediaTypeRefused(Refusal):
    """The body is not declared as `application/json`."""

    status = 415
    code = "unsupported_media_type"
    message = "The request body must be application/json."


class RateExceeded(Refusal):
    """A rate limit is exceeded. `Retry-After` says how long to wait."""

    status = 429
    code = "too_many_requests"
    message = "Too many requests"

    rate = ""
    """Name of the rate."""

    @classmethod
    def of(cls, rate: str, *, window: str, retry_after: timedelta | None = None) -> Self:
        """Return the refusal by a rate. window: the one that is used up, such as `10/m`."""
        refusal = cls(f"{rate} {window}", retry_after=retry_after)
        refusal.rate = rate
        return refusal


class Unexpected(Refusal):
    """An error in the server. The log has the details."""

    status = 500
    code = "internal_error"
    message = "Internal Server Error"


class ServiceUnavailable(Refusal):
    """The database, a cache that the project requires, or a thread of the server is unavailable."""

    status = 503
    code = "service_unavailable"
    message = "Service unavailable"
