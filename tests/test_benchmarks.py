"""The rows that benchmarks/dfns_login_hooks.py makes work like any others."""

import importlib
import secrets

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.utils import timezone

from dfns_login.models import Account, CodePurpose, OneTimeCode
from dfns_login.proofs import present_code, release_encrypted_keys
from dfns_login.usernames import Recipient
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
        (released,) = release_encrypted_keys(Account.objects.get(username=email), presented=presented)
        assert released.encrypted_private_key == hooks.ENCRYPTED_KEY


def test_the_table_of_codes_grows_and_is_emptied(hooks):
    hooks.grow(50)
    hooks.grow(20)
    assert OneTimeCode.objects.filter(closed_at__isnull=False).count() == 50
    hooks.clean()
    assert not OneTimeCode.objects.exists()
