"""A live project for the official clients alone: web, worker, scheduler, Valkey and a database."""

from collections.abc import Iterator

import pytest

from tests.conformance.stage import Stage
from tests.live.javascript import JavaScript
from tests.live.scene import Scene, live_scene


@pytest.fixture(scope="session")
def scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("conformance")
    with live_scene(request, folder, name="conformance", settings="tests.support.live_settings") as scene:
        yield scene


@pytest.fixture(scope="session")
def stage(scene: Scene) -> Stage:
    return Stage(scene)


@pytest.fixture(scope="session")
def javascript(scene: Scene) -> Iterator[JavaScript]:
    with JavaScript(base_url=scene.site.url, organization=scene.organization) as javascript:
        yield javascript
