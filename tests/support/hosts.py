"""Hosts on a network of their own: one network namespace for each on this machine. Needs root, and `ip` of iproute2."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from project import programs
from project.processes import Program
from tests.support.servers import PostgreSQL, Valkey

PREFIX: Final = "10.213.77"
"""First three numbers of the addresses. The machine itself has number 1."""


class Host:
    """One host. Its programs run with its address, on the files of this machine."""

    def __init__(self, network: "Network", number: int, *, name: str) -> None:
        self.name = name
        self.address = f"{PREFIX}.{number}"
        self._bridge = network.bridge
        self._namespace = self._cable = f"{network.bridge}{number}"
        ip("netns", "add", self._namespace)
        ip("link", "add", self._cable, "type", "veth", "peer", "name", "eth0", "netns", self._namespace)
        ip("link", "set", self._cable, "master", self._bridge, "up")
        for command in (
            ("link", "set", "lo", "up"),
            ("address", "add", f"{self.address}/24", "dev", "eth0"),
            ("link", "set", "eth0", "up"),
        ):
            ip("-netns", self._namespace, *command)

    def run(self, command: Sequence[str]) -> list[str]:
        """Return the command that runs this one on the host."""
        return ["ip", "netns", "exec", self._namespace, *command]

    def cut_off(self) -> None:
        """Drop every packet from and to the host. Nobody is told, as when a switch fails."""
        ip("link", "set", self._cable, "nomaster")

    def connect(self) -> None:
        ip("link", "set", self._cable, "master", self._bridge)

    def remove(self) -> None:
        ip("netns", "delete", self._namespace)


class Network:
    """A switch, and the hosts that are connected to it until the end of the block."""

    address: Final = f"{PREFIX}.1"

    def __init__(self) -> None:
        self.bridge = f"dfns{os.getpid()}"
        self._stack = ExitStack()

    def host(self, number: int, *, name: str) -> Host:
        host = Host(self, number, name=name)
        self._stack.callback(host.remove)
        return host

    def __enter__(self) -> Self:
        assert os.geteuid() == 0, "needs root, to make network namespaces"
        ip("link", "add", self.bridge, "type", "bridge")
        self._stack.callback(ip, "link", "delete", self.bridge)
        ip("address", "add", f"{self.address}/24", "dev", self.bridge)
        ip("link", "set", self.bridge, "up")
        return self

    def __exit__(self, _type: type[BaseException] | None, _raised: object, _trace: TracebackType | None) -> None:
        self._stack.close()


def ip(*arguments: str) -> None:
    subprocess.run(["/usr/bin/env", "ip", *arguments], check=True, capture_output=True, text=True)


class PostgreSQLHost(PostgreSQL):
    """PostgreSQL on a host. It trusts the whole network, and the Unix socket stays open to the tests."""

    def __init__(self, host: Host) -> None:
        super().__init__()
        self._host = host
        (self.folder / "hba.conf").write_text(f"local all all trust\nhost all all {PREFIX}.0/24 trust\n")

    def network_url(self, database: str) -> str:
        return f"postgres://postgres@{self._host.address}:5432/{database}"

    def command(self) -> list[str]:
        return [
            *super().command(),
            *("-c", f"listen_addresses={self._host.address}", "-c", f"hba_file={self.folder}/hba.conf"),
        ]

    def run_as(self, command: Sequence[str]) -> list[str]:
        return self._host.run(super().run_as(command))


class ValkeyHost(Valkey):
    """Valkey on a host."""

    def __init__(self, host: Host) -> None:
        super().__init__(arguments=["--port", "6379", "--bind", host.address, "--protected-mode", "no"])
        self._host = host
        self.network_url = f"redis://{host.address}:6379/0"

    def run_as(self, command: Sequence[str]) -> list[str]:
        return self._host.run(super().run_as(command))


class WebHost(programs.Web):
    """The project behind gunicorn on a host."""

    def __init__(self, host: Host, folder: Path, environment: Mapping[str, str]) -> None:
        super().__init__(folder, environment, port=8000)
        self._host = host
        self.url = f"http://{host.address}:8000"

    def command(self) -> list[str]:
        return [
            f"--bind={self._host.address}:8000" if part.startswith("--bind=") else part for part in super().command()
        ]

    def run_as(self, command: Sequence[str]) -> list[str]:
        return self._host.run(command)


class WorkerHost(programs.Worker):
    """A Celery worker on a host."""

    def __init__(self, host: Host, folder: Path, environment: Mapping[str, str]) -> None:
        super().__init__(folder, environment)
        self._host = host

    def run_as(self, command: Sequence[str]) -> list[str]:
        return self._host.run(command)


class SchedulerHost(programs.Scheduler):
    """Celery's scheduler on a host."""

    def __init__(self, host: Host, folder: Path, environment: Mapping[str, str]) -> None:
        super().__init__(folder, environment)
        self._host = host

    def run_as(self, command: Sequence[str]) -> list[str]:
        return self._host.run(command)


class ProxyHost(Program):
    """This machine's nginx on a host, in front of web servers."""

    name = "nginx"

    def __init__(self, host: Host, folder: Path, *, upstreams: Sequence[str]) -> None:
        super().__init__(folder, os.environ)
        self._host = host
        self.url = f"http://{host.address}:8080"
        servers = "\n".join(f"server {upstream} max_fails=1 fail_timeout=2s;" for upstream in upstreams)
        self._configuration = folder / "nginx.conf"
        self._configuration.write_text(NGINX.format(folder=folder, address=host.address, servers=servers))

    def command(self) -> list[str]:
        return ["nginx", "-c", str(self._configuration), "-p", str(self.folder)]

    def run_as(self, command: Sequence[str]) -> list[str]:
        return self._host.run(command)

    def is_ready(self) -> bool:
        return (self.folder / "nginx.pid").exists()


NGINX = """
daemon off;
user root;
pid {folder}/nginx.pid;
error_log stderr;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    scgi_temp_path {folder}/scgi;
    uwsgi_temp_path {folder}/uwsgi;
    upstream web {{
        {servers}
    }}
    server {{
        listen {address}:8080;
        client_max_body_size 64k;
        location / {{
            proxy_pass http://web;
            proxy_http_version 1.1;
            proxy_connect_timeout 1s;
            proxy_read_timeout 15s;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
        }}
    }}
}}
"""
