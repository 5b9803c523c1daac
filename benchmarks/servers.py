"""The servers of `benchmarks.login`: PostgreSQL with fsync, Valkey, and two gunicorns of two sync workers."""

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import django

from project.processes import ROOT, Program
from project.programs import Web
from tests.support.servers import PostgreSQL, Valkey, free_port

ORIGIN = "https://app.example.test"


class DurablePostgreSQL(PostgreSQL):
    """PostgreSQL that waits for the disk, as in production."""

    def command(self) -> list[str]:
        return ["fsync=on" if part == "fsync=off" else part for part in super().command()]


class SyncWeb(Web):
    """gunicorn with two sync workers."""

    def __init__(self, folder: Path, settings: str, application: str) -> None:
        self.port = free_port()
        self._application = application
        super().__init__(folder, {**os.environ, "DJANGO_SETTINGS_MODULE": settings}, port=self.port)

    def command(self) -> list[str]:
        server = [sys.executable, "-m", "gunicorn", self._application, f"--bind=127.0.0.1:{self.port}"]
        return [*server, "--workers=2", "--worker-class=sync", "--no-control-socket"]


@contextmanager
def servers() -> Iterator[dict[str, Program]]:
    """Start everything, and set Django up."""
    with ExitStack() as stack:
        postgres, valkey = stack.enter_context(DurablePostgreSQL()), stack.enter_context(Valkey())
        os.environ |= {
            "DJANGO_SETTINGS_MODULE": "benchmarks.dfns_login_bench_settings",
            "DATABASE_URL": postgres.create_database("login"),
            "REDIS_URL": valkey.url,
            "EMAIL_URL": "smtp://127.0.0.1:9",
            "SECRET_KEY": "x" * 50,
            "PUBLIC_URL": ORIGIN,
            "DEFAULT_FROM_EMAIL": "login@example.test",
            "SECURE_SSL_REDIRECT": "0",
            "LOG_LEVEL": "WARNING",
            "PYTHONPATH": str(ROOT),
        }
        from dfns_login.key_rings import new_rings  # noqa: PLC0415  needs the environment

        os.environ["DFNS_LOGIN_KEYS"] = json.dumps(new_rings(now=datetime.now(UTC)))
        django.setup()
        from django.core.management import call_command  # noqa: PLC0415
        from django.db import connection  # noqa: PLC0415

        call_command("migrate", verbosity=0)
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE floor_code (id bigserial PRIMARY KEY, email varchar(254), code varchar(64))")
        folders = [Path(stack.enter_context(tempfile.TemporaryDirectory())) for _ in range(2)]
        web = stack.enter_context(SyncWeb(folders[0], "benchmarks.dfns_login_bench_settings", "project.wsgi"))
        floor = stack.enter_context(SyncWeb(folders[1], "benchmarks.floor_settings", "benchmarks.floor"))
        yield {"web": web, "floor": floor, "PostgreSQL": postgres, "Valkey": valkey}
