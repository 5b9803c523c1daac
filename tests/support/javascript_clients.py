"""The official JavaScript clients, in a Node process."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.support.authenticators import Members, SoftwareKey

CLIENTS = Path(__file__).resolve().parent / "javascript"


class ClientError(Exception):
    """The error that the client threw. `is_dfns_error` says whether it is of the client's own class."""

    def __init__(self, told: Members) -> None:
        super().__init__(f"{told['name']}: {told['message']}")
        self.is_dfns_error: bool = told["isDfnsError"]
        self.message: str = told["message"]
        self.http_status: int | None = told.get("httpStatus")
        self.body: Members | None = told.get("body")
        self.retry_after: str | None = told.get("retryAfter")


class JavaScript:
    """Runs `tests/support/javascript/driver.mjs`. Use it as a context manager."""

    exchanges: list[tuple[str, str, int]]
    """Method, path and status of each answered request of the last call."""

    def __init__(self, *, base_url: str, organization: str) -> None:
        self._options = {"baseUrl": base_url, "orgId": organization}

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [_node(), "driver.mjs"], cwd=CLIENTS, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def versions(self) -> Members:
        return self._ask("versions")

    def register(self, key: SoftwareKey, request: Members) -> Members:
        """`DfnsAuthenticator.register`."""
        return self._ask("register", options=self._options, key=_in_pem(key), request=request)

    def login(self, key: SoftwareKey, request: Members) -> Members:
        """`DfnsAuthenticator.login`."""
        return self._ask("login", options=self._options, key=_in_pem(key), request=request)

    def call(self, method: str, body: Members | None = None, *, token: str = "") -> Members:
        """Call `DfnsApiClient.auth.<method>`, without an argument if there is no body."""
        request = {} if body is None else {"request": {"body": body}}
        return self._ask("call", options=self._options | _as_option(token), method=method, **request)

    def fetch(self, method: str, path: str, body: Members | None = None, *, token: str = "") -> Members:
        """Call `simpleFetch`, which the client uses for every request."""
        options = self._options | _as_option(token)
        return self._ask("fetch", options=options, method=method, path=path, body=body)

    def sources(self) -> Members:
        """Return the source of every method about authentication, by surface and name."""
        return self._ask("sources")

    def invoke(
        self, surface: str, method: str, args: list[Any], *, token: str = "", key: SoftwareKey | None = None
    ) -> Any:
        """Call `<surface>.<method>(…)`. The client signs with `key`."""
        signer = {"key": _in_pem(key)} if key else {}
        options = self._options | _as_option(token)
        return self._ask("invoke", surface=surface, options=options, method=method, args=args, **signer)

    def _ask(self, verb: str, **asked: Any) -> Members:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps({"do": verb, **asked}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the clients' Node has ended"
        said = json.loads(line)
        self.exchanges = [(method, path, status) for method, path, status in said["exchanges"]]
        if "error" in said:
            raise ClientError(said["error"])
        answer: Members = said["answer"]
        return answer


def _node() -> str:
    beside_python = str(Path(sys.executable).parent)
    node = shutil.which("node", path=beside_python + os.pathsep + os.environ.get("PATH", ""))
    assert node, "There is no Node to run the official JavaScript clients with: `make test` installs one."
    installed = (CLIENTS / "node_modules" / "@dfns" / "sdk").is_dir()
    assert installed, "The official JavaScript clients are not installed: `make test` installs them."
    return node


def _in_pem(key: SoftwareKey) -> Members:
    pem = key.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return {"credId": key.credential_id, "privateKey": pem.decode("ascii")}


def _as_option(token: str) -> Members:
    return {"authToken": token} if token else {}
