"""The requests that are timed: one series for each. Import this after Django is set up."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final, Protocol

from django.conf import settings
from django.utils import timezone

from benchmarks.dfns_login_hooks import clean
from benchmarks.timing_cases import (
    POOL,
    Case,
    Cast,
    cases_with_codes,
    listed_id,
    named_cases,
    signing_cases,
    without_lists,
)
from dfns_login.models import CodePurpose, OneTimeCode
from dfns_login.proofs import issue_code
from dfns_login.usernames import Recipient
from tests.support.authenticators import SoftwareKey
from tests.support.factories import SOMEWHERE
from tests.support.fido2_authenticator import Passkey

Bodies = Mapping[str, Sequence[Mapping[str, Any]]]
WRONG_CODE: Final = "0000-0000-0000-0000"


class Sends(Protocol):
    """An open connection."""

    def send(self, path: str, body: Mapping[str, Any], *, leak_us: int = 0) -> tuple[float, int, bytes]: ...


@dataclass(frozen=True, kw_only=True)
class Series:
    """A request that is timed for each class. Its bodies are prepared anew after some rounds."""

    title: str
    path: str
    status: int
    cases: Sequence[Case]
    rounds: int = POOL

    def prepare(self, _connection: Sends) -> Bodies:
        """Bring the codes into their states, and return the bodies for each class, one for each of its names."""
        clean()
        for case in self.cases:
            if case.code:
                bring_codes(case.recipients, state=case.code)
        return {case.name: [self.body(each) for each in case.recipients] for case in self.cases}

    def body(self, name: Recipient) -> dict[str, Any]:
        return {"username": name.username, "orgId": name.organization}


class WrongCode(Series):
    """A guess at a code."""

    def body(self, name: Recipient) -> dict[str, Any]:
        return {**super().body(name), "loginCode": WRONG_CODE}


class BadSignature(Series):
    """An assertion that another key of the same algorithm signed. Refused challenges can be answered again."""

    def prepare(self, connection: Sends) -> Bodies:
        keys = {case.algorithm: SoftwareKey.make(case.algorithm) for case in self.cases}
        bodies: dict[str, list[dict[str, Any]]] = {}
        for case in self.cases:
            bodies[case.name] = []
            for place, name in enumerate(case.recipients):
                _, _, content = connection.send("/auth/login/init", self.body(name))
                opened = json.loads(content)
                named = case.ids[place] if case.ids else listed_id(name)
                key: Any = replace(keys[case.algorithm], credential_id=named)
                if case.kind == "Fido2":
                    key = Passkey(key=key, account_id="", origin=settings.PUBLIC_URL, rp_id="localhost")
                factor = key.factor(opened["challenge"])
                bodies[case.name].append({"challengeIdentifier": opened["challengeIdentifier"], "firstFactor": factor})
        return bodies


def bring_codes(recipients: Sequence[Recipient], *, state: str) -> None:
    """Give each name a login code: open, without guesses left (`spent`), or expired."""
    now = timezone.now() - (timedelta(hours=1) if state == "expired" else timedelta(0))
    rows = [issue_code(each, purpose=CodePurpose.LOGIN, requester=SOMEWHERE, now=now) for each in recipients]
    if state == "spent":
        OneTimeCode.objects.filter(pk__in=rows).update(guesses=10)


def all_series(*, pool: int = POOL) -> list[Series]:
    """Return what is measured. Each series has accounts of its own, `pool` for each class."""
    nobody = "unknown name"
    asked, again, shown, guessed, signed = (Cast(pool=pool) for _ in range(5))
    return [
        Series(
            title="POST /auth/login/code",
            path="/auth/login/code",
            status=200,
            cases=without_lists(named_cases(asked)),
        ),
        Series(
            title="POST /auth/login/code, again", path="/auth/login/code", status=200, cases=cases_with_codes(again)
        ),
        Series(
            title="POST /auth/login/init without a code",
            path="/auth/login/init",
            status=200,
            cases=[*named_cases(shown), *cases_with_codes(shown, like=nobody)],
            rounds=10 * POOL,
        ),
        WrongCode(
            title="POST /auth/login/init with a wrong code",
            path="/auth/login/init",
            status=403,
            cases=without_lists([*named_cases(guessed), *cases_with_codes(guessed, like=nobody)]),
            rounds=5 * POOL,
        ),
        BadSignature(
            title="POST /auth/login with a bad signature",
            path="/auth/login",
            status=401,
            cases=signing_cases(signed),
            rounds=10 * POOL,
        ),
    ]
