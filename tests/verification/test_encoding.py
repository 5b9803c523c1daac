"""R-56: one text for the same bytes, and one meaning for the same JSON."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfns_login.verification.credential_id import parse_credential_id
from dfns_login.verification.encoding import (
    EncodingError,
    decode_base64url,
    decode_hex,
    encode_base64url,
    parse_json_object,
)

LIMIT = 1000


@given(st.binary())
def test_base64url_gives_back_the_bytes(data):
    assert decode_base64url(encode_base64url(data)) == data


@given(st.binary())
def test_base64url_is_read_with_its_right_padding(data):
    encoded = encode_base64url(data)
    assert decode_base64url(encoded + "=" * (-len(encoded) % 4)) == data


@given(st.text(alphabet="AQgw_-=+/ \né", max_size=8) | st.text())
def test_any_text_is_the_base64url_of_its_bytes_or_refused(text):
    try:
        data = decode_base64url(text)
    except EncodingError:
        return
    assert encode_base64url(data) == text.rstrip("=")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("-_+/", id="standard alphabet"),
        pytest.param("QUI=D", id="padding inside"),
        pytest.param("QUI==", id="too much padding"),
        pytest.param("QQ=", id="too little padding"),
        pytest.param("QUJD=", id="padding where none is due"),
        pytest.param("QUJD====", id="a whole group of padding"),
        pytest.param("=", id="padding alone"),
        pytest.param("QUJDR", id="a digit over"),
        pytest.param("QUJ", id="trailing bits"),
        pytest.param("QUJ=", id="trailing bits before padding"),
        pytest.param("QUI\n", id="line feed"),
        pytest.param(" QUI", id="space"),
        pytest.param("QU\0I", id="NUL"),
        pytest.param("\uff31\uff35\uff29", id="full-width letters"),
        pytest.param("QUI\ud800", id="half a surrogate pair"),
    ],
)
def test_base64url_is_strict(text):
    assert decode_base64url("QUI") == decode_base64url("QUI=") == b"AB"
    with pytest.raises(EncodingError):
        decode_base64url(text)


@given(st.binary())
def test_hexadecimal_is_read_in_either_case(data):
    assert decode_hex(data.hex()) == decode_hex(data.hex().upper()) == data


@pytest.mark.parametrize("text", ["0", "0g", "00 00", " 00", "00\n", "0x00", "\u0660\u0660", "é0"])
def test_hexadecimal_is_strict(text):
    assert decode_hex("00aF") == b"\x00\xaf"
    with pytest.raises(EncodingError):
        decode_hex(text)


@given(
    st.dictionaries(st.text(alphabet=st.characters(exclude_characters='"\\', exclude_categories=["C"])), st.integers())
)
def test_a_json_object_is_read_as_it_was_written(members):
    assert parse_json_object(json.dumps(members, ensure_ascii=False).encode(), limit=10**6) == members


@given(
    st.binary()
    | st.text().map(str.encode)
    | st.from_regex(r'\{"[a-z\\]{1,3}":[\[\]{}0-9eE.NaInfity",:\\ud8]*\}').map(str.encode)
)
def test_any_bytes_are_a_json_object_or_refused(data):
    try:
        members = parse_json_object(data, limit=LIMIT)
    except EncodingError:
        return
    json.dumps(members, ensure_ascii=False, allow_nan=False).encode()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b'{"a":1,"a":1}', id="member twice"),
        pytest.param(b'{"a":1,"b":{"c":1,"c":1}}', id="member twice, deep"),
        pytest.param(rb'{"a":1,"\u0061":1}', id="member twice, escaped"),
        pytest.param(rb'{"\u0061":1}', id="escaped name"),
        pytest.param(rb'{"b":[{"\u0061" : 1}]}', id="escaped name, deep"),
        pytest.param(b'{"a":NaN}', id="NaN"),
        pytest.param(b'{"a":-Infinity}', id="infinity"),
        pytest.param(b'{"a":1e999}', id="infinity as a number"),
        pytest.param(b'{"a":' + b"1" * 900 + b"}" + b" " * 200, id="over the limit"),
        pytest.param(rb'{"a":"\ud800"}', id="half a surrogate pair"),
        pytest.param(b'{"a":"\xed\xa0\x80"}', id="half a surrogate pair in UTF-8"),
        pytest.param(b'\xef\xbb\xbf{"a":1}', id="byte order mark"),
        pytest.param('{"a":1}'.encode("utf-16"), id="UTF-16"),
        pytest.param('{"a":1}'.encode("utf-32-be"), id="UTF-32"),
        pytest.param(b'{"a":"\xe9"}', id="Latin-1"),
        pytest.param(b'{"a":1}{}', id="more after it"),
        pytest.param(b"{'a':1}", id="single quotes"),
        pytest.param(b'{"a":1,}', id="trailing comma"),
        pytest.param(b'{"a":"\n"}', id="line feed in a string"),
        pytest.param(b'[{"a":1}]', id="array"),
        pytest.param(b'"a"', id="string"),
        pytest.param(b"null", id="null"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_a_json_object_is_strict(data):
    assert parse_json_object(rb' {"a":"\u0061 \\ \" {"} ', limit=LIMIT) == {"a": 'a \\ " {'}
    with pytest.raises(EncodingError):
        parse_json_object(data, limit=LIMIT)


@pytest.mark.parametrize("size", [4301, 100_000])
def test_a_number_too_long_for_python_is_refused(size):
    assert parse_json_object(b'{"a":' + b"1" * 4300 + b"}", limit=10**6)
    with pytest.raises(EncodingError):
        parse_json_object(b'{"a":' + b"1" * size + b"}", limit=10**6)


@pytest.mark.parametrize("nest", [b"[", b'{"a":'], ids=["arrays", "objects"])
@pytest.mark.parametrize("depth", [10_000, 100_000])
def test_deeper_nesting_than_python_parses_is_refused(nest, depth):
    closing = {b"[": b"]", b'{"a":': b"}"}[nest]
    with pytest.raises(EncodingError):
        parse_json_object(b'{"a":' + nest * depth + b"1" + closing * depth + b"}", limit=10**7)


def test_an_error_does_not_quote_the_input():
    with pytest.raises(EncodingError) as refused:
        parse_json_object(b'{"secret":"hunter2", oops}', limit=LIMIT)
    assert "hunter2" not in str(refused.value)


@given(st.binary(min_size=1, max_size=1023))
def test_credential_ids_of_the_same_bytes_have_one_text(data):
    """R-62: unique after decoding."""
    encoded = encode_base64url(data)
    assert parse_credential_id(encoded) == parse_credential_id(encoded + "=" * (-len(encoded) % 4)) == encoded


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param(encode_base64url(bytes(1024)), id="1024 bytes"),
        pytest.param("QUJ", id="another text of the same bytes"),
        pytest.param("Q+/B", id="standard alphabet"),
    ],
)
def test_a_credential_id_is_base64url_of_at_most_1023_bytes(text):
    """R-62."""
    assert parse_credential_id(encode_base64url(bytes(1023)))
    with pytest.raises(EncodingError):
        parse_credential_id(text)
