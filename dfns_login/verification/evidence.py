"""Evidence of user actions: what was signed, so that anybody can verify it again.

The challenge of a user action commits to the request. Anybody who has the evidence and trusts the public key in it can
verify that its holder signed that request, without the app's keys or its database.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from dfns_login.verification.client_data import ClientDataError, ClientDataType, read_ceremony
from dfns_login.verification.encoding import EncodingError, decode_base64url, encode_base64url
from dfns_login.verification.fido2 import Fido2ClientDataType
from dfns_login.verification.public_keys import PublicKeyError, SignatureError, load_spki, verify_signature

DOMAIN: Final = b"dfns_login user action"
NOTHING: Final[dict[str, object]] = {}
"""The payload of a request without a body. The official clients send `""`, `{}` or nothing."""


class EvidenceError(ValueError):
    """Evidence that is malformed, or whose signatures are not valid for the request."""


def request_digest(method: str, path: str, payload: object) -> str:
    """Return the SHA-256 digest of a request as base64url text.

    path: percent-decoded once. payload: the JSON value of the body; `""` and `NOTHING` are equal.
    The query is left out, because the official clients do not sign it.
    Source: Dfns API, User Action Signing; OWASP Transaction Authorization 2.6, 2.8.
    """
    parts = [method.upper(), path, NOTHING if payload == "" else payload]
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return encode_base64url(hashlib.sha256(text.encode()).digest())


def action_challenge(*, nonce: str, request: str) -> str:
    """Return the challenge of a user action: SHA-256 over a random nonce and the digest of the request."""
    return encode_base64url(hashlib.sha256(DOMAIN + decode_base64url(nonce) + decode_base64url(request)).digest())


def verify_evidence(evidence: object, *, request: str | None = None) -> None:
    """Verify the signatures of a user action: all of them, over the request that the evidence names.

    evidence: `evidence` of an exported event: `request`, `nonce` and `signatures`. Each signature has `public_key` (DER
    SubjectPublicKeyInfo), `client_data`, `signature` and, of a passkey, `authenticator_data`, in base64url.
    request: `request_digest` of the request that must have been signed, if you have the request.
    Raises: EvidenceError.
    """
    try:
        given = _mapping(evidence)
        challenge = action_challenge(nonce=_text(given, "nonce"), request=_text(given, "request"))
        signatures = given.get("signatures")
        if not isinstance(signatures, Sequence) or not signatures:
            raise EvidenceError("There is no signature.")
        for each in signatures:
            _verify(_mapping(each), challenge=challenge)
    except (EncodingError, ClientDataError, PublicKeyError, SignatureError) as error:
        raise EvidenceError(str(error)) from error
    if request is not None and request != given["request"]:
        raise EvidenceError("Another request was signed.")


def _verify(given: Mapping[str, Any], *, challenge: str) -> None:
    client_data = decode_base64url(_text(given, "client_data"))
    public_key = load_spki(decode_base64url(_text(given, "public_key")))
    signature = decode_base64url(_text(given, "signature"))
    if "authenticator_data" in given:  # WebAuthn Level 3 §7.2 step 21
        message = decode_base64url(_text(given, "authenticator_data")) + hashlib.sha256(client_data).digest()
        expected: str = Fido2ClientDataType.ASSERTION
        challenge = encode_base64url(challenge.encode())  # clients pass its text to the browser
    else:
        message, expected = client_data, ClientDataType.ASSERTION
    verify_signature(public_key, signature=signature, message=message)
    read_ceremony(client_data, expected_type=expected, challenge=challenge)


def _mapping(value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise EvidenceError("It is not an object.")
    return value


def _text(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name)
    if not isinstance(value, str):
        raise EvidenceError(f"{name} is missing.")
    return value
