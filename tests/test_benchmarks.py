"""Benchmarks: the rows that they make work like any others, and differences in time are found (R-33)."""

import importlib
import random
import secrets

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.utils import timezone

from benchmarks.welch import compare
from dfns_login.models import Account, Caller, CodePurpose, LoginRecord, OneTimeCode
from dfns_login.proofs import present_code, release_encrypted_keys
from dfns_login.usernames import Recipient
from dfns_login.verification.public_keys import KeyAlgorithm
from tests.concurrency.conftest import database_url, migrated
from tests.support.servers import ROOT

__all__ = ["database_url", "migrated"]

EMAILS = ("u0000001@example.test", "u0000002@example.test")


@pytest.fixture
def hooks(monkeypatch, database_url):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("dfns_login_hooks")


def users():
    pem = (
        ec.generate_private_key(ec.SECP256R1())
        .public_key()
        .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    return [{"email": email, "public_key_pem": pem.decode(), "cred_id": secrets.token_urlsafe(16)} for email in EMAILS]


def test_a_code_for_a_benchmark_releases_the_encrypted_key(hooks):
    made = users()
    organization = hooks.seed(made)["orgId"]
    before = list(Account.objects.values_list("pk", flat=True))
    hooks.seed(made)
    assert list(Account.objects.values_list("pk", flat=True)) == before
    for email, code in zip(EMAILS, hooks.codes(EMAILS), strict=True):
        recipient = Recipient(organization=organization, username=email)
        presented = present_code(recipient, code, purpose=CodePurpose.LOGIN, now=timezone.now())
        (released,) = release_encrypted_keys(LoginRecord.read(recipient, caller=Caller.STRANGER), presented=presented)
        assert released.encrypted_private_key == hooks.ENCRYPTED_KEY


def test_the_table_of_codes_grows_and_is_emptied(hooks):
    hooks.clean()
    hooks.grow(50)
    hooks.grow(20)
    assert OneTimeCode.objects.filter(closed_at__isnull=False).count() == 50
    hooks.clean()
    assert not OneTimeCode.objects.exists()


def drawn(number: int, *, seed: int, more: float = 0.0) -> list[float]:
    """Draw times of answers in microseconds: around five milliseconds, with a long tail."""
    source = random.Random(seed)
    return [4800 + more + source.lognormvariate(5.3, 0.8) for _ in range(number)]


def test_equal_times_are_alike():
    """R-33."""
    found = [compare(drawn(2000, seed=2 * each), reference=drawn(2000, seed=2 * each + 1)) for each in range(20)]
    assert all(each.alike for each in found)


def test_a_leak_is_found():
    """R-33: 250 µs in answers of five milliseconds."""
    found = compare(drawn(2000, seed=1, more=250), reference=drawn(2000, seed=2))
    assert not found.alike
    assert 200 < found.difference < 300


def test_a_difference_too_small_to_matter_is_alike():
    """R-33: below 100 µs, and below a twentieth of the interquartile range."""
    found = compare(drawn(200_000, seed=1, more=8), reference=drawn(200_000, seed=2))
    assert (found.alike, found.t > 4.5, found.iqr_share < 0.05) == (True, True, True)


def test_a_leak_that_only_fast_answers_show_is_found():
    """R-33: a few slow answers hide it from a test without crops."""
    slow = [1e6] * 40
    found = compare(drawn(2000, seed=1, more=250) + slow, reference=drawn(2000, seed=2) + slow)
    assert not found.alike


@pytest.mark.slow
def test_every_timed_class_gets_the_same_answer(database_url, client, settings):
    """R-33: `make timing` compares what it says it compares."""
    settings.RATELIMIT_ENABLE = False
    settings.DFNS_LOGIN = {
        **settings.DFNS_LOGIN,
        "DECOY_CREDENTIALS": dict.fromkeys(("", "key", "webauthn", "webauthn webauthn"), 1),
        "DECOY_ALGORITHMS": {algorithm.value: 1 for algorithm in KeyAlgorithm},
    }
    series = importlib.import_module("benchmarks.timing_series").all_series(pool=2)

    class Connection:
        def send(self, path, body, *, leak_us=0):
            answer = client.post(path, body, content_type="application/json")
            return 0.0, answer.status_code, answer.content

    for each in series:
        bodies = each.prepare(Connection())
        assert {case.like for case in each.cases if case.like} <= {case.name for case in each.cases if not case.like}
        told = {Connection().send(each.path, body)[1:] for case in each.cases for body in bodies[case.name]}
        assert {status for status, _ in told} == {each.status}
        assert len(told) == 1 or each.title.endswith("without a code")
