"""`DFNS_LOGIN`: which values are accepted, and the messages for the others."""

import json
import traceback
from datetime import timedelta
from types import MappingProxyType

import pytest
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from dfns_login.settings import DEFAULT_RATES, SettingsRefused, login_settings
from dfns_login.settings.rates import Window, is_window
from dfns_login.settings.values import convert
from dfns_login.verification.public_keys import KeyAlgorithm

SECRET = "a-secret-that-nobody-may-read"


def problems(given: object) -> tuple[str, ...]:
    with override_settings(DFNS_LOGIN=given), pytest.raises(SettingsRefused) as refused:
        login_settings()
    return refused.value.problems


def test_every_setting_has_a_default():
    with override_settings(DFNS_LOGIN={}):
        conf = login_settings()
    assert conf.code_lifetime == timedelta(minutes=10)
    assert conf.rp_id == "localhost"
    assert conf.webauthn_origins == ("http://localhost:8000",)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PUBLIC_URL", None),
        ("PUBLIC_URL", b"https://example.com"),
        ("ORIGINS", "https://example.com"),
        ("ORIGINS", [1]),
        ("KEYS", 5),
        ("KEYS", ["codes"]),
        ("KEY_ALGORITHMS", "P-256"),
        ("KEY_ALGORITHMS", ["P-512"]),
        ("CODE_FORMAT", "digits-4"),
        ("CODE_FORMAT", ["digits-16"]),
        ("CODE_LIFETIME", 600),
        ("CODE_LIFETIME", "10m"),
        ("CODE_GUESSES", "10"),
        ("CODE_GUESSES", 10.0),
        ("CODE_GUESSES", True),
        ("RATES", [("code_per_user", "5/h")]),
        ("RATES", {"code_per_user": "5/h"}),
        ("RATES", {"code_per_user": [(5, 60)]}),
        ("RATES", {5: ["5/h"]}),
        ("TRUSTED_PROXY_HOPS", None),
        ("CACHE_OUTAGE", "maybe"),
        ("REVEAL_UNKNOWN_USERS", "no"),
        ("REVEAL_UNKNOWN_USERS", 0),
        ("USER_FOR_ACCOUNT", print),
        ("DECOY_CREDENTIALS", {"key": "1"}),
        ("DECOY_CREDENTIALS", ["key"]),
    ],
)
def test_a_value_of_the_wrong_type_is_refused_without_quoting_it(name, value):
    (problem,) = problems({name: value})
    assert problem.startswith(f"DFNS_LOGIN[{name!r}] must be ")
    assert str(value) == "P-256" or repr(value) not in problem


@pytest.mark.parametrize("value", [None, [], "PUBLIC_URL", 5])
def test_anything_but_a_dictionary_is_refused(value):
    assert problems(value) == ("DFNS_LOGIN must be a dictionary.",)


def test_all_problems_are_reported_at_once():
    found = problems({"CODE_LIFETIME": 5, "CODE_LENGTH": 8, 7: 7, "CODE_GUESSES": "many"})
    assert len(found) == 4
    assert "DFNS_LOGIN has an unknown setting: CODE_LENGTH." in found


@pytest.mark.parametrize(
    "window",
    [
        "",
        "5",
        "5/",
        "/m",
        "5/x",
        "0/m",
        "5/0m",
        "-5/m",
        "5/m ",
        " 5/m",
        "5/m\n",
        "5/mm",
        "5 / m",
        "5/M",
        "1.5/m",
        "\N{ARABIC-INDIC DIGIT FIVE}/m",
        "a.b",
    ],
)
def test_a_rate_that_django_ratelimit_would_misread_is_refused(window):
    assert not is_window(window)
    with pytest.raises(ValueError, match="not a number and a period"):
        Window.parse(window)
    (problem,) = problems({"RATES": {"code_per_user": ["5/h", window]}})
    assert "code_per_user" in problem


@pytest.mark.parametrize(
    ("window", "count", "period"),
    [
        ("10/m", 10, timedelta(minutes=1)),
        ("5/30s", 5, timedelta(seconds=30)),
        ("1/h", 1, timedelta(hours=1)),
        ("15/d", 15, timedelta(days=1)),
        ("100000/2d", 100_000, timedelta(days=2)),
    ],
)
def test_a_window_is_a_number_and_a_period(window, count, period):
    assert Window.parse(window) == Window(count=count, period=period)


def test_rates_that_are_left_out_keep_their_default():
    with override_settings(DFNS_LOGIN={"RATES": {"code_per_user": ["1/h", "2/d"]}}):
        rates = login_settings().rates
    assert rates == {**DEFAULT_RATES, "code_per_user": ("1/h", "2/d")}


def test_an_unknown_rate_is_refused():
    assert problems({"RATES": {"codes": ["5/h"]}}) == ("DFNS_LOGIN['RATES'] has an unknown rate: codes.",)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com",
        "//example.com",
        "ftp://example.com",
        "https://",
        "https://example.com/login",
        "https://example.com//",
        "https://example.com?a=1",
        "https://example.com#a",
        "https://user:word@example.com",
        "https://Example.com",
        "HTTPS://example.com",
        "https://example.com:443",
        "https://example.com:port",
        "https://example.com:",
        "https://[::1",
        "https://bücher.example",
    ],
)
def test_a_public_url_that_is_not_an_origin_is_refused(url):
    (problem,) = problems({"PUBLIC_URL": url})
    assert problem.startswith("DFNS_LOGIN['PUBLIC_URL'] must be an origin")
    assert "user:word" not in problem


@pytest.mark.parametrize(
    "url", ["https://example.com", "http://localhost:8000", "https://a.b:8443", "http://[::1]:8000"]
)
def test_an_origin_is_accepted(url):
    with override_settings(DFNS_LOGIN={"PUBLIC_URL": url}):
        assert login_settings().issuer == url


def test_a_trailing_slash_is_removed():
    with override_settings(DFNS_LOGIN={"PUBLIC_URL": "https://example.com/"}):
        assert login_settings().public_url == "https://example.com"


@pytest.mark.parametrize("name", ["ORIGINS", "KEY_ORIGINS"])
def test_origins_must_have_the_form_that_browsers_send(name):
    assert name in problems({name: ["https://example.com/"]})[0]
    with override_settings(DFNS_LOGIN={name: ["https://example.com", "android:apk-key-hash:abc"]}):
        assert getattr(login_settings(), name.lower())[1] == "android:apk-key-hash:abc"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CODE_LIFETIME", timedelta(0)),
        ("CODE_RETENTION", timedelta(days=-1)),
        ("AUDIT_RETENTION", timedelta(0)),
        ("TOKEN_IDLE", timedelta(seconds=-1)),
        ("CODE_COOLDOWN", timedelta(seconds=-1)),
        ("CODE_GUESSES", 0),
        ("TRUSTED_PROXY_HOPS", -1),
        ("DECOY_CREDENTIALS", {}),
        ("DECOY_CREDENTIALS", {"key": 0}),
        ("DECOY_CREDENTIALS", {"key": 2, "webauthn": -1}),
        ("DECOY_CREDENTIALS", {"passwordProtectedKey": 1}),
        ("DECOY_ALGORITHMS", {"P-256": -1}),
    ],
)
def test_values_out_of_range_are_refused(name, value):
    (problem,) = problems({name: value})
    assert problem.startswith(f"DFNS_LOGIN[{name!r}] must ")


@pytest.mark.parametrize(
    "value", [{"CODE_COOLDOWN": timedelta(0)}, {"CODE_GUESSES": 1}, {"DECOY_CREDENTIALS": {"": 1}}]
)
def test_the_lowest_values_are_accepted(value):
    with override_settings(DFNS_LOGIN=value):
        login_settings()


@pytest.mark.parametrize("keys", [f"{{{SECRET}", f'["{SECRET}"]', f'"{SECRET}"', "5", "null"])
def test_keys_that_are_not_a_json_object_are_refused_without_quoting_them(keys):
    with override_settings(DFNS_LOGIN={"KEYS": keys}), pytest.raises(SettingsRefused) as refused:
        login_settings()
    assert SECRET not in "".join(traceback.format_exception(refused.value))


def test_keys_may_be_text_or_a_dictionary():
    keys = {"codes": [{"kid": "a"}]}
    with override_settings(DFNS_LOGIN={"KEYS": json.dumps(keys)}):
        assert login_settings().keys == keys
    with override_settings(DFNS_LOGIN={"KEYS": keys}):
        assert login_settings().keys == keys
    with override_settings(DFNS_LOGIN={"KEYS": " \n"}):
        assert login_settings().keys == {}


def test_neither_repr_nor_text_shows_a_key():
    with override_settings(DFNS_LOGIN={"KEYS": {"codes": [{"k": SECRET}]}}):
        conf = login_settings()
        assert SECRET not in f"{conf!r} {conf!s} {[conf]} {(conf,)}"


def test_settings_are_read_again_when_a_test_overrides_them():
    before = login_settings()
    with override_settings(DFNS_LOGIN={"CODE_GUESSES": 3}):
        assert login_settings().code_guesses == 3
        assert login_settings() is login_settings()
    assert login_settings() == before


def test_settings_cannot_be_changed():
    given = {"RATES": {"code_per_user": ["1/h", "2/d"]}, "ORIGINS": ["https://example.com"]}
    with override_settings(DFNS_LOGIN=given):
        conf = login_settings()
        given["ORIGINS"].append("https://evil.example")
        given["RATES"]["code_per_user"].append("9/s")
        assert conf.origins == ("https://example.com",)
        assert conf.rates["code_per_user"] == ("1/h", "2/d")
        assert isinstance(conf.rates, MappingProxyType)


def test_algorithms_may_be_given_by_name():
    with override_settings(DFNS_LOGIN={"KEY_ALGORITHMS": ["P-256", KeyAlgorithm.ED25519]}):
        assert login_settings().key_algorithms == (KeyAlgorithm.P256, KeyAlgorithm.ED25519)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.timedeltas(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.integers(), inner, max_size=3),
    max_leaves=6,
)


@given(
    name=st.sampled_from(["ORIGINS", "KEYS", "RATES", "CODE_FORMAT", "CODE_LIFETIME", "DECOY_CREDENTIALS"]),
    value=ANYTHING,
)
def test_any_value_is_accepted_or_refused_with_a_message(name, value):
    with override_settings(DFNS_LOGIN={name: value}):
        try:
            login_settings()
        except SettingsRefused as refused:
            assert refused.problems  # noqa: PT017


@pytest.mark.parametrize("kind", [str, int, bool, timedelta])
def test_values_of_other_types_are_not_converted(kind):
    with pytest.raises(TypeError):
        convert(object(), kind)
