"""A way to provoke each refusal that the document names: the accepted request, changed in one thing."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import jwt
from django.conf import settings
from django.db import OperationalError, connection
from django.http import HttpResponse
from django.test import override_settings

from dfns_login.api.parsing import BODY_LIMIT
from dfns_login.models import CodePurpose
from dfns_login.proofs.challenges import spend_jti
from dfns_login.settings import DEFAULT_RATES
from tests.support.authenticators import Fault, Kind, SoftwareKey
from tests.support.factories import issue, make_person
from tests.support.openapi import requests
from tests.support.openapi.requests import ACCEPTED, Asked, Scene, names, new_key, taken_key

FAULT = Fault.FLIPPED_BIT


def configured(**values: object) -> override_settings:
    return override_settings(DFNS_LOGIN={**settings.DFNS_LOGIN, **values})


def revealing() -> override_settings:
    return configured(REVEAL_UNKNOWN_USERS=True)


# What any operation is refused for


def not_an_object(scene: Scene, asked: Asked) -> HttpResponse:
    changed = replace(asked, data=b"[]")
    return scene.send(scene.sign(changed) if asked.action else changed)


def too_large(scene: Scene, asked: Asked) -> HttpResponse:
    return scene.send(replace(asked, data=asked.data + b" " * (BODY_LIMIT + 1)))


def not_json(scene: Scene, asked: Asked) -> HttpResponse:
    return scene.send(replace(asked, data=asked.data or b"{}", content_type="text/plain"))


def without_token(scene: Scene, asked: Asked) -> HttpResponse:
    return scene.send(replace(asked, bearer=""))


def without_user_action(scene: Scene, asked: Asked) -> HttpResponse:
    return scene.send(replace(asked, action=""))


def twice(scene: Scene, asked: Asked) -> HttpResponse:
    assert scene.send(asked).status_code == 200
    return scene.send(asked)


def too_often(scene: Scene, asked: Asked) -> HttpResponse:
    with configured(RATES=dict.fromkeys(DEFAULT_RATES, ("1/h",))):
        scene.send(asked)
        return scene.send(asked)


def misconfigured(scene: Scene, asked: Asked) -> HttpResponse:
    with override_settings(DFNS_LOGIN={"NO_SUCH_SETTING": 1}):
        return scene.send(asked)


def without_database(scene: Scene, asked: Asked) -> HttpResponse:
    def fail(*_: object) -> None:
        raise OperationalError

    with connection.execute_wrapper(fail):
        return scene.send(asked)


def without_permission(scene: Scene, asked: Asked) -> HttpResponse:
    scene.user.user_permissions.clear()
    return scene.send(asked)


def elsewhere(scene: Scene, asked: Asked) -> HttpResponse:
    changed = replace(asked, path=asked.path.replace(scene.invited.pk, "us-nobody"))
    return scene.send(scene.sign(changed) if asked.action else changed)


def from_another_site(scene: Scene, asked: Asked) -> HttpResponse:
    """By the cookie of a browser that has signed in, and without what only our own pages can read."""
    session = scene.send(ACCEPTED["completeBrowserLogin"](scene)).cookies[settings.SESSION_COOKIE_NAME]
    scene.client.cookies[settings.SESSION_COOKIE_NAME] = session.value
    scene.client.handler.enforce_csrf_checks = True
    try:
        return scene.send(replace(asked, bearer=""))
    finally:
        scene.client.handler.enforce_csrf_checks = False


OF_ANY: dict[str, Callable[[Scene, Asked], HttpResponse]] = {
    "invalid_request": not_an_object,
    "body_too_large": too_large,
    "unsupported_media_type": not_json,
    "not_authorized": without_token,
    "user_action_refused": without_user_action,
    "user_action_used": twice,
    "too_many_requests": too_often,
    "internal_error": misconfigured,
    "service_unavailable": without_database,
    "not_permitted": without_permission,
    "csrf": from_another_site,
    "not_found": elsewhere,
}


# What one operation is refused for


def no_usable_credential(scene: Scene) -> HttpResponse:
    person = make_person(scene.organization, "kim@example.co", SoftwareKey.make(kind=Kind.RECOVERY_KEY))
    with revealing():
        return scene.send(
            scene.ask("POST", "/auth/login/init", {**person.names, "loginCode": issue(person.account.recipient)})
        )


def unknown_name(scene: Scene, path: str, **more: str) -> HttpResponse:
    with revealing():
        return scene.send(
            scene.ask("POST", path, {"username": "nobody@example.co", "orgId": scene.organization.pk, **more})
        )


def deactivated(scene: Scene, asked: Asked) -> HttpResponse:
    scene.user.is_active = False
    scene.user.save()
    return scene.send(asked)


def lapsed_registration_code(scene: Scene) -> HttpResponse:
    two_days_ago = datetime.now(UTC) - timedelta(days=2)
    code = issue(scene.invited.recipient, purpose=CodePurpose.REGISTRATION, now=two_days_ago)
    with revealing():
        return scene.send(
            scene.ask("POST", "/auth/registration/init", {**names(scene.invited), "registrationCode": code})
        )


def registered_already(scene: Scene) -> HttpResponse:
    with revealing():
        return scene.send(
            scene.ask("POST", "/auth/registration/init", {**scene.person.names, "registrationCode": "0000"})
        )


def wrong_code(path: str, member: str, **more: str) -> Callable[[Scene], HttpResponse]:
    return lambda scene: scene.send(scene.ask("POST", path, {**scene.person.names, **more, member: "0000-0000"}))


def wrong_challenge(scene: Scene, asked: Asked, key: SoftwareKey) -> HttpResponse:
    """The same request, answering a challenge that nobody has opened."""
    foreign = {"challenge": "AAAA", "challengeIdentifier": "no-such-challenge"}
    is_creation = "credentials" in asked.path
    body = requests.creation(foreign, key) if is_creation else requests.answered(key, foreign)
    changed = scene.ask(asked.method, asked.path, body, bearer=asked.bearer)
    return scene.send(scene.sign(changed) if asked.action else changed)


def of_credential(scene: Scene, name: str, uuid: str) -> HttpResponse:
    return scene.send(scene.signed("PUT", f"/auth/credentials/{name}", {"credentialUuid": uuid}))


def last_first_factor(scene: Scene) -> HttpResponse:
    assert scene.send(ACCEPTED["deactivateCredential"](scene)).status_code == 200
    return of_credential(scene, "deactivate", scene.uuid(scene.person.key))


def deactivated_twice(scene: Scene) -> HttpResponse:
    """Nothing happens where a credential is not active already, and the user action is spent."""
    scene.person.account.credentials.filter(pk=scene.uuid(scene.person.keys[2])).update(active=False)
    return twice(scene, ACCEPTED["deactivateCredential"](scene))


def replaced_meanwhile(scene: Scene) -> HttpResponse:
    """The same request came twice at once: the other one has spent the user action."""
    asked = ACCEPTED["replaceCredentialKey"](scene)
    claims = jwt.decode(asked.action, options={"verify_signature": False})
    spend_jti(claims["jti"], expires_at=datetime.fromtimestamp(claims["exp"], UTC))
    return scene.send(asked)


OF_ONE: dict[tuple[str, str], Callable[[Scene], HttpResponse]] = {
    ("createLoginChallenge", "invalid_code"): wrong_code("/auth/login/init", "loginCode"),
    ("createLoginChallenge", "user_not_found"): lambda scene: unknown_name(scene, "/auth/login/init"),
    ("createLoginChallenge", "no_usable_credential"): no_usable_credential,
    ("login", "invalid_challenge"): lambda scene: wrong_challenge(scene, ACCEPTED["login"](scene), new_key()),
    ("login", "account_deactivated"): lambda scene: deactivated(scene, ACCEPTED["login"](scene)),
    ("login", "not_authorized"): lambda scene: scene.send(requests.login(scene, FAULT)),
    ("completeBrowserLogin", "invalid_challenge"): lambda scene: wrong_challenge(
        scene, ACCEPTED["completeBrowserLogin"](scene), new_key()
    ),
    ("completeBrowserLogin", "account_deactivated"): lambda scene: deactivated(
        scene, ACCEPTED["completeBrowserLogin"](scene)
    ),
    ("completeBrowserLogin", "not_authorized"): lambda scene: scene.send(requests.browser_login(scene, FAULT)),
    ("createRegistrationChallenge", "invalid_code"): wrong_code("/auth/registration/init", "registrationCode"),
    ("createRegistrationChallenge", "registration_code_expired"): lapsed_registration_code,
    ("createRegistrationChallenge", "user_not_found"): lambda scene: unknown_name(
        scene, "/auth/registration/init", registrationCode="0000"
    ),
    ("createRegistrationChallenge", "user_exists"): registered_already,
    ("register", "invalid_credential"): lambda scene: scene.send(requests.register(scene, new_key(), FAULT)),
    ("register", "credential_id_taken"): lambda scene: scene.send(requests.register(scene, taken_key(scene))),
    ("createCredential", "invalid_challenge"): lambda scene: wrong_challenge(
        scene, ACCEPTED["createCredential"](scene), new_key()
    ),
    ("createCredential", "invalid_credential"): lambda scene: scene.send(
        requests.create_credential(scene, new_key(), FAULT)
    ),
    ("createCredential", "credential_id_taken"): lambda scene: scene.send(
        requests.create_credential(scene, taken_key(scene))
    ),
    ("activateCredential", "not_found"): lambda scene: of_credential(scene, "activate", "cr-nobody"),
    ("deactivateCredential", "not_found"): lambda scene: of_credential(scene, "deactivate", "cr-nobody"),
    ("deactivateCredential", "last_credential"): last_first_factor,
    ("deactivateCredential", "user_action_used"): deactivated_twice,
    ("renameCredential", "not_found"): lambda scene: scene.send(requests.rename(scene, "cr-nobody")),
    ("replaceCredentialKey", "not_found"): lambda scene: scene.send(requests.replace_key(scene, "cr-nobody")),
    ("replaceCredentialKey", "invalid_credential"): lambda scene: scene.send(
        requests.replace_key(scene, scene.uuid(scene.person.key), "in clear")
    ),
    ("replaceCredentialKey", "user_action_used"): replaced_meanwhile,
    ("endSession", "not_found"): lambda scene: scene.send(requests.end_session(scene, "0")),
    ("listActivity", "invalid_request"): lambda scene: scene.send(scene.as_operator("GET", "/auth/activity?limit=0")),
    ("createCredentialChallengeWithCode", "invalid_code"): wrong_code(
        "/auth/credentials/code/init", "code", credentialKind="Key"
    ),
    ("createCredentialWithCode", "invalid_challenge"): lambda scene: wrong_challenge(
        scene, ACCEPTED["createCredentialWithCode"](scene), new_key()
    ),
    ("createCredentialWithCode", "invalid_credential"): lambda scene: scene.send(
        requests.create_credential_with_code(scene, new_key(), FAULT)
    ),
    ("createCredentialWithCode", "credential_id_taken"): lambda scene: scene.send(
        requests.create_credential_with_code(scene, taken_key(scene))
    ),
    ("createUserActionSignature", "invalid_challenge"): lambda scene: wrong_challenge(
        scene, ACCEPTED["createUserActionSignature"](scene), new_key()
    ),
    ("createRecoveryChallenge", "invalid_code"): wrong_code(
        "/auth/recover/user/init", "verificationCode", credentialId="AAAA"
    ),
    ("createRecoveryChallenge", "not_a_recovery_credential"): lambda scene: scene.send(
        scene.ask("POST", "/auth/recover/user/init", requests.recovery_init(scene, scene.person.key))
    ),
    ("recover", "invalid_credential"): lambda scene: scene.send(requests.recover(scene, new_key(), FAULT)),
    ("recover", "credential_id_taken"): lambda scene: scene.send(requests.recover(scene, taken_key(scene))),
    ("listUsers", "invalid_request"): lambda scene: scene.send(scene.as_operator("GET", "/auth/users?limit=0")),
    ("createUser", "user_exists"): lambda scene: scene.send(
        scene.signed("POST", "/auth/users", {"email": "jane@example.co", "kind": "EndUser"})
    ),
}


def provoke(scene: Scene, operation: str, code: str) -> HttpResponse:
    """The operation's answer to a request that is to be refused with this code."""
    of_one = OF_ONE.get((operation, code))
    return of_one(scene) if of_one else OF_ANY[code](scene, ACCEPTED[operation](scene))
