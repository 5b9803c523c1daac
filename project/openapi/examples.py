"""Examples of requests and replies, by their shapes."""

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
from project.openapi.sample_values import (
    ASSERTION,
    CREATION_CHALLENGE,
    CREDENTIAL,
    ENVELOPE,
    IDENTIFIER,
    KEY_ID,
    LISTED_CREDENTIAL,
    LISTED_EVENT,
    LISTED_SESSION,
    LISTED_USER,
    NAMES,
    NEW_CREDENTIALS,
    NEW_KEY,
    NEW_PASSKEY,
    NEW_PROTECTED_KEY,
    NEW_RECOVERY_KEY,
    ORGANIZATION,
    REGISTRATION_CHALLENGE,
    SIGNED,
    SIGNED_BY_PASSKEY,
    SIGNED_BY_TWO,
    SIGNING_CHALLENGE,
    SIGNING_CHALLENGE_WITH_CODE,
    SOMEWHERE,
    TOKEN,
    USER,
    USERNAME,
    Example,
    encoded,
)

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
                    "clientData": encoded({"type": "key.get", "challenge": encoded(NEW_CREDENTIALS)}),
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
            "nextPageToken": "1795331106773000-1704",
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
