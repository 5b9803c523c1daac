"""Limits in the verdict on an account: used up, unknown, or turned off (R-208)."""

from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import pytest
from django.utils.html import escape

from dfns_login.admin.rendering import Tone
from dfns_login.admin.verdict import Verdict, verdict
from dfns_login.api import login, recovery, registration
from dfns_login.errors import RateExceeded
from dfns_login.limits import CODE_RATES, count_request
from dfns_login.limits.used_up import SCOPES
from dfns_login.models import (
    Account,
)
from dfns_login.requester import Requester
from tests.support.admin_records import make_code
from tests.support.factories import make_person
from tests.support.unknown_counts import WORDS, cache_that

NOW = datetime.now(UTC)
HERE = Requester(address="192.0.2.7")


def found(account: Account) -> Verdict:
    return verdict(account, may_view=lambda _: True, now=NOW)


def test_a_limit_is_named_while_it_is_used_up(jane: Account, settings) -> None:
    settings.DFNS_LOGIN = settings.DFNS_LOGIN | {"RATES": {"code_per_user": ("2/d",)}}
    make_code(jane.username, jane.organization_id, now=NOW, account=jane, delivery="sent")
    count_request(CODE_RATES, requester=HERE, recipient=jane.recipient, scope="login_code")
    assert found(jane).tone == Tone.GOOD
    count_request(CODE_RATES, requester=HERE, recipient=jane.recipient, scope="login_code")
    (reason, *_rest) = found(jane).reasons
    assert "Codes requested for one person" in str(reason.text)
    with pytest.raises(RateExceeded):
        count_request(CODE_RATES, requester=HERE, recipient=jane.recipient, scope="login_code")
    assert found(make_person(jane.organization, "other@b.co").account).tone == Tone.GOOD


def test_a_limit_is_named_whatever_names_its_counter(jane: Account, settings) -> None:
    settings.RATELIMIT_HASH_ALGORITHM = "hashlib.sha512"
    settings.DFNS_LOGIN = settings.DFNS_LOGIN | {"RATES": {"code_per_user": ("1/d",)}}
    count_request(CODE_RATES, requester=HERE, recipient=jane.recipient, scope="login_code")
    assert found(jane).tone == Tone.WAITING


@pytest.mark.parametrize("flaw", WORDS)
def test_a_limit_that_is_unknown_is_not_taken_for_none(jane: Account, settings, tmp_path: Path, flaw: str) -> None:
    with cache_that(flaw, settings, tmp_path):
        seen = found(jane)
    assert seen.tone == Tone.GOOD
    assert str(seen.reasons[-1].text) == "Whether a limit is reached is unknown."
    assert WORDS[flaw] in escape(seen.reasons[-1].advice)


def test_a_cache_that_is_down_stops_everybody_if_the_project_requires_it(
    jane: Account, settings, tmp_path: Path
) -> None:
    settings.DFNS_LOGIN = settings.DFNS_LOGIN | {"CACHE_OUTAGE": "refuse"}
    with cache_that("server killed", settings, tmp_path):
        seen = found(jane)
    assert seen.tone == Tone.BAD
    assert str(seen.reasons[0].text).startswith("The cache is down")


def test_no_limit_is_reached_if_the_project_turned_limits_off(jane: Account, settings) -> None:
    settings.DFNS_LOGIN = settings.DFNS_LOGIN | {"RATES": {"code_per_user": ("1/d",)}}
    count_request(CODE_RATES, requester=HERE, recipient=jane.recipient, scope="login_code")
    assert found(jane).tone == Tone.WAITING
    settings.RATELIMIT_ENABLE = False
    assert found(jane).tone == Tone.GOOD


@pytest.mark.parametrize("module", [login, registration, recovery])
def test_every_limit_of_signing_in_registering_and_recovering_is_looked_at(module: ModuleType) -> None:
    limited = [each for each in vars(module).values() if isinstance(each, type) and vars(each).get("rates")]
    assert limited
    for view in limited:
        assert set(view.rates) <= set(SCOPES[view.scope]), view
