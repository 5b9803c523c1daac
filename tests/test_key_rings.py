"""Key rings: invalid rings, secrets that must not be shown, and rotation (R-118)."""

import base64
import copy
import json
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.test import Client, override_settings
from jwt.algorithms import ECAlgorithm

from dfns_login.key_rings import Ring, key_ids, key_rings, new_rings, public_token_keys, ring_texts, rotate_ring
from dfns_login.models import Account, CodePurpose, OneTimeCode
from tests.support.api_client import call, complete_login, open_login, sign_in
from tests.support.authenticators import Kind, SoftwareKey
from tests.support.factories import Person, issue, make_organization, make_person

NOW = datetime(2026, 11, 23, tzinfo=UTC)
UNKNOWN = "nobody@example.co"
Rings = dict[str, Any]
Use = Callable[[Rings], None]


@pytest.fixture
def rings() -> Rings:
    return new_rings(now=NOW)


@pytest.fixture
def use(settings) -> Use:
    """Configure these rings."""

    def use(rings: Rings) -> None:
        settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, "KEYS": json.dumps(rings)}

    return use


def secrets_of(rings: Rings) -> list[str]:
    return [key[name] for ring in rings.values() for key in ring for name in ("k", "d") if name in key]


def without_old(rings: Rings, ring: Ring) -> Rings:
    return {**rings, ring.value: rings[ring.value][:1]}


# Invalid rings


def signing(curve: ec.EllipticCurve, *, public: bool = False) -> dict[str, Any]:
    key = ec.generate_private_key(curve)
    return {**json.loads(ECAlgorithm.to_jwk(key.public_key() if public else key)), "kid": "a"}


BROKEN: dict[str, Callable[[Rings], object]] = {
    "a ring is missing": lambda rings: rings.pop("codes"),
    "a ring is empty": lambda rings: rings.update(codes=[]),
    "a ring is an object": lambda rings: rings.update(at_rest=rings["at_rest"][0]),
    "a ring is text": lambda rings: rings.update(at_rest="k"),
    "a key is text": lambda rings: rings.update(at_rest=[rings["at_rest"][0]["k"]]),
    "a key has no kid": lambda rings: rings["codes"][0].pop("kid"),
    "a kid is empty": lambda rings: rings["codes"][0].update(kid=""),
    "a kid is a number": lambda rings: rings["codes"][0].update(kid=5),
    "a kid is null": lambda rings: rings["codes"][0].update(kid=None),
    "a kid is longer than its column": lambda rings: rings["codes"][0].update(kid="a" * 65),
    "a kid would need quoting": lambda rings: rings["codes"][0].update(kid="a b"),
    "two keys have one kid": lambda rings: rings["codes"].append({**rings["codes"][0], "k": rings["decoys"][0]["k"]}),
    "a key is of another type": lambda rings: rings["codes"][0].update(kty="RSA"),
    "a key is short": lambda rings: rings["codes"][0].update(k=rings["codes"][0]["k"][:-4]),
    "a key is long": lambda rings: rings["codes"][0].update(k=rings["codes"][0]["k"] + "AAAA"),
    "a key is no base64": lambda rings: rings["codes"][0].update(k="!" + rings["codes"][0]["k"][1:]),
    "a key is not ASCII": lambda rings: rings["codes"][0].update(k="é" + rings["codes"][0]["k"][1:]),
    "a key is missing": lambda rings: rings["codes"][0].pop("k"),
    "a key is a list": lambda rings: rings["codes"][0].update(k=[1]),
    "two rings share a key": lambda rings: rings["codes"][0].update(k=rings["at_rest"][0]["k"]),
    "one ring has a key twice": lambda rings: rings["codes"].append({**rings["codes"][0], "kid": "b"}),
    "the decoy ring has two keys": lambda rings: rings["decoys"].insert(0, new_rings(now=NOW)["decoys"][0]),
    "a signing key is of another curve": lambda rings: rings.update(tokens=[signing(ec.SECP384R1())]),
    "a signing key is public": lambda rings: rings.update(tokens=[signing(ec.SECP256R1(), public=True)]),
    "a signing key is symmetric": lambda rings: rings.update(tokens=rings["codes"]),
    "a signing key lacks a coordinate": lambda rings: rings["tokens"][0].pop("x"),
    "a signing key has a coordinate of another length": lambda rings: rings["tokens"][0].update(x="AAAA"),
    "a signing key has a coordinate that is a number": lambda rings: rings["tokens"][0].update(x=5),
    "a signing key is off its curve": lambda rings: rings["tokens"][0].update(x=rings["tokens"][0]["y"]),
    "a signing key is another's": lambda rings: rings["tokens"][0].update(d=signing(ec.SECP256R1())["d"]),
    "a signing key is zero": lambda rings: rings["tokens"][0].update(d="A" * 43),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_invalid_rings_are_refused_without_quoting_them(fault, rings, use):
    held = secrets_of(rings)
    BROKEN[fault](rings)
    use(rings)
    with pytest.raises(ImproperlyConfigured) as refused:
        key_rings()
    told = "".join(traceback.format_exception(refused.value))
    assert [secret for secret in held if secret in told] == []
    assert "DFNS_LOGIN['KEYS']" in str(refused.value)


def test_keys_are_required_without_debug(settings):
    settings.DFNS_LOGIN = {}
    with pytest.raises(ImproperlyConfigured, match=r"manage\.py dfns keys"):
        key_rings()


def test_with_debug_rings_are_derived_from_the_secret_key(settings):
    settings.DFNS_LOGIN = {}
    settings.DEBUG = True
    settings.SECRET_KEY = "one"
    first = key_rings()
    held = (first.codes, first.decoys, public_token_keys())
    assert settings.SECRET_KEY.encode() not in first.codes.values()
    assert len({*first.codes.values(), first.decoys}) == 2
    settings.SECRET_KEY = "two"
    assert key_rings().codes != held[0]
    settings.SECRET_KEY = "one"
    assert (key_rings().codes, key_rings().decoys, public_token_keys()) == held
    assert ring_texts() == {}
    assert set(map(tuple, key_ids().values())) == {("debug",)}


def test_rings_follow_the_settings(rings, use):
    before = key_rings()
    use(rings)
    assert key_rings() is not before
    assert key_rings() is key_rings()
    assert key_rings().current_code_key_id == rings["codes"][0]["kid"]


def test_new_rings_are_valid(rings, use):
    use(rings)
    assert set(rings) == {ring.value for ring in Ring}
    assert key_ids() == {name: [keys[0]["kid"]] for name, keys in rings.items()}
    assert all(kid.startswith("20261123-") for (kid,) in key_ids().values())
    assert len(set(secrets_of(rings) + secrets_of(new_rings(now=NOW)))) == 10


def test_each_purpose_has_its_own_subkey_of_the_decoy_key(rings, use):
    use(rings)
    held = key_rings()
    subkeys = [held.decoys, held.device_marks, held.rate_pseudonyms, held.log_pseudonyms]
    root = base64.urlsafe_b64decode(rings["decoys"][0]["k"] + "=")
    assert len({root, *subkeys}) == 5
    use({**rings, "decoys": new_rings(now=NOW)["decoys"]})
    changed = key_rings()
    assert not set(subkeys) & {changed.decoys, changed.device_marks, changed.rate_pseudonyms, changed.log_pseudonyms}


# Secrets


def test_no_representation_shows_key_material(rings, use):
    use(rings)
    shown = f"{key_rings()!r} {key_rings()}"
    assert shown == "KeyRings() KeyRings()"


def test_the_published_keys_are_public(rings, use):
    use(rotate_ring(rings, ring=Ring.TOKENS, now=NOW))
    published = public_token_keys()["keys"]
    assert [set(key) for key in published] == [{"kty", "crv", "x", "y", "kid", "alg", "use"}] * 2
    assert published[1]["kid"] == rings["tokens"][0]["kid"]


# Rotation


@pytest.mark.parametrize("ring", [ring for ring in Ring if ring is not Ring.DECOYS])
def test_rotation_adds_a_new_key_to_the_front_of_one_ring(ring, rings):
    before = copy.deepcopy(rings)
    rotated = rotate_ring(rings, ring=ring, now=NOW)
    assert rings == before
    assert rotated[ring.value][1:] == rings[ring.value]
    assert {**rotated, ring.value: rings[ring.value]} == rings
    assert rotated[ring.value][0]["kid"] != rings[ring.value][0]["kid"]


def test_the_decoy_ring_cannot_be_rotated(rings):
    with pytest.raises(ValueError, match="cannot be rotated"):
        rotate_ring(rings, ring=Ring.DECOYS, now=NOW)


@pytest.fixture
def jane(rings, use, db) -> Person:
    use(rings)
    return make_person()


def test_a_code_outlives_the_rotation_of_its_ring(client: Client, jane, rings, use):
    code = issue(jane.account.recipient)
    use(rotate_ring(rings, ring=Ring.CODES, now=NOW))
    again = issue(jane.account.recipient)
    assert again == code
    assert open_login(client, jane.names, loginCode=code).status_code == 200
    issue(jane.account.recipient)
    newest = OneTimeCode.objects.open().get()
    assert newest.key_id == key_rings().current_code_key_id != rings["codes"][0]["kid"]


def test_a_code_whose_key_was_removed_is_refused_like_any_other(client: Client, jane, rings, use):
    code = issue(jane.account.recipient)
    use(without_old(rotate_ring(rings, ring=Ring.CODES, now=NOW), Ring.CODES))
    assert open_login(client, jane.names, loginCode=code).status_code == 403


def test_an_invitation_outlives_the_rotation_of_the_codes_ring(client: Client, rings, use, db):
    use(rings)
    place = make_organization()
    call_command("dfns", "invite", "new@example.co", "--organization", place.pk)
    code = issue(Account.objects.get().recipient, purpose=CodePurpose.REGISTRATION)
    use(rotate_ring(rings, ring=Ring.CODES, now=NOW))
    body = {"username": "new@example.co", "orgId": place.pk, "registrationCode": code}
    assert call(client, "POST", "/auth/registration/init", body).status_code == 200


def test_a_challenge_outlives_the_rotation_of_its_ring_and_not_its_key(client: Client, rings, use, db):
    use(rings)
    person = make_person(None, "joe@example.co", SoftwareKey.make(kind=Kind.KEY))
    first, second = (open_login(client, person.names).json() for _ in range(2))
    rotated = rotate_ring(rings, ring=Ring.CHALLENGES, now=NOW)
    use(rotated)
    assert complete_login(client, first, person.key).status_code == 200
    third = open_login(client, person.names).json()
    use(without_old(rotated, Ring.CHALLENGES))
    assert complete_login(client, second, person.key).status_code == 400
    assert complete_login(client, third, person.key).status_code == 200


def test_a_token_outlives_the_rotation_of_its_ring_and_not_its_key(client: Client, rings, use, db):
    use(rings)
    person = make_person(None, "joe@example.co", SoftwareKey.make(kind=Kind.KEY))
    old = sign_in(client, person)
    rotated = rotate_ring(rings, ring=Ring.TOKENS, now=NOW)
    use(rotated)
    new = sign_in(client, person)
    for token in (old, new):
        assert call(client, "GET", "/auth/credentials", bearer=token).status_code == 200
    published = call(client, "GET", "/.well-known/jwks.json").json()
    assert [key["kid"] for key in published["keys"]] == [key["kid"] for key in rotated["tokens"]]
    use(without_old(rotated, Ring.TOKENS))
    assert call(client, "GET", "/auth/credentials", bearer=old).status_code == 401
    assert call(client, "GET", "/auth/credentials", bearer=new).status_code == 200


def test_every_encrypted_key_is_released_after_reencrypt_without_the_old_key(client: Client, rings, use, db):
    use(rings)
    place = make_organization()
    people = [make_person(place, f"p{number}@example.co") for number in range(3)]
    rotated = rotate_ring(rings, ring=Ring.AT_REST, now=NOW)
    use(rotated)
    people.append(make_person(place, "late@example.co"))
    call_command("dfns", "reencrypt", "--json")
    use(without_old(rotated, Ring.AT_REST))
    for person in people:
        opened = open_login(client, person.names, loginCode=issue(person.account.recipient)).json()
        (listed,) = opened["allowCredentials"]["passwordProtectedKey"]
        assert listed["encryptedPrivateKey"] == person.key.encrypted_private_key


def test_decoys_survive_the_rotation_of_every_ring(client: Client, rings, use, db, settings):
    use(rings)
    settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, "DECOY_CREDENTIALS": {"key": 1, "webauthn webauthn": 1}}
    names = [{"username": f"{number}{UNKNOWN}", "orgId": "or-1"} for number in range(5)]
    before = [open_login(client, each).json()["allowCredentials"] for each in names]
    for ring in Ring:
        if ring is not Ring.DECOYS:
            rings = without_old(rotate_ring(rings, ring=ring, now=NOW), ring)
    use(rings)
    assert [open_login(client, each).json()["allowCredentials"] for each in names] == before


def test_settings_given_as_a_dictionary_turn_too(rings):
    with override_settings(DFNS_LOGIN={"KEYS": {name: tuple(keys) for name, keys in rings.items()}}):
        key_rings()
        assert rotate_ring(ring_texts(), ring=Ring.CODES, now=NOW)["codes"][1:] == rings["codes"]
