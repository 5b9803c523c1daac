"""A passkey's assertion holds for one passkey, challenge and relying party; every failure has one answer."""

import hashlib
import json
import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from webauthn.helpers import encode_cbor, parse_cbor

from dfns_login.errors import AssertionRefused, SignCountRegressed
from dfns_login.verification.assertion import (
    Fido2Assertion,
    Fido2AssertionVerifier,
    StoredPasskey,
    VerifiedFido2Assertion,
)
from dfns_login.verification.encoding import decode_base64url
from dfns_login.verification.fido2 import Fido2Error, PasskeyState, check_authenticator_data
from dfns_login.verification.public_keys import KeyAlgorithm
from tests.support.authenticators import Fault, base64url, new_challenge
from tests.support.fido2_authenticator import (
    ACCOUNT_ID,
    ALGORITHMS,
    BE,
    DEVICE_BOUND,
    ORIGIN,
    PLAIN,
    RP_ID,
    SYNCED,
    Passkey,
    PasskeyFault,
    Statement,
)

CHALLENGE = new_challenge()
PASSKEYS = [Passkey.make(algorithm) for algorithm in ALGORITHMS]
PASSKEY = PASSKEYS[0]
FAULTS = [*Fault, *PasskeyFault]

every_passkey = pytest.mark.parametrize("passkey", PASSKEYS, ids=lambda passkey: passkey.key.algorithm.value)


def stored(passkey: Passkey, *, sign_count: int = 0) -> StoredPasskey:
    return StoredPasskey(
        credential_id=passkey.credential_id,
        spki=passkey.spki,
        account_id=ACCOUNT_ID,
        sign_count=sign_count,
        backup_eligible=bool(passkey.flags & BE),
    )


def assertion(wire: dict[str, str]) -> Fido2Assertion:
    return Fido2Assertion(
        client_data=wire["clientData"],
        authenticator_data=wire["authenticatorData"],
        signature=wire["signature"],
        user_handle=wire["userHandle"],
    )


def verify(
    passkey: Passkey,
    wire: dict[str, str],
    *,
    challenge: str = CHALLENGE,
    sign_count: int = 0,
    origins: tuple[str, ...] = (ORIGIN,),
) -> VerifiedFido2Assertion:
    return Fido2AssertionVerifier(rp_id=RP_ID, origins=origins).verify(
        assertion(wire), stored=stored(passkey, sign_count=sign_count), challenge=challenge
    )


def client_data_hash(raw: bytes) -> bytes:
    return hashlib.sha256(raw).digest()


@every_passkey
def test_an_answer_to_the_challenge_holds(passkey):
    verified = verify(passkey, passkey.answer(CHALLENGE))
    assert verified.credential_id == passkey.credential_id
    assert verified.public_key.spki == passkey.spki
    assert verified.client_data.origin == ORIGIN
    assert verified.state == PasskeyState(sign_count=1, backup_eligible=True, backed_up=True)


@every_passkey
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_an_answer_with_a_fault_is_refused(passkey, fault):
    """R-36, R-53, R-54, R-56: whatever is wrong, the answer is the same, and soon there; what it was is for the log."""
    wire = passkey.answer(CHALLENGE, fault=fault)
    begun = time.process_time()
    with pytest.raises(AssertionRefused) as refused:
        verify(passkey, wire)
    assert time.process_time() - begun < 1
    assert (refused.value.status, refused.value.message) == (401, "Not Authorized.")
    assert refused.value.details is None
    assert refused.value.reason


def test_an_answer_to_another_challenge_is_refused():
    with pytest.raises(AssertionRefused):
        verify(PASSKEY, PASSKEY.answer(CHALLENGE), challenge=new_challenge())


def test_the_challenge_is_the_text_not_its_decoded_bytes():
    """R-53: a client that decodes the challenge before it hands it to the browser signs another one."""
    decoded = PASSKEY.answer(CHALLENGE) | with_client_data(lambda said: said | {"challenge": CHALLENGE})
    with pytest.raises(AssertionRefused, match="challenge"):
        verify(PASSKEY, decoded)


def with_client_data(change) -> dict[str, str]:
    """Client data and a good signature over them, with another content."""
    wire = PASSKEY.answer(CHALLENGE)
    said = change(json.loads(decode_base64url(wire["clientData"])))
    raw = json.dumps(said).encode()
    signature = PASSKEY.key.sign(decode_base64url(wire["authenticatorData"]) + client_data_hash(raw))
    return {"clientData": base64url(raw), "signature": base64url(signature)}


def test_an_origin_that_is_not_named_is_refused():
    """R-53: a browser always names it."""
    assert verify(PASSKEY, PASSKEY.answer(CHALLENGE) | with_client_data(lambda said: said))
    nameless = with_client_data(lambda said: {name: value for name, value in said.items() if name != "origin"})
    with pytest.raises(AssertionRefused, match="origin"):
        verify(PASSKEY, PASSKEY.answer(CHALLENGE) | nameless)


def test_each_listed_origin_is_accepted_and_no_other():
    wire = PASSKEY.answer(CHALLENGE)
    assert verify(PASSKEY, wire, origins=("https://other.example", ORIGIN))
    for origins in ((), ("https://other.example",), (ORIGIN + "/",)):
        with pytest.raises(AssertionRefused, match="origin"):
            verify(PASSKEY, wire, origins=origins)


def test_a_registration_is_no_answer():
    """R-86: what was signed to register cannot sign in."""
    info = PASSKEY.register(CHALLENGE, statement=Statement.SELF_SIGNED)
    attestation = parse_cbor(decode_base64url(info["attestationData"]))
    wire = PASSKEY.answer(CHALLENGE) | {
        "clientData": info["clientData"],
        "authenticatorData": base64url(attestation["authData"]),
        "signature": base64url(attestation["attStmt"]["sig"]),
    }
    with pytest.raises(AssertionRefused, match=r"webauthn\.get"):
        verify(PASSKEY, wire)


def test_an_assertion_by_a_key_is_refused_for_a_passkey():
    """R-55: a passkey's key that signs as kind `Key` does."""
    key = PASSKEY.key.answer(CHALLENGE)
    with pytest.raises(AssertionRefused):
        verify(PASSKEY, PASSKEY.answer(CHALLENGE) | {name: key[name] for name in ("clientData", "signature")})


def test_an_answer_under_another_stored_key_is_refused():
    for other in PASSKEYS[1:]:
        with pytest.raises(AssertionRefused):
            verify(other, PASSKEY.answer(CHALLENGE))


@pytest.mark.parametrize("algorithm", [KeyAlgorithm.P384, KeyAlgorithm.SECP256K1])
def test_a_stored_key_of_a_kind_that_no_passkey_has_verifies_nothing(algorithm):
    passkey = Passkey.make(algorithm)
    with pytest.raises(AssertionRefused, match="PublicKeyError"):
        verify(passkey, passkey.answer(CHALLENGE))


def test_without_a_stored_passkey_even_a_good_signature_is_refused():
    """R-36: the same answer as for a bad one."""
    with pytest.raises(AssertionRefused) as refused:
        Fido2AssertionVerifier(rp_id=RP_ID, origins=(ORIGIN,)).verify(
            assertion(PASSKEY.answer(CHALLENGE)), stored=None, challenge=CHALLENGE
        )
    assert (refused.value.status, refused.value.message, refused.value.details) == (401, "Not Authorized.", None)
    assert "no such credential" in refused.value.reason


def test_nothing_that_was_signed_or_signs_is_shown():
    assert repr(assertion(PASSKEY.answer(CHALLENGE))) == "Fido2Assertion()"
    assert PASSKEY.spki.hex()[-16:] not in repr(stored(PASSKEY))
    shown = repr(verify(PASSKEY, PASSKEY.answer(CHALLENGE)))
    assert CHALLENGE not in shown
    assert base64url(CHALLENGE.encode()) not in shown


# The user handle


@pytest.mark.parametrize("handle", [None, "", base64url(ACCOUNT_ID.encode())])
def test_a_user_handle_may_be_missing_where_the_user_is_known(handle):
    assert verify(PASSKEY, PASSKEY.answer(CHALLENGE) | {"userHandle": handle})


@pytest.mark.parametrize(
    "handle", [base64url(b"us-2"), base64url(b"US-1"), base64url(b"us-1 "), base64url(b"\xff"), "us-1!", ACCOUNT_ID]
)
def test_a_user_handle_of_another_account_is_refused(handle):
    """R-55: alice's credential with mallory's user handle."""
    with pytest.raises(AssertionRefused):
        verify(PASSKEY, PASSKEY.answer(CHALLENGE) | {"userHandle": handle})


def test_a_discoverable_passkey_names_its_account():
    wire = PASSKEY.answer(CHALLENGE)
    assert assertion(wire).claimed_account_id == ACCOUNT_ID
    for handle in (None, ""):
        assert assertion(wire | {"userHandle": handle}).claimed_account_id is None


@pytest.mark.parametrize("handle", ["us-1!", base64url(b"\xff"), "QUJ"])
def test_a_user_handle_that_is_not_text_matches_no_account(handle):
    assert assertion(PASSKEY.answer(CHALLENGE) | {"userHandle": handle}).claimed_account_id is None


# The sign count and the backup flags


@pytest.mark.parametrize(("before", "now"), [(0, 0), (0, 1), (1, 2), (1, 1000), (2**32 - 2, 2**32 - 1)])
def test_a_sign_count_that_rises_or_is_not_kept_holds(before, now):
    verified = verify(PASSKEY, PASSKEY.answer(CHALLENGE, sign_count=now), sign_count=before)
    assert verified.state.sign_count == now


@pytest.mark.parametrize(("before", "now"), [(7, 7), (7, 6), (7, 0), (2**32 - 1, 0), (2**32 - 1, 1)])
def test_a_sign_count_that_does_not_rise_is_refused_by_a_name_of_its_own(before, now):
    """R-54: the ceremony can tell the owner. The client gets the same refusal as for any other failure."""
    with pytest.raises(SignCountRegressed) as refused:
        verify(PASSKEY, PASSKEY.answer(CHALLENGE, sign_count=now), sign_count=before)
    generic = AssertionRefused()
    assert (refused.value.status, refused.value.code, refused.value.message) == (
        generic.status,
        generic.code,
        generic.message,
    )


@pytest.mark.parametrize("fault", [Fault.FLIPPED_BIT, Fault.ORIGIN_FOREIGN, PasskeyFault.USER_NOT_VERIFIED])
def test_a_sign_count_is_believed_only_if_all_else_holds(fault):
    """Nobody makes us warn a user without having their passkey."""
    with pytest.raises(AssertionRefused) as refused:
        verify(PASSKEY, PASSKEY.answer(CHALLENGE, sign_count=3, fault=fault), sign_count=7)
    assert not isinstance(refused.value, SignCountRegressed)


@pytest.mark.parametrize(
    ("flags", "eligible", "backed_up"),
    [(DEVICE_BOUND, False, False), (DEVICE_BOUND | BE, True, False), (SYNCED, True, True)],
)
def test_backup_flags_are_given_back(flags, eligible, backed_up):
    passkey = Passkey.make(flags=flags)
    expected = PasskeyState(sign_count=5, backup_eligible=eligible, backed_up=backed_up)
    assert verify(passkey, passkey.answer(CHALLENGE, sign_count=5)).state == expected


@pytest.mark.parametrize("flags", [DEVICE_BOUND, DEVICE_BOUND | BE, SYNCED])
def test_a_changed_backup_eligibility_is_refused(flags):
    """R-54. A passkey keeps it for life (WebAuthn Level 3 §7.2), whether or not it has been backed up."""
    passkey = Passkey.make(flags=flags)
    assert verify(passkey, passkey.answer(CHALLENGE))
    changed = replace(passkey, flags=DEVICE_BOUND if flags & BE else SYNCED)
    with pytest.raises(AssertionRefused):
        verify(passkey, changed.answer(CHALLENGE))


# The length of authenticator data


def authenticator_data(*, flags: int, more: bytes) -> bytes:
    return bytes(32) + bytes([flags]) + bytes(4) + more


def attested(credential_id: bytes) -> bytes:
    """Return attested credential data, with an empty map instead of the key."""
    return bytes(16) + len(credential_id).to_bytes(2) + credential_id + b"\xa0"


def byte_string(length: int) -> bytes:
    return b"\x59" + length.to_bytes(2) + bytes(length)


@pytest.mark.parametrize(
    ("flags", "more"),
    [
        pytest.param(0x05, b"", id="neither"),
        pytest.param(0x45, attested(b""), id="attested, no credential id"),
        pytest.param(0x45, attested(bytes(1)), id="attested"),
        pytest.param(0x45, attested(bytes(300)), id="attested, long credential id"),
        pytest.param(0x85, b"\xa0", id="extended"),
        pytest.param(0xC5, attested(bytes(300)) + b"\xa1\x61a\x01", id="attested and extended"),
        pytest.param(0x85, byte_string(8192 - 37 - 3), id="8192 bytes"),
    ],
)
def test_authenticator_data_have_the_length_that_they_declare(flags, more):
    whole = authenticator_data(flags=flags, more=more)
    check_authenticator_data(whole)
    for wrong in (whole + b"\xa0", whole[:-1], whole[:36], b""):
        with pytest.raises(Fido2Error):
            check_authenticator_data(wrong)


def test_authenticator_data_have_a_maximum_length():
    with pytest.raises(Fido2Error, match="8192"):
        check_authenticator_data(authenticator_data(flags=0x85, more=byte_string(8193 - 37 - 3)))


# Any body


TEXT = st.text(max_size=80) | st.binary(max_size=80).map(base64url) | PLAIN.map(encode_cbor).map(base64url)


@settings(deadline=None)
@given(st.sampled_from(["clientData", "authenticatorData", "signature", "userHandle"]), TEXT | st.just(""))
def test_any_text_in_a_member_of_an_answer_is_refused(name, text):
    if name == "userHandle" and text in ("", base64url(ACCOUNT_ID.encode())):
        return
    with pytest.raises(AssertionRefused):
        verify(PASSKEY, PASSKEY.answer(CHALLENGE) | {name: text})


@settings(deadline=None)
@given(st.binary(max_size=100), st.integers(0, 255))
def test_any_authenticator_data_that_are_signed_hold_or_are_refused(data, flags):
    wire = PASSKEY.answer(CHALLENGE)
    reported = decode_base64url(wire["authenticatorData"])[:32] + bytes([flags]) + data
    signature = PASSKEY.key.sign(reported + client_data_hash(decode_base64url(wire["clientData"])))
    wire |= {"authenticatorData": base64url(reported), "signature": base64url(signature)}
    try:
        assert verify(PASSKEY, wire)
    except AssertionRefused as refused:
        assert refused.status == 401  # noqa: PT017  # either is right
    else:
        assert flags & 0x05 == 0x05
