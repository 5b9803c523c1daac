"""Each endpoint that releases an encrypted key encrypts it once more, to a key of the client's own (R-131)."""

from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.http import HttpResponse
from django.test import Client

from dfns_login.models import CodePurpose, OneTimeCode
from dfns_login.testing.authenticators import opaque_envelope
from dfns_login.verification.encoding import decode_base64url, encode_base64url
from dfns_login.verification.ephemeral_key import SUITE
from tests.support.api_client import details, open_login, post
from tests.support.authenticators import Kind, SoftwareKey
from tests.support.factories import issue, make_organization, make_person
from tests.support.signed_in import SignedIn, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("without_rates")]

Ask = Callable[[SignedIn, dict[str, Any]], HttpResponse]


@pytest.fixture
def jane(client: Client) -> SignedIn:
    """Holds a password-protected key and an encrypted recovery key."""
    recovery = SoftwareKey.make(kind=Kind.RECOVERY_KEY)
    person = make_person(
        make_organization(), "jane@example.co", SoftwareKey.make(kind=Kind.PASSWORD_PROTECTED_KEY), recovery
    )
    jane = signed_in(client, person)
    kit = SoftwareKey.make(kind=Kind.RECOVERY_KEY)
    added = jane.call("POST", "/auth/credentials/init", {"kind": "RecoveryKey"}).json()
    body = {"challengeIdentifier": added["challengeIdentifier"], "credentialName": "Kit"}
    body |= kit.credential(added["challenge"]) | {"encryptedPrivateKey": opaque_envelope()}
    assert jane.signed("POST", "/auth/credentials", body).status_code == 200
    return jane


@pytest.fixture
def private() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def point(private: ec.EllipticCurvePrivateKey, form: PublicFormat = PublicFormat.UncompressedPoint) -> str:
    return encode_base64url(private.public_key().public_bytes(Encoding.X962, form))


def at_login(jane: SignedIn, more: dict[str, Any]) -> HttpResponse:
    return open_login(jane.client, jane.person.names, loginCode=issue(jane.person.account.recipient), **more)


def for_an_action(jane: SignedIn, more: dict[str, Any]) -> HttpResponse:
    body = {"userActionPayload": "", "userActionHttpMethod": "POST", "userActionHttpPath": "/things"}
    return jane.call("POST", "/auth/action/init", body | more)


def for_a_recovery(jane: SignedIn, more: dict[str, Any]) -> HttpResponse:
    code = issue(jane.person.account.recipient, purpose=CodePurpose.RECOVERY)
    credential_id = jane.person.account.credentials.get(name="Kit").credential_id
    body = {**jane.person.names, "verificationCode": code, "credentialId": credential_id}
    return post(jane.client, "/auth/recover/user/init", body | more)


RELEASES = {"login": at_login, "action": for_an_action, "recovery": for_a_recovery}
of_each_release = pytest.mark.parametrize("ask", RELEASES.values(), ids=RELEASES)


def released(answer: HttpResponse) -> dict[str, str]:
    """The texts of the answer's encrypted keys, by credential id."""
    assert answer.status_code == 200, answer.content
    told = answer.json()
    if "allowedRecoveryCredentials" in told:
        return {each["id"]: each["encryptedRecoveryKey"] for each in told["allowedRecoveryCredentials"]}
    return {each["id"]: each["encryptedPrivateKey"] for each in told["allowCredentials"]["passwordProtectedKey"]}


@of_each_release
def test_a_released_key_is_encrypted_to_the_client(
    jane: SignedIn, private: ec.EllipticCurvePrivateKey, ask: Ask
) -> None:
    clear = released(ask(jane, {}))
    answer = ask(jane, {"ephemeralPublicKey": point(private)})
    sealed = released(answer)
    assert sealed.keys() == clear.keys()
    assert b"AGE ENCRYPTED" not in answer.content
    for credential_id, text in sealed.items():
        info = f"dfns_login released key 1 {credential_id}".encode()
        opened = SUITE.decrypt(decode_base64url(text), private, info).decode() if text else ""
        assert opened == clear[credential_id]
    assert any(clear.values())


WRONG: dict[str, Callable[[ec.EllipticCurvePrivateKey], Any]] = {
    "empty": lambda _: "",
    "a number": lambda _: 4,
    "an object": lambda _: {},
    "not base64url": lambda _: "%" * 87,
    "too short": lambda key: point(key)[:-4],
    "too long": lambda key: point(key) + "AAAA",
    "far too long": lambda key: "A" * 10_000,
    "compressed": lambda key: point(key, PublicFormat.CompressedPoint),
    "infinity": lambda _: "AA",
    "zero": lambda _: encode_base64url(b"\4" + bytes(64)),
    "not on the curve": lambda key: encode_base64url(decode_base64url(point(key))[:-1] + b"\0"),
    "hybrid": lambda key: encode_base64url(b"\6" + decode_base64url(point(key))[1:]),
    "of another curve": lambda _: point(ec.generate_private_key(ec.SECP384R1())),
    "of secp256k1": lambda _: point(ec.generate_private_key(ec.SECP256K1())),
}


@of_each_release
@pytest.mark.parametrize("make", WRONG.values(), ids=WRONG)
def test_an_invalid_key_is_refused_before_the_code_is_looked_at(
    jane: SignedIn, private: ec.EllipticCurvePrivateKey, ask: Ask, make: Callable[[ec.EllipticCurvePrivateKey], Any]
) -> None:
    refused = ask(jane, {"ephemeralPublicKey": make(private)})
    assert (refused.status_code, list(details(refused))) == (400, ["ephemeralPublicKey"])
    presented = OneTimeCode.objects.latest("pk")
    assert ask is for_an_action or (presented.guesses, presented.closed_at) == (0, None)


def test_the_answer_to_a_request_without_a_code_is_the_same(
    client: Client, jane: SignedIn, private: ec.EllipticCurvePrivateKey
) -> None:
    """Sending a key tells nothing about whether an account exists."""
    more = {"ephemeralPublicKey": point(private)}
    for names in (jane.person.names, jane.person.names | {"username": "nobody@example.co"}):
        answers = [open_login(client, names, **each).json() for each in ({}, more)]
        assert answers[0].keys() == answers[1].keys()
        assert answers[0]["allowCredentials"] == answers[1]["allowCredentials"]
