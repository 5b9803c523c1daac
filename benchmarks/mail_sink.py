"""A mail server that accepts every email, and writes the time and the recipient of each to a file.

python mail_sink.py PORT FILE SECONDS_PER_EMAIL
"""

import socketserver
import sys
import time
from pathlib import Path


class Session(socketserver.StreamRequestHandler):
    """As much of SMTP (RFC 5321) as Django's client needs."""

    def handle(self) -> None:
        self.wfile.write(b"220 sink\r\n")
        recipient = b""
        while line := self.rfile.readline():
            match line[:4].upper():
                case b"RCPT":
                    recipient = line.partition(b"<")[2].partition(b">")[0]
                    self.wfile.write(b"250 ok\r\n")
                case b"DATA":
                    self.wfile.write(b"354 go on\r\n")
                    while self.rfile.readline() not in {b".\r\n", b""}:
                        pass
                    time.sleep(float(sys.argv[3]))
                    with Path(sys.argv[2]).open("ab", buffering=0) as log:
                        log.write(b"%f %s\n" % (time.time(), recipient))
                    self.wfile.write(b"250 ok\r\n")
                case b"QUIT":
                    self.wfile.write(b"221 bye\r\n")
                    return
                case _:
                    self.wfile.write(b"250 ok\r\n")


class Server(socketserver.ThreadingTCPServer):
    """One thread per connection."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 100


if __name__ == "__main__":
    Server(("127.0.0.1", int(sys.argv[1])), Session).serve_forever()
