"""Examples of requests and replies, by their shapes. All of it is made up: the keys open nothing."""

import json
from collections.abc import Mapping
from typing import Any, Final

from rest_framework.serializers import Serializer

from dfns_login.api import (
    browser,
    credential_codes,
    credentials,
    events,
    jwks,
    login,
    recovery,
    registration,
    replies,
    sessions,
    shapes,
    user_actions,
    users,
)
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


def _encoded(value: Example) -> str:
    return encode_base64url(json.dumps(value, separators=(",", ":")).encode())


NAMES: Final = {"username": USERNAME, "orgId": ORGANIZATION}
RP: Final = {"id": "example.com", "name": "Example"}
ASSERTION: Final = {
    "credId": KEY_ID,
    "clientData": _encoded({"type": "key.get", "challenge": CHALLENGE}),
    "signature": SIGNATURE,
}
PASSKEY_ASSERTION: Final = {
    "credId": KEY_ID,
    "clientData": _encoded({"type": "webauthn.get", "challenge": CHALLENGE, "origin": "https://example.com"}),
    "authenticatorData": "o3mm9u6vuaVeN4wRgDTidR5oL6ufLTCrE9ISVYbOGUcFAAAAAQ",
    "signature": SIGNATURE,
    "userHandle": encode_base64url(USER.encode()),
}
ATTESTATION: Final = {
    "credId": KEY_ID,
    "clientData": _encoded({"type": "key.create", "challenge": CHALLENGE}),
    "attestationData": _encoded({"publicKey": PUBLIC_KEY, "signature": "3045..."}),
}
PASSKEY_ATTESTATION: Final = {
    "credId": KEY_ID,
    "clientData": _encoded({"type": "webauthn.create", "challenge": CHALLENGE, "origin": "https://example.com"}),
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

REQUESTS: Final[Mapping[type[Serializer[Any]], Mapping[str, Example]]] = {
    login.LoginCodeBody: {"request": NAMES},
    login.LoginChallengeBody: {
        "with a code": {**NAMES, "loginCode": "1234-1234-1234-1234"},
        "without a code": NAMES,
        "without a name": {"orgId": ORGANIZATION},
    },
    browser.BrowserLoginBody: {"key": {**SIGNED, "next": "/wallets/"}, "passkey": SIGNED_BY_PASSKEY},
    login.LogoutBody: {"every session": {"allSessions": True}},
    shapes.SignedChallengeBody: {"key": SIGNED, "passkey": SIGNED_BY_PASSKEY, "two factors": SIGNED_BY_TWO},
    shapes.NewCredentialsBody: {
        "password-protected key": NEW_CREDENTIALS,
        "passkey": {"firstFactorCredential": NEW_PASSKEY},
    },
    registration.RegistrationChallengeBody: {"request": {**NAMES, "registrationCode": "A1B2-C3D4-E5F6-G7H8"}},
    credentials.CredentialChallengeBody: {"request": {"kind": "Key"}},
    credentials.CreateCredentialBody: {
        "key": {"challengeIdentifier": IDENTIFIER, "credentialName": "Laptop", **NEW_KEY},
        "passkey": {"challengeIdentifier": IDENTIFIER, "credentialName": "Phone", **NEW_PASSKEY},
        "password-protected key": {
            "challengeIdentifier": IDENTIFIER,
            "credentialName": "Browser",
            **NEW_PROTECTED_KEY,
        },
        "recovery key": {"challengeIdentifier": IDENTIFIER, "credentialName": "Paper", **NEW_RECOVERY_KEY},
    },
    credentials.CredentialUuidBody: {"request": {"credentialUuid": CREDENTIAL}},
    credentials.RenameCredentialBody: {"request": {"credentialUuid": CREDENTIAL, "credentialName": "Laptop"}},
    credentials.ReplaceKeyBody: {"request": {"credentialUuid": CREDENTIAL, "encryptedPrivateKey": ENVELOPE}},
    credential_codes.CredentialCodeBody: {
        "ISO 8601": {"expiration": "2026-11-23T07:05:06.773Z"},
        "Unix seconds": {"expiration": 1795417506},
    },
    credential_codes.CredentialChallengeWithCodeBody: {
        "request": {"code": "A1B2-C3D4-E5F6-G7H8-J9K0-M1N2", "credentialKind": "Key"}
    },
    sessions.EndSessionBody: {"request": {"sessionId": "42"}},
    user_actions.ActionChallengeBody: {
        "request": {
            "userActionPayload": json.dumps({"credentialUuid": CREDENTIAL}),
            "userActionHttpMethod": "PUT",
            "userActionHttpPath": "/auth/credentials/activate",
            "userActionServerKind": "Api",
        }
    },
    recovery.RecoveryChallengeBody: {
        "request": {**NAMES, "verificationCode": "1234-1234-1234-1234", "credentialId": KEY_ID}
    },
    recovery.RecoveryBody: {
        "request": {
            "recovery": {
                "kind": "RecoveryKey",
                "credentialAssertion": {
                    **ASSERTION,
                    "clientData": _encoded({"type": "key.get", "challenge": _encoded(NEW_CREDENTIALS)}),
                },
            },
            "newCredentials": NEW_CREDENTIALS,
        }
    },
    users.CreateUserBody: {"request": {"email": USERNAME, "kind": "CustomerEmployee"}},
}
REPLIES: Final[Mapping[type[replies.Reply], Mapping[str, Example]]] = {
    replies.MessageReply: {"reply": {"message": "success"}},
    login.TokenReply: {"reply": {"token": TOKEN}},
    browser.BrowserLoginReply: {"reply": {"next": "/wallets/"}},
    replies.SigningChallengeReply: {"with a code": SIGNING_CHALLENGE_WITH_CODE, "without a code": SIGNING_CHALLENGE},
    replies.RegistrationChallengeReply: {"reply": REGISTRATION_CHALLENGE},
    replies.CredentialChallengeReply: {
        "reply": {
            **CREATION_CHALLENGE,
            "kind": "Key",
            "challengeIdentifier": IDENTIFIER,
            "temporaryAuthenticationToken": IDENTIFIER,
        }
    },
    recovery.RecoveryChallengeReply: {
        "reply": {
            **REGISTRATION_CHALLENGE,
            "allowedRecoveryCredentials": [{"id": KEY_ID, "encryptedRecoveryKey": ENVELOPE}],
        }
    },
    replies.RegisteredReply: {
        "reply": {
            "credential": {
                "uuid": CREDENTIAL,
                "kind": "PasswordProtectedKey",
                "credentialKind": "PasswordProtectedKey",
                "name": "Default Credential",
            },
            "user": {"id": USER, "username": USERNAME, "orgId": ORGANIZATION},
            "loginChallenge": {**SIGNING_CHALLENGE, "allowCredentials": {"key": [], "webauthn": []}},
        }
    },
    credentials.CredentialReply: {"reply": LISTED_CREDENTIAL},
    credentials.CredentialListReply: {"reply": {"items": [LISTED_CREDENTIAL]}},
    credential_codes.CredentialCodeReply: {
        "reply": {"code": "A1B2-C3D4-E5F6-G7H8-J9K0-M1N2", "expiration": "2026-11-23T07:05:06.773Z"}
    },
    sessions.SessionListReply: {"reply": {"items": [LISTED_SESSION]}},
    sessions.ActivityReply: {
        "reply": {
            "items": [
                {
                    "kind": "session.opened",
                    "date": LISTED_SESSION["dateCreated"],
                    **SOMEWHERE,
                    "includes": [],
                    "credential": {"credentialUuid": CREDENTIAL, "kind": "Key", "name": "Default Credential"},
                    "byOperator": False,
                    "sessions": None,
                    "endedUserAgent": "",
                    "purpose": "",
                    "request": "",
                }
            ],
            "nextPageToken": "1795331106773000",
        }
    },
    events.AuditEventListReply: {"reply": {"items": [LISTED_EVENT], "nextPageToken": "1704"}},
    user_actions.UserActionReply: {"reply": {"userAction": TOKEN}},
    users.UserReply: {"reply": LISTED_USER},
    users.UserListReply: {"reply": {"items": [LISTED_USER], "nextPageToken": USER}},
    jwks.TokenKeysReply: {
        "reply": {
            "keys": [
                {
                    "kty": "EC",
                    "crv": "P-256",
                    "x": "NUGAh5-wjooWZb8lfG-Ljq5JYVeRJAKR7yE0se0jbz0",
                    "y": "qOZb9_6rMfa47gV9jvgszizyQxyUtSHi8BaWYS02gR4",
                    "kid": "2026-11-23",
                    "alg": "ES256",
                    "use": "sig",
                }
            ]
        }
    },
}
