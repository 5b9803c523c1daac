"""`make demo` and `make demo-check`, as a person runs them: what they show, and that they leave no process behind."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.servers import ROOT, is_alive

PATIENCE_SECONDS = 30
PROGRAMS = 7  # the demonstration, Valkey, gunicorn with two of its own, Celery's worker and scheduler

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc"),
]


def processes(marker: str) -> set[int]:
    """Every process that was started with this text in its environment, and their children: some write over theirs."""
    marked: set[int] = set()
    parents: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if marker.encode() in (folder / "environ").read_bytes():
                marked.add(int(folder.name))
        except OSError:
            continue
    return marked | {pid for pid, parent in parents.items() if parent in marked}


def wait_for(reached) -> bool:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (done := reached()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return bool(done)


@contextmanager
def demonstration(output: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    marker = f"DEMONSTRATION={uuid.uuid4()}"
    environment = {"PATH": os.environ["PATH"], **dict([marker.split("=")])}
    command = [sys.executable, "-m", "project.demo", *arguments]
    with output.open("wb") as file:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=file, stderr=subprocess.STDOUT)
    try:
        yield process, marker
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL], ids=lambda s: s.name)
def test_no_process_outlives_the_demonstration_whatever_ends_it(tmp_path, ending):
    output = tmp_path / "output"
    with demonstration(output) as (process, marker):
        assert wait_for(lambda: "to jane@example.com" in output.read_text() or process.poll()), output.read_text()
        assert process.poll() is None, output.read_text()
        running = processes(marker)
        assert len(running) >= PROGRAMS
        process.send_signal(ending)
        process.wait(PATIENCE_SECONDS)
        assert wait_for(lambda: not any(map(is_alive, running | processes(marker))))


def test_every_email_is_shown_in_the_terminal_and_on_the_page(tmp_path):
    output = tmp_path / "output"
    with demonstration(output) as (process, _marker):
        assert wait_for(lambda: "to jane@example.com" in output.read_text() or process.poll()), output.read_text()
        said = output.read_text()
        address = next(word for word in said.split() if word.endswith("/mail/"))
        with urllib.request.urlopen(address, timeout=10) as page:
            assert "jane@example.com" in page.read().decode()


def test_the_check_walks_through_the_whole_flow_and_leaves_nothing(tmp_path):
    output = tmp_path / "output"
    with demonstration(output, "--check") as (process, marker):
        assert process.wait(120) == 0, output.read_text()
        assert not processes(marker)


def test_the_check_says_no_where_the_flow_breaks_off(tmp_path):
    output = tmp_path / "output"
    with demonstration(output, "--check") as (process, marker):
        assert wait_for(lambda: len(processes(marker)) > 1)
        os.kill(next(pid for pid in processes(marker) if pid != process.pid), signal.SIGKILL)
        assert process.wait(60) == 1
        assert wait_for(lambda: not processes(marker))
