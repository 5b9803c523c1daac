"""The live project that serves the pages, started once."""

from collections.abc import Iterator

import pytest

from tests.support.live_project import LiveProject, live_project


@pytest.fixture(scope="session")
def scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveProject]:
    folder = tmp_path_factory.mktemp("pages")
    with live_project(request, folder, name="pages", settings="tests.support.pages_settings") as scene:
        yield scene
