"""Where a request comes from: its address, believed no further than the proxies in front, and what it says."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

AGENT_MAX_LENGTH = 200
IPV6_SITE_PREFIX = 64
IPV6_NETWORK_PREFIX = 48
IPV4_NETWORK_PREFIX = 24
UNKNOWN_ADDRESS = ""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Requester:
    """Who asks, as far as HTTP tells. `address` is empty where there is none, as behind a Unix socket.

    device: id of a browser that has signed in before as whom it asks for now; empty for a stranger's.
    """

    address: str
    agent: str = ""
    locale: str = ""
    device: str = ""

    @property
    def prefix(self) -> str:
        """What one client can take of addresses: an IPv4 address, an IPv6 /64."""
        return _network(self.address, v4=32, v6=IPV6_SITE_PREFIX)

    @property
    def network(self) -> str:
        """What one customer of a provider can take: an IPv4 /24, an IPv6 /48."""
        return _network(self.address, v4=IPV4_NETWORK_PREFIX, v6=IPV6_NETWORK_PREFIX)


def client_address(meta: Mapping[str, Any], *, trusted_hops: int) -> str:
    """Address of the client, in its one normal form.

    trusted_hops: how many proxies of ours append to `X-Forwarded-For`; so many
    entries from the right are believed. Whatever is not an address falls back
    to the peer's (a forged header must not choose another bucket).
    """
    peer = _parse(str(meta.get("REMOTE_ADDR", "")))
    if trusted_hops > 0:
        entries = str(meta.get("HTTP_X_FORWARDED_FOR", "")).split(",")
        if len(entries) >= trusted_hops:
            peer = _parse(entries[-trusted_hops]) or peer
    return str(peer) if peer else UNKNOWN_ADDRESS


def agent_text(meta: Mapping[str, Any]) -> str:
    """User agent, cut to what a row keeps, without control characters."""
    text = str(meta.get("HTTP_USER_AGENT", ""))[:AGENT_MAX_LENGTH]
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)


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


def _network(address: str, *, v4: int, v6: int) -> str:
    parsed = _parse(address)
    if parsed is None:
        return "unknown"
    prefix = v4 if isinstance(parsed, ipaddress.IPv4Address) else v6
    return str(ipaddress.ip_network((parsed, prefix), strict=False))
