"""A superuser's browser, and something to look at."""

from collections.abc import Iterator

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.utils import translation

from dfns_login.models import Account
from tests.support.admin_records import AdminRecords, make_records
from tests.support.factories import make_person


@pytest.fixture
def operator(db: None) -> Client:
    client = Client(HTTP_USER_AGENT="operator's browser", REMOTE_ADDR="198.51.100.1")
    client.force_login(get_user_model().objects.create(username="operator", is_staff=True, is_superuser=True))
    return client


@pytest.fixture
def scene(db: None) -> AdminRecords:
    return make_records()


@pytest.fixture
def jane(db: None) -> Iterator[Account]:
    """Who has registered. Texts are English, whatever the last test asked for."""
    with translation.override("en"):
        yield make_person().account
