"""Factors: what a credential that does not exist is verified with."""

from collections import Counter

from dfns_login.ceremonies.factors import decoy_algorithm
from dfns_login.verification.cose import COSE_ALGORITHMS
from dfns_login.verification.encoding import encode_base64url
from dfns_login.verification.public_keys import KeyAlgorithm

IDS = [encode_base64url(number.to_bytes(32)) for number in range(2000)]
KEYS = tuple(KeyAlgorithm)


def weigh(settings, **weights: int) -> None:
    algorithms = {KeyAlgorithm[name].value: weight for name, weight in weights.items()}
    settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, "DECOY_ALGORITHMS": algorithms}


def test_a_credential_that_does_not_exist_has_one_algorithm():
    """R-126: its time does not change from call to call."""
    assert [decoy_algorithm(each, among=KEYS) for each in IDS] == [decoy_algorithm(each, among=KEYS) for each in IDS]


def test_algorithms_are_drawn_by_their_weights(settings):
    """R-126: decoys take the times that real credentials take."""
    weigh(settings, P256=3, P384=1)
    drawn = Counter(decoy_algorithm(each, among=KEYS) for each in IDS)
    assert set(drawn) == {KeyAlgorithm.P256, KeyAlgorithm.P384}
    assert 0.2 < drawn[KeyAlgorithm.P384] / len(IDS) < 0.3


def test_a_decoy_passkey_has_an_algorithm_of_passkeys(settings):
    weigh(settings, P384=1, SECP256K1=1)
    passkeys = tuple(COSE_ALGORITHMS)
    assert {decoy_algorithm(each, among=passkeys) for each in IDS} == {passkeys[0]}
    weigh(settings, P384=1, RSA=1)
    assert {decoy_algorithm(each, among=passkeys) for each in IDS} == {KeyAlgorithm.RSA}
