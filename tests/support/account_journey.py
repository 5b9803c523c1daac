"""What follows a first sign-in: a browser, user actions, another password, another device, a recovery."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from dfns_login.testing.authenticators import opaque_envelope
from project.mailbox import Email
from tests.support.authenticators import Kind, Members, SoftwareKey, base64url, compact_json
from tests.support.live_project import Invitee, LiveProject, code_in, wait_for


@dataclass(frozen=True, kw_only=True)
class AccountJourney:
    """Somebody who has done all of it, and is signed in in a browser with these cookies."""

    person: Invitee
    envelopes: tuple[str, ...] = field(repr=False)
    shown_code: str = field(repr=False)
    cookies: dict[str, str] = field(repr=False)


def has_code(mail: Email) -> bool:
    """Whether it is the email of a code and not a notice."""
    return mail.text.rstrip("\n").rpartition("\n")[2].startswith("@")


def go_on(scene: LiveProject) -> AccountJourney:
    """Register with a recovery key, and do everything that an account's owner can do."""
    person = scene.invite()
    key = SoftwareKey.make(kind=Kind.PASSWORD_PROTECTED_KEY)
    recovery = replace(SoftwareKey.make(kind=Kind.RECOVERY_KEY), encrypted_private_key=opaque_envelope())
    changed, seen = opaque_envelope(), {person.registration_code}

    def code() -> str:
        def new() -> str | None:
            codes = [code_in(mail) for mail in scene.mails_to(person.email) if has_code(mail)]
            return next((each for each in codes if each not in seen), None)

        found = wait_for(new, what=lambda: "email with a new code")
        seen.add(found)
        return found

    opened = scene.post("/auth/registration/init", person.names | {"registrationCode": person.registration_code})
    new = {
        "firstFactorCredential": key.credential(opened["challenge"]),
        "recoveryCredential": recovery.credential(opened["challenge"]),
    }
    registered = scene.post("/auth/registration", new, bearer=opened["temporaryAuthenticationToken"])

    scene.post("/auth/login/code", person.names)
    opened = scene.post("/auth/login/init", person.names | {"loginCode": code()})
    token = scene.post("/auth/login", answered(opened, key))["token"]

    body = {"credentialUuid": registered["credential"]["uuid"], "encryptedPrivateKey": changed}
    signed(scene, key, token, "PUT", "/auth/credentials/key", body)
    until = (datetime.now(UTC) + timedelta(seconds=50)).isoformat()
    shown = signed(scene, key, token, "POST", "/auth/credentials/code", {"expiration": until})["code"]
    opened = scene.post("/auth/credentials/code/init", {"code": shown, "credentialKind": "Key"})
    added = SoftwareKey.make()
    body = {"challengeIdentifier": opened["challengeIdentifier"], **added.credential(opened["challenge"])}
    scene.post("/auth/credentials/code/verify", body | {"credentialName": "Another"})

    scene.post("/auth/recover/user/code", person.names)
    asked = {"verificationCode": code(), "credentialId": recovery.credential_id}
    opened = scene.post("/auth/recover/user/init", person.names | asked)
    fresh = SoftwareKey.make()
    new = {"firstFactorCredential": fresh.credential(opened["challenge"])}
    assertion = recovery.answer(base64url(compact_json(new).encode()))
    body = {"recovery": {"kind": "RecoveryKey", "credentialAssertion": assertion}, "newCredentials": new}
    scene.post("/auth/recover/user", body, bearer=opened["temporaryAuthenticationToken"])
    return AccountJourney(
        person=person,
        envelopes=(str(key.encrypted_private_key), str(recovery.encrypted_private_key), changed),
        shown_code=shown,
        cookies=sign_in_on_the_page(scene, person, fresh),
    )


def answered(opened: Members, key: SoftwareKey) -> Members:
    return {"challengeIdentifier": opened["challengeIdentifier"], "firstFactor": key.factor(opened["challenge"])}


def signed(scene: LiveProject, key: SoftwareKey, token: str, method: str, path: str, body: Any) -> Members:
    """Send the request with a user action for it."""
    asked = {"userActionPayload": json.dumps(body), "userActionHttpMethod": method, "userActionHttpPath": path}
    opened = scene.post("/auth/action/init", asked, bearer=token)
    action = scene.post("/auth/action", answered(opened, key), bearer=token)["userAction"]
    response = scene.call(method, path, body, bearer=token, headers={"X-DFNS-USERACTION": action})
    assert response.status_code == 200, response.text
    answer: Members = response.json()
    return answer


def sign_in_on_the_page(scene: LiveProject, person: Invitee, key: SoftwareKey, *, code: str = "") -> dict[str, str]:
    """Sign in as a browser does, and return its cookies. A password-protected key needs a code."""
    cookies = cookies_of(scene.http.get("/login/"))
    opened = scene.post("/auth/login/init", person.names | ({"loginCode": code} if code else {}))
    headers = {"Cookie": cookie_header(cookies), "X-CSRFToken": cookies["__Host-csrftoken"]}
    response = scene.http.post("/login/complete", json=answered(opened, key), headers=headers)
    assert response.status_code == 200, response.text
    return cookies | cookies_of(response)


def cookies_of(response: httpx.Response) -> dict[str, str]:
    """Return the cookies that a response sets. A client would keep none of them: they are for HTTPS only."""
    pairs = [each.partition(";")[0].strip().partition("=") for each in response.headers.get_list("Set-Cookie")]
    return {name: value for name, _, value in pairs}


def cookie_header(cookies: Mapping[str, str]) -> str:
    return "; ".join(f"{name}={value}" for name, value in cookies.items())
