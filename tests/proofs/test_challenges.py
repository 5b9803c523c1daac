"""Challenges: encrypted, equally long, for one ceremony, and spent once."""

import base64
import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.conf import settings as django_settings

from dfns_login.errors import ChallengeRefused
from dfns_login.key_rings import Ring, key_rings, rotate_ring
from dfns_login.models import CodePurpose, SpentToken
from dfns_login.proofs.challenges import (
    IDENTIFIER_MAX_LENGTH,
    Ceremony,
    OpenedChallenge,
    open_challenge,
    redeem_challenge,
    spend_challenge,
    spend_jti,
)
from dfns_login.proofs.presented_codes import PresentedCode
from dfns_login.usernames import Recipient
from tests.support.clock import MINUTE, NOW, SECOND

PRESENTED = PresentedCode(
    recipient=Recipient(organization="or-1", username="jane"), purpose=CodePurpose.LOGIN, presented_at=NOW
)


def opened(
    ceremony: Ceremony = Ceremony.LOGIN, *, account: str = "us-1", presented: PresentedCode | None = None
) -> OpenedChallenge:
    return open_challenge(ceremony, organization="or-1", account_id=account, generation=0, presented=presented, now=NOW)


def refused(identifier: str, *, ceremony: Ceremony = Ceremony.LOGIN, now: datetime = NOW) -> str:
    with pytest.raises(ChallengeRefused) as refusal:
        redeem_challenge(identifier, ceremony=ceremony, now=now)
    return refusal.value.reason


@pytest.mark.parametrize("presented", [None, PRESENTED])
def test_a_redeemed_challenge_says_what_was_opened(presented: PresentedCode | None) -> None:
    challenge = opened(presented=presented)
    redeemed = redeem_challenge(challenge.identifier, ceremony=Ceremony.LOGIN, now=NOW)
    assert redeemed.challenge == challenge.challenge
    assert (redeemed.ceremony, redeemed.organization, redeemed.account_id) == (Ceremony.LOGIN, "or-1", "us-1")
    assert redeemed.code_presented is (presented is not None)


@pytest.mark.parametrize(("presented", "lifetime"), [(None, 5 * MINUTE), (PRESENTED, 10 * MINUTE)])
def test_a_challenge_expires_on_time(presented: PresentedCode | None, lifetime: timedelta) -> None:
    """R-51: after a mistyped password, the challenge is still valid."""
    identifier = opened(presented=presented).identifier
    redeemed = redeem_challenge(identifier, ceremony=Ceremony.LOGIN, now=NOW + lifetime - SECOND)
    assert redeemed.expires_at == NOW + lifetime
    for late in (timedelta(0), SECOND):
        assert refused(identifier, now=NOW + lifetime + late) == "challenge expired"


@pytest.mark.parametrize("made", Ceremony)
@pytest.mark.parametrize("brought", Ceremony)
def test_a_challenge_is_refused_by_another_ceremony(made: Ceremony, brought: Ceremony) -> None:
    """R-86."""
    identifier = opened(made).identifier
    if made == brought:
        assert redeem_challenge(identifier, ceremony=brought, now=NOW).ceremony == made
    else:
        refused(identifier, ceremony=brought)


def test_identifiers_are_unreadable_and_equally_long() -> None:
    """R-32."""
    everybody = [
        open_challenge(
            ceremony, organization=organization, account_id=account, generation=0, presented=presented, now=NOW
        ).identifier
        for ceremony in Ceremony
        for organization in ("o", "o" * 64)
        for account in ("", "us-1", "u" * 64)
        for presented in (None, PRESENTED)
    ]
    assert {len(each) for each in everybody} == {len(everybody[0])}
    assert len(everybody[0]) <= IDENTIFIER_MAX_LENGTH
    assert len({each[20:] for each in everybody}) == len(everybody)
    raw = [base64.urlsafe_b64decode(each + "=" * (-len(each) % 4)) for each in everybody]
    assert not any(b"us-1" in each or b"login" in each for each in raw)
    constant = [place for place in range(len(raw[0])) if len({each[place] for each in raw}) == 1]
    assert constant == list(range(9))  # Fernet's version and the time


def test_challenges_are_unique() -> None:
    """R-50."""
    challenges = {opened().challenge for _ in range(1000)}
    assert len(challenges) == 1000
    assert {len(base64.urlsafe_b64decode(each + "=")) for each in challenges} == {32}


def test_the_id_of_a_challenge_has_128_bits() -> None:
    """RFC 7519 §4.1.7."""
    ids = {redeem_challenge(opened().identifier, ceremony=Ceremony.LOGIN, now=NOW).jti for _ in range(100)}
    assert len(ids) == 100
    assert {len(base64.urlsafe_b64decode(each + "==")) for each in ids} == {16}


@pytest.mark.parametrize(
    "identifier", ["", "A", "A" * 700, "é" * 700, "A" * (IDENTIFIER_MAX_LENGTH + 1), "=" * 8, "\0", "\ud800"]
)
def test_an_invalid_identifier_is_refused(identifier: str) -> None:
    refused(identifier)


def test_an_identifier_has_a_maximum_length() -> None:
    longest = opened().identifier.ljust(IDENTIFIER_MAX_LENGTH, "=")  # padding has no effect
    assert redeem_challenge(longest, ceremony=Ceremony.LOGIN, now=NOW)
    refused(longest + "=")


@pytest.mark.parametrize("length", range(350, 480, 16))
def test_an_identifier_longer_than_usual_is_redeemed(length: int) -> None:
    """Claims that exceed the padded length leave base64 that needs padding."""
    bound = "x" * length
    identifier = open_challenge(
        Ceremony.ACTION, organization="or-1", account_id="us-1", generation=0, bound=bound, now=NOW
    ).identifier
    assert redeem_challenge(identifier, ceremony=Ceremony.ACTION, now=NOW).bound == bound


def test_a_changed_identifier_is_refused() -> None:
    identifier = opened().identifier
    for place in range(0, len(identifier) - 1, 7):
        other = "A" if identifier[place] != "A" else "B"
        refused(identifier[:place] + other + identifier[place + 1 :])


def test_an_identifier_encrypted_with_another_key_is_refused() -> None:
    claims = {"use": "login", "jti": "x", "challenge": "x", "org": "or-1", "account": "us-1", "code": True}
    text = json.dumps({**claims, "exp": int(NOW.timestamp()) + 300}).encode()
    refused(Fernet(Fernet.generate_key()).encrypt(text).decode())


def test_an_identifier_encrypted_with_another_ring_is_refused() -> None:
    refused(key_rings().at_rest.encrypt(b"{}").decode())


def test_the_ring_can_be_rotated_while_challenges_are_open(settings: Any) -> None:
    """R-118."""
    identifier = opened().identifier
    rings = json.loads(django_settings.DFNS_LOGIN["KEYS"])
    turned = rotate_ring(rings, ring=Ring.CHALLENGES, now=NOW)
    settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, "KEYS": turned}
    assert redeem_challenge(identifier, ceremony=Ceremony.LOGIN, now=NOW)
    settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, "KEYS": {**turned, "challenges": turned["challenges"][:1]}}
    refused(identifier)


@pytest.mark.django_db
def test_a_challenge_is_spent_once() -> None:
    """R-51."""
    redeemed = redeem_challenge(opened().identifier, ceremony=Ceremony.LOGIN, now=NOW)
    assert not SpentToken.objects.exists()  # opening one writes nothing, redeeming one neither
    spend_challenge(redeemed)
    assert SpentToken.objects.values().get() == {"jti": redeemed.jti, "expires_at": redeemed.expires_at}


@pytest.mark.django_db(transaction=True)
def test_a_spent_challenge_stays_spent() -> None:
    redeemed = redeem_challenge(opened().identifier, ceremony=Ceremony.LOGIN, now=NOW)
    spend_challenge(redeemed)
    with pytest.raises(ChallengeRefused):
        spend_challenge(redeemed)
    assert not spend_jti(redeemed.jti, expires_at=NOW)
    assert spend_jti("another", expires_at=NOW)
    assert str(SpentToken.objects.get(jti="another")) == "spent token"
