"""A superuser's browser, and something to look at."""

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from tests.support.admin_records import AdminRecords, make_records


@pytest.fixture
def operator(db: None) -> Client:
    client = Client(HTTP_USER_AGENT="operator's browser", REMOTE_ADDR="198.51.100.1")
    client.force_login(get_user_model().objects.create(username="operator", is_staff=True, is_superuser=True))
    return client


@pytest.fixture
def scene(db: None) -> AdminRecords:
    return make_records()
