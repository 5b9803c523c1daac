"""What the examples of requests and replies are made of. All of it is made up: the keys open nothing."""

import json
from typing import Any, Final

from dfns_login.verification.encoding import encode_base64url

Example = dict[str, Any]

ORGANIZATION: Final = "or-n0z4g-sb25n-e0rhs6199583ngt8"
USER: Final = "us-9exs6-sff6f-jq1w8v881cksmr8s"
CREDENTIAL: Final = "cr-pmmdh-t8fwq-hczs5kqkkvkq6g9e"
USERNAME: Final = "jane@example.co"
CHALLENGE: Final = "pWtLNYb7R0h9RzUHTfe1FP7Hk9n5uBqs8Zc4m2X6vEo"
IDENTIFIER: Final = "gAAAAABpIr0Q..."
TOKEN: Final = "eyJhbGciOiJFUzI1NiJ9..."  # noqa: S105  the beginning of any token
KEY_ID: Final = "fkR_vDL1Bm0g7x3yHHP0ZJ4mPpJ8xkq5nW1sC9dYtUo"
SIGNATURE: Final = "MEUCIQDv..."
PUBLIC_KEY: Final = """\
-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAENUGAh5+wjooWZb8lfG+Ljq5JYVeR
JAKR7yE0se0jbz2o5lv3/qsx9rjuBX2O+CzOLJ9DHJS1IeLwFpZhLTaBHg==
-----END PUBLIC KEY-----
"""
ENVELOPE: Final = "-----BEGIN AGE ENCRYPTED FILE-----\n...\n-----END AGE ENCRYPTED FILE-----\n"


def encoded(value: Example) -> str:
    return encode_base64url(json.dumps(value, separators=(",", ":")).encode())


NAMES: Final = {"username": USERNAME, "orgId": ORGANIZATION}
RP: Final = {"id": "example.com", "name": "Example"}
ASSERTION: Final = {
    "credId": KEY_ID,
    "clientData": encoded({"type": "key.get", "challenge": CHALLENGE}),
    "signature": SIGNATURE,
}
PASSKEY_ASSERTION: Final = {
    "credId": KEY_ID,
    "clientData": encoded({"type": "webauthn.get", "challenge": CHALLENGE, "origin": "https://example.com"}),
    "authenticatorData": "o3mm9u6vuaVeN4wRgDTidR5oL6ufLTCrE9ISVYbOGUcFAAAAAQ",
    "signature": SIGNATURE,
    "userHandle": encode_base64url(USER.encode()),
}
ATTESTATION: Final = {
    "credId": KEY_ID,
    "clientData": encoded({"type": "key.create", "challenge": CHALLENGE}),
    "attestationData": encoded({"publicKey": PUBLIC_KEY, "signature": "3045..."}),
}
PASSKEY_ATTESTATION: Final = {
    "credId": KEY_ID,
    "clientData": encoded({"type": "webauthn.create", "challenge": CHALLENGE, "origin": "https://example.com"}),
    "attestationData": "o2NmbXRkbm9uZWdhdHRTdG10oGhhdXRoRGF0YV...",
    "transports": ["internal", "hybrid"],
}
NEW_KEY: Final = {"credentialKind": "Key", "credentialInfo": ATTESTATION}
NEW_PROTECTED_KEY: Final = {
    "credentialKind": "PasswordProtectedKey",
    "credentialInfo": ATTESTATION,
    "encryptedPrivateKey": ENVELOPE,
}
NEW_PASSKEY: Final = {"credentialKind": "Fido2", "credentialInfo": PASSKEY_ATTESTATION}
NEW_RECOVERY_KEY: Final = {
    "credentialKind": "RecoveryKey",
    "credentialInfo": ATTESTATION,
    "encryptedPrivateKey": ENVELOPE,
}

SIGNED: Final = {"challengeIdentifier": IDENTIFIER, "firstFactor": {"kind": "Key", "credentialAssertion": ASSERTION}}
SIGNED_BY_PASSKEY: Final = {
    "challengeIdentifier": IDENTIFIER,
    "firstFactor": {"kind": "Fido2", "credentialAssertion": PASSKEY_ASSERTION},
}
SIGNED_BY_TWO: Final = {**SIGNED_BY_PASSKEY, "secondFactor": SIGNED["firstFactor"]}

SIGNING_CHALLENGE: Final = {
    "challenge": CHALLENGE,
    "challengeIdentifier": IDENTIFIER,
    "rp": RP,
    "supportedCredentialKinds": [
        {"kind": kind, "factor": "either", "requiresSecondFactor": False}
        for kind in ("Fido2", "Key", "PasswordProtectedKey")
    ],
    "userVerification": "required",
    "attestation": "none",
    "externalAuthenticationUrl": "",
    "allowCredentials": {"key": [{"type": "public-key", "id": KEY_ID}], "webauthn": []},
}
SIGNING_CHALLENGE_WITH_CODE: Final = {
    **SIGNING_CHALLENGE,
    "allowCredentials": {
        "key": [],
        "webauthn": [],
        "passwordProtectedKey": [{"type": "public-key", "id": KEY_ID, "encryptedPrivateKey": ENVELOPE}],
    },
}
CREATION_CHALLENGE: Final = {
    "user": {"id": USER, "name": USERNAME, "displayName": USERNAME},
    "challenge": CHALLENGE,
    "rp": RP,
    "authenticatorSelection": {
        "residentKey": "required",
        "requireResidentKey": True,
        "userVerification": "required",
    },
    "attestation": "none",
    "pubKeyCredParams": [{"type": "public-key", "alg": alg} for alg in (-7, -257, -8)],
    "excludeCredentials": [],
    "temporaryAuthenticationToken": TOKEN,
}
REGISTRATION_CHALLENGE: Final = {
    **CREATION_CHALLENGE,
    "supportedCredentialKinds": {
        "firstFactor": ["Fido2", "Key", "PasswordProtectedKey"],
        "secondFactor": ["Fido2", "Key", "PasswordProtectedKey"],
    },
    "otpUrl": "",
}
NEW_CREDENTIALS: Final = {"firstFactorCredential": NEW_PROTECTED_KEY, "recoveryCredential": NEW_RECOVERY_KEY}
LISTED_CREDENTIAL: Final = {
    "kind": "Key",
    "credentialId": KEY_ID,
    "credentialUuid": CREDENTIAL,
    "dateCreated": "2026-11-23T07:05:06.773Z",
    "isActive": True,
    "name": "Default Credential",
    "publicKey": PUBLIC_KEY,
    "relyingPartyId": RP["id"],
    "origin": "https://example.com",
    "authenticatorName": "",
    "isBackupEligible": False,
    "isBackedUp": False,
    "dateLastUsed": None,
}
SOMEWHERE: Final = {"address": "192.0.2.1", "userAgent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Firefox/140.0"}
LISTED_SESSION: Final = {
    "sessionId": "42",
    "dateCreated": "2026-11-23T07:05:06.773Z",
    "dateLastSeen": "2026-11-23T07:25:08.001Z",
    "dateExpires": "2026-11-23T19:05:06.773Z",
    "isCurrent": True,
    **SOMEWHERE,
}
LISTED_EVENT: Final = {
    "id": 1704,
    "kind": "session.opened",
    "date": "2026-11-23T07:05:06.773Z",
    "userId": USER,
    "orgId": ORGANIZATION,
    **SOMEWHERE,
    "requestId": "2f1c0d8a9b7e4f60a1b2c3d4e5f60718",
    "detail": {"session": 17, "kind": "Fido2"},
    "evidence": None,
    "position": 1698,
    "mac": "9d5f0c1b2a3948576a7b8c9d0e1f2a3b4c5d6e7f8091a2b3c4d5e6f708192a3b",
}
LISTED_USER: Final = {
    "username": USERNAME,
    "name": USERNAME,
    "userId": USER,
    "kind": "CustomerEmployee",
    "credentialUuid": CREDENTIAL,
    "orgId": ORGANIZATION,
    "permissions": [],
    "isActive": True,
    "isServiceAccount": False,
    "isRegistered": True,
    "isSSORequired": False,
    "permissionAssignments": [],
}
