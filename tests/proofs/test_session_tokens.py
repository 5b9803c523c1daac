"""Bearer tokens: forgeries, classes and lifetimes (R-70, R-71, R-73, R-75)."""

import base64
import hashlib
import hmac
import json
import socket
from datetime import datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm
from jwt.utils import der_to_raw_signature, raw_to_der_signature

from dfns_login.errors import AssertionRefused, ChallengeRefused, TokenRefused
from dfns_login.key_rings import key_rings
from dfns_login.models import CodePurpose, Session, SpentToken
from dfns_login.proofs.challenges import Ceremony, open_challenge, redeem_challenge
from dfns_login.proofs.presented_codes import PresentedCode, present_code
from dfns_login.proofs.session_tokens import issue_session, resolve_session
from dfns_login.proofs.signed_tokens import LEEWAY, TOKEN_MAX_LENGTH, TokenClass
from dfns_login.proofs.temporary_tokens import issue_temporary_token, resolve_temporary_token, spend_temporary_token
from dfns_login.settings import login_settings
from dfns_login.verification.assertion import KeyAssertion, KeyAssertionVerifier, StoredKey, VerifiedAssertion
from tests.support.authenticators import SoftwareKey
from tests.support.clock import HOUR, MINUTE, NOW, SECOND
from tests.support.factories import SOMEWHERE, Person, issue, make_organization, make_person

pytestmark = pytest.mark.django_db

LIFETIME = 12 * HOUR


@pytest.fixture
def kim() -> Person:
    return make_person(make_organization(), "kim@example.co", SoftwareKey.make())


@pytest.fixture
def token(kim: Person) -> str:
    return session_of(kim)[1]


def session_of(person: Person, *, now: datetime = NOW) -> tuple[Session, str]:
    account = person.account
    opened = open_challenge(
        Ceremony.LOGIN, organization=account.organization_id, account_id=account.pk, generation=0, now=now
    )
    session, token, _event = issue_session(
        account.credentials.get(),
        redeemed=redeem_challenge(opened.identifier, ceremony=Ceremony.LOGIN, now=now),
        verified=signed(person, opened.challenge),
        requester=SOMEWHERE,
        now=now,
    )
    return session, token


def signed(person: Person, challenge: str) -> VerifiedAssertion:
    answer = person.key.answer(challenge)
    credential = person.account.credentials.get()
    return KeyAssertionVerifier(origins=login_settings().key_client_origins).verify(
        KeyAssertion(client_data=answer["clientData"], signature=answer["signature"]),
        stored=StoredKey(credential_id=credential.canonical_credential_id, spki=bytes(credential.public_key)),
        challenge=challenge,
    )


def registration_of(person: Person, *, now: datetime = NOW) -> tuple[str, str]:
    code = issue(person.account.recipient, purpose=CodePurpose.REGISTRATION, now=now)
    presented = present_code(person.account.recipient, code, purpose=CodePurpose.REGISTRATION, now=now)
    return issue_temporary_token(person.account, presented=presented, now=now)


def is_good(token: str, *, now: datetime = NOW) -> bool:
    try:
        resolve_session(token, now=now)
    except TokenRefused:
        return False
    return True


def claims_of(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


def resign(token: str, *, header: dict[str, Any] | None = None, **claims: Any) -> str:
    """Return the token with these changes, signed by the right key. A claim of `...` is removed."""
    rings = key_rings()
    payload = {name: value for name, value in {**claims_of(token), **claims}.items() if value is not ...}
    headers = {**jwt.get_unverified_header(token), **(header or {})}
    return jwt.encode(
        payload, rings.tokens[rings.current_token_key_id], algorithm="ES256", headers=headers, sort_headers=False
    )


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def segment(value: Any) -> str:
    return base64url(json.dumps(value).encode())


# What is accepted


def test_a_token_stands_for_its_session(kim: Person) -> None:
    """R-74."""
    session, token = session_of(kim)
    resolved = resolve_session(token, now=NOW)
    assert resolved == session
    assert resolved.account == kim.account
    assert (session.address, session.agent, session.code_presented) == (SOMEWHERE.address, SOMEWHERE.agent, False)
    claims = claims_of(token)
    assert set(claims) == {
        "iss",
        "aud",
        "sub",
        "org",
        "jti",
        "iat",
        "nbf",
        "exp",
        "https://custom/app_metadata",
    }


def test_an_unchanged_token_signed_again_is_valid(token: str) -> None:
    """The control: `resign` changes nothing else."""
    assert is_good(resign(token))


# What is forged, R-70


def public_key() -> ec.EllipticCurvePublicKey:
    rings = key_rings()
    return rings.tokens[rings.current_token_key_id].public_key()


def hs256(token: str, secret: bytes, *, alg: str = "HS256") -> str:
    header, claims, _ = token.split(".")
    header = segment({**jwt.get_unverified_header(token), "alg": alg})
    return f"{header}.{claims}." + base64url(hmac.digest(secret, f"{header}.{claims}".encode(), "sha256"))


def with_signature(token: str, signature: bytes) -> str:
    header, claims, _ = token.split(".")
    return f"{header}.{claims}.{base64url(signature)}"


def with_header(token: str, header: Any, *, signature: bool = True) -> str:
    _, claims, signed_by = token.split(".")
    return f"{segment(header)}.{claims}.{signed_by if signature else ''}"


def with_claims(token: str, claims: dict[str, Any]) -> str:
    header, _, signature = token.split(".")
    return f"{header}.{segment(claims)}.{signature}"


def stranger_signs(token: str, **header: Any) -> str:
    stranger = ec.generate_private_key(ec.SECP256R1())
    headers = {**jwt.get_unverified_header(token), **header}
    return jwt.encode(claims_of(token), stranger, algorithm="ES256", headers=headers)


def own_jwk() -> dict[str, Any]:
    jwk: dict[str, Any] = json.loads(ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()).public_key()))
    return jwk


PEM = lambda: public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)  # noqa: E731
DER = lambda: public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # noqa: E731
HEADER = jwt.get_unverified_header
FORGERIES: dict[str, Any] = {
    "nothing": lambda token: "",
    "a word": lambda token: "token",
    "two parts": lambda token: ".".join(token.split(".")[:2]),
    "four parts": lambda token: f"{token}.AAAA",
    "five parts, encrypted": lambda token: ".".join([segment({"alg": "dir", "enc": "A256GCM"}), "", "AA", "AA", "AA"]),
    "not ASCII": lambda token: "é" + token,
    "NUL": lambda token: f"\0{token}",
    "too long": lambda token: resign(token, more="x" * TOKEN_MAX_LENGTH),
    "alg none": lambda token: with_header(token, {**HEADER(token), "alg": "none"}, signature=False),
    "alg None": lambda token: with_header(token, {**HEADER(token), "alg": "None"}, signature=False),
    "alg none, signed": lambda token: with_header(token, {**HEADER(token), "alg": "none"}),
    "alg empty": lambda token: with_header(token, {**HEADER(token), "alg": ""}, signature=False),
    "alg null": lambda token: with_header(token, {**HEADER(token), "alg": None}),
    "alg missing": lambda token: with_header(token, {k: v for k, v in HEADER(token).items() if k != "alg"}),
    "alg es256": lambda token: with_header(token, {**HEADER(token), "alg": "es256"}),
    "alg array": lambda token: with_header(token, {**HEADER(token), "alg": ["ES256"]}),
    "HS256 with the PEM": lambda token: hs256(token, PEM()),
    "HS256 with the PEM, stripped": lambda token: hs256(token, PEM().strip()),
    "HS256 with the DER": lambda token: hs256(token, DER()),
    "HS256 with the JWK": lambda token: hs256(token, json.dumps(ECAlgorithm.to_jwk(public_key())).encode()),
    "HS256 with nothing": lambda token: hs256(token, b""),
    "HS384 with the PEM": lambda token: hs256(token, PEM(), alg="HS384"),
    "no signature": lambda token: with_signature(token, b""),
    "zero signature": lambda token: with_signature(token, bytes(64)),
    "a signature in DER": lambda token: with_signature(token, der_signature(token)),
    "a signature and more": lambda token: token + "AAAA",
    "a stranger's signature": stranger_signs,
    "jwk": lambda token: stranger_signs(token, jwk=own_jwk()),
    "jku": lambda token: stranger_signs(token, jku="http://127.0.0.1:9/jwks.json"),
    "x5u": lambda token: stranger_signs(token, x5u="http://127.0.0.1:9/x.pem"),
    "x5c": lambda token: stranger_signs(token, x5c=["AAAA"]),
    "kid of nobody": lambda token: resign(token, header={"kid": "nobody"}),
    "kid empty": lambda token: resign(token, header={"kid": ""}),
    "kid a path": lambda token: resign(token, header={"kid": "../../../../dev/null"}),
    "kid SQL": lambda token: resign(token, header={"kid": "' OR 1=1 --"}),
    "kid a URL": lambda token: resign(token, header={"kid": "http://127.0.0.1:9/"}),
    "kid NUL": lambda token: resign(token, header={"kid": "\0"}),
    "kid null": lambda token: with_header(token, {**HEADER(token), "kid": None}),
    "kid array": lambda token: with_header(token, {**HEADER(token), "kid": [HEADER(token)["kid"]]}),
    "kid object": lambda token: with_header(token, {**HEADER(token), "kid": {}}),
    "kid missing": lambda token: with_header(token, {k: v for k, v in HEADER(token).items() if k != "kid"}),
    "header an array": lambda token: with_header(token, [HEADER(token)]),
    "header null": lambda token: with_header(token, None),
    "header deep": lambda token: f"{base64url(b'[' * 2500)}.{token.split('.')[1]}.AA",
    "crit": lambda token: resign(token, header={"crit": ["exp"]}),
    "crit of what we do not know": lambda token: resign(token, header={"crit": ["x"], "x": 1}),
    "b64 false": lambda token: resign(token, header={"b64": False, "crit": ["b64"]}),
    "typ JWT": lambda token: resign(token, header={"typ": "JWT"}),
    "typ missing": lambda token: resign(token, header={"typ": None}),
    "typ of another case": lambda token: resign(token, header={"typ": TokenClass.SESSION.typ.upper()}),
    "typ of a registration": lambda token: resign(token, header={"typ": TokenClass.REGISTRATION.typ}),
    "claims changed": lambda token: with_claims(token, {**claims_of(token), "sub": "us-2"}),
    "iss of another": lambda token: resign(token, iss="https://evil.example"),
    "iss with a slash": lambda token: resign(token, iss=claims_of(token)["iss"] + "/"),
    "aud of another": lambda token: resign(token, aud="https://evil.example"),
    "aud of a registration": lambda token: resign(token, aud=TokenClass.REGISTRATION.audience),
    "aud without its class": lambda token: resign(token, aud=claims_of(token)["aud"].partition("#")[0]),
    "sub of another": lambda token: resign(token, sub="us-2"),
    "sub a number": lambda token: resign(token, sub=1),
    "org of another": lambda token: resign(token, org="or-2"),
    "org a list": lambda token: resign(token, org=[claims_of(token)["org"]]),
    "jti of another": lambda token: resign(token, jti="x"),
    "jti a list": lambda token: resign(token, jti=[claims_of(token)["jti"]]),
    "exp text": lambda token: resign(token, exp=str(claims_of(token)["exp"])),
    "exp a fraction": lambda token: resign(token, exp=claims_of(token)["exp"] + 0.5),
    "exp null": lambda token: resign(token, exp=None),
    "nbf text": lambda token: resign(token, nbf="0"),
    "iat text": lambda token: resign(token, iat="0"),
    **{
        f"{name} missing": lambda token, name=name: resign(token, **{name: ...})
        for name in ("iss", "aud", "sub", "org", "jti", "iat", "nbf", "exp")
    },
}


def der_signature(token: str) -> bytes:
    raw = base64.urlsafe_b64decode(token.rpartition(".")[2] + "==")
    return raw_to_der_signature(raw, ec.SECP256R1())


@pytest.fixture
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        pytest.fail("a token made us ask somebody")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.usefixtures("_no_network")
@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES)
def test_a_forged_token_is_refused(token: str, forge: Any) -> None:
    assert not is_good(forge(token))
    assert is_good(token)


def twin(token: str) -> str:
    """The other signature that ECDSA has for the same token: (r, n - s)."""
    r, s = decode_dss_signature(der_signature(token))
    order = public_key().curve.group_order
    return with_signature(token, der_to_raw_signature(encode_dss_signature(r, order - s), ec.SECP256R1()))


SAME_TOKEN = {"padded": lambda token: f"{token}=", "twin": twin, "as it is": lambda token: token}


@pytest.mark.parametrize("write", SAME_TOKEN.values(), ids=SAME_TOKEN)
def test_another_spelling_of_a_spent_token_is_refused(kim: Person, write: Any) -> None:
    """R-75: the `jti` is spent, not the text."""
    token = registration_of(kim)[1]
    spend_temporary_token(resolve_temporary_token(token, purpose=CodePurpose.REGISTRATION, now=NOW))
    other = write(token)
    try:
        resolved = resolve_temporary_token(other, purpose=CodePurpose.REGISTRATION, now=NOW)
    except TokenRefused:
        return
    with pytest.raises(TokenRefused):
        spend_temporary_token(resolved)


@pytest.mark.parametrize("write", SAME_TOKEN.values(), ids=SAME_TOKEN)
def test_another_spelling_of_an_ended_sessions_token_is_refused(token: str, write: Any) -> None:
    Session.objects.all().revoke(now=NOW)
    assert not is_good(write(token))


# What is of another class, R-71


@pytest.mark.parametrize("made", TokenClass)
@pytest.mark.parametrize("part", ["typ", "aud", "both"])
def test_no_class_of_token_is_valid_in_place_of_another(token: str, made: TokenClass, part: str) -> None:
    header = {"typ": made.typ} if part != "aud" else {}
    claims = {"aud": made.audience} if part != "typ" else {}
    assert is_good(resign(token, header=header, **claims)) is (made == TokenClass.SESSION)


def test_login_and_temporary_tokens_are_not_interchangeable(kim: Person, token: str) -> None:
    with pytest.raises(TokenRefused):
        resolve_temporary_token(token, purpose=CodePurpose.REGISTRATION, now=NOW)
    challenge, temporary = registration_of(kim)
    assert not is_good(temporary)
    resolved = resolve_temporary_token(temporary, purpose=CodePurpose.REGISTRATION, now=NOW)
    assert (resolved.account_id, resolved.organization, resolved.challenge) == (
        kim.account.pk,
        kim.account.organization_id,
        challenge,
    )


def test_every_class_has_its_own_typ_and_audience() -> None:
    assert len({each.typ for each in TokenClass}) == len({each.audience for each in TokenClass}) == len(TokenClass)


# What is too old, R-73


@pytest.mark.parametrize(("moment", "good"), [(-SECOND, True), (timedelta(0), False), (SECOND, False)])
def test_a_session_expires_on_time(token: str, moment: timedelta, *, good: bool) -> None:
    Session.objects.update(last_seen_at=NOW + LIFETIME)
    assert is_good(token, now=NOW + LIFETIME + moment) is good


@pytest.mark.parametrize(("moment", "good"), [(-SECOND, True), (timedelta(0), False), (SECOND, False)])
def test_an_idle_session_expires(token: str, moment: timedelta, *, good: bool) -> None:
    assert is_good(token, now=NOW + HOUR + moment) is good


@pytest.mark.django_db(transaction=True)
def test_a_session_in_use_does_not_become_idle(token: str) -> None:
    for minutes in range(0, 12 * 60, 59):
        assert is_good(token, now=NOW + minutes * MINUTE)
    assert not is_good(token, now=NOW + LIFETIME)


def test_a_clock_that_is_slightly_behind_is_tolerated(token: str) -> None:
    assert is_good(token, now=NOW - LEEWAY)
    assert not is_good(token, now=NOW - LEEWAY - SECOND)


@pytest.mark.parametrize(("moment", "good"), [(-SECOND, True), (timedelta(0), False), (SECOND, False)])
def test_a_temporary_token_expires_after_ten_minutes(kim: Person, moment: timedelta, *, good: bool) -> None:
    token = registration_of(kim)[1]
    try:
        resolve_temporary_token(token, purpose=CodePurpose.REGISTRATION, now=NOW + 10 * MINUTE + moment)
    except TokenRefused:
        assert not good
    else:
        assert good


def test_a_spent_temporary_token_is_remembered_until_no_host_accepts_it(kim: Person) -> None:
    token = resolve_temporary_token(registration_of(kim)[1], purpose=CodePurpose.REGISTRATION, now=NOW)
    spend_temporary_token(token)
    assert SpentToken.objects.values().get() == {"jti": token.jti, "expires_at": NOW + 10 * MINUTE + LEEWAY}


@pytest.mark.parametrize(("length", "good"), [(TOKEN_MAX_LENGTH, True), (TOKEN_MAX_LENGTH + 1, False)])
def test_a_token_has_a_maximum_length(token: str, length: int, *, good: bool) -> None:
    missing = (length - len(resign(token))) * 3 // 4
    longer = (resign(token, header={"x": "x" * x}, more="x" * (missing - y)) for x in range(3) for y in range(9, 30))
    assert is_good(next(each for each in longer if len(each) == length)) is good


# Issuing


def test_an_assertion_of_another_credential_opens_no_session(kim: Person) -> None:
    other = make_person(make_organization(), "lee@example.co", SoftwareKey.make())
    account = kim.account
    opened = open_challenge(
        Ceremony.LOGIN, organization=account.organization_id, account_id=account.pk, generation=0, now=NOW
    )
    redeemed = redeem_challenge(opened.identifier, ceremony=Ceremony.LOGIN, now=NOW)
    with pytest.raises(AssertionRefused):
        issue_session(
            account.credentials.get(),
            redeemed=redeemed,
            verified=signed(other, opened.challenge),
            requester=SOMEWHERE,
            now=NOW,
        )
    assert not SpentToken.objects.exists()


def test_one_challenge_opens_one_session(kim: Person) -> None:
    account = kim.account
    opened = open_challenge(
        Ceremony.LOGIN, organization=account.organization_id, account_id=account.pk, generation=0, now=NOW
    )
    arguments: dict[str, Any] = {
        "redeemed": redeem_challenge(opened.identifier, ceremony=Ceremony.LOGIN, now=NOW),
        "verified": signed(kim, opened.challenge),
        "requester": SOMEWHERE,
        "now": NOW,
    }
    issue_session(account.credentials.get(), **arguments)
    with pytest.raises(ChallengeRefused):
        issue_session(account.credentials.get(), **arguments)


def test_the_code_of_another_account_gives_no_temporary_token(kim: Person) -> None:
    lee = make_person(make_organization(), "lee@example.co", SoftwareKey.make())
    presented = PresentedCode(recipient=lee.account.recipient, purpose=CodePurpose.REGISTRATION, presented_at=NOW)
    with pytest.raises(TokenRefused):
        issue_temporary_token(kim.account, presented=presented, now=NOW)


def test_a_token_contains_only_its_claims(kim: Person, token: str) -> None:
    text = json.dumps(claims_of(token)) + json.dumps(jwt.get_unverified_header(token))
    assert kim.account.username not in text
    assert hashlib.sha256(kim.account.username.encode()).hexdigest() not in text
