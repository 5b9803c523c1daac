"""A way to provoke each documented refusal: the accepted request with one change."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from unittest.mock import patch

import jwt
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import OperationalError, connection
from django.http import HttpResponse
from django.test import override_settings

from dfns_login.api.parsing import BODY_LIMIT
from dfns_login.models import Account, CodePurpose, Credential
from dfns_login.proofs.challenges import spend_jti
from dfns_login.settings import DEFAULT_RATES
from tests.support.authenticators import Fault, Kind, SoftwareKey
from tests.support.factories import issue, make_person
from tests.support.openapi import requests
from tests.support.openapi.requests import ACCEPTED, Actors, ApiRequest, names, new_key, taken_key

FAULT = Fault.FLIPPED_BIT


def configured(**values: object) -> override_settings:
    return override_settings(DFNS_LOGIN={**settings.DFNS_LOGIN, **values})


def revealing() -> override_settings:
    return configured(REVEAL_UNKNOWN_USERS=True)


# Refusals that several operations share


def not_an_object(actors: Actors, request: ApiRequest) -> HttpResponse:
    changed = replace(request, data=b"[]")
    return actors.send(actors.sign(changed) if request.action else changed)


def too_large(actors: Actors, request: ApiRequest) -> HttpResponse:
    return actors.send(replace(request, data=request.data + b" " * (BODY_LIMIT + 1)))


def not_json(actors: Actors, request: ApiRequest) -> HttpResponse:
    return actors.send(replace(request, data=request.data or b"{}", content_type="text/plain"))


def without_token(actors: Actors, request: ApiRequest) -> HttpResponse:
    return actors.send(replace(request, bearer=""))


def without_user_action(actors: Actors, request: ApiRequest) -> HttpResponse:
    return actors.send(replace(request, action=""))


def twice(actors: Actors, request: ApiRequest) -> HttpResponse:
    assert actors.send(request).status_code == 200
    return actors.send(request)


def too_often(actors: Actors, request: ApiRequest) -> HttpResponse:
    with configured(RATES=dict.fromkeys(DEFAULT_RATES, ("1/h",))):
        actors.send(request)
        return actors.send(request)


def misconfigured(actors: Actors, request: ApiRequest) -> HttpResponse:
    with override_settings(DFNS_LOGIN={"NO_SUCH_SETTING": 1}):
        return actors.send(request)


def without_database(actors: Actors, request: ApiRequest) -> HttpResponse:
    def fail(*_: object) -> None:
        raise OperationalError

    with connection.execute_wrapper(fail):
        return actors.send(request)


def without_permission(actors: Actors, request: ApiRequest) -> HttpResponse:
    actors.user.user_permissions.clear()
    return actors.send(request)


def elsewhere(actors: Actors, request: ApiRequest) -> HttpResponse:
    changed = replace(request, path=request.path.replace(actors.invited.pk, "us-nobody"))
    return actors.send(actors.sign(changed) if request.action else changed)


def from_another_site(actors: Actors, request: ApiRequest) -> HttpResponse:
    """Send it with the session cookie of a browser, but without the CSRF token."""
    session = actors.send(ACCEPTED["completeBrowserLogin"](actors)).cookies[settings.SESSION_COOKIE_NAME]
    actors.client.cookies[settings.SESSION_COOKIE_NAME] = session.value
    actors.client.handler.enforce_csrf_checks = True
    try:
        return actors.send(replace(request, bearer=""))
    finally:
        actors.client.handler.enforce_csrf_checks = False


OF_ANY: dict[str, Callable[[Actors, ApiRequest], HttpResponse]] = {
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


# Refusals of one operation


def no_usable_credential(actors: Actors) -> HttpResponse:
    person = make_person(actors.organization, "kim@example.co", SoftwareKey.make(kind=Kind.RECOVERY_KEY))
    with revealing():
        return actors.send(
            actors.ask("POST", "/auth/login/init", {**person.names, "loginCode": issue(person.account.recipient)})
        )


def unknown_name(actors: Actors, path: str, **more: str) -> HttpResponse:
    with revealing():
        return actors.send(
            actors.ask("POST", path, {"username": "nobody@example.co", "orgId": actors.organization.pk, **more})
        )


def deactivated(actors: Actors, request: ApiRequest) -> HttpResponse:
    actors.user.is_active = False
    actors.user.save()
    return actors.send(request)


def locked(actors: Actors, operation: str) -> HttpResponse:
    """As if the owner had locked the account after a stranger added its credentials."""
    request, tomorrow = ACCEPTED[operation](actors), datetime.now(UTC) + timedelta(days=1)
    Account.objects.update(locked_until=tomorrow)
    Credential.objects.update(unlocks_from=tomorrow)
    return actors.send(request)


def waiting(actors: Actors) -> HttpResponse:
    with configured(RECOVERY_WAIT=timedelta(days=1)):
        return actors.send(ACCEPTED["createRecoveryChallenge"](actors))


def waiting_to_complete(actors: Actors) -> HttpResponse:
    """As if recoveries had to wait since this one was opened, and it was begun again."""
    request = ACCEPTED["recover"](actors)
    assert waiting(actors).status_code == 400
    with configured(RECOVERY_WAIT=timedelta(days=1)):
        return actors.send(request)


def lapsed_registration_code(actors: Actors) -> HttpResponse:
    two_days_ago = datetime.now(UTC) - timedelta(days=2)
    code = issue(actors.invited.recipient, purpose=CodePurpose.REGISTRATION, now=two_days_ago)
    with revealing():
        return actors.send(
            actors.ask("POST", "/auth/registration/init", {**names(actors.invited), "registrationCode": code})
        )


def registered_already(actors: Actors) -> HttpResponse:
    with revealing():
        return actors.send(
            actors.ask("POST", "/auth/registration/init", {**actors.person.names, "registrationCode": "0000"})
        )


def without_user(actors: Actors, request: ApiRequest) -> HttpResponse:
    """Send the request once every name is taken that a user of the invited account could have."""
    for name in (actors.invited.username, actors.invited.pk):
        get_user_model().objects.get_or_create(username=name)
    return actors.send(request)


def wrong_code(path: str, member: str, **more: str) -> Callable[[Actors], HttpResponse]:
    return lambda actors: actors.send(actors.ask("POST", path, {**actors.person.names, **more, member: "0000-0000"}))


def wrong_challenge(actors: Actors, request: ApiRequest, key: SoftwareKey) -> HttpResponse:
    """Send the request with a challenge that was never opened."""
    foreign = {"challenge": "AAAA", "challengeIdentifier": "no-such-challenge"}
    is_creation = "credentials" in request.path
    body = requests.creation(foreign, key) if is_creation else requests.answered(key, foreign)
    changed = actors.ask(request.method, request.path, body, bearer=request.bearer)
    return actors.send(actors.sign(changed) if request.action else changed)


def of_credential(actors: Actors, name: str, uuid: str) -> HttpResponse:
    return actors.send(actors.signed("PUT", f"/auth/credentials/{name}", {"credentialUuid": uuid}))


def last_first_factor(actors: Actors) -> HttpResponse:
    assert actors.send(ACCEPTED["deactivateCredential"](actors)).status_code == 200
    return of_credential(actors, "deactivate", actors.uuid(actors.person.key))


def without_room(actors: Actors, request: ApiRequest) -> HttpResponse:
    """As if accounts might have as many credentials as this one has."""
    if request.path.endswith("/activate"):
        deactivated = actors.person.account.credentials.get(pk=actors.uuid(actors.person.keys[2]))
        request = actors.signed("PUT", request.path, {"credentialUuid": deactivated.pk})
        deactivated.active = False
        deactivated.save()
    with patch("dfns_login.ceremonies.credential_changes.MOST_USABLE", 1):
        return actors.send(request)


def deactivated_twice(actors: Actors) -> HttpResponse:
    """Deactivating an inactive credential does nothing, but uses up the user action."""
    actors.person.account.credentials.filter(pk=actors.uuid(actors.person.keys[2])).update(active=False)
    return twice(actors, ACCEPTED["deactivateCredential"](actors))


def replaced_meanwhile(actors: Actors) -> HttpResponse:
    """As if a concurrent request had used up the user action."""
    request = ACCEPTED["replaceCredentialKey"](actors)
    claims = jwt.decode(request.action, options={"verify_signature": False})
    spend_jti(claims["jti"], expires_at=datetime.fromtimestamp(claims["exp"], UTC))
    return actors.send(request)


OF_ONE: dict[tuple[str, str], Callable[[Actors], HttpResponse]] = {
    ("createLoginChallenge", "invalid_code"): wrong_code("/auth/login/init", "loginCode"),
    ("createLoginChallenge", "user_not_found"): lambda actors: unknown_name(actors, "/auth/login/init"),
    ("createLoginChallenge", "no_usable_credential"): no_usable_credential,
    ("login", "invalid_challenge"): lambda actors: wrong_challenge(actors, ACCEPTED["login"](actors), new_key()),
    ("login", "account_deactivated"): lambda actors: deactivated(actors, ACCEPTED["login"](actors)),
    ("login", "account_locked"): lambda actors: locked(actors, "login"),
    ("login", "not_authorized"): lambda actors: actors.send(requests.login(actors, FAULT)),
    ("completeBrowserLogin", "invalid_challenge"): lambda actors: wrong_challenge(
        actors, ACCEPTED["completeBrowserLogin"](actors), new_key()
    ),
    ("completeBrowserLogin", "account_deactivated"): lambda actors: deactivated(
        actors, ACCEPTED["completeBrowserLogin"](actors)
    ),
    ("completeBrowserLogin", "account_locked"): lambda actors: locked(actors, "completeBrowserLogin"),
    ("completeBrowserLogin", "not_authorized"): lambda actors: actors.send(requests.browser_login(actors, FAULT)),
    ("createRegistrationChallenge", "invalid_code"): wrong_code("/auth/registration/init", "registrationCode"),
    ("createRegistrationChallenge", "registration_code_expired"): lapsed_registration_code,
    ("createRegistrationChallenge", "user_not_found"): lambda actors: unknown_name(
        actors, "/auth/registration/init", registrationCode="0000"
    ),
    ("createRegistrationChallenge", "user_exists"): registered_already,
    ("createRegistrationChallenge", "user_unavailable"): lambda actors: without_user(
        actors, ACCEPTED["createRegistrationChallenge"](actors)
    ),
    ("register", "user_unavailable"): lambda actors: without_user(actors, ACCEPTED["register"](actors)),
    ("register", "invalid_credential"): lambda actors: actors.send(requests.register(actors, new_key(), FAULT)),
    ("register", "credential_id_taken"): lambda actors: actors.send(requests.register(actors, taken_key(actors))),
    ("createCredential", "invalid_challenge"): lambda actors: wrong_challenge(
        actors, ACCEPTED["createCredential"](actors), new_key()
    ),
    ("createCredential", "invalid_credential"): lambda actors: actors.send(
        requests.create_credential(actors, new_key(), FAULT)
    ),
    ("createCredential", "credential_id_taken"): lambda actors: actors.send(
        requests.create_credential(actors, taken_key(actors))
    ),
    ("createCredential", "too_many_credentials"): lambda actors: without_room(
        actors, ACCEPTED["createCredential"](actors)
    ),
    ("createCredentialWithCode", "too_many_credentials"): lambda actors: without_room(
        actors, ACCEPTED["createCredentialWithCode"](actors)
    ),
    ("activateCredential", "too_many_credentials"): lambda actors: without_room(
        actors, ACCEPTED["activateCredential"](actors)
    ),
    ("activateCredential", "not_found"): lambda actors: of_credential(actors, "activate", "cr-nobody"),
    ("deactivateCredential", "not_found"): lambda actors: of_credential(actors, "deactivate", "cr-nobody"),
    ("deactivateCredential", "last_credential"): last_first_factor,
    ("deactivateCredential", "user_action_used"): deactivated_twice,
    ("renameCredential", "not_found"): lambda actors: actors.send(requests.rename(actors, "cr-nobody")),
    ("replaceCredentialKey", "not_found"): lambda actors: actors.send(requests.replace_key(actors, "cr-nobody")),
    ("replaceCredentialKey", "invalid_credential"): lambda actors: actors.send(
        requests.replace_key(actors, actors.uuid(actors.person.key), "in clear")
    ),
    ("replaceCredentialKey", "user_action_used"): replaced_meanwhile,
    ("endSession", "not_found"): lambda actors: actors.send(requests.end_session(actors, "0")),
    ("listActivity", "invalid_request"): lambda actors: actors.send(
        actors.as_operator("GET", "/auth/activity?limit=0")
    ),
    ("listEvents", "invalid_request"): lambda actors: actors.send(actors.as_operator("GET", "/auth/events?limit=0")),
    ("createCredentialChallengeWithCode", "invalid_code"): wrong_code(
        "/auth/credentials/code/init", "code", credentialKind="Key"
    ),
    ("createCredentialWithCode", "invalid_challenge"): lambda actors: wrong_challenge(
        actors, ACCEPTED["createCredentialWithCode"](actors), new_key()
    ),
    ("createCredentialWithCode", "invalid_credential"): lambda actors: actors.send(
        requests.create_credential_with_code(actors, new_key(), FAULT)
    ),
    ("createCredentialWithCode", "credential_id_taken"): lambda actors: actors.send(
        requests.create_credential_with_code(actors, taken_key(actors))
    ),
    ("createUserActionSignature", "invalid_challenge"): lambda actors: wrong_challenge(
        actors, ACCEPTED["createUserActionSignature"](actors), new_key()
    ),
    ("createRecoveryChallenge", "invalid_code"): wrong_code(
        "/auth/recover/user/init", "verificationCode", credentialId="AAAA"
    ),
    ("createRecoveryChallenge", "not_a_recovery_credential"): lambda actors: actors.send(
        actors.ask("POST", "/auth/recover/user/init", requests.recovery_init(actors, actors.person.key))
    ),
    ("recover", "invalid_credential"): lambda actors: actors.send(requests.recover(actors, new_key(), FAULT)),
    ("recover", "credential_id_taken"): lambda actors: actors.send(requests.recover(actors, taken_key(actors))),
    ("createRecoveryChallenge", "recovery_waiting"): waiting,
    ("recover", "recovery_waiting"): waiting_to_complete,
    ("recover", "account_locked"): lambda actors: locked(actors, "recover"),
    ("listUsers", "invalid_request"): lambda actors: actors.send(actors.as_operator("GET", "/auth/users?limit=0")),
    ("createUser", "user_exists"): lambda actors: actors.send(
        actors.signed("POST", "/auth/users", {"email": "jane@example.co", "kind": "EndUser"})
    ),
}


def provoke(actors: Actors, operation: str, code: str) -> HttpResponse:
    """Send a request that the operation refuses with this code."""
    of_one = OF_ONE.get((operation, code))
    return of_one(actors) if of_one else OF_ANY[code](actors, ACCEPTED[operation](actors))
