"""One account and its requests: each is a step for a lane, and says what it issued, opened or voided."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from django.db import transaction
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from dfns_login.audit import record_event
from dfns_login.ceremonies.credential_changes import deactivate_credential
from dfns_login.ceremonies.lockdown import lock_down, unlock_account
from dfns_login.ceremonies.notices import notify_owner
from dfns_login.ceremonies.operators import (
    Operator,
    deactivate_account,
    deactivate_organization,
    reactivate_account,
    reactivate_organization,
    revoke_code,
)
from dfns_login.models import Account, AuditKind, Credential, OneTimeCode, Organization
from dfns_login.proofs import derive_code, lock_token
from dfns_login.purge import close_expired_codes, purge
from dfns_login.settings import login_settings
from dfns_login.testing.authenticators import opaque_envelope
from tests.support.authenticators import Kind, SoftwareKey, base64url, compact_json
from tests.support.factories import SOMEWHERE, Person, make_credential, make_person
from tests.support.interleaving import HeldBody, Run, next_number
from tests.support.voiding_model import Act, History, Opening, Thing

CODES: Final = OneTimeCode._meta.db_table
OPERATOR: Final = Operator(requester=SOMEWHERE)
ACTION_LIFETIME: Final = timedelta(minutes=5)
KINDS: Final = (Kind.KEY, Kind.PASSWORD_PROTECTED_KEY, Kind.RECOVERY_KEY)
TARGETS: Final = ("rename", "password", "show code", "add")
"""What a user action is signed for."""

Pick = Callable[[str], Thing]
"""Chooses one of the things of a kind. Raises LookupError if there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A request, and what follows if it is accepted: a function of its run and of its answer."""

    call: Callable[[], Any]
    accepted: Callable[[Run, Any], object]


def request(method: str, path: str, body: Any = None, *, bearer: str = "", action: str = "") -> Callable[[], Any]:
    """Return a request through all middleware, whose body the lane can hold back."""
    data = b"" if body is None else json.dumps(body).encode()
    headers: dict[str, Any] = {"HTTP_AUTHORIZATION": f"Bearer {bearer}"} if bearer else {}
    headers |= {"HTTP_X_DFNS_USERACTION": action} if action else {}

    def call() -> HttpResponse:
        held = {"wsgi.input": HeldBody(data)} if data else {}
        client = Client(raise_request_exception=False)
        response: HttpResponse = client.generic(method, path, data, "application/json", **headers, **held)
        return response

    return call


@dataclass(kw_only=True)
class VoidableAccount:
    """What is issued to the account lies in `things`, by kind, the oldest first."""

    person: Person
    history: History = field(default_factory=History)
    things: dict[str, list[Thing]] = field(default_factory=dict)
    target: str = TARGETS[0]
    """What the next user action is signed for."""

    @classmethod
    def make(cls) -> "VoidableAccount":
        """Make an account with a key, a password-protected key and a recovery key."""
        made = cls(person=make_person(None, "jane@example.co", *(SoftwareKey.make(kind=kind) for kind in KINDS)))
        for key in made.person.keys:
            made.add_key(key, born=0)
        return made

    def add(self, kind: str, value: dict[str, Any], run: Run, lifetime: timedelta | None = None, **more: Any) -> Thing:
        """Keep what the run issued. `lifetime` counts from the latest time that it read."""
        expires = max(run.clock) + lifetime if lifetime else None
        thing = Thing(kind=kind, value=value, born=run.ended, expires=expires, **more)
        self.things.setdefault(kind, []).append(thing)
        return thing

    def add_key(self, key: SoftwareKey, *, born: int) -> None:
        kind = "recovery key" if key.kind is Kind.RECOVERY_KEY else "key"
        self.things.setdefault(kind, []).append(Thing(kind="key", value={"key": key}, born=born))

    def open(self, what: str, run: Run, *by: Thing, **more: Any) -> None:
        self.history.openings.append(Opening(what=what, run=run, by=by, **more))

    def void(self, kind: str, run: Run, by: Thing | None = None, *, commit: int = -1) -> Act:
        """Keep what the run voided. commit: which of its commits did, counted from the last."""
        act = Act(kind=kind, order=run.commits[commit], revoked=run.began_to_update(CODES), by=by)
        self.history.acts.append(act)
        return act

    # Codes

    def ask_login_code(self, _pick: Pick) -> Step:
        return Step(call=request("POST", "/auth/login/code", self.person.names), accepted=self._read_mail)

    def ask_recovery_code(self, _pick: Pick) -> Step:
        return Step(call=request("POST", "/auth/recover/user/code", self.person.names), accepted=self._read_mail)

    def _read_mail(self, run: Run, _answer: Any) -> None:
        known = {thing.value["pk"] for kind in ("login code", "recovery code") for thing in self.things.get(kind, [])}
        recipient = self.person.account.recipient
        mine = OneTimeCode.objects.open().filter(organization=recipient.organization, recipient=recipient.username)
        for row in mine.exclude(pk__in=known).exclude(purpose="credential"):
            value = {"code": derive_code(row), "pk": row.pk}
            self.add(f"{row.purpose} code", value, run).expires = row.expires_at

    def present_code(self, pick: Pick) -> Step:
        code = pick("login code")

        def accepted(run: Run, answer: Any) -> None:
            released = tuple(each["encryptedPrivateKey"] for each in answer["allowCredentials"]["passwordProtectedKey"])
            self.open("present code", run, code, table=CODES, released=released)
            self.add("login challenge", answer, run, login_settings().challenge_lifetime_with_code)

        body = {**self.person.names, "loginCode": code.value["code"]}
        return Step(call=request("POST", "/auth/login/init", body), accepted=accepted)

    def revoke_code(self, pick: Pick) -> Step:
        code = pick("login code")

        def call() -> bool:
            return revoke_code(OneTimeCode.objects.get(pk=code.value["pk"]), operator=OPERATOR, now=timezone.now())

        return Step(call=call, accepted=lambda run, did: did and self.void("revoked a code", run, code))

    # Signing in and out

    def open_login(self, _pick: Pick) -> Step:
        def accepted(run: Run, answer: Any) -> None:
            self.add("login challenge", answer, run, login_settings().challenge_lifetime)

        return Step(call=request("POST", "/auth/login/init", self.person.names), accepted=accepted)

    def sign_in(self, pick: Pick) -> Step:
        challenge, key = pick("login challenge"), pick("key")

        def accepted(run: Run, answer: Any) -> None:
            self.open("sign in", run, challenge, key)
            self.add("session", answer, run, login_settings().token_lifetime, key=key)

        return Step(call=request("POST", "/auth/login", answered(challenge, key)), accepted=accepted)

    def use_session(self, pick: Pick) -> Step:
        session = pick("session")
        call = request("GET", "/auth/credentials", bearer=session.value["token"])
        return Step(call=call, accepted=lambda run, _: self.open("list credentials", run, session, reads_only=True))

    def sign_out(self, pick: Pick) -> Step:
        session = pick("session")
        call = request("PUT", "/auth/logout", {}, bearer=session.value["token"])
        return Step(call=call, accepted=lambda run, _: self.void("signed out", run, session))

    def sign_out_everywhere(self, pick: Pick) -> Step:
        session = pick("session")

        def accepted(run: Run, _answer: Any) -> None:
            self.open("sign out everywhere", run, session)
            self.void("signed out everywhere", run)

        call = request("PUT", "/auth/logout", {"allSessions": True}, bearer=session.value["token"])
        return Step(call=call, accepted=accepted)

    # User actions

    def open_action(self, pick: Pick) -> Step:
        """Announce one of the requests that a user action is needed for."""
        session = pick("session")
        target = self.target
        method, path, body, extra = getattr(self, f"_{target.replace(' ', '_')}")(pick)
        asked = {"userActionPayload": json.dumps(body), "userActionHttpMethod": method, "userActionHttpPath": path}

        def accepted(run: Run, answer: Any) -> None:
            listed = answer["allowCredentials"].get("passwordProtectedKey", [])
            released = tuple(each["encryptedPrivateKey"] for each in listed)
            self.open("open action", run, session, reads_only=True, released=released)
            value = {**answer, "target": target, "request": (method, path, body), "extra": extra}
            lifetime = login_settings().challenge_lifetime_with_code
            self.add("action challenge", value, run, lifetime, session=session)

        return Step(call=request("POST", "/auth/action/init", asked, bearer=session.value["token"]), accepted=accepted)

    def sign_action(self, pick: Pick) -> Step:
        challenge, key = pick("action challenge"), pick("key")
        session = challenge.session
        assert session

        def accepted(run: Run, answer: Any) -> None:
            self.open("sign action", run, session, challenge, key)
            value = {**challenge.value, **answer}
            self.add("user action", value, run, ACTION_LIFETIME, session=session, key=key)

        call = request("POST", "/auth/action", answered(challenge, key), bearer=session.value["token"])
        return Step(call=call, accepted=accepted)

    def act(self, pick: Pick) -> Step:
        """Make the request that a user action was signed for."""
        action = pick("user action")
        session, extra, target = action.session, action.value["extra"], action.value["target"]
        assert session
        method, path, body = action.value["request"]

        def accepted(run: Run, answer: Any) -> None:
            self.open(target, run, session, action, *([extra] if isinstance(extra, Thing) else []))
            if target == "password":
                self.history.stored[extra] = self.void("changed the password", run, session)
            elif target == "show code":
                self.add("credential code", answer, run).expires = extra
            elif target == "add":
                self.add_key(extra.value["new"], born=run.ended)

        call = request(method, path, body, bearer=session.value["token"], action=action.value["userAction"])
        return Step(call=call, accepted=accepted)

    def _rename(self, _pick: Pick) -> tuple[str, str, Any, Any]:
        return "PUT", "/auth/credentials/rename", {"credentialUuid": self._uuid(), "credentialName": "New"}, None

    def _password(self, _pick: Pick) -> tuple[str, str, Any, Any]:
        envelope = opaque_envelope()
        body = {"credentialUuid": self._uuid(), "encryptedPrivateKey": envelope}
        return "PUT", "/auth/credentials/key", body, envelope

    def usable_key(self) -> Thing:
        """Return the newest key that signs in. If there is none, make one."""
        active = Credential.objects.usable().filter(account=self.person.account, kind=Kind.KEY.value)
        ids = set(active.values_list("credential_id", flat=True))
        if not ids:
            make_credential(self.person.account, key := SoftwareKey.make())
            self.add_key(key, born=next_number())
            return self.things["key"][-1]
        return next(key for key in reversed(self.things["key"]) if key.value["key"].credential_id in ids)

    def _uuid(self) -> str:
        mine = Credential.objects.filter(account=self.person.account, kind=Kind.PASSWORD_PROTECTED_KEY.value)
        return str(mine.order_by("-active", "-created_at").values_list("pk", flat=True).first())

    def _show_code(self, _pick: Pick) -> tuple[str, str, Any, Any]:
        until = timezone.now() + timedelta(seconds=30)
        return "POST", "/auth/credentials/code", {"expiration": until.isoformat()}, until

    def _add(self, pick: Pick) -> tuple[str, str, Any, Any]:
        challenge = pick("credential challenge")
        return "POST", "/auth/credentials", new_credential(challenge), challenge

    # Credentials and recovery

    def open_credential(self, pick: Pick) -> Step:
        session = pick("session")

        def accepted(run: Run, answer: Any) -> None:
            self.open("open credential", run, session, reads_only=True)
            value = {**answer, "new": SoftwareKey.make()}
            self.add("credential challenge", value, run, login_settings().challenge_lifetime)

        call = request("POST", "/auth/credentials/init", {"kind": "Key"}, bearer=session.value["token"])
        return Step(call=call, accepted=accepted)

    def present_credential_code(self, pick: Pick) -> Step:
        code = pick("credential code")

        def accepted(run: Run, answer: Any) -> None:
            self.open("present credential code", run, code, table=CODES)
            value = {**answer, "new": SoftwareKey.make()}
            self.add("challenge by code", value, run, login_settings().challenge_lifetime_with_code)

        body = {"code": code.value["code"], "credentialKind": "Key"}
        return Step(call=request("POST", "/auth/credentials/code/init", body), accepted=accepted)

    def add_with_code(self, pick: Pick) -> Step:
        challenge = pick("challenge by code")

        def accepted(run: Run, _answer: Any) -> None:
            self.open("add with code", run, challenge)
            self.add_key(challenge.value["new"], born=run.ended)

        call = request("POST", "/auth/credentials/code/verify", new_credential(challenge))
        return Step(call=call, accepted=accepted)

    def remove_key(self, pick: Pick) -> Step:
        key = pick("key")

        def call() -> bool:
            credential = Credential.objects.select_related("account").get(
                account=self.person.account, credential_id=key.value["key"].credential_id
            )
            return deactivate_credential(credential, requester=SOMEWHERE, now=timezone.now())

        return Step(call=call, accepted=lambda run, did: did and self.void("removed a key", run, key))

    def open_recovery(self, pick: Pick) -> Step:
        code, key = pick("recovery code"), pick("recovery key")

        def accepted(run: Run, answer: Any) -> None:
            self.open("open recovery", run, code, table=CODES)
            self.add("recovery token", {**answer, "key": key}, run, login_settings().challenge_lifetime_with_code)

        body = {
            **self.person.names,
            "verificationCode": code.value["code"],
            "credentialId": key.value["key"].credential_id,
        }
        return Step(call=request("POST", "/auth/recover/user/init", body), accepted=accepted)

    def recover(self, pick: Pick) -> Step:
        token = pick("recovery token")
        by, challenge = token.value["key"], token.value["challenge"]
        made = first, second, recovery = [SoftwareKey.make(kind=kind) for kind in KINDS]
        new = {
            "firstFactorCredential": first.credential(challenge),
            "secondFactorCredential": second.credential(challenge),
            "recoveryCredential": recovery.credential(challenge),
        }
        assertion = by.value["key"].answer(base64url(compact_json(new).encode()))

        def accepted(run: Run, _answer: Any) -> None:
            self.open("recover", run, token, by)
            act = self.void("recovered", run)
            self.history.stored[str(second.encrypted_private_key)] = act
            for key in made:
                self.add_key(key, born=act.order + 1)

        body = {"recovery": {"kind": "RecoveryKey", "credentialAssertion": assertion}, "newCredentials": new}
        call = request("POST", "/auth/recover/user", body, bearer=token.value["temporaryAuthenticationToken"])
        return Step(call=call, accepted=accepted)

    # Operators

    def switch_account(self, _pick: Pick) -> Step:
        """Deactivate and reactivate: the state of the account is not what refuses afterwards."""

        def call() -> bool:
            account = Account.objects.get(pk=self.person.account.pk)
            off = deactivate_account(account, operator=OPERATOR, now=timezone.now())
            return reactivate_account(account, operator=OPERATOR, now=timezone.now()) and off

        return Step(call=call, accepted=lambda run, did: did and self.void("switched account", run))

    def lock_down(self, _pick: Pick) -> Step:
        """Lock by the link of a notice, and unlock: the lock is not what refuses afterwards."""

        def call() -> bool:
            account = Account.objects.select_related("organization").get(pk=self.person.account.pk)
            now = timezone.now()
            with transaction.atomic():
                told = record_event(
                    AuditKind.CREDENTIAL_KEY_REPLACED, account=account, requester=SOMEWHERE, now=now, credential=""
                )
                notify_owner(told)
            locked = lock_down(lock_token(told), requester=SOMEWHERE, now=now)
            return bool(locked) and unlock_account(account, operator=OPERATOR, now=now)

        return Step(call=call, accepted=lambda run, did: did and self.void("locked", run, commit=-2))

    def switch_organization(self, _pick: Pick) -> Step:
        def call() -> bool:
            organization = Organization.objects.get(pk=self.person.account.organization_id)
            off = deactivate_organization(organization, operator=OPERATOR, now=timezone.now())
            return reactivate_organization(organization, operator=OPERATOR, now=timezone.now()) and off

        return Step(call=call, accepted=lambda run, did: did and self.void("switched organization", run))

    def purge(self, _pick: Pick) -> Step:
        def call() -> bool:
            close_expired_codes(now=timezone.now())
            purge(now=timezone.now())
            return True

        return Step(call=call, accepted=lambda _run, _answer: None)


def answered(challenge: Thing, key: Thing) -> dict[str, Any]:
    signed = key.value["key"].factor(challenge.value["challenge"])
    return {"challengeIdentifier": challenge.value["challengeIdentifier"], "firstFactor": signed}


def new_credential(challenge: Thing) -> dict[str, Any]:
    made = challenge.value["new"].credential(challenge.value["challenge"])
    return {"challengeIdentifier": challenge.value["challengeIdentifier"], "credentialName": "New", **made}
