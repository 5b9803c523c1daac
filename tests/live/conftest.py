"""One live project for all tests here: web, worker, scheduler, Valkey and a database of its own, started once."""

from collections.abc import Iterator

import httpx
import pytest
from django.conf import settings

from tests.support.javascript_clients import JavaScript
from tests.support.live_project import LiveProject, operate
from tests.support.login_journey import Journey, travel
from tests.support.servers import Site, Valkey
from tests.support.traces import DATABASE, CommandCapture, log_every_statement

GUNICORN_ARGUMENTS = "--access-logfile=- --log-level=debug"


@pytest.fixture(scope="session")
def live_valkey() -> Iterator[Valkey]:
    """Valkey that writes down all it is told; uncompressed, so that what it was told can be found."""
    with Valkey(arguments=["--appendonly", "yes", "--rdbcompression", "no", "--loglevel", "debug"]) as valkey:
        yield valkey


@pytest.fixture(scope="session")
def commands(live_valkey: Valkey) -> Iterator[CommandCapture]:
    """Every command that Valkey got, from its start on."""
    with CommandCapture(live_valkey) as capture:
        yield capture


@pytest.fixture(scope="session")
def scene(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    live_valkey: Valkey,
    commands: CommandCapture,
) -> Iterator[LiveProject]:
    folder = tmp_path_factory.mktemp("live")
    if settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"):
        postgres, database_url = None, f"sqlite:///{folder}/{DATABASE}.sqlite3"
    else:
        postgres = request.getfixturevalue("postgres")
        database_url = postgres.create_database(DATABASE)
        log_every_statement(postgres)
    environment = {"DJANGO_SETTINGS_MODULE": "tests.support.live_settings", "GUNICORN_CMD_ARGS": GUNICORN_ARGUMENTS}
    with (
        Site(folder, database_url=database_url, redis_url=live_valkey.url, environment=environment) as site,
        httpx.Client(base_url=site.url, timeout=30) as http,
    ):
        organization = operate(site, "organization", "create", "Live")["id"]
        yield LiveProject(site=site, valkey=live_valkey, postgres=postgres, organization=organization, http=http)


@pytest.fixture(scope="session")
def journey(scene: LiveProject) -> Journey:
    """The whole flow with a password-protected key, from the invitation to the logout."""
    return travel(scene)


@pytest.fixture(scope="session")
def javascript(scene: LiveProject) -> Iterator[JavaScript]:
    with JavaScript(base_url=scene.site.url, organization=scene.organization) as javascript:
        yield javascript
