"""The live project whose pages are opened, started once."""

from collections.abc import Iterator

import pytest

from tests.live.scene import Scene, live_scene


@pytest.fixture(scope="session")
def scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("pages")
    with live_scene(request, folder, name="pages", settings="tests.support.pages_settings") as scene:
        yield scene
