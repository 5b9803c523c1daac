"""Requests that stop before chosen statements and commits, so that a test decides how they interleave on PostgreSQL.

Each lane is a thread with a database connection and a clock of its own, as a host has. One lane runs at a time. A lane
that waits for another one's lock is left alone, and stops as soon as it has the lock.
"""

import math
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from io import BytesIO
from itertools import count
from queue import SimpleQueue
from typing import Any, Final
from unittest import mock

from django.db import connection, connections
from django.utils import timezone

TO_THE_END: Final = math.inf
WRITES: Final = re.compile(r"\b(INSERT INTO|UPDATE|DELETE FROM) \"")
POLL_SECONDS: Final = 0.002
PATIENCE_SECONDS: Final = 30
_numbers = count(1)
_lane = threading.local()


def next_number() -> int:
    """Number a statement or a commit of any lane. What has the lower number came first."""
    return next(_numbers)


@dataclass(eq=False, kw_only=True)
class Run:
    """A request in a lane.

    statements: text, and the numbers before and after. commits: the number before each. clock: each time that it read.
    arrived: number at which its body was there.
    """

    call: Callable[[], Any]
    answer: Any = None
    error: Exception | None = None
    state: str = "held"
    steps: float = 0
    statements: list[tuple[str, int, int]] = field(default_factory=list)
    commits: list[int] = field(default_factory=list)
    clock: list[datetime] = field(default_factory=list)
    arrived: int = 0

    @property
    def began(self) -> int:
        """The number from which on it may read what it decides by."""
        return self.arrived or self.statements[0][1]

    @property
    def ended(self) -> int:
        return self.statements[-1][2] if self.statements else 0

    def took_effect(self, table: str = "") -> int:
        """Return the number of its last commit, or of a statement that wrote after it.

        With a table: of its last UPDATE of that table.
        """
        if table:
            return self._updates(table)[-1][2]
        return max(self.commits + [after for sql, _, after in self.statements if WRITES.search(sql)])

    def began_to_update(self, table: str) -> int:
        """Return the number before its last UPDATE of the table, or else of its last commit."""
        return max((before for _, before, _ in self._updates(table)), default=self.commits[-1])

    def _updates(self, table: str) -> list[tuple[str, int, int]]:
        return [each for each in self.statements if f'UPDATE "{table}"' in each[0]]


class Lane:
    """Runs one request at a time in its thread. offset: how far its clock is ahead of the others'."""

    def __init__(self) -> None:
        self.offset = timedelta()
        self.run: Run | None = None
        self._changed = threading.Condition()
        self._calls: SimpleQueue[Run | None] = SimpleQueue()
        self._pid = 0
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def is_free(self) -> bool:
        return self.run is None or self.run.state == "done"

    def start(self, call: Callable[[], Any], *, steps: float) -> Run:
        """Start the request, and let it pass so many statements and commits."""
        assert self.is_free
        self.run = Run(call=call)
        self._calls.put(self.run)
        self.resume(steps)
        return self.run

    def resume(self, steps: float) -> None:
        """Let the request go on until it has passed so many statements, is done, or waits for another lane."""
        run = self.run
        assert run
        with self._changed:
            if run.state != "held":
                return
            run.state, run.steps = "running", steps
            self._changed.notify_all()
        for _ in range(int(PATIENCE_SECONDS / POLL_SECONDS)):
            with self._changed:
                if self._changed.wait_for(lambda: run.state in {"held", "done"}, timeout=POLL_SECONDS):
                    return
                if self._is_blocked():
                    run.state = "blocked"
                    return
        raise AssertionError(f"neither done nor blocked: {run.statements[-1:]}")

    def stop(self) -> None:
        self._calls.put(None)
        self._thread.join(PATIENCE_SECONDS)

    def pass_boundary(self) -> None:
        """Stop here if the request has passed as many statements as it may."""
        run = self.run
        assert run
        with self._changed:
            if run.steps <= 0:
                self._hold(run)
            run.steps -= 1

    def _hold(self, run: Run) -> None:
        run.state = "held"
        self._changed.notify_all()
        self._changed.wait_for(lambda: run.state == "running")

    def _is_blocked(self) -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT cardinality(pg_blocking_pids(%s)) > 0", [self._pid])
            return bool(cursor.fetchone()[0])

    def _serve(self) -> None:
        _lane.mine = self
        mine = connections["default"]
        while run := self._calls.get():
            with self._changed:
                self._changed.wait_for(lambda run=run: run.state == "running")
            mine.ensure_connection()
            self._pid = mine.connection.info.backend_pid
            try:
                with mine.execute_wrapper(self._execute), self._held_commits(mine, run):
                    run.answer = run.call()
            except Exception as error:  # noqa: BLE001  the test looks at it
                run.error = error
            with self._changed:
                run.state = "done"
                self._changed.notify_all()
        connections.close_all()

    def _execute(self, execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        self.pass_boundary()
        run, before = self.run, next_number()
        assert run
        try:
            return execute(sql, *rest)
        finally:
            run.statements.append((sql, before, next_number()))
            with self._changed:
                if run.state == "blocked":  # it got the lock while another lane runs
                    self._hold(run)

    @contextmanager
    def _held_commits(self, mine: Any, run: Run) -> Iterator[None]:
        commit = mine.commit

        def held_commit() -> None:
            self.pass_boundary()
            run.commits.append(next_number())
            commit()

        with mock.patch.object(mine, "commit", held_commit):
            yield


class HeldBody(BytesIO):
    """A body that arrives when its lane goes on."""

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() == 0:
            _lane.mine.pass_boundary()
            _lane.mine.run.arrived = next_number()
        return super().read(size)


class HostClock:
    """Replaces `django.utils.timezone.now`: each lane reads a clock of its own, which only the test moves."""

    def __init__(self) -> None:
        self.now = timezone.now()

    def __call__(self) -> datetime:
        lane = getattr(_lane, "mine", None)
        if lane is None:
            return self.now
        read = self.now + lane.offset
        lane.run.clock.append(read)
        return read
