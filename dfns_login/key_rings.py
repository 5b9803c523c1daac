"""Key rings: parsing, derivation and rotation.

A ring is a list of JSON Web Keys (RFC 7517), newest first. The first key encrypts, signs and derives; every key in the
ring still decrypts and verifies. Each ring serves one purpose. The `decoys` ring is the exception in form only: its
single key is never used itself, one subkey per purpose is derived from it (HKDF, RFC 5869).

No ring uses `SECRET_KEY`. With `DEBUG` on and no keys configured, rings are derived from it so that a first run needs
no setup.
"""

import base64
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

from cryptography.fernet import Fernet, MultiFernet
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from jwt.algorithms import ECAlgorithm
from jwt.exceptions import InvalidKeyError

from dfns_login.settings import login_settings

SECRET_BYTES = 32
DERIVED_KEY_ID = "debug"
KEY_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""Must fit the column in `OneTimeCode` and the header of a token."""

Jwk = dict[str, Any]
RingTexts = dict[str, list[Jwk]]


class Ring(StrEnum):
    """A ring's name in `DFNS_LOGIN["KEYS"]`."""

    CODES = "codes"
    CHALLENGES = "challenges"
    TOKENS = "tokens"
    AT_REST = "at_rest"
    DECOYS = "decoys"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRings:
    """All parsed rings. Mappings keep the order of the ring, newest key first."""

    codes: Mapping[str, bytes] = field(repr=False)
    challenges: MultiFernet = field(repr=False)
    tokens: Mapping[str, ec.EllipticCurvePrivateKey] = field(repr=False)
    at_rest: MultiFernet = field(repr=False)
    decoys: bytes = field(repr=False)
    device_marks: bytes = field(repr=False)
    """Authenticates the marks in the device cookie."""
    rate_pseudonyms: bytes = field(repr=False)
    """Hashes names and addresses that rates count in the cache."""
    log_pseudonyms: bytes = field(repr=False)
    """Hashes names in log lines."""
    audit_chain: bytes = field(repr=False)
    """Authenticates the links of the audit trail."""
    lock_links: bytes = field(repr=False)
    """Authenticates the links in notices that lock an account."""

    @property
    def current_code_key_id(self) -> str:
        return next(iter(self.codes))

    @property
    def current_token_key_id(self) -> str:
        return next(iter(self.tokens))


@lru_cache(maxsize=1)
def key_rings() -> KeyRings:
    """Return the configured rings, parsed once per process.

    Raises: ImproperlyConfigured, if a ring is missing or invalid. The message names the ring and contains no key.
    """
    given = _rings_in_force()
    secret = {ring: _secrets(given, ring) for ring in Ring if ring is not Ring.TOKENS}
    if len(secret[Ring.DECOYS]) > 1:
        raise ImproperlyConfigured(
            f"DFNS_LOGIN['KEYS']: the ring {Ring.DECOYS.value!r} must have one key; it cannot be rotated."
        )
    every = [key for ring in secret.values() for key in ring.values()]
    if len(set(every)) != len(every):
        raise ImproperlyConfigured(
            "DFNS_LOGIN['KEYS']: the same key appears twice. Use a separate key for each purpose."
        )
    (root,) = secret[Ring.DECOYS].values()
    return KeyRings(
        codes=secret[Ring.CODES],
        challenges=_fernets(secret[Ring.CHALLENGES]),
        tokens=_signing_keys(given),
        at_rest=_fernets(secret[Ring.AT_REST]),
        decoys=_subkey(root, "decoys"),
        device_marks=_subkey(root, "device marks"),
        rate_pseudonyms=_subkey(root, "rate pseudonyms"),
        log_pseudonyms=_subkey(root, "log pseudonyms"),
        audit_chain=_subkey(root, "audit chain"),
        lock_links=_subkey(root, "lock links"),
    )


def key_ids() -> dict[str, list[str]]:
    """Key ids by ring, newest first. Raises: like `key_rings`."""
    key_rings()
    given = _rings_in_force()
    return {ring.value: [key["kid"] for key in given[ring.value]] for ring in Ring}


def public_token_keys() -> dict[str, list[Jwk]]:
    """JSON Web Key Set of the public keys that verify session tokens (RFC 7517 §5)."""
    return {
        "keys": [
            {**json.loads(ECAlgorithm.to_jwk(key.public_key())), "kid": key_id, "alg": "ES256", "use": "sig"}
            for key_id, key in key_rings().tokens.items()
        ]
    }


def new_rings(*, now: datetime) -> RingTexts:
    """Generate rings of one key each, for `DFNS_LOGIN["KEYS"]`."""
    return {ring.value: [_new_key(ring, now=now)] for ring in Ring}


def rotate_ring(rings: Mapping[str, Any], *, ring: Ring, now: datetime) -> RingTexts:
    """Return the rings with a new key at the front of one of them.

    Raises: ValueError, for the decoy ring: a new key would change the credentials shown for unknown users.
    """
    if ring is Ring.DECOYS:
        raise ValueError("the decoy ring cannot be rotated")
    return {
        name: [_new_key(ring, now=now), *keys] if name == ring.value else list(keys) for name, keys in rings.items()
    }


def ring_texts() -> RingTexts:
    """The configured rings, including key material. Only for the operator's terminal."""
    given = login_settings().keys
    return {name: list(keys) for name, keys in given.items()} if isinstance(given, Mapping) else {}


def _rings_in_force() -> Mapping[str, Any]:
    given = login_settings().keys
    if isinstance(given, Mapping) and given:
        return given
    if not settings.DEBUG:
        raise ImproperlyConfigured("DFNS_LOGIN['KEYS'] is missing. Generate keys with `manage.py dfns keys`.")
    return _derived_rings(settings.SECRET_KEY)


def _new_key(ring: Ring, *, now: datetime) -> Jwk:
    key_id = f"{now:%Y%m%d}-{secrets.token_hex(3)}"
    if ring is Ring.TOKENS:
        return _signing_jwk(ec.generate_private_key(ec.SECP256R1()), key_id)
    return _secret_jwk(secrets.token_bytes(SECRET_BYTES), key_id)


def _secret_jwk(secret: bytes, key_id: str) -> Jwk:
    return {"kty": "oct", "kid": key_id, "k": base64.urlsafe_b64encode(secret).rstrip(b"=").decode()}


def _signing_jwk(key: ec.EllipticCurvePrivateKey, key_id: str) -> Jwk:
    return {**json.loads(ECAlgorithm.to_jwk(key)), "kid": key_id}


def _derived_rings(secret_key: str) -> RingTexts:
    def derive(ring: Ring, length: int) -> bytes:
        return _hkdf(secret_key.encode(), f"dfns_login ring {ring.value}", length)

    # FIPS 186-5 A.2.1: 128 bits more than the group order, so that the reduction has no bias
    scalar = int.from_bytes(derive(Ring.TOKENS, 48)) % (ec.SECP256R1().group_order - 1) + 1
    signing = _signing_jwk(ec.derive_private_key(scalar, ec.SECP256R1()), DERIVED_KEY_ID)
    rings = {r.value: [_secret_jwk(derive(r, SECRET_BYTES), DERIVED_KEY_ID)] for r in Ring if r is not Ring.TOKENS}
    return {**rings, Ring.TOKENS.value: [signing]}


def _subkey(key: bytes, purpose: str) -> bytes:
    return _hkdf(key, f"dfns_login {purpose}", SECRET_BYTES)


def _hkdf(key: bytes, info: str, length: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=info.encode()).derive(key)


def _ring(given: Mapping[str, Any], ring: Ring) -> list[tuple[str, Jwk]]:
    keys = given.get(ring.value)
    if not isinstance(keys, list | tuple) or not keys or not all(isinstance(key, Mapping) for key in keys):
        raise ImproperlyConfigured(f"DFNS_LOGIN['KEYS']: the ring {ring.value!r} is missing or is not a list of keys.")
    named = [(key.get("kid"), key) for key in keys]
    if not all(isinstance(name, str) and KEY_ID.fullmatch(name) for name, _ in named):
        raise ImproperlyConfigured(
            f"DFNS_LOGIN['KEYS']: a key in the ring {ring.value!r} needs a kid of 1 to 64 letters, digits, '-' or '_'."
        )
    if len({name for name, _ in named}) != len(named):
        raise ImproperlyConfigured(f"DFNS_LOGIN['KEYS']: two keys in the ring {ring.value!r} have the same kid.")
    return named


def _secrets(given: Mapping[str, Any], ring: Ring) -> dict[str, bytes]:
    found = {}
    for key_id, key in _ring(given, ring):
        text = str(key.get("k", ""))
        try:
            secret = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except ValueError:
            secret = b""
        if key.get("kty") != "oct" or len(secret) != SECRET_BYTES:
            raise ImproperlyConfigured(
                f"DFNS_LOGIN['KEYS']: a key in the ring {ring.value!r} is not an oct key of {SECRET_BYTES} bytes."
            )
        found[key_id] = secret
    return found


def _fernets(keys: Mapping[str, bytes]) -> MultiFernet:
    return MultiFernet([Fernet(base64.urlsafe_b64encode(key)) for key in keys.values()])


def _signing_keys(given: Mapping[str, Any]) -> dict[str, ec.EllipticCurvePrivateKey]:
    found = {}
    for key_id, key in _ring(given, Ring.TOKENS):
        try:
            private = ECAlgorithm.from_jwk(dict(key))
        except (InvalidKeyError, ValueError, KeyError, TypeError):
            raise ImproperlyConfigured(
                f"DFNS_LOGIN['KEYS']: a key in the ring {Ring.TOKENS.value!r} is invalid."
            ) from None
        if not isinstance(private, ec.EllipticCurvePrivateKey) or not isinstance(private.curve, ec.SECP256R1):
            raise ImproperlyConfigured(
                f"DFNS_LOGIN['KEYS']: a key in the ring {Ring.TOKENS.value!r} is not a private P-256 key."
            )
        found[key_id] = private
    return found


def _forget(*, setting: str, **_: object) -> None:
    if setting in {"DFNS_LOGIN", "SECRET_KEY", "DEBUG"}:
        key_rings.cache_clear()


setting_changed.connect(_forget, dispatch_uid="dfns_login.key_rings")
