"""A request whose body arrives later than its head, over a raw socket."""

import json
import socket
from http.client import HTTPResponse
from typing import Any
from urllib.parse import urlsplit

from tests.support.parallel_requests import PATIENCE_SECONDS, Answer, Call


class HeldRequest:
    """Sends the head at once, and the body with `finish`. `chunked` sends the body as one chunk, without a length."""

    def __init__(self, url: str, call: Call, *, chunked: bool = False) -> None:
        address = urlsplit(url)
        head, _, self._body = call.encode(address.netloc).partition(b"\r\n\r\n")
        if chunked:
            length = f"Content-Length: {len(self._body)}".encode()
            head = head.replace(length, b"Transfer-Encoding: chunked")
            self._body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(self._body), self._body)
        self._socket = socket.create_connection((str(address.hostname), int(address.port or 80)), PATIENCE_SECONDS)
        self._socket.sendall(head + b"\r\n\r\n")

    def finish(self) -> Answer:
        self._socket.sendall(self._body)
        with self._socket, HTTPResponse(self._socket) as response:
            response.begin()
            text: Any = response.read()
            return Answer(status=response.status, headers=dict(response.headers), body=json.loads(text or b"null"))
