"""PgBouncer in transaction mode, in front of a PostgreSQL of the tests."""

import shutil
from collections.abc import Sequence
from typing import Final

import psycopg

from project.processes import Program
from tests.support.servers import PostgreSQL, free_port, short_folder

PROGRAM: Final = shutil.which("pgbouncer")
CONFIGURATION: Final = """
[databases]
* = host={socket} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 1
ignore_startup_parameters = extra_float_digits
"""


class PgBouncer(Program):
    """PgBouncer that has one connection to PostgreSQL for all its clients."""

    name = "pgbouncer"

    def __init__(self, postgres: PostgreSQL) -> None:
        super().__init__(short_folder(), {})
        self._postgres, self._port = postgres, free_port()
        self.folder.chmod(0o755)
        file = self.folder / "pgbouncer.ini"
        file.write_text(CONFIGURATION.format(socket=postgres.folder, port=self._port))

    def url(self, database: str) -> str:
        """Return the value for `DATABASE_URL`."""
        return f"postgres://postgres@127.0.0.1:{self._port}/{database}"

    def command(self) -> list[str]:
        return [str(PROGRAM), str(self.folder / "pgbouncer.ini")]

    def is_ready(self) -> bool:
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def run_as(self, command: Sequence[str]) -> list[str]:
        return self._postgres.run_as(command)  # it refuses root too

    def stop(self, *, patience_seconds: float = 0) -> None:
        super().stop(patience_seconds=patience_seconds)
        shutil.rmtree(self.folder, ignore_errors=True)
