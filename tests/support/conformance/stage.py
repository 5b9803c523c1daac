"""The accounts that the calls of the official clients need: an operator, a signed-in person, and new ones."""

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import cycle
from typing import Final

from project.mailbox import Email
from tests.support.authenticators import Kind, Members, SoftwareKey, base64url, compact_json
from tests.support.live_project import Invitee, LiveProject, code_in, operate, wait_for

OPERATOR: Final = "operator@example.co"
REGULARS: Final = 6
COMPANY: Final = 8


@dataclass(frozen=True, kw_only=True)
class Member:
    """A signed-in person with a `Key` and possibly a recovery key."""

    person: Invitee
    account_id: str
    credential_uuid: str
    key: SoftwareKey = field(repr=False)
    recovery_key: SoftwareKey = field(repr=False)
    token: str = field(repr=False)

    @property
    def names(self) -> Members:
        return dict(self.person.names)


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """An open recovery. temporary_token: completes it."""

    member: Member
    challenge: str = field(repr=False)
    temporary_token: str = field(repr=False)

    def body(self) -> Members:
        """Return the body that recovers with a new key, signed by the recovery key."""
        return recovery_body(self.challenge, by=self.member.recovery_key)


class Stage:
    """Creates what each call of a client needs, by plain requests.

    Accounts that wait for an email are created in groups, so that one wait serves several.
    """

    def __init__(self, scene: LiveProject) -> None:
        self.scene = scene
        self._invited: list[str] = []
        self._recovering: list[Member] = []
        self._mails: dict[str, list[Email]] = {}

    @cached_property
    def operator(self) -> Member:
        """A superuser of the project, with all permissions."""
        site = self.scene.site
        site.manage("createsuperuser", "--noinput", "--username", OPERATOR, "--email", OPERATOR)
        invitation = ("invite", OPERATOR, "--organization", self.scene.organization)
        operate(site, *invitation, "--user", OPERATOR, "--kind", "CustomerEmployee")
        return self._register(self._person(OPERATOR))

    @cached_property
    def jane(self) -> Member:
        """A person without permissions."""
        return self.newcomer()

    @cached_property
    def dead_token(self) -> str:
        """The token of an ended session."""
        token = self.fresh_token()
        assert self.scene.call("PUT", "/auth/logout", bearer=token).status_code == 200
        return token

    @cached_property
    def _regulars(self) -> "cycle[Member]":
        return cycle([self.newcomer() for _ in range(REGULARS)])

    def regular(self) -> Member:
        """Return a person with one key. There are several, in turn, because of the rates by name."""
        return next(self._regulars)

    def fresh_token(self) -> str:
        """Return the token of a new session."""
        return str(self.scene.post("/auth/login", self.login_answer(self.regular()))["token"])

    def account(self) -> str:
        """Return the id of a new invited account."""
        return str(self.signed(self.operator, "POST", "/auth/users", self._somebody())["userId"])

    def invited(self) -> Invitee:
        if not self._invited:
            company = [self._somebody() for _ in range(COMPANY)]
            for each in company:
                self.signed(self.operator, "POST", "/auth/users", each)
            self._invited = [each["email"] for each in company]
        return self._person(self._invited.pop(0))

    def newcomer(self) -> Member:
        return self._register(self.invited())

    def credential(self, challenge: Members, key: SoftwareKey) -> Members:
        """Return the body that adds the key as a credential."""
        answered = {"challengeIdentifier": challenge["challengeIdentifier"], "credentialName": "Another"}
        return {**key.credential(challenge["challenge"]), **answered}

    def credential_challenge(self) -> Members:
        return self.scene.post("/auth/credentials/init", {"kind": "Key"}, bearer=self.jane.token)

    def spare_credential(self) -> str:
        """Return the id of a second credential of Jane's."""
        body = self.credential(self.credential_challenge(), SoftwareKey.make())
        return str(self.signed(self.jane, "POST", "/auth/credentials", body)["credentialUuid"])

    def credential_code(self) -> str:
        asked = {"expiration": in_seconds(50)}
        return str(self.signed(self.jane, "POST", "/auth/credentials/code", asked)["code"])

    def registration(self) -> tuple[Members, str]:
        """Return the body that completes a registration, and its temporary token."""
        person = self.invited()
        asked = person.names | {"registrationCode": person.registration_code}
        opened = self.scene.post("/auth/registration/init", asked)
        body = {"firstFactorCredential": SoftwareKey.make().credential(opened["challenge"])}
        return body, opened["temporaryAuthenticationToken"]

    def recovery_request(self) -> tuple[Member, Members]:
        """Return the account and the body that opens its recovery."""
        if not self._recovering:
            self._recovering = [self.newcomer() for _ in range(COMPANY)]
            for each in self._recovering:
                self.scene.post("/auth/recover/user/code", each.names)
        member = self._recovering.pop(0)
        return member, {
            **member.names,
            "verificationCode": self._mailed_code(member.person.email, number=2),
            "credentialId": member.recovery_key.credential_id,
        }

    def recovery(self) -> Recovery:
        member, asked = self.recovery_request()
        opened = self.scene.post("/auth/recover/user/init", asked)
        return Recovery(
            member=member, challenge=opened["challenge"], temporary_token=opened["temporaryAuthenticationToken"]
        )

    def login_answer(self, member: Member, *, key: SoftwareKey | None = None) -> Members:
        """Return the body that answers a new login challenge."""
        return answer(self.scene.post("/auth/login/init", member.names), key or member.key)

    def action_answer(self, member: Member, *, key: SoftwareKey | None = None) -> Members:
        """Return the body that answers a new user-action challenge."""
        return answer(self.scene.post("/auth/action/init", AN_ACTION, bearer=member.token), key or member.key)

    def signed(self, member: Member, verb: str, path: str, body: Members) -> Members:
        """Send a signed request."""
        action = {
            "userActionPayload": json.dumps(body),
            "userActionHttpMethod": verb,
            "userActionHttpPath": path,
        }
        opened = self.scene.post("/auth/action/init", action, bearer=member.token)
        token = self.scene.post("/auth/action", answer(opened, member.key), bearer=member.token)["userAction"]
        said = self.scene.call(verb, path, body, bearer=member.token, headers={"X-DFNS-USERACTION": token})
        assert said.status_code == 200, said.text
        told: Members = said.json()
        return told

    def _somebody(self) -> Members:
        return {"email": self.scene.new_email(), "kind": "CustomerEmployee"}

    def _person(self, email: str) -> Invitee:
        code = self._mailed_code(email)
        return Invitee(email=email, organization=self.scene.organization, registration_code=code)

    def _mailed_code(self, email: str, *, number: int = 1) -> str:
        """Wait for the person's n-th email and return its code."""

        def found() -> Email | None:
            if len(self._mails.get(email, ())) < number:
                self._mails = {}
                for mail in self.scene.site.mails():
                    self._mails.setdefault(mail.recipient, []).append(mail)
            return next(iter(self._mails.get(email, ())[number - 1 :]), None)

        return code_in(wait_for(found, what=lambda: f"mail {number} to {email}"))

    def _register(self, person: Invitee) -> Member:
        key, recovery_key = SoftwareKey.make(), SoftwareKey.make(kind=Kind.RECOVERY_KEY)
        opened = self.scene.post(
            "/auth/registration/init", person.names | {"registrationCode": person.registration_code}
        )
        body = {
            "firstFactorCredential": key.credential(opened["challenge"]),
            "recoveryCredential": recovery_key.credential(opened["challenge"]),
        }
        registered = self.scene.post("/auth/registration", body, bearer=opened["temporaryAuthenticationToken"])
        challenge = self.scene.post("/auth/login/init", person.names)
        token = self.scene.post("/auth/login", answer(challenge, key))["token"]
        return Member(
            person=person,
            account_id=registered["user"]["id"],
            credential_uuid=registered["credential"]["uuid"],
            key=key,
            recovery_key=recovery_key,
            token=token,
        )


AN_ACTION: Final[Members] = {
    "userActionPayload": "{}",
    "userActionHttpMethod": "POST",
    "userActionHttpPath": "/auth/users",
    "userActionServerKind": "Api",
}


def answer(challenge: Members, key: SoftwareKey) -> Members:
    """Answer a challenge with one factor."""
    return {
        "challengeIdentifier": challenge["challengeIdentifier"],
        "firstFactor": key.factor(challenge["challenge"]),
    }


def another_private_key(key: SoftwareKey) -> SoftwareKey:
    """Return a key with the same credential id and another private key."""
    return replace(key, private_key=SoftwareKey.make().private_key)


def recovery_body(challenge: str, *, by: SoftwareKey) -> Members:
    credentials = {"firstFactorCredential": SoftwareKey.make().credential(challenge)}
    signed = base64url(compact_json(credentials).encode())
    recovery = {"kind": "RecoveryKey", "credentialAssertion": by.answer(signed)}
    return {"recovery": recovery, "newCredentials": credentials}


def in_seconds(seconds: int) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()
