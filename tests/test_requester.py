"""The client behind a request (R-41, R-42)."""

import pytest

from dfns_login.requester import AGENT_MAX_LENGTH, Requester, agent_text, client_address

PEER = "192.0.2.1"


@pytest.mark.parametrize(
    ("written", "address", "prefix", "network"),
    [
        ("192.0.2.7", "192.0.2.7", "192.0.2.7/32", "192.0.2.0/24"),
        ("::ffff:192.0.2.7", "192.0.2.7", "192.0.2.7/32", "192.0.2.0/24"),
        ("::FFFF:C000:207", "192.0.2.7", "192.0.2.7/32", "192.0.2.0/24"),
        ("2001:db8:1:2:3::7", "2001:db8:1:2:3::7", "2001:db8:1:2::/64", "2001:db8:1::/48"),
        ("2001:0DB8:0001:0002:0003:0000:0000:0007", "2001:db8:1:2:3::7", "2001:db8:1:2::/64", "2001:db8:1::/48"),
        ("fe80::1%eth0", "fe80::1", "fe80::/64", "fe80::/48"),
        ("::1", "::1", "::/64", "::/48"),
        (" 192.0.2.7 ", "192.0.2.7", "192.0.2.7/32", "192.0.2.0/24"),
        ("", "", "unknown", "unknown"),
        ("unknown", "", "unknown", "unknown"),
        ("192.0.2.7:443", "192.0.2.7", "192.0.2.7/32", "192.0.2.0/24"),
        ("[2001:db8:1:2:3::7]:443", "2001:db8:1:2:3::7", "2001:db8:1:2::/64", "2001:db8:1::/48"),
        ("192.0.2.07", "", "unknown", "unknown"),
        ("3221225991", "", "unknown", "unknown"),
    ],
)
def test_an_address_has_one_normal_form(written: str, address: str, prefix: str, network: str) -> None:
    requester = Requester(address=client_address({"REMOTE_ADDR": written}, trusted_hops=0))
    assert (requester.address, requester.prefix, requester.network) == (address, prefix, network)


def test_no_address_at_all() -> None:
    assert client_address({}, trusted_hops=0) == client_address({}, trusted_hops=1) == ""


@pytest.mark.parametrize(
    ("forwarded", "hops", "address"),
    [
        ("203.0.113.9", 0, PEER),
        (None, 1, PEER),
        ("", 1, PEER),
        ("203.0.113.9", 1, "203.0.113.9"),
        ("198.51.100.1, 203.0.113.9", 1, "203.0.113.9"),
        ("198.51.100.1,203.0.113.9", 1, "203.0.113.9"),
        ("198.51.100.1, 203.0.113.9", 2, "198.51.100.1"),
        ("203.0.113.9", 2, PEER),
        ("a, b, 203.0.113.9, 10.0.0.1", 2, "203.0.113.9"),
        ("::ffff:203.0.113.9", 1, "203.0.113.9"),
        ("2001:db8::7", 1, "2001:db8::7"),
        ("a", 1, PEER),
        ("203.0.113.9, unknown", 1, PEER),
        ("203.0.113.9, ", 1, PEER),
        ("203.0.113.9:4711", 1, "203.0.113.9"),
        ("203.0.113.9:_port-1", 1, "203.0.113.9"),
        ("198.51.100.1:1, 203.0.113.9:2", 2, "198.51.100.1"),
        ("[2001:db8::7]:4711", 1, "2001:db8::7"),
        ("[2001:db8::7]", 1, "2001:db8::7"),
        ("[fe80::1%eth0]:4711", 1, "fe80::1"),
        ("[::ffff:203.0.113.9]:4711", 1, "203.0.113.9"),
        ('"203.0.113.9"', 1, "203.0.113.9"),
        ('"[2001:db8::7]:4711"', 1, "2001:db8::7"),
        ("2001:db8::7:4711", 1, "2001:db8::7:4711"),
        ("203.0.113.9:", 1, PEER),
        ("203.0.113.9:471100", 1, PEER),
        ("203.0.113.9:1:2", 1, PEER),
        ("203.0.113.9:x", 1, PEER),
        ('"203.0.113.9', 1, PEER),
        ("[2001:db8::7", 1, PEER),
        ("[2001:db8::7]x", 1, PEER),
        ("[]:4711", 1, PEER),
        (":4711", 1, PEER),
        (",".join(["203.0.113.9"] * 10_000), 1, "203.0.113.9"),
    ],
)
def test_only_the_configured_number_of_proxies_is_trusted(forwarded: str | None, hops: int, address: str) -> None:
    """R-141."""
    meta = {"REMOTE_ADDR": PEER} | ({"HTTP_X_FORWARDED_FOR": forwarded} if forwarded is not None else {})
    assert client_address(meta, trusted_hops=hops) == address


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("Mozilla/5.0", "Mozilla/5.0"),
        ("a\nb\x1b[31m\0", "a\ufffdb\ufffd[31m\ufffd"),
        ("x" * 1000, "x" * AGENT_MAX_LENGTH),
        ("", ""),
    ],
)
def test_the_user_agent_is_truncated_and_cleaned(sent: str, kept: str) -> None:
    assert agent_text({"HTTP_USER_AGENT": sent}) == kept


def test_no_agent() -> None:
    assert agent_text({}) == ""
