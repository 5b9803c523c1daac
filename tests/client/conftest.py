"""The client in Node (from source) and in Chromium (as built)."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.support.age_command import Age, find_age
from tests.support.client_runners import Client, NodeClient, PageClient, modules, page_client


@pytest.fixture(scope="session")
def in_node(node: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeClient]:
    client = NodeClient(modules(tmp_path_factory.mktemp("modules"), node=node), node=node)
    yield client
    client.end()


@pytest.fixture(scope="module")
def in_chromium(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageClient]:
    with page_client(browser, tmp_path_factory.mktemp("page")) as client:
        yield client


@pytest.fixture(scope="module", params=["in_node", "in_chromium"])
def client(request: pytest.FixtureRequest) -> Client:
    found: Client = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="session")
def age() -> Age:
    return find_age()
