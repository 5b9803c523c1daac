"""Names of devices in emails: only ours, whatever the header says (R-113)."""

import pytest

from dfns_login.delivery.devices import device_name, device_with_version

MOZILLA = "Mozilla/5.0"
AGENTS = {
    f"{MOZILLA} (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0": "Firefox on Linux",
    f"{MOZILLA} (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36 "
    "Edg/141.0.0.0": "Edge on Windows",
    f"{MOZILLA} (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 "
    "Mobile/15E148 Safari/604.1": "Safari on iPhone",
    f"{MOZILLA} (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36": (
        "Chrome on Android"
    ),
    "python-requests/2.32 Linux": "Linux",
    "Call +1 555 0100 at once": "unknown",
    "": "unknown",
}


@pytest.mark.parametrize(("agent", "name"), AGENTS.items(), ids=AGENTS.values())
def test_device_name(agent: str, name: str) -> None:
    assert device_name(agent) == name


def test_operators_see_the_version_of_the_browser() -> None:
    named = [device_with_version(agent) for agent in AGENTS]
    assert named[:5] == [
        "Firefox 140 on Linux",
        "Edge 141 on Windows",
        "Safari 18 on iPhone",
        "Chrome 141 on Android",
        "Linux",
    ]
    assert device_with_version("Firefox/x Linux") == "Firefox on Linux"
