"""Encrypted private keys as clients make them: age passphrase files, and text in a format of their own."""

import base64
import hmac
import secrets
from functools import cache
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

PASSPHRASE: Final = "correct horse battery staple"
"""Decrypts the envelope of `SoftwareKey.with_age_envelope`."""


def age_file(plaintext: bytes, *, passphrase: str, work_factor: int = 17) -> bytes:
    """Encrypt at most 64 KiB as an age passphrase file (C2SP age).

    pyrage chooses the work factor by the speed of the machine. On a fast one it exceeds what we accept.
    """
    file_key, nonce = secrets.token_bytes(16), secrets.token_bytes(16)
    salt, wrapping_key = _stretched(passphrase, work_factor)
    wrapped = ChaCha20Poly1305(wrapping_key).encrypt(bytes(12), file_key, None)
    header = f"age-encryption.org/v1\n-> scrypt {_raw_base64(salt)} {work_factor}\n{_raw_base64(wrapped)}\n---"
    mac = hmac.digest(_age_key(file_key, salt=b"", info=b"header"), header.encode(), "sha256")
    chunk_nonce = bytes(11) + b"\x01"
    payload = ChaCha20Poly1305(_age_key(file_key, salt=nonce, info=b"payload")).encrypt(chunk_nonce, plaintext, None)
    return f"{header} {_raw_base64(mac)}\n".encode() + nonce + payload


def armor(age: bytes) -> str:
    """Encode an age file as text (C2SP age, ASCII armor)."""
    body = base64.b64encode(age).decode("ascii")
    lines = [body[start : start + 64] for start in range(0, len(body), 64)]
    return "\n".join(["-----BEGIN AGE ENCRYPTED FILE-----", *lines, "-----END AGE ENCRYPTED FILE-----", ""])


@cache
def _stretched(passphrase: str, work_factor: int) -> tuple[bytes, bytes]:
    """Return a salt and the scrypt key. All files of a passphrase share them, unlike age's: scrypt is slow."""
    salt = secrets.token_bytes(16)
    scrypt = Scrypt(salt=b"age-encryption.org/v1/scrypt" + salt, length=32, n=2**work_factor, r=8, p=1)
    return salt, scrypt.derive(passphrase.encode())


def _age_key(file_key: bytes, *, salt: bytes, info: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=salt, info=info).derive(file_key)


def _raw_base64(data: bytes) -> str:
    return base64.b64encode(data).rstrip(b"=").decode("ascii")
