"""Bodies whose transfer coding is malformed or unknown (R-123): refused with 400, and never read as no body."""

import socket
import threading
from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest
from django.http import HttpRequest, UnreadablePostError
from django.test import Client, RequestFactory
from gunicorn.http.errors import ParseException

from dfns_login.api.parsing import BODY_LIMIT
from dfns_login.api.request_body import read_body
from dfns_login.api.slow_senders import SlowSenders
from dfns_login.errors import BodyRefused
from tests.support.api_client import message

BODY = b'{"allSessions": true}'


class Broken(BytesIO):
    """Raises what servers raise for malformed chunks and for connections that end early."""

    error: type[Exception] = OSError

    def read(self, size: int | None = -1) -> bytes:
        raise self.error("Invalid chunk size")


def request(*, coding: str, stream: BytesIO | None = None, terminated: bool = True) -> HttpRequest:
    sent: Any = {"wsgi.input": stream or BytesIO(BODY), "wsgi.input_terminated": terminated}
    return RequestFactory().generic("POST", "/", HTTP_TRANSFER_ENCODING=coding, **sent)


@pytest.mark.parametrize(
    "coding", ["chunked", "Chunked", " chunked ", "identity, chunked", "identity,chunked", "gzip, chunked"]
)
def test_a_body_in_chunks_is_read(coding: str) -> None:
    """What is compressed as well is not decompressed: it is not JSON then."""
    assert read_body(request(coding=coding)) == BODY


@pytest.mark.parametrize("coding", ["gzip", "chunked, gzip", "deflate", "x"])
def test_another_coding_is_refused(coding: str) -> None:
    with pytest.raises(BodyRefused):
        read_body(request(coding=coding))


def test_a_body_in_chunks_is_bounded() -> None:
    assert len(read_body(request(coding="chunked", stream=BytesIO(b"x" * BODY_LIMIT * 2)))) == BODY_LIMIT + 1


@pytest.mark.parametrize("error", [OSError, ParseException, ValueError])
def test_malformed_chunks_are_unreadable(error: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Broken, "error", error)
    with pytest.raises(UnreadablePostError):
        read_body(request(coding="chunked", stream=Broken()))


@pytest.mark.django_db
@pytest.mark.parametrize("length", ["", "20"], ids=["chunked", "with a length"])
def test_a_body_that_cannot_be_read_is_refused_without_a_server_error(client: Client, length: str) -> None:
    coding = (
        {"CONTENT_LENGTH": length} if length else {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}
    )
    broken: Any = {"CONTENT_TYPE": "application/json", "wsgi.input": Broken(), **coding}
    response = client.generic("POST", "/auth/login/code", **broken)
    assert (response.status_code, message(response)) == (400, "The request is not valid.")


def test_a_process_without_more_threads_ends_slow_bodies_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that does not start is started by the next request; until then, nothing is kept of a request."""
    senders = SlowSenders()
    started: list[threading.Thread] = []

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    def start(thread: threading.Thread) -> None:
        started.append(thread)

    ours, theirs = socket.socketpair()
    slow = RequestFactory().get("/", **{"gunicorn.socket": ours})
    with ours, theirs:
        monkeypatch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError), senders.reading_ends(slow, after=timedelta(seconds=1)):
            pass
        monkeypatch.setattr(threading.Thread, "start", start)
        with senders.reading_ends(slow, after=timedelta(seconds=1)):
            pass
    assert len(started) == 1
