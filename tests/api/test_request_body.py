"""Bodies whose transfer coding is malformed or unknown (R-123): refused with 400, and never read as no body."""

import json
import os
import subprocess
import sys
from io import BytesIO
from typing import Any

import pytest
from django.http import HttpRequest, UnreadablePostError
from django.test import Client, RequestFactory
from gunicorn.http.errors import ParseException

from dfns_login.api.parsing import BODY_LIMIT
from dfns_login.api.request_body import read_body
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


@pytest.mark.slow
def test_a_process_without_more_threads_refuses_bodies_until_it_has_one() -> None:
    """R-124: no body is read without a bound. What has none is served."""
    command = [sys.executable, "-m", "tests.support.threadless_project"]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "project.settings"}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert run.returncode == 0, run.stderr
    by_middleware, by_view, form, page, later = json.loads(run.stdout)
    for status, retry_after, content_type, body in (by_middleware, by_view):
        assert (status, retry_after, content_type) == (503, "5", "application/json")
        assert json.loads(body) == {"error": {"message": "Service unavailable", "code": "service_unavailable"}}
    assert (form[:2], form[2].partition(";")[0]) == ([503, "5"], "text/html")
    assert page[0] == 200
    assert later[0] == 400
