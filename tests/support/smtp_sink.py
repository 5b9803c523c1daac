"""An SMTP server that accepts, refuses or stalls as a test tells it, and can be stopped and started."""

import email
import email.policy
import re
import socketserver
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from email.message import EmailMessage
from itertools import takewhile
from types import TracebackType
from typing import Self

from tests.support.servers import free_port

CODE = re.compile(r"\b(?:[0-9]{4}-){3}[0-9]{4}\b")
KNOWN = "250 2.1.5 known"
TAKEN = "250 2.0.0 taken"
STALLED = "421 4.3.0 stalled"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedMail:
    recipient: str
    code: str
    at: float


class SmtpSink:
    """Listens on a port that stays the same, of this machine only unless an address is given.

    `mails` are the accepted emails. `answer_recipient` and `answer_mail` answer `RCPT` and a whole email, which is
    accepted if the answer is 250. With `stall_before` or `stall_after` it waits for `go_on` before or after it accepts
    an email, and releases `stalled` once for each.
    """

    def __init__(self, address: str = "127.0.0.1") -> None:
        self.mails: list[ReceivedMail] = []
        self._address = address
        self.url = f"smtp://{address}:{free_port()}"
        self._server: socketserver.ThreadingTCPServer | None = None
        self.behave()

    def behave(self) -> None:
        """Accept every email from now on."""
        self.answer_recipient: Callable[[str], str] = lambda _recipient: KNOWN
        self.answer_mail: Callable[[ReceivedMail], str] = lambda _mail: TAKEN
        self.stall_before = self.stall_after = False
        self.stalled = threading.Semaphore(0)
        self.go_on = threading.Event()

    def of(self, recipient: str) -> list[ReceivedMail]:
        return [mail for mail in self.mails if mail.recipient == recipient]

    def start(self) -> Self:
        sink = self

        class Session(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                with suppress(OSError):
                    sink.converse(self)

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True
            request_queue_size = 100

        self._server = Server((self._address, int(self.url.rpartition(":")[2])), Session)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def stop(self) -> None:
        """Refuse connections from now on."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def converse(self, session: socketserver.StreamRequestHandler) -> None:
        """Speak the part of SMTP (RFC 5321) that Django's client needs."""

        def say(line: str) -> None:
            session.wfile.write(f"{line}\r\n".encode())

        say("220 sink")
        while line := session.rfile.readline():
            match line[:4].upper():
                case b"RCPT":
                    say(self.answer_recipient(line.decode().partition("<")[2].partition(">")[0]))
                case b"DATA":
                    say("354 go on")
                    text = b"".join(takewhile(b".\r\n".__ne__, iter(session.rfile.readline, b"")))
                    say(self._receive(text))
                case b"QUIT":
                    say("221 bye")
                    return
                case _:
                    say("250 sink")

    def _receive(self, text: bytes) -> str:
        message = email.message_from_bytes(text, _class=EmailMessage, policy=email.policy.default)
        plain = message.get_body(("plain",))
        found = CODE.search(str(plain.get_content()) if plain else "")
        mail = ReceivedMail(recipient=str(message["To"]), code=found[0] if found else "", at=time.time())
        stall_after = self.stall_after
        if self.stall_before:
            self._stall()
            return STALLED
        answer = self.answer_mail(mail)
        if answer.startswith("250"):
            self.mails.append(mail)
        if stall_after:
            self._stall()
        return answer

    def _stall(self) -> None:
        go_on = self.go_on
        self.stalled.release()
        go_on.wait(60)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, _type: type[BaseException] | None, _raised: object, _trace: TracebackType | None) -> None:
        self.go_on.set()
        self.stop()
