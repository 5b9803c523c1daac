"""Rows for a benchmark: accounts, open codes, and as many closed codes as a table should hold.

A benchmark calls these functions in a process that has loaded Django, on a PostgreSQL database of its own. `seed`
and `clean` delete what they find there.
"""

import secrets
from collections.abc import Sequence
from datetime import timedelta
from functools import cache
from typing import TypedDict

from cryptography.fernet import InvalidToken
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from django.contrib.auth import get_user_model
from django.db import connection
from django.utils import timezone

from dfns_login.key_rings import key_rings
from dfns_login.models import Account, AccountState, CodePurpose, Credential, CredentialKind, OneTimeCode, Organization
from dfns_login.proofs import derive_code, set_encrypted_key
from dfns_login.verification.key_envelope import check_key_envelope

ORGANIZATION = "or-bench0-00000-0000000000000000"
ENCRYPTED_KEY = "k" * 40 + secrets.token_hex(180)
BATCH = 1000
OLD_CODES = """
INSERT INTO dfns_login_onetimecode (organization, recipient, purpose, selector, salt, key_id, issued_at, asked_at,
    expires_at, guesses, device_guesses, caller, delivery, tries, next_try_at, handled_at, sent_at, last_error, address,
    agent, locale, closed_at, closed_as)
SELECT %s, 'u' || lpad((1 + i %% 10000)::text, 7, '0') || '@example.test', 'login', '', NULL, 'old', t, t,
    t + interval '10 min', 0, 0, 'stranger', 'sent', 1, t, t, t, '', '203.0.113.9', 'x', 'en',
    t + interval '5 min', 'consumed'
FROM (SELECT i, now() - interval '2 hour' - i * interval '0.25 s' AS t FROM generate_series(1, %s) i) rows
"""


class BenchmarkUser(TypedDict):
    email: str
    cred_id: str
    public_key_pem: str


def seed(users: Sequence[BenchmarkUser]) -> dict[str, str]:
    """Make an account with a password-protected key for each user, unless these accounts are there already."""
    organization, _ = Organization.objects.get_or_create(pk=ORGANIZATION, defaults={"name": "Benchmark"})
    if _is_seeded(users):
        return {"orgId": ORGANIZATION}
    user_model = get_user_model()
    for model in (Credential, Account, user_model):
        model._default_manager.all().delete()
    made = user_model._default_manager.bulk_create(
        [user_model(username=each["email"], email=each["email"], password="!") for each in users],  # noqa: S106  unusable
        batch_size=BATCH,
    )
    accounts = Account.objects.bulk_create(
        [
            Account(
                organization=organization,
                user=user,
                username=each["email"],
                email=each["email"],
                state=AccountState.REGISTERED,
            )
            for user, each in zip(made, users, strict=True)
        ],
        batch_size=BATCH,
    )
    credentials = [_credential(account, each) for account, each in zip(accounts, users, strict=True)]
    Credential.objects.bulk_create(credentials, batch_size=BATCH)
    return {"orgId": ORGANIZATION}


def codes(emails: Sequence[str]) -> list[str]:
    """Replace all open codes by one login code for each address, as if it had been sent. Return them in order."""
    now = timezone.now()
    OneTimeCode.objects.filter(closed_at__isnull=True).delete()
    rows = [
        OneTimeCode(
            organization=ORGANIZATION,
            recipient=email,
            purpose=CodePurpose.LOGIN,
            salt=secrets.token_bytes(16),
            key_id=key_rings().current_code_key_id,
            issued_at=now,
            asked_at=now,
            next_try_at=now,
            handled_at=now,
            expires_at=now + timedelta(minutes=10),
        )
        for email in emails
    ]
    return [derive_code(row) for row in OneTimeCode.objects.bulk_create(rows, batch_size=BATCH)]


def clean() -> None:
    """Empty the tables that grow with use."""
    with connection.cursor() as cursor:
        cursor.execute(
            "TRUNCATE dfns_login_onetimecode, dfns_login_session, dfns_login_spenttoken, dfns_login_auditevent CASCADE"
        )


def grow(rows: int) -> None:
    """Fill the table of codes up to this number of rows with old, closed codes."""
    missing = rows - OneTimeCode.objects.count()
    if missing > 0:
        with connection.cursor() as cursor:
            cursor.execute(OLD_CODES, [ORGANIZATION, missing])


def _is_seeded(users: Sequence[BenchmarkUser]) -> bool:
    """Return whether the accounts are there, and their keys can be decrypted with the current key rings."""
    first = Credential.objects.first()
    if first is None or Credential.objects.count() != len(users):
        return False
    try:
        key_rings().at_rest.decrypt(bytes(first.encrypted_key_at_rest or b""))
    except InvalidToken:
        return False
    return first.credential_id in {each["cred_id"] for each in users}


def _credential(account: Account, user: BenchmarkUser) -> Credential:
    credential = Credential(
        organization=account.organization,
        account=account,
        kind=CredentialKind.PASSWORD_PROTECTED_KEY,
        credential_id=user["cred_id"],
        canonical_credential_id=user["cred_id"],
        public_key=_public_key(user["public_key_pem"]),
        algorithm="P-256",
        created_at=timezone.now(),
    )
    set_encrypted_key(credential, check_key_envelope(ENCRYPTED_KEY))
    return credential


@cache
def _public_key(pem: str) -> bytes:
    """Return the key in DER. A benchmark's users share one key."""
    return load_pem_public_key(pem.encode()).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
