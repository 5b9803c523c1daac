"""The alert rules and the Grafana dashboard in the package use the metrics that exist.

promtool is no Python package. If it is installed, it also checks the rules and evaluates them over made-up series.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from dfns_login.models import AuditKind, DeliveryState
from dfns_login.monitoring.metrics import exposition

PROMTOOL = shutil.which("promtool")
HERE = Path(__file__).parent
FOLDER = files("dfns_login.monitoring")
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "dashboard.json").read_text())
RULES: dict[str, Any] = yaml.safe_load((FOLDER / "alerts.yml").read_text())
ALERTS = RULES["groups"][0]["rules"]
VARIABLES = {"$job": ".*", "$__rate_interval": "5m"}


def expressions() -> Iterator[str]:
    yield from (each["expr"] for each in ALERTS)
    yield from (target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"])


def promtool(*arguments: str) -> str:
    assert PROMTOOL, "promtool is not installed"
    done = subprocess.run([PROMTOOL, *arguments], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr if done.returncode else ""


@pytest.mark.django_db(transaction=True)
def test_every_metric_that_is_queried_exists():
    families = list(text_string_to_metric_families(exposition().decode()))
    names = {f"{each.name}_total" if each.type == "counter" else each.name for each in families}
    names |= {f"{each.name}_bucket" for each in families if each.type == "histogram"}
    used = {name for text in expressions() for name in re.findall(r"dfns_login_\w+", text)}
    assert len(used) > 6
    assert used - names == set()


def test_every_value_that_is_queried_exists():
    known = {"kind": set(AuditKind.values), "outcome": set(DeliveryState.values)}
    for label, values in known.items():
        texts = [text for each in expressions() for text in re.findall(rf'\b{label}="([^"]+)"', each)]
        texts += [
            part
            for each in expressions()
            for text in re.findall(rf'\b{label}=~"([^"]+)"', each)
            for part in text.split("|")
        ]
        assert texts
        assert [each for each in texts if not any(re.fullmatch(each, value) for value in values)] == []


def test_every_alert_says_what_happened_and_what_to_do():
    assert len({each["alert"] for each in ALERTS}) == len(ALERTS)
    for each in ALERTS:
        assert set(each["annotations"]) == {"summary", "description"}
        assert each["labels"]["severity"] in {"warning", "critical"}


def test_the_panels_of_the_dashboard_do_not_overlap():
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells
        assert panel["datasource"]["uid"] == "${datasource}"
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)


@pytest.mark.programs
def test_promtool_accepts_the_rules_and_their_outcomes():
    assert promtool("check", "rules", str(FOLDER / "alerts.yml")) == ""
    assert promtool("test", "rules", str(HERE / "alerts_test.yml")) == ""


@pytest.mark.programs
def test_promtool_accepts_the_queries_of_the_dashboard(tmp_path: Path):
    rules = []
    for number, text in enumerate(expressions()):
        for name, value in VARIABLES.items():
            text = text.replace(name, value)  # noqa: PLW2901
        rules.append({"record": f"query:{number}", "expr": text})
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    assert promtool("check", "rules", str(file)) == ""
