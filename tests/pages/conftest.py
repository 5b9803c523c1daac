"""The live project that serves the pages, started once."""

import os
from collections.abc import Iterator

import pytest

from tests.support.live_project import LiveProject, live_project
from tests.support.screenshots import WRITING

# They visit every page and take minutes: `make soak` runs them.
collect_ignore = [] if WRITING or os.environ.get("SOAK") else ["test_effort.py", "test_screenshots.py"]


@pytest.fixture(scope="session")
def scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveProject]:
    folder = tmp_path_factory.mktemp("pages")
    with live_project(request, folder, name="example", settings="tests.support.pages_settings") as scene:
        yield scene
