"""The arguments for each endpoint, for its success and one refusal, and the endpoints that we do not serve."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from tests.support.authenticators import SoftwareKey
from tests.support.conformance.methods import Endpoint
from tests.support.conformance.official import Arguments
from tests.support.conformance.stage import AN_ACTION, Stage, another_private_key, in_seconds, recovery_body

NOT_SERVED: Final[Mapping[str, str]] = {
    "* /auth/action/logs": "audit logs",
    "* /auth/apps": "applications",
    "* /auth/login/delegated": "delegated login",
    "* /auth/login/oidc": "OIDC login",
    "* /auth/login/social": "social login",
    "* /auth/login/sso": "SSO login",
    "* /auth/pats": "personal access tokens",
    "* /auth/recover/user/delegated": "delegated recovery",
    "* /auth/registration/delegated": "delegated registration",
    "* /auth/registration/enduser": "registration with wallets",
    "* /auth/registration/social": "social registration",
    "* /auth/service-accounts": "service accounts",
    "* /auth/tokens": "exchange of access tokens",
    "* /auth/user-groups": "user groups",
    "DELETE /auth/credentials/:credentialUuid": "deletion of credentials",
    "POST /auth/users/invite": "invitation to several organizations",
    "PUT /auth/users/:userId": "single sign-on, required of a user",
}
"""Reasons by endpoint. `*` stands for every method, and includes all paths below."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """The arguments for an endpoint. Those for the refusal have one change."""

    success: Callable[[Stage], Arguments]
    refusal: Callable[[Stage], Arguments]


def reason_not_served(endpoint: Endpoint) -> str | None:
    for known, reason in NOT_SERVED.items():
        verb, path = known.split(" ")
        below = verb == "*" and endpoint.path.startswith(f"{path}/")
        if below or (endpoint.path == path and verb in {"*", endpoint.verb}):
            return reason
    return None


def _registration(stage: Stage) -> Arguments:
    body, token = stage.registration()
    return Arguments(body=body, token=token)


def _recovery(stage: Stage) -> Arguments:
    recovery = stage.recovery()
    return Arguments(body=recovery.body(), token=recovery.temporary_token)


def _by_jane(stage: Stage, **given: Mapping[str, str]) -> Arguments:
    return Arguments(**given, token=stage.jane.token, key=stage.jane.key)  # type: ignore[arg-type]


def _jane_adds(stage: Stage, key: SoftwareKey) -> Arguments:
    return _by_jane(stage, body=stage.credential(stage.credential_challenge(), key))


def _last_credential(stage: Stage) -> Arguments:
    somebody = stage.regular()
    return Arguments(body={"credentialUuid": somebody.credential_uuid}, token=somebody.token, key=somebody.key)


def _on_account(stage: Stage) -> Arguments:
    return Arguments(path={"userId": stage.account()}, token=stage.operator.token, key=stage.operator.key)


def _on_account_by_jane(stage: Stage) -> Arguments:
    return _by_jane(stage, path={"userId": stage.operator.account_id})


def _invitation(stage: Stage, email: str) -> Arguments:
    body = {"email": email, "kind": "CustomerEmployee"}
    return Arguments(body=body, token=stage.operator.token, key=stage.operator.key)


def _presenting(stage: Stage) -> Arguments:
    """Register with the emailed code."""
    person = stage.invited()
    return Arguments(body=person.names | {"registrationCode": person.registration_code}, key=SoftwareKey.make())


def _with_code(stage: Stage) -> Arguments:
    asked = {"code": stage.credential_code(), "credentialKind": "Key"}
    challenge = stage.scene.post("/auth/credentials/code/init", asked)
    return Arguments(body=stage.credential(challenge, SoftwareKey.make()))


NOBODY: Final = {"orgId": "or-1"}
WRONG_CODE: Final = "0000-0000-0000-0000"
WRONG_CREDENTIAL_CODE: Final = "AAAA-AAAA-AAAA-AAAA-AAAA-AAAA"
_NAMED: Final = Call(
    success=lambda stage: Arguments(body=stage.regular().names), refusal=lambda _: Arguments(body=dict(NOBODY))
)
_ACCOUNT: Final = Call(success=_on_account, refusal=_on_account_by_jane)

CALLS: Final[Mapping[str, Call]] = {
    "POST /auth/login/code": _NAMED,
    "POST /auth/login/init": Call(
        success=lambda stage: Arguments(body=stage.regular().names),
        refusal=lambda stage: Arguments(body={**stage.regular().names, "loginCode": WRONG_CODE}),
    ),
    "POST /auth/login": Call(
        success=lambda stage: Arguments(body=stage.login_answer(stage.regular())),
        refusal=lambda stage: Arguments(
            body=stage.login_answer(somebody := stage.regular(), key=another_private_key(somebody.key))
        ),
    ),
    "PUT /auth/logout": Call(
        success=lambda stage: Arguments(body={"allSessions": False}, token=stage.fresh_token()),
        refusal=lambda stage: Arguments(body={"allSessions": False}, token=stage.dead_token),
    ),
    "PUT /auth/registration/code": _NAMED,
    "POST /auth/registration/init": Call(
        success=_presenting,
        refusal=lambda stage: Arguments(
            body=stage.invited().names | {"registrationCode": WRONG_CODE}, key=SoftwareKey.make()
        ),
    ),
    "POST /auth/registration": Call(
        success=_registration,
        refusal=lambda stage: Arguments(
            body={"firstFactorCredential": SoftwareKey.make().credential("c")}, token=stage.jane.token
        ),
    ),
    "GET /auth/credentials": Call(
        success=lambda stage: Arguments(token=stage.jane.token), refusal=lambda stage: Arguments(token=stage.dead_token)
    ),
    "POST /auth/credentials/init": Call(
        success=lambda stage: Arguments(body={"kind": "Key"}, token=stage.jane.token),
        refusal=lambda stage: Arguments(body={"kind": "Password"}, token=stage.jane.token),
    ),
    "POST /auth/credentials": Call(
        success=lambda stage: _jane_adds(stage, SoftwareKey.make()),
        refusal=lambda stage: _jane_adds(stage, stage.jane.key),
    ),
    "PUT /auth/credentials/activate": Call(
        success=lambda stage: _by_jane(stage, body={"credentialUuid": stage.spare_credential()}),
        refusal=lambda stage: _by_jane(stage, body={"credentialId": stage.jane.key.credential_id}),
    ),
    "PUT /auth/credentials/deactivate": Call(
        success=lambda stage: _by_jane(stage, body={"credentialUuid": stage.spare_credential()}),
        refusal=_last_credential,
    ),
    "POST /auth/credentials/code": Call(
        success=lambda stage: _by_jane(stage, body={"expiration": in_seconds(50)}),
        refusal=lambda stage: _by_jane(stage, body={"expiration": in_seconds(-1)}),
    ),
    "POST /auth/credentials/code/init": Call(
        success=lambda stage: Arguments(body={"code": stage.credential_code(), "credentialKind": "Key"}),
        refusal=lambda _: Arguments(body={"code": WRONG_CREDENTIAL_CODE, "credentialKind": "Key"}),
    ),
    "POST /auth/credentials/code/verify": Call(
        success=_with_code,
        refusal=lambda stage: Arguments(body=stage.credential(stage.credential_challenge(), SoftwareKey.make())),
    ),
    "POST /auth/action/init": Call(
        success=lambda stage: Arguments(body=AN_ACTION, token=stage.jane.token),
        refusal=lambda stage: Arguments(body=AN_ACTION, token=stage.dead_token),
    ),
    "POST /auth/action": Call(
        success=lambda stage: Arguments(body=stage.action_answer(stage.jane), token=stage.jane.token),
        refusal=lambda stage: Arguments(
            body=stage.action_answer(stage.jane, key=another_private_key(stage.jane.key)), token=stage.jane.token
        ),
    ),
    "POST /auth/recover/user/code": _NAMED,
    "POST /auth/recover/user/init": Call(
        success=lambda stage: Arguments(body=stage.recovery_request()[1]),
        refusal=lambda stage: Arguments(
            body={
                **stage.jane.names,
                "verificationCode": WRONG_CODE,
                "credentialId": stage.jane.recovery_key.credential_id,
            }
        ),
    ),
    "POST /auth/recover/user": Call(
        success=_recovery,
        refusal=lambda stage: Arguments(body=recovery_body("c", by=stage.jane.recovery_key), token=stage.jane.token),
    ),
    "POST /auth/users": Call(
        success=lambda stage: _invitation(stage, stage.scene.new_email()),
        refusal=lambda stage: _invitation(stage, stage.jane.person.email),
    ),
    "GET /auth/users": Call(
        success=lambda stage: Arguments(query={"limit": 2, "kind": "CustomerEmployee"}, token=stage.operator.token),
        refusal=lambda stage: Arguments(query={"limit": 2}, token=stage.jane.token),
    ),
    "GET /auth/users/:userId": _ACCOUNT,
    "PUT /auth/users/:userId/activate": _ACCOUNT,
    "PUT /auth/users/:userId/deactivate": _ACCOUNT,
    "DELETE /auth/users/:userId": _ACCOUNT,
}

AUTHENTICATOR_CALLS: Final[Mapping[str, Call]] = {
    "login": Call(
        success=lambda stage: Arguments(body=(somebody := stage.regular()).names, key=somebody.key),
        refusal=lambda stage: Arguments(
            body=(somebody := stage.regular()).names, key=another_private_key(somebody.key)
        ),
    ),
    "register": CALLS["POST /auth/registration/init"],
}
"""Calls of `DfnsAuthenticator`, of two requests each. The second refuses the login, the first the registration."""
