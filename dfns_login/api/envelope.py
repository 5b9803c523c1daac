"""The shape of every error response: `{"error": {"message", "code", "details"?}}`."""

import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.core.signals import got_request_exception
from django.http import Http404, JsonResponse, UnreadablePostError
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.views import APIView

from dfns_login import errors
from dfns_login.audit import is_database_outage, log_refusal
from dfns_login.signals import request_refused

logger = logging.getLogger("dfns_login.api")

DATABASE_RETRY: Final = timedelta(seconds=5)
WHOLE_BODY: Final = "body"
"""The key in `details` for problems with the body as a whole."""

HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Headers of every response of the API."""

WIRE_FIELDS: Final[Mapping[str, str]] = {
    "announced_path": "userActionHttpPath",
    "attestation_data": "credentialInfo.attestationData",
    "client_data": "credentialInfo.clientData",
    "credential_id": "credentialInfo.credId",
    "credential_name": "credentialName",
    "encrypted_private_key": "encryptedPrivateKey",
    "first_factor": "firstFactorCredential",
    "public_key": "credentialInfo.attestationData",
    "recovery_credential": "recoveryCredential",
    "second_factor": "secondFactorCredential",
}
"""The wire name of each domain field in `details`, if the two differ."""

_REFUSALS: Final[Mapping[type[Exception], type[errors.Refusal]]] = {
    exceptions.ParseError: errors.BodyRefused,
    exceptions.NotAuthenticated: errors.NotAuthorized,
    exceptions.AuthenticationFailed: errors.NotAuthorized,
    exceptions.PermissionDenied: errors.NotPermitted,
    PermissionDenied: errors.NotPermitted,
    exceptions.NotFound: errors.NotFound,
    Http404: errors.NotFound,
    exceptions.MethodNotAllowed: errors.MethodNotAllowed,
    exceptions.UnsupportedMediaType: errors.MediaTypeRefused,
    RequestDataTooBig: errors.BodyTooLarge,
    SuspiciousOperation: errors.BodyRefused,
    UnreadablePostError: errors.BodyRefused,
}
"""The refusal for each exception of REST framework and Django."""


def refusal_of(error: Exception) -> errors.Refusal:
    """Return the refusal for an exception."""
    if isinstance(error, errors.Refusal):
        return error
    if isinstance(error, exceptions.ValidationError):
        return errors.BodyRefused("fields", details=field_messages(error.detail))
    if is_database_outage(error):
        return errors.ServiceUnavailable(type(error).__name__, retry_after=DATABASE_RETRY)
    found = next((refusal for kind, refusal in _REFUSALS.items() if isinstance(error, kind)), errors.Unexpected)
    return found(type(error).__name__)


def envelope(refusal: errors.Refusal) -> dict[str, Any]:
    """Return the body of the error response."""
    error: dict[str, Any] = {"message": refusal.message, "code": refusal.code}
    if refusal.details:
        error["details"] = {
            WIRE_FIELDS.get(field, field): list(messages) for field, messages in refusal.details.items()
        }
    return {"error": error}


def error_response(refusal: errors.Refusal) -> Response:
    """Return the error response for a refusal."""
    headers = {}
    if refusal.retry_after is not None:
        headers["Retry-After"] = errors.retry_seconds(refusal.retry_after)
    if refusal.status == errors.NotAuthorized.status:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(envelope(refusal), status=refusal.status, headers=headers)


def plain_error_response(refusal: errors.Refusal) -> JsonResponse:
    """Return the error response for a refusal outside of REST framework's views."""
    headers = {**HEADERS}
    if refusal.retry_after is not None:
        headers["Retry-After"] = errors.retry_seconds(refusal.retry_after)
    return JsonResponse(envelope(refusal), status=refusal.status, headers=headers)


class RefusedRequest(exceptions.APIException):
    """A refusal in a view of the project. Its response is the envelope, whatever exception handler the project has."""

    def __init__(self, refusal: errors.Refusal) -> None:
        super().__init__()
        self.status_code = refusal.status
        self.detail = envelope(refusal)


def api_exception(refusal: errors.Refusal, *, view: APIView | None) -> Exception:
    """Return the exception to raise for a refusal in a view.

    In a view of the project, or outside of views, also log it, because the project's exception handler does not.
    """
    if view is not None and view.get_exception_handler() is exception_handler:
        return refusal
    log_refusal(refusal, where=type(view).__name__ if view else "no view", requester=None)
    return RefusedRequest(refusal)


def exception_handler(error: Exception, context: Mapping[str, Any]) -> Response:
    """Return the error response for any exception. REST framework's exception handler for our views.

    Server errors are logged with their traceback. They also send Django's `got_request_exception`, which error
    trackers listen to.
    """
    refusal = refusal_of(error)
    view = context["view"]
    if refusal.status >= errors.Unexpected.status:
        requester = getattr(view, "requester", None)
        fields = {"request": requester.request_id} if requester else {}
        logger.error("%s: %s", type(view).__name__, refusal.reason, exc_info=error, extra={"dfns_fields": fields})
        got_request_exception.send(sender=type(view), request=context["request"])
        request_refused.send_robust(sender=None, refusal=refusal, where=type(view).__name__)
    else:
        log_refusal(refusal, where=type(view).__name__, requester=getattr(view, "requester", None))
    return error_response(refusal)


def field_messages(detail: Any, path: str = "") -> dict[str, Sequence[str]]:
    """Flatten REST framework's nested messages. Keys are paths such as `firstFactor.kind`."""
    if isinstance(detail, Mapping):
        found: dict[str, Sequence[str]] = {}
        for name, inner in detail.items():
            here = path if name == api_settings.NON_FIELD_ERRORS_KEY else f"{path}.{name}".lstrip(".")
            found |= field_messages(inner, here)
        return found
    messages = detail if isinstance(detail, list) else [detail]
    return {path or WHOLE_BODY: [str(message) for message in messages]}
