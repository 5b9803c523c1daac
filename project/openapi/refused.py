"""How refusals are documented: one response for each status of an operation, with an example of each code."""

from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any, Final

from dfns_login import errors
from dfns_login.api.envelope import envelope
from dfns_login.errors import Refusal
from project.openapi.examples import USER

Documented = dict[str, Any]

MEANINGS: Final[Mapping[type[Refusal], str]] = {
    errors.BodyRefused: "The request does not parse or validate; `details` say what is wrong, by field.",
    errors.AttestationRefused: "The credential cannot be registered; `details` say why, by field.",
    errors.CredentialIdTaken: "The organization has a credential of this id.",
    errors.AccountDeactivated: "Said only to somebody who has proved who they are.",
    errors.ChallengeRefused: "The challenge identifier is expired, spent, foreign or of another ceremony.",
    errors.RegistrationCodeExpired: "Only where the project reveals unknown users; elsewhere `invalid_code`.",
    errors.UserActionSpent: "The user action was good once.",
    errors.LastFirstFactor: "Without this credential the account could sign in no more.",
    errors.NotAuthorized: "No proof of identity, or one that fails: one answer, whatever went wrong.",
    errors.RecoveryCredentialRefused: "Said only to somebody who has presented a recovery code.",
    errors.UserNotFound: "Only where the project reveals unknown users.",
    errors.NoUsableCredential: "Only where the project reveals unknown users.",
    errors.UserExists: "The account has registered already. Strangers hear it only where the project reveals users.",
    errors.CodeRefused: "The code is wrong, expired, spent, revoked or of another purpose: one answer for all.",
    errors.UserActionRefused: "No user action that covers this very request.",
    errors.NotPermitted: "Authenticated, and not allowed.",
    errors.CrossSiteRefused: "A cookie vouches for the request, and no CSRF token of our pages came with it.",
    errors.NotFound: "There is no such thing in the account or organization.",
    errors.BodyTooLarge: "The body is longer than any that a client sends.",
    errors.MediaTypeRefused: "The body is not declared as `application/json`.",
    errors.RateExceeded: "A rate is used up; `Retry-After` says until when.",
    errors.Unexpected: "A fault of the server.",
    errors.ServiceUnavailable: "The database is out of reach, or the cache where the project wants limits or nothing.",
}
_REFUSED: Final[Mapping[type[Refusal], Refusal]] = {
    errors.BodyRefused: errors.BodyRefused(details={"orgId": ["This field is required."]}),
    errors.AttestationRefused: errors.AttestationRefused(details={"encryptedPrivateKey": ["This field is required."]}),
    errors.CredentialIdTaken: errors.CredentialIdTaken(
        details={"credentialInfo.credId": ["The organization has a credential of this id."]}
    ),
    errors.NotPermitted: errors.NotPermitted.to("Auth:Users:Read", who=f"EndUser {USER}"),
}
_HEADERS: Final[Mapping[int, Documented]] = {
    errors.NotAuthorized.status: {
        "WWW-Authenticate": {"required": True, "schema": {"type": "string", "const": "Bearer"}}
    },
    **{
        status: {
            "Retry-After": {"required": True, "description": "Seconds.", "schema": {"type": "integer", "minimum": 1}}
        }
        for status in (errors.RateExceeded.status, errors.ServiceUnavailable.status)
    },
}


def responses(refusals: Iterable[type[Refusal]]) -> dict[str, Documented]:
    """The responses of an operation that may be refused so: by reference where a status has one meaning."""
    documented: dict[str, Documented] = {}
    for status, group in groupby(refusals, key=lambda refusal: refusal.status):
        of_status = list(group)
        alone = len(of_status) == 1
        documented[str(status)] = _reference(of_status[0]) if alone else _response(of_status)
    return documented


def shared_responses() -> dict[str, Documented]:
    """For `components`: the response of each refusal alone."""
    return {refusal.__name__: _response([refusal]) for refusal in MEANINGS}


def _reference(refusal: type[Refusal]) -> Documented:
    return {"$ref": f"#/components/responses/{refusal.__name__}"}


def _response(refusals: list[type[Refusal]]) -> Documented:
    codes = sorted(refusal.code for refusal in refusals)
    headers = _HEADERS.get(refusals[0].status)
    examples = {refusal.code: {"value": envelope(_REFUSED.get(refusal) or refusal())} for refusal in refusals}
    return {
        "description": "\n".join(f"* `{refusal.code}`: {MEANINGS[refusal]}" for refusal in refusals),
        **({"headers": headers} if headers else {}),
        "content": {
            "application/json": {
                "schema": {
                    "allOf": [
                        {"$ref": "#/components/schemas/RefusedReply"},
                        {"properties": {"error": {"properties": {"code": {"enum": codes}}}}},
                    ]
                },
                "examples": examples,
            }
        },
    }
