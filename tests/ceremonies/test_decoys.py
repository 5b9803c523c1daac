"""Decoys: what is shown and verified for names and credentials that do not exist (R-31, R-126)."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from dfns_login.ceremonies.decoys import decoy_algorithm, decoy_credentials, is_decoy
from dfns_login.usernames import Recipient
from dfns_login.verification.cose import COSE_ALGORITHMS
from dfns_login.verification.credential_id import parse_credential_id
from dfns_login.verification.encoding import encode_base64url
from dfns_login.verification.public_keys import KeyAlgorithm
from tests.support.authenticators import SoftwareKey

IDS = [encode_base64url(number.to_bytes(32)) for number in range(2000)]
KEYS = tuple(KeyAlgorithm)
NAMES = [Recipient(organization="or-1", username=f"nobody-{number}@example.co") for number in range(1000)]
LISTS = {"": 5, "key": 1, "webauthn": 3, "webauthn webauthn": 1}


@pytest.fixture
def configure(settings: Any) -> Any:
    def change(**values: object) -> None:
        settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, **values}

    return change


def weigh(configure: Any, **weights: int) -> None:
    configure(DECOY_ALGORITHMS={KeyAlgorithm[name].value: weight for name, weight in weights.items()})


def drawn(*, owner: str = "us-1 Key", among: tuple[KeyAlgorithm, ...] = KEYS) -> list[KeyAlgorithm]:
    return [decoy_algorithm(each, owner=owner, among=among) for each in IDS]


# What a credential that does not exist is verified with


def test_a_credential_that_does_not_exist_has_one_algorithm() -> None:
    """R-126: its time does not change from call to call."""
    assert drawn() == drawn()


def test_another_owner_has_another_algorithm() -> None:
    """R-126: as with a real credential, which has its algorithm only in its own account and kind."""
    assert drawn() != drawn(owner="us-2 Key")
    assert drawn() != drawn(owner="us-1 Fido2")


def test_algorithms_are_drawn_by_their_weights(configure: Any) -> None:
    """R-126: decoys take the times that real credentials take."""
    weigh(configure, P256=3, P384=1)
    counts = Counter(drawn())
    assert set(counts) == {KeyAlgorithm.P256, KeyAlgorithm.P384}
    assert 0.2 < counts[KeyAlgorithm.P384] / len(IDS) < 0.3


def test_a_decoy_passkey_has_an_algorithm_of_passkeys(configure: Any) -> None:
    weigh(configure, P384=1, SECP256K1=1)
    passkeys = tuple(COSE_ALGORITHMS)
    assert set(drawn(among=passkeys)) == {passkeys[0]}
    weigh(configure, P384=1, RSA=1)
    assert set(drawn(among=passkeys)) == {KeyAlgorithm.RSA}


# Lists


def lists(configure: Any, weights: Mapping[str, int]) -> list[str]:
    configure(DECOY_CREDENTIALS=weights)
    return [" ".join(kind for kind, _ in decoy_credentials(name)) for name in NAMES]


def test_lists_are_drawn_by_their_weights(configure: Any) -> None:
    counts = Counter(lists(configure, LISTS))
    for kinds, weight in LISTS.items():
        assert abs(counts[kinds] / len(NAMES) - weight / 10) < 0.06


def test_changing_a_weight_changes_no_other_list(configure: Any) -> None:
    """R-126: decoys are not redrawn while real lists stay."""
    before = lists(configure, LISTS)
    assert lists(configure, dict(reversed(LISTS.items()))) == before
    assert lists(configure, {kinds: 7 * weight for kinds, weight in LISTS.items()}) == before
    after = lists(configure, {**LISTS, "key": 3})
    assert {new for old, new in zip(before, after, strict=True) if new != old} == {"key"}
    assert 0.05 < sum(new != old for old, new in zip(before, after, strict=True)) / len(NAMES) < 0.25


def test_decoy_ids_are_recognized_in_their_organization(configure: Any) -> None:
    """R-126: nobody can register one, as nobody can register an id that somebody has."""
    configure(DECOY_CREDENTIALS={"key webauthn webauthn": 1})
    ids = [made_up for name in NAMES[:50] for _, made_up in decoy_credentials(name)]
    assert len(set(ids)) == 150
    assert {len(each) for each in ids} >= {22, 27, 43, 86}
    for each in ids:
        assert parse_credential_id(each) == each
        assert is_decoy(each, organization="or-1")
        assert not is_decoy(each, organization="or-2")


@pytest.mark.parametrize("made", [SoftwareKey.make().credential_id, "AA", "A" * 11, "A" * 43])
def test_real_ids_are_no_decoys(made: str) -> None:
    assert not is_decoy(parse_credential_id(made), organization="or-1")
