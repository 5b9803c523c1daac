"""A live project for the official clients alone: web, worker, scheduler, Valkey and a database."""

from collections.abc import Iterator

import pytest

from tests.support.conformance.stage import Stage
from tests.support.javascript_clients import JavaScript
from tests.support.live_project import LiveProject, live_project


@pytest.fixture(scope="session")
def scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveProject]:
    folder = tmp_path_factory.mktemp("conformance")
    with live_project(request, folder, name="conformance", settings="tests.support.cross_origin_settings") as scene:
        yield scene


@pytest.fixture(scope="session")
def stage(scene: LiveProject) -> Stage:
    return Stage(scene)


@pytest.fixture(scope="session")
def javascript(scene: LiveProject) -> Iterator[JavaScript]:
    with JavaScript(base_url=scene.site.url, organization=scene.organization) as javascript:
        yield javascript
