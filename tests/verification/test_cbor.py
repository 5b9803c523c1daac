"""CBOR is walked to its end before it is decoded, and only what authenticators write gets through."""

import pytest
from hypothesis import given, settings
from webauthn.helpers import encode_cbor

from dfns_login.verification.cbor import CborError, end_of_item
from tests.support.fido2_authenticator import PLAIN


@pytest.mark.parametrize(
    "data",
    [
        *["00", "17", "1818", "190100", "1a00010000", "1b0000000100000001", "20", "38ff"],
        *["40", "41ff", "5818" + 24 * "00", "60", "6161", "80", "820100", "8201818102", "a0", "a10102", "a101a10203"],
        *["81818180", "f4", "f5", "f6"],
    ],
)
def test_the_end_of_an_item_is_found(data):
    item = bytes.fromhex(data)
    assert end_of_item(item, start=0) == len(item)
    assert end_of_item(b"\0\0" + item + b"\0", start=2) == 2 + len(item)


@pytest.mark.parametrize("data", ["", "18", "1901", "41", "5818" + 23 * "00", "6261", "81", "8201", "a1", "a101"])
def test_an_item_that_is_cut_is_refused(data):
    with pytest.raises(CborError):
        end_of_item(bytes.fromhex(data), start=0)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param("1817", id="number in two bytes for one"),
        pytest.param("1900ff", id="number in three bytes for two"),
        pytest.param("1a0000ffff", id="number in five bytes for three"),
        pytest.param("1b00000000ffffffff", id="number in nine bytes for five"),
        pytest.param("580161", id="length in two bytes for one"),
        pytest.param("1c", id="reserved length"),
        pytest.param("1f", id="number without length"),
        pytest.param("5f4161ff", id="bytes in pieces"),
        pytest.param("7fff", id="text in pieces"),
        pytest.param("9fff", id="array without length"),
        pytest.param("bfff", id="map without length"),
        pytest.param("ff", id="break"),
        pytest.param("c060", id="tag: date"),
        pytest.param("d81c80", id="tag: shared value"),
        pytest.param("d9d9f700", id="tag: self-described"),
        pytest.param("f7", id="undefined"),
        pytest.param("f820", id="simple value"),
        pytest.param("f90000", id="half float"),
        pytest.param("fb0000000000000000", id="double float"),
        pytest.param("8181818180", id="five deep"),
        pytest.param("9bffffffffffffffff", id="array longer than memory"),
        pytest.param("5bffffffffffffffff", id="bytes longer than memory"),
    ],
)
def test_an_item_that_is_not_canonical_and_plain_is_refused(data):
    with pytest.raises(CborError):
        end_of_item(bytes.fromhex(data) + bytes(32), start=0)


@settings(deadline=None)
@given(PLAIN)
def test_whatever_is_written_has_its_end_found_unless_it_is_too_deep(value):
    data = encode_cbor(value)
    try:
        end = end_of_item(data + b"\0", start=0)
    except CborError:
        assert depth(value) > 4
    else:
        assert end == len(data)


def depth(value) -> int:
    match value:
        case dict():
            return 1 + max(map(depth, value.values()), default=0)
        case list():
            return 1 + max(map(depth, value), default=0)
        case _:
            return 0
