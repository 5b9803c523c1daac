"""The device cookie, which gives a browser that has signed in codes, guesses and rates of its own.

The cookie is not proof of identity. It only says that this browser once signed in as this recipient, so that strangers
cannot use up what the owner needs (R-45, R-125). The server stores nothing.
"""

import hmac
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Self

from django.http import HttpRequest, HttpResponse

from dfns_login.browsers.cookies import cookie_name, set_cookie
from dfns_login.key_rings import key_rings
from dfns_login.settings import login_settings
from dfns_login.usernames import Recipient
from dfns_login.verification.encoding import encode_base64url

COOKIE: Final = "device"
ID_BYTES: Final = 16
PEOPLE: Final = 5
"""The number of recipients that one browser remembers, newest first."""
COOKIE_MAX_LENGTH: Final = 1024
_MARK: Final = re.compile(r"([A-Za-z0-9_-]+)\.([0-9]{1,19})\.([A-Za-z0-9_-]+)")
"""No part may contain a space, which separates the parts of the authenticated text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceMark:
    """One entry of the device cookie: device id, time of the sign-in, and a MAC over both and the recipient.

    signed_in: seconds since the epoch.
    """

    device: str
    signed_in: int
    mac: str = field(repr=False)

    @classmethod
    def make(cls, recipient: Recipient, *, now: datetime) -> Self:
        device, second = encode_base64url(secrets.token_bytes(ID_BYTES)), int(now.timestamp())
        return cls(device=device, signed_in=second, mac=_mac(device, second, recipient))

    @classmethod
    def parse(cls, text: str) -> Self | None:
        found = _MARK.fullmatch(text)
        return cls(device=found[1], signed_in=int(found[2]), mac=found[3]) if found else None

    def __str__(self) -> str:
        return f"{self.device}.{self.signed_in}.{self.mac}"

    def is_of(self, recipient: Recipient, *, now: datetime) -> bool:
        """Whether this server issued the mark to this recipient within `DEVICE_LIFETIME`."""
        age = now.timestamp() - self.signed_in
        genuine = hmac.compare_digest(_mac(self.device, self.signed_in, recipient).encode(), self.mac.encode())
        return genuine and age <= login_settings().device_lifetime.total_seconds()


def known_device(request: HttpRequest, *, recipient: Recipient, now: datetime) -> str:
    """Return the id of the device if it has signed in as this recipient before, or an empty string."""
    return next((mark.device for mark in _marks(request) if mark.is_of(recipient, now=now)), "")


def remember_device(request: HttpRequest, response: HttpResponse, *, recipient: Recipient, now: datetime) -> None:
    """Set the device cookie with a new mark for this recipient, keeping the marks of others who use this browser."""
    others = [mark for mark in _marks(request) if not mark.is_of(recipient, now=now)]
    marks = [DeviceMark.make(recipient, now=now), *others][:PEOPLE]
    lasting = login_settings().device_lifetime
    set_cookie(response, COOKIE, "~".join(map(str, marks)), lasting=lasting, samesite="Strict")


def _marks(request: HttpRequest) -> Iterator[DeviceMark]:
    text = request.COOKIES.get(cookie_name(COOKIE), "")
    if len(text) <= COOKIE_MAX_LENGTH:
        yield from filter(None, map(DeviceMark.parse, text.split("~")[:PEOPLE]))


def _mac(device: str, second: int, recipient: Recipient) -> str:
    text = f"{device} {second} {recipient.key}"
    return encode_base64url(hmac.digest(key_rings().device_marks, text.encode(), "sha256"))
