"""Detection of unencrypted private keys, also within base64, hexadecimal and JSON.

This protects against a client that forgets to encrypt, not against one that hides a key on purpose.
"""

import base64
import json
import re
from collections.abc import Iterator
from typing import Final

DEPTH: Final = 4
"""Layers of encoding that are removed, such as base64 of JSON that contains base64 of DER."""

_HEX: Final = re.compile(rb"(?:[0-9A-Fa-f]{2})+")
_BASE64: Final = re.compile(rb"[A-Za-z0-9+/_-]+=*")
_WHITE_SPACE: Final = re.compile(rb"\s+")
_ESCAPED_LINE_END: Final = re.compile(rb"\\[rn]")

_PEM: Final = re.compile(rb"-----BEGIN (?P<label>[A-Z0-9 ]*PRIVATE KEY)-----(?P<body>(?:(?!-----BEGIN ).)*)", re.DOTALL)
_OPENSSH_MAGIC: Final = b"openssh-key-v1\0"
_OPENSSH_CLEAR: Final = _OPENSSH_MAGIC + b"\0\0\0\x04none"
"""The cipher is the first field (OpenSSH PROTOCOL.key §1)."""

# A SEQUENCE that starts with version 0 or 1 and continues as PKCS#8 (SEQUENCE; RFC 5208 §5, RFC 5958 §2), as PKCS#1
# (INTEGER; RFC 8017 A.1.2) or as SEC 1 (OCTET STRING; RFC 5915 §3). An encrypted PKCS#8 starts with a SEQUENCE.
_DER: Final = re.compile(
    rb"\x30(?:[\x00-\x7f]|\x81.|\x82..)(?:\x02\x01[\x00\x01]\x30|\x02\x01\x00\x02|\x02\x01\x01\x04)", re.DOTALL
)


def readings(data: bytes, *, depth: int = DEPTH) -> Iterator[bytes]:
    """Yield the bytes and everything that they decode to, as base64, base64url, hexadecimal or JSON, `depth` times."""
    yield data
    if depth:
        for inner in (*_decoded(data), *_json_strings(data)):
            yield from readings(inner, depth=depth - 1)


def holds_clear_private_key(data: bytes) -> bool:
    """Whether the bytes, without decoding, contain an unencrypted private key as PEM, DER or JWK."""
    if _DER.match(data) or data.startswith(_OPENSSH_CLEAR):
        return True
    if any(_is_clear(block["label"], block["body"]) for block in _PEM.finditer(data)):
        return True
    return any(isinstance(node, dict) and {"kty", "d"} <= node.keys() for node in _json_nodes(data))


def _is_clear(label: bytes, body: bytes) -> bool:
    """Whether the private key in a PEM block is unencrypted. A block that cannot be read counts as unencrypted."""
    if label == b"ENCRYPTED PRIVATE KEY":
        return any(_DER.match(each) for each in readings(_pem_body(body), depth=1))
    if label == b"OPENSSH PRIVATE KEY":
        return not any(
            each.startswith(_OPENSSH_MAGIC) and not each.startswith(_OPENSSH_CLEAR)
            for each in readings(_pem_body(body), depth=1)
        )
    return b"Proc-Type: 4,ENCRYPTED" not in body


def _pem_body(body: bytes) -> bytes:
    """Return the text between the two lines, without line ends that JSON escaped."""
    return _ESCAPED_LINE_END.sub(b"", body.partition(b"-----")[0])


def _decoded(data: bytes) -> Iterator[bytes]:
    packed = _WHITE_SPACE.sub(b"", data)
    if _HEX.fullmatch(packed):
        yield bytes.fromhex(packed.decode("ascii"))
    if _BASE64.fullmatch(packed):
        digits = packed.rstrip(b"=").translate(bytes.maketrans(b"-_", b"+/"))
        # A single leftover digit encodes no byte. Without it, the rest can be decoded.
        digits = digits[: len(digits) - (len(digits) % 4 == 1)]
        yield base64.b64decode(digits + b"=" * (-len(digits) % 4))


def _json_strings(data: bytes) -> Iterator[bytes]:
    for node in _json_nodes(data):
        if isinstance(node, str):
            yield node.encode("utf-8", "surrogatepass")


def _json_nodes(data: bytes) -> Iterator[object]:
    """Yield every value in the bytes' JSON, or nothing if they are not JSON."""
    if not data.lstrip().startswith((b"{", b"[", b'"')):
        return
    try:
        pending: list[object] = [json.loads(data)]
    except (ValueError, RecursionError):
        return
    while pending:
        node = pending.pop()
        yield node
        if isinstance(node, dict):
            pending.extend(node.values())
        elif isinstance(node, list):
            pending.extend(node)
