"""People who are there, and a client that checks every answer."""

from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import Client

from dfns_login.models import Account, AccountState
from dfns_login.settings import DEFAULT_RATES
from tests.support.api_client import CheckedClient, sign_in
from tests.support.authenticators import Kind, SoftwareKey
from tests.support.clock import StillClock
from tests.support.endpoints import AUTHENTICATED, Endpoint
from tests.support.factories import Person, make_account, make_organization, make_person
from tests.support.signed_in import SignedIn


@pytest.fixture
def client() -> Client:
    return CheckedClient()


@pytest.fixture
def jane(db: None) -> Person:
    """Holds a password-protected key."""
    return make_person()


@pytest.fixture
def kim(db: None) -> Person:
    """Holds a key, which needs no code."""
    return make_person(make_organization(), "kim@example.co", SoftwareKey.make(kind=Kind.KEY))


@pytest.fixture
def lee(db: None) -> Account:
    """Is invited."""
    return make_account(make_organization(), "lee@example.co", state=AccountState.INVITED)


@pytest.fixture
def token(client: Client, kim: Person) -> str:
    """Kim's login token."""
    return sign_in(client, kim)


@pytest.fixture
def bearer(request: pytest.FixtureRequest) -> Callable[[Endpoint], str]:
    """What an endpoint wants as its bearer token."""
    return lambda each: request.getfixturevalue("token") if each in AUTHENTICATED else each.bearer


@pytest.fixture
def signed(client: Client, kim: Person, token: str) -> SignedIn:
    """Kim, who signs what an endpoint wants signed."""
    return SignedIn(client=client, person=kim, token=token)


@pytest.fixture
def configure(settings: Any) -> Any:
    """Change settings of the app: `configure(RATES=…)`."""

    def change(**values: object) -> None:
        settings.DFNS_LOGIN = {**django_settings.DFNS_LOGIN, **values}

    return change


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> StillClock:
    """The clock that rates are counted by. It stands still, so that no window ends in the middle of a test."""
    clock = StillClock()
    monkeypatch.setattr("django_ratelimit.core.time", clock)
    return clock


@pytest.fixture
def without_rates(configure: Any) -> None:
    """No rate is ever used up."""
    configure(RATES=dict.fromkeys(DEFAULT_RATES, ("1000000/m",)))
