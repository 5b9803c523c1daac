"""A live project for the official clients alone: web, worker, scheduler, Valkey and a database."""

from collections.abc import Iterator

import httpx
import pytest
from django.conf import settings

from tests.conformance.stage import Stage
from tests.live.javascript import JavaScript
from tests.live.scene import Scene, operate
from tests.services import Site, Valkey

DATABASE = "conformance"


@pytest.fixture(scope="session")
def scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("conformance")
    if settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"):
        postgres, database_url = None, f"sqlite:///{folder}/{DATABASE}.sqlite3"
    else:
        postgres = request.getfixturevalue("postgres")
        database_url = postgres.create_database(DATABASE)
    environment = {"DJANGO_SETTINGS_MODULE": "tests.live_settings"}
    with (
        Valkey() as valkey,
        Site(folder, database_url=database_url, redis_url=valkey.url, environment=environment) as site,
        httpx.Client(base_url=site.url, timeout=30) as http,
    ):
        organization = operate(site, "organization", "create", "Conformance")["id"]
        yield Scene(site=site, valkey=valkey, postgres=postgres, organization=organization, http=http)


@pytest.fixture(scope="session")
def stage(scene: Scene) -> Stage:
    return Stage(scene)


@pytest.fixture(scope="session")
def javascript(scene: Scene) -> Iterator[JavaScript]:
    with JavaScript(base_url=scene.site.url, organization=scene.organization) as javascript:
        yield javascript
