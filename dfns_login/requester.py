"""The client behind a request: its address (from a configured number of trusted proxies), user agent and language."""

import ipaddress
import re
import secrets
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, Self

from django.http import HttpRequest
from django.utils.translation import get_language_from_request

from dfns_login.settings import login_settings

AGENT_MAX_LENGTH = 200
IPV6_SITE_PREFIX = 64
IPV6_NETWORK_PREFIX = 48
IPV4_NETWORK_PREFIX = 24
UNKNOWN_ADDRESS = ""
REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
"""An `X-Request-ID` that is taken over. Any other is replaced."""
NODE: Final = re.compile(
    r"""(?P<quote>"?) (?: \[(?P<v6>[^]]*)\] | (?P<v4>[^:]*) )  # an address
        (?: : (?: [0-9]{1,5} | _[A-Za-z0-9._-]+ ) )? (?P=quote)  # a port, which may be obfuscated
    """,
    re.VERBOSE,
)
"""A node of RFC 7239 §6: an IPv4 address or an IPv6 address in brackets, with or without a port."""
current_request_id: Final[ContextVar[str]] = ContextVar("dfns_login_request_id", default="")
"""Id of the request that this thread answers, for its log lines. `RequestIDMiddleware` sets it."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Requester:
    """Where a request comes from.

    address: normalized, or an empty string if there is none, as behind a Unix socket.
    locale: language code.
    device: known device id for this account, or an empty string.
    request_id: names the request in log lines and events; empty for a command or a task.
    """

    address: str = field(repr=False)
    agent: str = ""
    locale: str = ""
    device: str = ""
    request_id: str = ""

    @classmethod
    def of(cls, request: HttpRequest) -> Self:
        """The requester of an HTTP request, with an unknown device."""
        return cls(
            address=client_address(request.META, trusted_hops=login_settings().trusted_proxy_hops),
            agent=agent_text(request.META),
            locale=get_language_from_request(request),
            request_id=request_id(request),
        )

    @property
    def prefix(self) -> str:
        """The addresses one client controls: an IPv4 address or an IPv6 /64."""
        return _network(self.address, v4=32, v6=IPV6_SITE_PREFIX)

    @property
    def network(self) -> str:
        """The addresses one customer of a provider controls: an IPv4 /24 or an IPv6 /48."""
        return _network(self.address, v4=IPV4_NETWORK_PREFIX, v6=IPV6_NETWORK_PREFIX)


def client_address(meta: Mapping[str, Any], *, trusted_hops: int) -> str:
    """Return the client's address in normal form.

    trusted_hops: the number of your proxies that append to `X-Forwarded-For`. The entry that many places from the
    right is used. If it is not an address, the peer's address is used, so that a forged header cannot select another
    rate limit. Some proxies write the client's port too, as in RFC 7239 §6: `192.0.2.7:4711`, `[2001:db8::7]:4711`.
    """
    peer = _parse_node(str(meta.get("REMOTE_ADDR", "")))
    if trusted_hops > 0:
        entries = str(meta.get("HTTP_X_FORWARDED_FOR", "")).split(",")
        if len(entries) >= trusted_hops:
            peer = _parse_node(entries[-trusted_hops]) or peer
    return str(peer) if peer else UNKNOWN_ADDRESS


def request_id(request: HttpRequest) -> str:
    """Return the id of the request: what a proxy or client sent as `X-Request-ID`, or 128 random bits.

    It is kept on the request, so that everything about one request has one id.
    """
    known: str | None = getattr(request, "dfns_request_id", None)
    if known is None:
        sent = str(request.META.get("HTTP_X_REQUEST_ID", ""))
        known = sent if REQUEST_ID.fullmatch(sent) else secrets.token_hex(16)
        request.dfns_request_id = known  # type: ignore[attr-defined]
    return known


def agent_text(meta: Mapping[str, Any]) -> str:
    """Return the user agent, truncated to the column's length and without control characters."""
    text = str(meta.get("HTTP_USER_AGENT", ""))[:AGENT_MAX_LENGTH]
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)


def _parse_node(text: str) -> Address | None:
    """Parse an address that may have a port, brackets or quotes around it."""
    text = text.strip()
    found = _parse(text)
    if found is None and (node := NODE.fullmatch(text)):
        found = _parse(node["v4"] if node["v6"] is None else node["v6"])
    return found


def _parse(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text.strip())
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return address.ipv4_mapped
        if address.scope_id:
            return ipaddress.IPv6Address(int(address))
    return address


@lru_cache(maxsize=1024)
def _network(address: str, *, v4: int, v6: int) -> str:
    parsed = _parse(address)
    if parsed is None:
        return "unknown"
    prefix = v4 if isinstance(parsed, ipaddress.IPv4Address) else v6
    return str(ipaddress.ip_network((parsed, prefix), strict=False))
