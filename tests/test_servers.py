"""What the tests' servers promise: the same data after a restart, and nothing left behind."""

import os
import signal
import subprocess
import sys
import time

import psycopg
import pytest

from tests.support.servers import ROOT, PostgreSQL, Valkey, is_alive

PATIENCE_SECONDS = 15

pytestmark = pytest.mark.postgres


def wait_until_gone(pids: list[int]) -> list[int]:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (left := [pid for pid in pids if is_alive(pid)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


def test_valkey_comes_back_at_its_address_and_empty():
    with Valkey() as valkey, valkey.client() as client:
        client.set("key", "value")
        valkey.kill()
        assert not valkey.running
        valkey.start()
        assert client.get("key") is None


def test_postgresql_keeps_committed_rows_through_a_kill():
    with PostgreSQL() as postgres:
        postgres.create_database("kept")
        dsn = f"host={postgres.folder} user=postgres dbname=kept"
        with psycopg.connect(dsn) as connection:
            connection.execute("CREATE TABLE t AS SELECT 1 AS n")
        postgres.kill()
        postgres.start()
        with psycopg.connect(dsn) as connection:
            assert connection.execute("SELECT n FROM t").fetchone() == (1,)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
def test_servers_end_with_the_process_that_started_them():
    program = (
        "import time; from tests.support.servers import *; a, b = Valkey().start(), PostgreSQL().start();"
        "print(a.pid, b.pid, a.folder, b.folder, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        valkey, postgres, *folders = parent.stdout.readline().split()
        pids = [int(valkey), int(postgres)]
        assert all(is_alive(pid) for pid in pids)
        os.kill(parent.pid, signal.SIGKILL)
    assert wait_until_gone(pids) == []
    subprocess.run(["/bin/rm", "-r", *folders], check=True)
