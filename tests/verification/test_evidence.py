"""Evidence of user actions can be verified again, and any change to it is found (R-128)."""

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from dfns_login.verification.encoding import decode_base64url, encode_base64url
from dfns_login.verification.evidence import EvidenceError, action_challenge, request_digest, verify_evidence
from tests.support.authenticators import SoftwareKey
from tests.support.fido2_authenticator import Passkey

NONCE = encode_base64url(bytes(32))
REQUEST = request_digest("POST", "/payments", {"amount": 5, "to": "lee"})
Change = Callable[[dict[str, Any]], object]


def signature_of(key: SoftwareKey) -> dict[str, str]:
    made = key.answer(action_challenge(nonce=NONCE, request=REQUEST))
    return {
        "public_key": encode_base64url(key.spki),
        "client_data": made["clientData"],
        "signature": made["signature"],
    }


def signature_of_passkey() -> dict[str, str]:
    passkey = Passkey.make(account_id="us-1", origin="http://localhost:8000", rp_id="localhost")
    made = passkey.answer(action_challenge(nonce=NONCE, request=REQUEST))
    return {
        "public_key": encode_base64url(passkey.key.spki),
        "client_data": made["clientData"],
        "authenticator_data": made["authenticatorData"],
        "signature": made["signature"],
    }


def evidence(*signatures: dict[str, str]) -> dict[str, Any]:
    return {"nonce": NONCE, "request": REQUEST, "signatures": list(signatures)}


KEY = evidence(signature_of(SoftwareKey.make()))
PASSKEY = evidence(signature_of_passkey())
TWO_FACTORS = evidence(signature_of(SoftwareKey.make()), signature_of_passkey())
OTHER_KEY = encode_base64url(SoftwareKey.make().spki)


@pytest.mark.parametrize("given", [KEY, PASSKEY, TWO_FACTORS], ids=["key", "passkey", "two factors"])
def test_a_signed_assertion_is_verified_again(given: dict[str, Any]) -> None:
    verify_evidence(given)
    verify_evidence(json.loads(json.dumps(given)), request=REQUEST)


def flipped(text: str) -> str:
    data = bytearray(decode_base64url(text))
    data[-1] ^= 1
    return encode_base64url(bytes(data))


CHANGES: dict[str, Change] = {
    "the nonce": lambda it: it.update(nonce=flipped(it["nonce"])),
    "the request": lambda it: it.update(request=flipped(it["request"])),
    "no signature": lambda it: it.update(signatures=[]),
    "the signature": lambda it: it["signatures"][-1].update(signature=flipped(it["signatures"][-1]["signature"])),
    "the client data": lambda it: it["signatures"][-1].update(client_data=flipped(it["signatures"][-1]["client_data"])),
    "the key": lambda it: it["signatures"][-1].update(public_key=OTHER_KEY),
    "no key": lambda it: it["signatures"][-1].pop("public_key"),
    "no nonce": lambda it: it.pop("nonce"),
    "a number": lambda it: it["signatures"][-1].update(signature=7),
    "no base64": lambda it: it["signatures"][-1].update(signature="?"),
    "no object": lambda it: it.update(signatures=["x"]),
    "text": lambda it: it.update(signatures="x"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("given", [KEY, PASSKEY, TWO_FACTORS], ids=["key", "passkey", "two factors"])
def test_any_change_is_found(given: dict[str, Any], change: Change) -> None:
    changed = copy.deepcopy(given)
    change(changed)
    with pytest.raises(EvidenceError):
        verify_evidence(changed)


def test_altered_authenticator_data_are_found() -> None:
    changed = copy.deepcopy(PASSKEY)
    (signature,) = changed["signatures"]
    signature["authenticator_data"] = flipped(signature["authenticator_data"])
    with pytest.raises(EvidenceError):
        verify_evidence(changed)


@pytest.mark.parametrize("given", [None, [], "x", 7])
def test_other_values_are_refused(given: object) -> None:
    with pytest.raises(EvidenceError):
        verify_evidence(given)


@pytest.mark.parametrize(
    "other",
    [
        ("PUT", "/payments", {"amount": 5, "to": "lee"}),
        ("POST", "/payments/", {"amount": 5, "to": "lee"}),
        ("POST", "/payments", {"amount": 6, "to": "lee"}),
        ("POST", "/payments", {"amount": "5", "to": "lee"}),
    ],
)
def test_another_request_was_not_signed(other: tuple[str, str, object]) -> None:
    with pytest.raises(EvidenceError, match="Another request"):
        verify_evidence(KEY, request=request_digest(*other))


def test_it_needs_neither_django_nor_settings() -> None:
    """As an auditor runs it, elsewhere."""
    program = (
        "import json, sys; from dfns_login.verification.evidence import verify_evidence; "
        "verify_evidence(json.load(sys.stdin)); print('django' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], input=json.dumps(PASSKEY), capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
