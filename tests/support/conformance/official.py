"""The official clients, and how their methods are called."""

import ast
import inspect
import re
import textwrap
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any, Final, Protocol
from urllib.parse import unquote

import dfns_sdk  # type: ignore[import-untyped]
import httpx
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from dfns_sdk.generated.auth.client import AuthClient  # type: ignore[import-untyped]
from dfns_sdk.generated.auth.delegated_client import DelegatedAuthClient  # type: ignore[import-untyped]

from tests.support.authenticators import Members, SoftwareKey
from tests.support.conformance.methods import Method
from tests.support.javascript_clients import ClientError, JavaScript

NO_TOKEN: Final = "none"
"""The Python client always sends an `Authorization` header, which must not be empty."""
_IDENTIFIER: Final = re.compile(r"\bus-[\w-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Arguments:
    """Arguments for a method. token: of the session. key: signs user actions."""

    path: Mapping[str, str] = field(default_factory=dict)
    body: Members | None = None
    query: Members = field(default_factory=dict)
    token: str = field(default="", repr=False)
    key: SoftwareKey | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The result of a call: the last request with a response, and the reply or refusal as the client reports it."""

    request: str
    status: int
    answer: Any = field(default=None, repr=False)
    message: str | None = None
    code: str | None = None

    @property
    def refused(self) -> bool:
        return self.message is not None

    def __str__(self) -> str:
        return f"{self.status} `{_IDENTIFIER.sub('us-…', self.message)}`" if self.message else str(self.status)


class Surface(Protocol):
    """A part of a client with authentication methods. title: its name in the table."""

    title: str

    def sources(self) -> Mapping[str, str]: ...

    def call(self, method: Method, ask: Arguments, signed: Members | None = None) -> Outcome: ...

    def close(self) -> None: ...


class JavaScriptSurface:
    """A part of `@dfns/sdk`."""

    def __init__(self, javascript: JavaScript, name: str) -> None:
        self.title = f"`@dfns/sdk` {javascript.versions()['@dfns/sdk']}, `{name}`"
        self._javascript = javascript
        self._name = name

    def sources(self) -> Mapping[str, str]:
        sources: Mapping[str, str] = self._javascript.sources()[self._name]
        return sources

    def call(self, method: Method, ask: Arguments, signed: Members | None = None) -> Outcome:
        request: Members = {**ask.path, **({"body": ask.body} if ask.body is not None else {})}
        request |= {"query": ask.query} if ask.query else {}
        bare = self._name in {"BaseAuthApi", "DfnsAuthenticator"}
        args: list[Any] = [ask.body if bare else request]
        if method.name == "userLogout":
            args = []  # the only method that takes nothing but its options
        args += [signed] if signed else []
        key = ask.key if self._name in {"DfnsApiClient.auth", "DfnsAuthenticator"} else None
        told: Members = {}
        thrown: ClientError | None = None
        try:
            told["answer"] = self._javascript.invoke(self._name, method.name, args, token=ask.token, key=key)
        except ClientError as error:
            thrown = error
        if thrown:
            assert thrown.is_dfns_error, f"{method.name}: {thrown}"
            assert thrown.body, f"{method.name}: {thrown}"
            assert thrown.body["error"]["message"] == thrown.message
            assert thrown.http_status == self._javascript.exchanges[-1][2]
            told |= {"message": thrown.message, "code": thrown.body["error"]["code"]}
        verb, path, status = self._javascript.exchanges[-1]
        return Outcome(request=_request(verb, path), status=status, **told)

    def close(self) -> None:
        """There is nothing to close: every call has its own client."""


class PythonSurface:
    """A part of `dfns-sdk`."""

    def __init__(self, base_url: str, name: str) -> None:
        self.title = f"`dfns-sdk` {version('dfns-sdk')}, `{name}`"
        self._base_url = base_url
        self._clients: dict[tuple[str, SoftwareKey | None], Any] = {}
        self._ears: dict[int, list[httpx.Response]] = {}
        self._class, self._use = {
            "DfnsClient.auth": (AuthClient, self._with_signer),
            "DfnsDelegatedClient.auth": (DelegatedAuthClient, self._without_signer),
            "BaseAuthApi": (dfns_sdk.BaseAuthApi, self._as_functions),
        }[name]

    def sources(self) -> Mapping[str, str]:
        functions = {name: getattr(self._class, name) for name in vars(self._class) if not name.startswith("_")}
        return {name: _code_of(function) for name, function in functions.items()}

    def call(self, method: Method, ask: Arguments, signed: Members | None = None) -> Outcome:
        client, target, given = self._use(ask)
        exchanges = self._ears[id(client)]
        exchanges.clear()
        function: Callable[..., Any] = getattr(target, method.name)
        named: Members = {_snake_case(name): value for name, value in ask.path.items()}
        named |= {"body": ask.body, "query": ask.query, "signed_challenge": signed, **given}
        wanted = inspect.signature(function).parameters
        arguments = {name: value for name, value in named.items() if name in wanted and value is not None}
        missing = {name for name, each in wanted.items() if each.default is each.empty} - arguments.keys()
        arguments |= {name: {} for name in missing}
        told: Members = {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # deprecated methods are called, too
            try:
                told["answer"] = function(**arguments)
            except dfns_sdk.DfnsError as error:
                told |= {"message": error.message, "code": error.error_code}
        last = exchanges[-1]
        request = _request(last.request.method, last.request.url.raw_path.decode())
        return Outcome(request=request, status=last.status_code, **told)

    def close(self) -> None:
        for client in self._clients.values():
            client.close()

    def _with_signer(self, ask: Arguments) -> tuple[Any, Any, Members]:
        client = self._client(ask.token or NO_TOKEN, ask.key)
        return client, client.auth, {}

    def _without_signer(self, ask: Arguments) -> tuple[Any, Any, Members]:
        client = self._client(ask.token or NO_TOKEN, None)
        return client, client.auth, {}

    def _as_functions(self, ask: Arguments) -> tuple[Any, Any, Members]:
        client, _, _ = self._without_signer(ask)
        body = ask.body or {}
        named = {_snake_case(name): value for name, value in body.items()}
        return client, self._class, {**named, "http_client": client._http, "signed_challenge": body}  # noqa: SLF001

    def _client(self, token: str, key: SoftwareKey | None) -> Any:
        """Return the client of a session. Making one takes longer than a call."""
        if (token, key) not in self._clients:
            if self._class is AuthClient:
                signer = _signer(key) if key else None
                config = dfns_sdk.DfnsClientConfig(auth_token=token, base_url=self._base_url, signer=signer)
                client = dfns_sdk.DfnsClient(config)
            else:
                config = dfns_sdk.DfnsDelegatedClientConfig(auth_token=token, base_url=self._base_url)
                client = dfns_sdk.DfnsDelegatedClient(config)
            heard = self._ears[id(client)] = []
            client._http._client.event_hooks["response"].append(heard.append)  # noqa: SLF001  it has no other ear
            self._clients[token, key] = client
        return self._clients[token, key]


def _signer(key: SoftwareKey) -> Any:
    pem = key.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return dfns_sdk.KeySigner(credential_id=key.credential_id, private_key=pem.decode("ascii"))


def _code_of(function: Callable[..., Any]) -> str:
    """Return the source without the docstring, which names other paths."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    assert isinstance(tree, ast.FunctionDef)
    return ast.unparse(tree.body[1:] if ast.get_docstring(tree) else tree.body)  # type: ignore[arg-type]


def _request(verb: str, path: str) -> str:
    """Return method and path, with named parameters for its ids."""
    return f"{verb} {_IDENTIFIER.sub(':userId', unquote(path.partition('?')[0]))}"


def _snake_case(name: str) -> str:
    return re.sub(r"[A-Z]", lambda found: f"_{found[0].lower()}", name)
