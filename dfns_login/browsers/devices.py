"""Known devices: a browser that has signed in keeps a mark, and by it rates and guesses that no stranger can spend.

The mark is no proof of identity. It says that this browser once signed in as this
recipient, and all that it gives is its own count. Nothing is stored.
"""

import hmac
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self

from django.http import HttpRequest, HttpResponse

from dfns_login.key_rings import key_rings
from dfns_login.settings import login_settings
from dfns_login.usernames import Recipient
from dfns_login.verification.encoding import encode_base64url

ID_BYTES: Final = 16
PEOPLE: Final = 5
"""Marks that one browser keeps, the newest first: a family's, not a cybercafé's."""
COOKIE_MAX_LENGTH: Final = 1024
_MARK: Final = re.compile(r"([A-Za-z0-9_-]+)\.([0-9]{1,19})\.([A-Za-z0-9_-]+)")
"""Its parts have no space: with one in the id, the text that a seal is made over could be read as another's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceMark:
    """That the device of this id has signed in at this second, and as whom: which only the seal says."""

    device: str
    signed_in: int
    seal: str

    @classmethod
    def make(cls, recipient: Recipient, *, now: datetime) -> Self:
        device, second = encode_base64url(secrets.token_bytes(ID_BYTES)), int(now.timestamp())
        return cls(device=device, signed_in=second, seal=_seal(device, second, recipient))

    @classmethod
    def parse(cls, text: str) -> Self | None:
        found = _MARK.fullmatch(text)
        return cls(device=found[1], signed_in=int(found[2]), seal=found[3]) if found else None

    def __str__(self) -> str:
        return f"{self.device}.{self.signed_in}.{self.seal}"

    def is_of(self, recipient: Recipient, *, now: datetime) -> bool:
        """Whether we made it for this recipient, and not too long ago."""
        age = now.timestamp() - self.signed_in
        genuine = hmac.compare_digest(_seal(self.device, self.signed_in, recipient).encode(), self.seal.encode())
        return genuine and age <= login_settings().device_lifetime.total_seconds()


def cookie_name() -> str:
    """`__Host-…` wherever cookies can be secure (RFC 6265bis §4.1.3.2); a plain name on a developer's machine."""
    return "__Host-dfns-device" if _is_secure() else "dfns-device"


def known_device(request: HttpRequest, *, recipient: Recipient, now: datetime) -> str:
    """Id of the device that asks, if it has signed in before as this recipient; else empty."""
    return next((mark.device for mark in _marks(request) if mark.is_of(recipient, now=now)), "")


def remember_device(request: HttpRequest, response: HttpResponse, *, recipient: Recipient, now: datetime) -> None:
    """Leave a fresh mark for whoever has just signed in, before those of others who use this browser."""
    others = [mark for mark in _marks(request) if not mark.is_of(recipient, now=now)]
    marks = [DeviceMark.make(recipient, now=now), *others][:PEOPLE]
    response.set_cookie(
        cookie_name(),
        "~".join(map(str, marks)),
        max_age=login_settings().device_lifetime,
        secure=_is_secure(),
        httponly=True,
        samesite="Strict",
    )


def _is_secure() -> bool:
    return login_settings().public_url.startswith("https:")


def _marks(request: HttpRequest) -> Iterator[DeviceMark]:
    text = request.COOKIES.get(cookie_name(), "")
    if len(text) <= COOKIE_MAX_LENGTH:
        yield from filter(None, map(DeviceMark.parse, text.split("~")[:PEOPLE]))


def _seal(device: str, second: int, recipient: Recipient) -> str:
    # the ring that never turns: a device stays known when others do
    text = f"device {device} {second} {recipient.key}"
    return encode_base64url(hmac.digest(key_rings().decoys, text.encode(), "sha256"))
