"""Every operation of the API: what its view's code does not say of itself."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rest_framework.permissions import SAFE_METHODS
from rest_framework.serializers import Serializer

from dfns_login import errors
from dfns_login.api import (
    browser,
    credentials,
    jwks,
    login,
    openapi,
    recovery,
    registration,
    sessions,
    shapes,
    user_actions,
    users,
)
from dfns_login.api.view import AuthenticatedAPIView, LoginAPIView, TemporaryTokenAPIView
from dfns_login.ceremonies.own_sessions import SHOWN
from dfns_login.errors import Refusal
from project.openapi import replies

CODE_PER_RECIPIENT: Final = "The answer is the same whether or not anybody is there; an unknown name gets no mail."
OURS: Final = "Not of the Dfns API."
SECOND_FACTOR: Final = "Whether a second factor is wanted or taken is the organization's policy."


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one path.

    name: its operation id, the method of the official clients. reply: absent where the answer is any JSON object.
    signed: it wants a user action. stored: it reads the database. refusals: besides those that follow from the rest.
    """

    name: str
    summary: str
    reply: type[replies.Reply] | None
    description: str = ""
    body: type[Serializer[Any]] | None = None
    query: type[Serializer[Any]] | None = None
    signed: bool = False
    stored: bool = True
    deprecated: bool = False
    refusals: Sequence[type[Refusal]] = ()


ViewClass = type[LoginAPIView]

OPERATIONS: Final[Mapping[tuple[ViewClass, str], Operation]] = {
    (login.SendLoginCode, "POST"): Operation(
        name="sendLoginCode",
        summary="Have a login code mailed",
        description=CODE_PER_RECIPIENT,
        body=login.LoginCodeBody,
        reply=replies.MessageReply,
    ),
    (login.CreateLoginChallenge, "POST"): Operation(
        name="createLoginChallenge",
        summary="Open a login",
        description=(
            "With the mailed code the encrypted private keys of the account are released; a code is good once. "
            "An unknown name is answered like a known one. Without a username the challenge is for a discoverable "
            "passkey."
        ),
        body=login.LoginChallengeBody,
        reply=replies.SigningChallengeReply,
        refusals=(errors.CodeRefused, errors.UserNotFound, errors.NoUsableCredential),
    ),
    (login.CompleteLogin, "POST"): Operation(
        name="login",
        summary="Complete a login",
        description=f"The signed challenge is verified and a session opened. {SECOND_FACTOR}",
        body=shapes.SignedChallengeBody,
        reply=replies.TokenReply,
        refusals=(errors.ChallengeRefused, errors.AccountDeactivated, errors.NotAuthorized),
    ),
    (browser.CompleteBrowserLogin, "POST"): Operation(
        name="completeBrowserLogin",
        summary="Complete a login in a browser",
        description=(
            f"As `login`, for a page of ours: the answer sets the session's cookie, and says where to go. {OURS}"
        ),
        body=browser.BrowserLoginBody,
        reply=replies.BrowserLoginReply,
        refusals=(errors.ChallengeRefused, errors.AccountDeactivated, errors.NotAuthorized, errors.CrossSiteRefused),
    ),
    (login.Logout, "PUT"): Operation(
        name="logout",
        summary="End the session",
        description="It is over from that moment; with `allSessions` every session of the account is.",
        body=login.LogoutBody,
        reply=replies.MessageReply,
    ),
    (registration.SendRegistrationCode, "PUT"): Operation(
        name="resendRegistrationCode",
        summary="Have the registration code mailed again",
        description=CODE_PER_RECIPIENT,
        body=login.LoginCodeBody,
        reply=replies.MessageReply,
    ),
    (registration.CreateRegistrationChallenge, "POST"): Operation(
        name="createRegistrationChallenge",
        summary="Open a registration",
        description="The mailed code is spent.",
        body=registration.RegistrationChallengeBody,
        reply=replies.RegistrationChallengeReply,
        refusals=(errors.CodeRefused, errors.RegistrationCodeExpired, errors.UserNotFound, errors.UserExists),
    ),
    (registration.CompleteRegistration, "POST"): Operation(
        name="register",
        summary="Complete a registration",
        description=f"The account gets its first credentials. {SECOND_FACTOR}",
        body=shapes.NewCredentialsBody,
        reply=replies.RegisteredReply,
        refusals=(errors.AttestationRefused, errors.CredentialIdTaken),
    ),
    (credentials.Credentials, "GET"): Operation(
        name="listCredentials",
        summary="List the account's credentials",
        reply=replies.CredentialListReply,
    ),
    (credentials.Credentials, "POST"): Operation(
        name="createCredential",
        summary="Add a credential",
        body=credentials.CreateCredentialBody,
        reply=replies.CredentialReply,
        signed=True,
        refusals=(errors.ChallengeRefused, errors.AttestationRefused, errors.CredentialIdTaken),
    ),
    (credentials.CreateCredentialChallenge, "POST"): Operation(
        name="createCredentialChallenge",
        summary="Open the addition of a credential",
        body=credentials.CredentialChallengeBody,
        reply=replies.CredentialChallengeReply,
    ),
    (credentials.ActivateCredential, "PUT"): Operation(
        name="activateCredential",
        summary="Let a credential sign in again",
        description="Nothing happens where it does already.",
        body=credentials.CredentialUuidBody,
        reply=replies.MessageReply,
        signed=True,
        refusals=(errors.NotFound,),
    ),
    (credentials.DeactivateCredential, "PUT"): Operation(
        name="deactivateCredential",
        summary="Let a credential sign in no more",
        description="Its sessions end. The last credential that the account can sign in with stays.",
        body=credentials.CredentialUuidBody,
        reply=replies.MessageReply,
        signed=True,
        refusals=(errors.NotFound, errors.LastFirstFactor),
    ),
    (credentials.RenameCredential, "PUT"): Operation(
        name="renameCredential",
        summary="Give a credential another name",
        description=OURS,
        body=credentials.RenameCredentialBody,
        reply=replies.CredentialReply,
        signed=True,
        refusals=(errors.NotFound,),
    ),
    (credentials.ReplaceKey, "PUT"): Operation(
        name="replaceCredentialKey",
        summary="Change the password of a password-protected key",
        description=(
            "The same private key, encrypted anew by its owner, takes the place of what was stored. Every other "
            f"session of the account ends. {OURS}"
        ),
        body=credentials.ReplaceKeyBody,
        reply=replies.CredentialReply,
        signed=True,
        refusals=(errors.AttestationRefused, errors.NotFound),
    ),
    (credentials.CreateCredentialCode, "POST"): Operation(
        name="createCredentialCode",
        summary="Show a code that adds a credential from another device",
        description="It lives for a minute at most.",
        body=credentials.CredentialCodeBody,
        reply=replies.CredentialCodeReply,
        signed=True,
    ),
    (credentials.CreateCredentialChallengeWithCode, "POST"): Operation(
        name="createCredentialChallengeWithCode",
        summary="Open the addition of a credential with a shown code",
        description="The code is spent.",
        body=credentials.CredentialChallengeWithCodeBody,
        reply=replies.CredentialChallengeReply,
        refusals=(errors.CodeRefused,),
    ),
    (credentials.CreateCredentialWithCode, "POST"): Operation(
        name="createCredentialWithCode",
        summary="Add a credential with a shown code",
        body=credentials.CreateCredentialBody,
        reply=replies.CredentialReply,
        refusals=(errors.ChallengeRefused, errors.AttestationRefused, errors.CredentialIdTaken),
    ),
    (sessions.Sessions, "GET"): Operation(
        name="listSessions",
        summary="List the account's live sessions",
        description=f"The newest first, {SHOWN} at most. {OURS}",
        reply=replies.SessionListReply,
    ),
    (sessions.EndSession, "PUT"): Operation(
        name="endSession",
        summary="End a session of the account",
        description=f"This one or another; nothing happens where it has ended. {OURS}",
        body=sessions.EndSessionBody,
        reply=replies.MessageReply,
        refusals=(errors.NotFound,),
    ),
    (sessions.Activity, "GET"): Operation(
        name="listActivity",
        summary="List what happened to the account",
        description=f"The newest first. {OURS}",
        query=sessions.ActivityQuery,
        reply=replies.ActivityReply,
    ),
    (user_actions.CreateActionChallenge, "POST"): Operation(
        name="createUserActionChallenge",
        summary="Announce a request that is to be signed",
        description=(
            "What is signed is good for exactly this method, path and payload. The payload is compared as a JSON value."
        ),
        body=user_actions.ActionChallengeBody,
        reply=replies.SigningChallengeReply,
    ),
    (user_actions.CompleteAction, "POST"): Operation(
        name="createUserActionSignature",
        summary="Sign the announced request",
        description=SECOND_FACTOR,
        body=shapes.SignedChallengeBody,
        reply=replies.UserActionReply,
        refusals=(errors.ChallengeRefused,),
    ),
    (recovery.SendRecoveryCode, "POST"): Operation(
        name="sendRecoveryCode",
        summary="Have a recovery code mailed",
        description=CODE_PER_RECIPIENT,
        body=login.LoginCodeBody,
        reply=replies.MessageReply,
    ),
    (recovery.SendRecoveryCode, "PUT"): Operation(
        name="sendRecoveryCodeAsOlderClientsDo",
        summary="Have a recovery code mailed",
        description="The same as `POST`.",
        body=login.LoginCodeBody,
        reply=replies.MessageReply,
        deprecated=True,
    ),
    (recovery.CreateRecoveryChallenge, "POST"): Operation(
        name="createRecoveryChallenge",
        summary="Open a recovery",
        description="The mailed code is spent, and the encrypted recovery keys of the account are released.",
        body=recovery.RecoveryChallengeBody,
        reply=replies.RecoveryChallengeReply,
        refusals=(errors.CodeRefused, errors.RecoveryCredentialRefused),
    ),
    (recovery.CompleteRecovery, "POST"): Operation(
        name="recover",
        summary="Complete a recovery",
        description=(
            "The challenge that the recovery key signs is base64url of the JSON text of `newCredentials`. "
            "Every older credential and session of the account is dead afterwards."
        ),
        body=recovery.RecoveryBody,
        reply=replies.RegisteredReply,
        refusals=(errors.AttestationRefused, errors.CredentialIdTaken),
    ),
    (users.Users, "GET"): Operation(
        name="listUsers",
        summary="List the organization's accounts",
        query=users.ListUsersQuery,
        reply=replies.UserListReply,
        refusals=(errors.NotPermitted,),
    ),
    (users.Users, "POST"): Operation(
        name="createUser",
        summary="Invite somebody",
        description="A registration code is mailed.",
        body=users.CreateUserBody,
        reply=replies.UserReply,
        signed=True,
        refusals=(errors.NotPermitted, errors.UserExists),
    ),
    (users.User, "GET"): Operation(
        name="getUser",
        summary="Show an account",
        reply=replies.UserReply,
        refusals=(errors.NotPermitted, errors.NotFound),
    ),
    (users.User, "DELETE"): Operation(
        name="archiveUser",
        summary="Delete an account",
        description="Its credentials and sessions go with it.",
        reply=replies.UserReply,
        signed=True,
        refusals=(errors.NotPermitted, errors.NotFound),
    ),
    (users.ActivateUser, "PUT"): Operation(
        name="activateUser",
        summary="Let an account in again",
        description="Nothing happens where it is let in already.",
        reply=replies.UserReply,
        signed=True,
        refusals=(errors.NotPermitted, errors.NotFound),
    ),
    (users.DeactivateUser, "PUT"): Operation(
        name="deactivateUser",
        summary="Let an account in no more",
        description="Its sessions end. Nothing happens where it is not let in.",
        reply=replies.UserReply,
        signed=True,
        refusals=(errors.NotPermitted, errors.NotFound),
    ),
    (jwks.TokenKeys, "GET"): Operation(
        name="listTokenKeys",
        summary="Public keys of the tokens",
        description="JSON Web Key Set (RFC 7517).",
        reply=replies.TokenKeysReply,
        stored=False,
    ),
    (openapi.OpenAPI, "GET"): Operation(
        name="describe",
        summary="This document",
        reply=None,
        stored=False,
    ),
}


def refusals_of(view: ViewClass, method: str) -> list[type[Refusal]]:
    """Every refusal of the operation, by status; one of each code."""
    operation = OPERATIONS[view, method]
    found = {refusal.code: refusal for refusal in (*operation.refusals, *_implied(view, method, operation))}
    return sorted(found.values(), key=lambda refusal: refusal.status)


def _implied(view: ViewClass, method: str, operation: Operation) -> Iterator[type[Refusal]]:
    if operation.query:
        yield errors.BodyRefused
    if operation.body or operation.signed:
        yield from (errors.BodyRefused, errors.BodyTooLarge, errors.MediaTypeRefused)
    if operation.signed:
        yield from (errors.UserActionRefused, errors.UserActionSpent)
    if issubclass(view, (AuthenticatedAPIView, TemporaryTokenAPIView)):
        yield errors.NotAuthorized
    if issubclass(view, AuthenticatedAPIView) and method not in SAFE_METHODS:
        yield errors.CrossSiteRefused
    if view.rates:
        yield errors.RateExceeded
    yield errors.Unexpected
    if operation.stored:
        yield errors.ServiceUnavailable
