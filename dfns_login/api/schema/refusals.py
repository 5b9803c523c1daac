"""The refusals of an operation: one response for each status, with an example of each code."""

from collections.abc import Iterable, Iterator, Mapping
from inspect import getdoc
from itertools import groupby
from typing import Any, Final

from drf_spectacular.plumbing import ComponentRegistry, ResolvedComponent
from rest_framework.permissions import SAFE_METHODS

from dfns_login import errors
from dfns_login.api.envelope import envelope
from dfns_login.api.operations import operation_of
from dfns_login.api.view import AuthenticatedAPIView, LoginAPIView, TemporaryTokenAPIView
from dfns_login.errors import Refusal

Documented = dict[str, Any]

_EXAMPLES: Final[Mapping[type[Refusal], Refusal]] = {
    errors.BodyRefused: errors.BodyRefused(details={"orgId": ["This field is required."]}),
    errors.AttestationRefused: errors.AttestationRefused(details={"encryptedPrivateKey": ["This field is required."]}),
    errors.CredentialIdTaken: errors.CredentialIdTaken(
        details={"credentialInfo.credId": ["The organization has a credential of this id."]}
    ),
    errors.NotPermitted: errors.NotPermitted.to("Auth:Users:Read", who="EndUser us-9exs6-sff6f-jq1w8v881cksmr8s"),
}
_RETRY_AFTER: Final = {
    "Retry-After": {"required": True, "description": "Seconds.", "schema": {"type": "integer", "minimum": 1}}
}
_HEADERS: Final[Mapping[int, Documented]] = {
    errors.NotAuthorized.status: {
        "WWW-Authenticate": {"required": True, "schema": {"type": "string", "enum": ["Bearer"]}}
    },
    errors.RateExceeded.status: _RETRY_AFTER,
    errors.ServiceUnavailable.status: _RETRY_AFTER,
}


def requires_user_action(view: type[LoginAPIView], method: str) -> bool:
    """Return whether `user_action_required` guards a method of the view."""
    return hasattr(getattr(view, method.lower()), "requires_user_action")


def refusals_of(view: type[LoginAPIView], method: str) -> list[type[Refusal]]:
    """Return every refusal of an operation, sorted by status, one for each code."""
    found = {each.code: each for each in (*operation_of(view, method).refusals, *_implied(view, method))}
    return sorted(found.values(), key=lambda refusal: refusal.status)


def responses(refusals: Iterable[type[Refusal]], *, registry: ComponentRegistry) -> dict[str, Documented]:
    """Return the responses for these refusals. A response with one code is a component that operations share."""
    documented: dict[str, Documented] = {}
    for status, group in groupby(refusals, key=lambda refusal: refusal.status):
        of_status = list(group)
        response = _response(of_status)
        if len(of_status) == 1:
            name, kind = of_status[0].__name__, ResolvedComponent.RESPONSE
            component = ResolvedComponent(name=name, type=kind, schema=response, object=of_status[0])
            registry.register_on_missing(component)
            response = component.ref
        documented[str(status)] = response
    return documented


def _implied(view: type[LoginAPIView], method: str) -> Iterator[type[Refusal]]:
    operation, signed = operation_of(view, method), requires_user_action(view, method)
    if operation.query:
        yield errors.BodyRefused
    if operation.body or signed:
        yield from (errors.BodyRefused, errors.BodyTooLarge, errors.MediaTypeRefused)
    if signed:
        yield from (errors.UserActionRefused, errors.UserActionSpent)
    if issubclass(view, (AuthenticatedAPIView, TemporaryTokenAPIView)):
        yield errors.NotAuthorized
    if issubclass(view, AuthenticatedAPIView) and method not in SAFE_METHODS:
        yield errors.CrossSiteRefused
    if view.rates:
        yield errors.RateExceeded
    yield errors.Unexpected
    if operation.reads_database:
        yield errors.ServiceUnavailable


def _response(refusals: list[type[Refusal]]) -> Documented:
    codes = sorted(refusal.code for refusal in refusals)
    headers = _HEADERS.get(refusals[0].status)
    examples = {refusal.code: {"value": envelope(_EXAMPLES.get(refusal) or refusal())} for refusal in refusals}
    return {
        "description": "\n".join(f"* `{refusal.code}`: {_meaning(refusal)}" for refusal in refusals),
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


def _meaning(refusal: type[Refusal]) -> str:
    """The first paragraph of the docstring, in one line."""
    return " ".join(str(getdoc(refusal)).partition("\n\n")[0].split())
