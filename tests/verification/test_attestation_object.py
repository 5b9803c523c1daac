"""A passkey is registered with its authenticator's attestation object; a refusal names the field, and what is wrong."""

import time
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from hypothesis import given, settings
from hypothesis import strategies as st
from webauthn.helpers import encode_cbor, parse_cbor

from dfns_login.errors import AttestationRefused
from dfns_login.verification.assertion import Fido2Assertion, Fido2AssertionVerifier, StoredPasskey
from dfns_login.verification.attestation import (
    Fido2Attestation,
    Fido2AttestationVerifier,
    VerifiedFido2Attestation,
)
from dfns_login.verification.attestation_object import AttestationPolicy
from dfns_login.verification.encoding import decode_base64url
from dfns_login.verification.fido2 import PasskeyState
from dfns_login.verification.public_keys import KeyAlgorithm
from tests.support.authenticators import Fault, Signs, SoftwareKey, base64url, new_challenge
from tests.support.fido2_authenticator import (
    ACCOUNT_ID,
    ALGORITHMS,
    BE,
    DEVICE_BOUND,
    ORIGIN,
    PLAIN,
    RP_ID,
    SYNCED,
    AttestedFault,
    Passkey,
    PasskeyFault,
    Statement,
    unfolding,
)
from tests.support.fido2_maker import NOT_AN_AUTHORITY, Maker, aaguid_extension

CHALLENGE = new_challenge()
PASSKEYS = [Passkey.make(algorithm) for algorithm in ALGORITHMS]
PASSKEY = PASSKEYS[0]
MAKER = Maker.make()
DIRECT = AttestationPolicy(without_statement=False, self_signed=False, roots={"packed": (MAKER.root,)})

CREDENTIAL_ID = "credential_id"
CLIENT_DATA = "client_data"
ATTESTATION_DATA = "attestation_data"

every_passkey = pytest.mark.parametrize("passkey", PASSKEYS, ids=lambda passkey: passkey.key.algorithm.value)


def register(
    wire: dict[str, str],
    *,
    challenge: str = CHALLENGE,
    algorithms: tuple[KeyAlgorithm, ...] = tuple(KeyAlgorithm),
    policy: AttestationPolicy | None = None,
    transports: tuple[str, ...] = (),
) -> VerifiedFido2Attestation:
    return Fido2AttestationVerifier(
        rp_id=RP_ID, origins=(ORIGIN,), algorithms=algorithms, policy=policy or AttestationPolicy()
    ).verify(
        Fido2Attestation(
            credential_id=wire["credId"],
            client_data=wire["clientData"],
            attestation_data=wire["attestationData"],
            transports=transports,
        ),
        challenge=challenge,
    )


def refusal(wire: dict[str, str], **given) -> AttestationRefused:
    with pytest.raises(AttestationRefused) as refused:
        register(wire, **given)
    assert refused.value.status == 400
    assert all(sentence.endswith(".") for sentences in refused.value.details.values() for sentence in sentences)
    return refused.value


@every_passkey
@pytest.mark.parametrize("statement", [Statement.NONE, Statement.SELF_SIGNED], ids=lambda statement: statement.name)
def test_a_new_passkey_holds(passkey, statement):
    verified = register(passkey.register(CHALLENGE, statement=statement))
    assert verified.credential_id == passkey.credential_id
    assert (verified.public_key.algorithm, verified.public_key.spki) == (passkey.key.algorithm, passkey.spki)
    assert verified.client_data.origin == ORIGIN
    assert verified.state == PasskeyState(sign_count=0, backup_eligible=True, backed_up=True)
    assert verified.aaguid == "00000000-0000-0000-0000-000000000000"
    assert verified.statement_format == statement.value[:6].strip(",")


@pytest.mark.parametrize(
    ("flags", "eligible", "backed_up"),
    [(DEVICE_BOUND, False, False), (DEVICE_BOUND | BE, True, False), (SYNCED, True, True)],
)
def test_sign_count_and_backup_flags_are_given_back(flags, eligible, backed_up):
    state = register(Passkey.make(flags=flags).register(CHALLENGE, sign_count=5)).state
    assert state == PasskeyState(sign_count=5, backup_eligible=eligible, backed_up=backed_up)


@every_passkey
def test_a_registered_key_signs_in(passkey):
    registered = register(passkey.register(CHALLENGE))
    wire = passkey.answer(CHALLENGE)
    assert Fido2AssertionVerifier(rp_id=RP_ID, origins=(ORIGIN,)).verify(
        Fido2Assertion(
            client_data=wire["clientData"],
            authenticator_data=wire["authenticatorData"],
            signature=wire["signature"],
            user_handle=wire["userHandle"],
        ),
        stored=StoredPasskey(
            credential_id=registered.credential_id,
            spki=registered.public_key.spki,
            account_id=ACCOUNT_ID,
            sign_count=registered.state.sign_count,
            backup_eligible=registered.state.backup_eligible,
        ),
        challenge=CHALLENGE,
    )


@every_passkey
@pytest.mark.parametrize("fault", [*Fault, *PasskeyFault, *AttestedFault], ids=lambda fault: fault.name)
def test_a_new_passkey_with_a_fault_is_refused_by_its_field(passkey, fault):
    """R-53, R-54, R-56, R-62."""
    wire = passkey.register(CHALLENGE, statement=Statement.SELF_SIGNED, fault=fault)
    begun = time.process_time()
    refused = refusal(wire)
    assert time.process_time() - begun < 1
    of_browser = isinstance(fault, Fault) and not (isinstance(fault.value, Signs) or fault.name.startswith("PROOF"))
    assert list(refused.details) == [CLIENT_DATA if of_browser else ATTESTATION_DATA]


@pytest.mark.parametrize("fault", [*PasskeyFault, *AttestedFault], ids=lambda fault: fault.name)
def test_unsigned_data_is_checked_too(fault):
    assert register(PASSKEY.register(CHALLENGE, statement=Statement.NONE))
    refusal(PASSKEY.register(CHALLENGE, statement=Statement.NONE, fault=fault))


def test_a_new_passkey_for_another_challenge_is_refused():
    assert list(refusal(PASSKEY.register(CHALLENGE), challenge=new_challenge()).details) == [CLIENT_DATA]


def test_a_credential_id_is_the_one_within():
    """R-62: canonical, and the authenticator's."""
    wire = PASSKEY.register(CHALLENGE)
    padded = wire["credId"] + "=" * (-len(wire["credId"]) % 4)
    assert register(wire | {"credId": padded}).credential_id == wire["credId"]
    other = Passkey.make().credential_id
    assert "another credential id" in str(refusal(wire | {"credId": other}).details[ATTESTATION_DATA])
    for none in ("", "QUJ", base64url(bytes(1024))):
        assert list(refusal(wire | {"credId": none}).details) == [CREDENTIAL_ID]


def test_known_transports_are_kept_in_order_and_once():
    given_ = ("internal", "hybrid", "internal", "carrier-pigeon", "usb", "smart-card", "nfc", "ble", "", "USB")
    kept = register(PASSKEY.register(CHALLENGE), transports=given_).transports
    assert kept == ("internal", "hybrid", "usb", "smart-card", "nfc", "ble")


# Its key


@every_passkey
def test_a_kind_of_key_that_the_project_does_not_accept_is_refused(passkey):
    """R-60."""
    others = tuple(set(KeyAlgorithm) - {passkey.key.algorithm})
    assert "not accepted" in str(refusal(passkey.register(CHALLENGE), algorithms=others).details)


@pytest.mark.parametrize("algorithm", [KeyAlgorithm.P384, KeyAlgorithm.SECP256K1])
def test_a_curve_that_has_another_algorithm_is_refused(algorithm):
    """WebAuthn Level 3 §5.8.5: ES256 is over P-256."""
    assert list(refusal(Passkey.make(algorithm).register(CHALLENGE)).details) == [ATTESTATION_DATA]


@cache
def rsa_cose(bits: int, exponent: int = 65537) -> dict[int, object]:
    numbers = rsa.generate_private_key(public_exponent=exponent, key_size=bits).public_key().public_numbers()
    return {1: 3, 3: -257, -1: numbers.n.to_bytes(bits // 8), -2: exponent.to_bytes(3)}


ES256 = PASSKEY.cose
RS256 = PASSKEYS[1].cose
EDDSA = PASSKEYS[2].cose


@pytest.mark.parametrize(
    "cose",
    [
        pytest.param(lambda: rsa_cose(1024), id="RSA of 1024 bits"),
        pytest.param(lambda: rsa_cose(2048, 3), id="RSA with exponent 3"),
        pytest.param(lambda: RS256 | {-1: b""}, id="RSA without modulus"),
        pytest.param(lambda: RS256 | {-1: b"\0" * 256}, id="RSA with modulus 0"),
        pytest.param(lambda: RS256 | {-1: b"\xff" * 4096}, id="RSA of 32768 bits"),
        pytest.param(lambda: RS256 | {-1: RS256[-1][:-1] + b"\0"}, id="RSA with even modulus"),
        pytest.param(lambda: RS256 | {3: -65535}, id="RSA with SHA-1"),
        pytest.param(lambda: RS256 | {3: -37}, id="RSA-PSS"),
        pytest.param(lambda: RS256 | {3: -7}, id="RSA as ES256"),
        pytest.param(lambda: ES256 | {3: -257}, id="EC as RS256"),
        pytest.param(lambda: ES256 | {3: -36}, id="ES512 over P-256"),
        pytest.param(lambda: ES256 | {3: "ES256"}, id="algorithm as text"),
        pytest.param(lambda: ES256 | {3: 0}, id="algorithm 0"),
        pytest.param(lambda: ES256 | {-1: 2}, id="P-256 point on P-384"),
        pytest.param(lambda: ES256 | {-1: 99}, id="unknown curve"),
        pytest.param(lambda: ES256 | {-2: bytes(32)}, id="no point of the curve"),
        pytest.param(lambda: ES256 | {-2: 5}, id="coordinate as number"),
        pytest.param(lambda: ES256 | {-2: "x"}, id="coordinate as text"),
        pytest.param(lambda: ES256 | {-2: [1]}, id="coordinate as array"),
        pytest.param(lambda: ES256 | {-3: True}, id="compressed point"),
        pytest.param(lambda: ES256 | {-3: None}, id="coordinate null"),
        pytest.param(lambda: ES256 | {-2: b"", -3: b""}, id="empty point"),
        pytest.param(lambda: {name: value for name, value in ES256.items() if name != 3}, id="no algorithm"),
        pytest.param(lambda: {name: value for name, value in ES256.items() if name != -3}, id="no y"),
        pytest.param(lambda: EDDSA | {-2: b"\x01" + bytes(31)}, id="Ed25519 point of order 1"),
        pytest.param(lambda: EDDSA | {-2: bytes(32)}, id="Ed25519 point of order 4"),
        pytest.param(lambda: EDDSA | {-2: b"\xee" + b"\xff" * 30 + b"\x7f"}, id="Ed25519 point not canonical"),
        pytest.param(lambda: EDDSA | {-2: bytes(31)}, id="Ed25519 key too short"),
        pytest.param(lambda: EDDSA | {-1: 7}, id="Ed448 as curve"),
        pytest.param(lambda: {1: 7, 3: -48, -1: bytes(1312)}, id="ML-DSA"),
        pytest.param(lambda: {1: 4, 3: 5, -1: bytes(32)}, id="symmetric key"),
        pytest.param(dict, id="empty map"),
        pytest.param(lambda: b"\x80", id="array"),
        pytest.param(lambda: b"\x04", id="number"),
        pytest.param(lambda: b"\xf6", id="null"),
        pytest.param(lambda: b"\x40", id="empty byte string"),
        pytest.param(lambda: b"\x04" + bytes(64), id="bare point"),
        pytest.param(lambda: b"\xa2\x01\x02\x01\x02", id="member twice"),
        pytest.param(lambda: b"\xa1\x80\x01", id="array as name"),
        pytest.param(lambda: unfolding(23), id="unfolds"),
    ],
)
@pytest.mark.parametrize("statement", [Statement.NONE, Statement.SELF_SIGNED], ids=lambda statement: statement.name)
def test_a_key_that_may_not_be_registered_is_refused(cose, statement):
    """R-60, R-63."""
    begun = time.process_time()
    wire = PASSKEY.register(CHALLENGE, cose=cose(), statement=statement)
    assert list(refusal(wire).details) == [ATTESTATION_DATA]
    assert time.process_time() - begun < 5


# Its statement


def with_statement(statement: Statement = Statement.CERTIFIED, **members: object) -> dict[str, str]:
    """Return an answer with other members in its statement; those that are `...` are left out."""

    def change(attestation):
        changed = attestation["attStmt"] | members
        return attestation | {"attStmt": {name: value for name, value in changed.items() if value is not ...}}

    return PASSKEY.register(CHALLENGE, statement=statement, maker=MAKER, change=change)


def certified(*extensions, authority: Maker = MAKER, **named: str) -> bytes:
    return authority.certify(MAKER.key.private_key.public_key(), *extensions, **named)


SAME_MAKE = aaguid_extension(PASSKEY.aaguid)


def test_the_default_requests_no_statement_but_accepts_any():
    """WebAuthn Level 3 §5.1.3: a browser passes a self-signed statement on."""
    assert register(with_statement(Statement.SELF_SIGNED))
    assert register(with_statement(Statement.NONE)).statement_format == "none"


def test_a_statement_of_a_trusted_maker_holds():
    passkey = Passkey.make(aaguid=bytes(range(16)))
    wire = passkey.register(CHALLENGE, statement=Statement.CERTIFIED, maker=MAKER)
    verified = register(wire, policy=DIRECT)
    assert verified.statement_format == "packed"
    assert verified.aaguid == "00010203-0405-0607-0809-0a0b0c0d0e0f"


def test_a_statement_of_apple_is_trusted_by_its_root():
    policy = AttestationPolicy(roots={"apple": (MAKER.root,)})
    wire = with_statement(Statement.APPLE)
    assert register(wire, policy=policy).statement_format == "apple"
    for other in (AttestationPolicy(), DIRECT, AttestationPolicy(roots={"apple": (Maker.make().root,)})):
        refusal(wire, policy=other)


@pytest.mark.parametrize("passkey", PASSKEYS[:2], ids=lambda passkey: passkey.key.algorithm.value)
def test_a_statement_of_a_tpm_is_trusted_by_its_root(passkey):
    policy = AttestationPolicy(roots={"tpm": (MAKER.root,)})
    wire = passkey.register(CHALLENGE, statement=Statement.TPM, maker=MAKER)
    assert register(wire, policy=policy).statement_format == "tpm"
    for other in (AttestationPolicy(), DIRECT, AttestationPolicy(roots={"tpm": (Maker.make().root,)})):
        refusal(wire, policy=other)


@pytest.mark.parametrize(
    "members",
    [
        pytest.param({"pubArea": b"\0\x23"}, id="public area cut"),
        pytest.param({"pubArea": b""}, id="no public area"),
        pytest.param({"certInfo": b"\xffTCG"}, id="certified data cut"),
        pytest.param({"certInfo": bytes(200)}, id="certified data of another kind"),
        pytest.param({"ver": "1.2"}, id="other version"),
        pytest.param({"ver": 2}, id="version as number"),
        pytest.param({"sig": bytes(64)}, id="other signature"),
        pytest.param({"x5c": [certified(NOT_AN_AUTHORITY)]}, id="certificate of no TPM"),
    ],
)
def test_a_malformed_statement_of_a_trusted_tpm_is_refused(members):
    """py_webauthn reads these structures as if they were whole."""
    policy = AttestationPolicy(roots={"tpm": (MAKER.root,)})
    assert register(with_statement(Statement.TPM), policy=policy)
    assert list(refusal(with_statement(Statement.TPM, **members), policy=policy).details) == [ATTESTATION_DATA]


@pytest.mark.parametrize(
    ("statement", "policy"),
    [
        pytest.param(Statement.NONE, DIRECT, id="none is not enough"),
        pytest.param(Statement.SELF_SIGNED, DIRECT, id="self-signed is not enough"),
        pytest.param(Statement.CERTIFIED, AttestationPolicy(), id="no roots"),
        pytest.param(Statement.CERTIFIED, AttestationPolicy(roots={"packed": ()}), id="empty roots"),
        pytest.param(
            Statement.CERTIFIED, AttestationPolicy(roots={"tpm": (MAKER.root,)}), id="roots of another format"
        ),
        pytest.param(
            Statement.CERTIFIED, AttestationPolicy(roots={"packed": (Maker.make().root,)}), id="root of another maker"
        ),
    ],
)
def test_a_statement_that_the_policy_does_not_trust_is_refused(statement, policy):
    """py_webauthn alone would take any certificate where it has no roots."""
    assert list(refusal(with_statement(statement), policy=policy).details) == [ATTESTATION_DATA]


def test_every_one_of_several_roots_is_trusted():
    policy = AttestationPolicy(roots={"packed": (Maker.make().root, MAKER.root)})
    assert register(with_statement(), policy=policy)


@pytest.mark.parametrize(
    "roots", [{"none": ()}, {"fido-u2f": (MAKER.root,)}, {"Packed": (MAKER.root,)}, {"packed": ("no PEM",)}]
)
def test_a_policy_that_cannot_be_kept_is_not_made(roots):
    with pytest.raises(ValueError, match=r"formats|PEM"):
        AttestationPolicy(roots=roots)


@pytest.mark.parametrize(
    "members",
    [
        pytest.param({"x5c": []}, id="no certificates"),
        pytest.param({"x5c": None}, id="certificates null"),
        pytest.param({"x5c": b""}, id="certificates in no list"),
        pytest.param({"x5c": [b""]}, id="certificate empty"),
        pytest.param({"x5c": [b"\x30\x03\x02\x01\x00"]}, id="certificate of other DER"),
        pytest.param({"x5c": ["text"]}, id="certificate as text"),
        pytest.param({"x5c": [[]]}, id="certificate as list"),
        pytest.param({"x5c": [certified(SAME_MAKE, NOT_AN_AUTHORITY, authority=Maker.make())]}, id="other authority"),
        pytest.param({"x5c": [certified(aaguid_extension(b"\1" * 16), NOT_AN_AUTHORITY)]}, id="other make"),
        pytest.param({"x5c": [certified((x509.BasicConstraints(ca=True, path_length=0), True))]}, id="of an authority"),
        pytest.param({"x5c": [certified(SAME_MAKE)]}, id="of what may be an authority"),
        pytest.param({"x5c": [certified(SAME_MAKE, NOT_AN_AUTHORITY, unit="Web")]}, id="of a web server"),
        pytest.param(
            {"x5c": [MAKER.certify(SoftwareKey.make().private_key.public_key(), SAME_MAKE)]}, id="for another key"
        ),
        pytest.param(
            {"x5c": [MAKER.certify(ed25519.Ed25519PrivateKey.generate().public_key(), SAME_MAKE)]}, id="Ed25519 key"
        ),
        pytest.param({"sig": ...}, id="no signature"),
        pytest.param({"sig": b""}, id="signature empty"),
        pytest.param({"sig": "text"}, id="signature as text"),
        pytest.param({"sig": 1}, id="signature as number"),
        pytest.param({"alg": ...}, id="no algorithm"),
        pytest.param({"alg": "ES256"}, id="algorithm as text"),
        pytest.param({"alg": -257}, id="algorithm of another key"),
        pytest.param({"alg": -9999}, id="unknown algorithm"),
        pytest.param({"alg": None}, id="algorithm null"),
    ],
)
def test_a_statement_that_is_malformed_or_does_not_hold_is_refused(members):
    assert register(with_statement(), policy=DIRECT)
    assert list(refusal(with_statement(**members), policy=DIRECT).details) == [ATTESTATION_DATA]


def test_a_certificate_need_not_name_its_make():
    """WebAuthn Level 3 §8.2: it does only where one root certifies many makes."""
    assert register(with_statement(x5c=[certified(NOT_AN_AUTHORITY)]), policy=DIRECT)


def test_a_self_signed_statement_in_the_dress_of_a_certified_one_is_refused():
    """py_webauthn reads an empty list of certificates as none."""
    empty = with_statement(Statement.SELF_SIGNED, x5c=[])
    for policy in (DIRECT, AttestationPolicy()):
        assert list(refusal(empty, policy=policy).details) == [ATTESTATION_DATA]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"attStmt": {"sig": b"x"}}, id="none with a statement"),
        pytest.param({"attStmt": {"unknown": 1}}, id="none with something else"),
        pytest.param({"attStmt": []}, id="statement as list"),
        pytest.param({"attStmt": ...}, id="no statement"),
        pytest.param({"fmt": "fido-u2f"}, id="U2F"),
        pytest.param({"fmt": "android-safetynet"}, id="SafetyNet"),
        pytest.param({"fmt": "unheard-of"}, id="unknown format"),
        pytest.param({"fmt": 1}, id="format as number"),
        pytest.param({"fmt": ...}, id="no format"),
        pytest.param({"authData": "text"}, id="authenticator data as text"),
        pytest.param({"authData": ...}, id="no authenticator data"),
        pytest.param({"more": "m" * 2**16}, id="too long"),
    ],
)
def test_an_attestation_object_that_is_malformed_is_refused(change):
    wire = PASSKEY.register(
        CHALLENGE, change=lambda made: {name: value for name, value in (made | change).items() if value is not ...}
    )
    assert list(refusal(wire).details) == [ATTESTATION_DATA]


def test_unknown_members_of_an_attestation_object_are_ignored():
    assert register(PASSKEY.register(CHALLENGE, change=lambda made: made | {"epAtt": False}))


@pytest.mark.parametrize(
    "data", [b"", b"\xa0", b"\x80", b"\xf6", b"\xff", b"{}", b"\xbf\xff", b"\xd9\xd9\xf7\xa0", unfolding(23)]
)
def test_an_attestation_object_that_is_not_a_map_is_refused(data):
    wire = PASSKEY.register(CHALLENGE) | {"attestationData": base64url(data)}
    assert list(refusal(wire).details) == [ATTESTATION_DATA]


def test_bytes_after_an_attestation_object_are_refused():
    wire = PASSKEY.register(CHALLENGE)
    for more in (b"\0", b"\xa0"):
        longer = base64url(decode_base64url(wire["attestationData"]) + more)
        assert list(refusal(wire | {"attestationData": longer}).details) == [ATTESTATION_DATA]


# Any body


TEXT = st.text(max_size=80) | st.binary(max_size=80).map(base64url) | PLAIN.map(encode_cbor).map(base64url)


@settings(deadline=None)
@given(st.sampled_from(["credId", "clientData", "attestationData"]), TEXT)
def test_any_text_in_a_member_of_a_registration_is_refused(name, text):
    refusal(PASSKEY.register(CHALLENGE) | {name: text})


@settings(deadline=None)
@given(st.sampled_from([Statement.SELF_SIGNED, Statement.CERTIFIED]), st.sampled_from(["alg", "sig", "x5c"]), PLAIN)
def test_any_statement_is_refused(statement, name, value):
    policy = AttestationPolicy(roots={"packed": (MAKER.root,)})
    refusal(_signed_once(statement, name, value), policy=policy)


def _signed_once(statement: Statement, name: str, value: object) -> dict[str, str]:
    wire, attestation = _attested(statement)
    changed = attestation | {"attStmt": attestation["attStmt"] | {name: value}}
    return wire | {"attestationData": base64url(encode_cbor(changed))}


@cache
def _attested(statement: Statement):
    wire = PASSKEY.register(CHALLENGE, statement=statement, maker=MAKER)
    return wire, parse_cbor(decode_base64url(wire["attestationData"]))


@settings(deadline=None)
@given(st.sampled_from(["pubArea", "certInfo"]), st.binary(max_size=120))
def test_any_structure_of_a_trusted_tpm_is_refused(name, structure):
    policy = AttestationPolicy(roots={"tpm": (MAKER.root,)})
    refused = refusal(_signed_once(Statement.TPM, name, structure), policy=policy)
    assert '"' not in refused.reason, "what was sent is quoted"


@pytest.mark.fuzz
@settings(deadline=None)
@given(
    st.sampled_from(["tpm", "apple", "android-key", "fido-u2f", "packed"]),
    st.dictionaries(st.sampled_from(["alg", "sig", "x5c", "ver", "certInfo", "pubArea", "response"]), PLAIN),
)
def test_any_statement_of_any_format_is_refused(name, statement):
    roots = dict.fromkeys(("packed", "tpm", "apple"), (MAKER.root,))
    wire, attestation = _attested(Statement.NONE)
    changed = attestation | {"fmt": name, "attStmt": statement}
    refusal(wire | {"attestationData": base64url(encode_cbor(changed))}, policy=AttestationPolicy(roots=roots))


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from([1, 3, -1, -2, -3]), PLAIN | st.sampled_from([1, 2, 3, -7, -8, -257, 6])))
def test_any_key_is_refused(cose):
    refusal(PASSKEY.register(CHALLENGE, cose=cose))


@settings(deadline=None)
@given(st.data())
def test_any_flipped_byte_of_a_certified_passkey_is_refused(data):
    wire, _ = _attested(Statement.CERTIFIED)
    raw = bytearray(decode_base64url(wire["attestationData"]))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    refusal(wire | {"attestationData": base64url(bytes(raw))}, policy=DIRECT)
