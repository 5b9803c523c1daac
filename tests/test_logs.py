"""Log lines in JSON, and the id of the request in each of them and in its response (R-116, R-117)."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path

from dfns_login.audit import log_outage
from dfns_login.logs import JSONFormatter, RequestIDFilter
from dfns_login.requester import current_request_id
from dfns_login.urls import urlpatterns as ours


def log(_request: HttpRequest) -> HttpResponse:
    logging.getLogger("shop").info("sold %d", 3)
    return HttpResponse("sold")


def fail(_request: HttpRequest) -> HttpResponse:
    raise ValueError


urlpatterns = [path("shop/", log), path("broken/", fail), *ours]


@pytest.fixture
def lines(settings) -> Iterator[list[dict[str, Any]]]:
    """Log lines of every logger, as the formatter writes them."""
    settings.ROOT_URLCONF = __name__
    written: list[dict[str, Any]] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            written.append(json.loads(JSONFormatter().format(record)))

    handler, root = Handler(), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        yield written
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


def test_a_log_line_stays_one_line_whatever_is_in_it():
    record = logging.makeLogRecord(
        {"msg": "code %s", "args": ("a\r\nb\x1b[31m\u2028\x7f\x85",), "name": "dfns_login", "levelname": "INFO"}
    )
    record.agent = 'x"\n{}'
    record.request = object()
    line = JSONFormatter().format(record)
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["event"] == "code a\r\nb\x1b[31m\u2028\x7f\x85"
    assert json.loads(line)["agent"] == 'x"\n{}'
    assert "request" not in json.loads(line)


def test_an_event_of_the_app_is_written_with_its_fields(caplog: pytest.LogCaptureFixture):
    log_outage("cache", error=TimeoutError())
    line = json.loads(JSONFormatter().format(caplog.records[0]))
    assert line.pop("time")
    assert line == {
        "level": "ERROR",
        "logger": "dfns_login.audit",
        "event": "outage",
        "what": "cache",
        "error": "TimeoutError",
    }


@pytest.mark.parametrize("path", ["/shop/", "/nowhere/"])
def test_every_line_and_every_response_has_the_id_of_the_request(lines, path: str):
    answer = Client().get(path, headers={"X-Request-ID": "from-the-proxy.1"})
    assert answer["X-Request-ID"] == "from-the-proxy.1"
    assert lines
    assert {line.get("request") for line in lines} == {"from-the-proxy.1"}
    assert current_request_id.get() == ""


@pytest.mark.parametrize("sent", [None, "", "x" * 65, "a b", "a\r\nSet-Cookie: x=1", "é", "{}", "../../etc"])
def test_a_missing_or_invalid_id_is_replaced(lines, sent: str | None):
    answer = Client().get("/shop/", headers={} if sent is None else {"X-Request-ID": sent})
    assert len(answer["X-Request-ID"]) == 32
    assert answer["X-Request-ID"] != sent
    assert [line["request"] for line in lines] == [answer["X-Request-ID"]]


def test_each_request_has_an_id_of_its_own():
    assert len({Client().get("/nowhere/")["X-Request-ID"] for _ in range(3)}) == 3


def test_lines_of_a_view_that_fails_have_the_id_too(lines):
    answer = Client(raise_request_exception=False).get("/broken/", headers={"X-Request-ID": "b"})
    assert (answer.status_code, answer["X-Request-ID"]) == (500, "b")
    assert [line["request"] for line in lines if "exception" in line] == ["b"]
    assert current_request_id.get() == ""


@pytest.mark.django_db
def test_the_id_of_the_header_is_that_of_the_apps_own_lines(lines):
    answer = Client().get("/auth/sessions", headers={"X-Request-ID": "c"})
    assert answer.status_code == 401
    assert [line["request"] for line in lines if line["event"] == "refused"] == ["c"]


def test_a_line_outside_of_requests_has_none(lines):
    logging.getLogger("shop").info("closed")
    assert "request" not in lines[0]


def test_other_formatters_get_the_id_from_the_filter():
    record = logging.makeLogRecord({"msg": "sold"})
    token = current_request_id.set("d")
    try:
        assert RequestIDFilter().filter(record)
    finally:
        current_request_id.reset(token)
    assert logging.Formatter("%(request_id)s %(message)s").format(record) == "d sold"
    assert json.loads(JSONFormatter().format(record))["request"] == "d"  # in another thread, too
