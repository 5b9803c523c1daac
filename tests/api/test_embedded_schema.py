"""The schema that drf-spectacular makes for a project that embeds the app."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from project.openapi.document import FILE, ROOT

PREFIX = "/accounts"


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> Any:
    made: Path = tmp_path_factory.mktemp("schema") / "schema.json"
    command = ["spectacular", "--fail-on-warn", "--validate", "--format", "openapi-json", "--file", str(made)]
    ran = subprocess.run(
        [sys.executable, "manage.py", *command],
        cwd=ROOT,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "tests.support.embedding.settings"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(made.read_text())


def test_it_includes_our_endpoints_without_a_warning(schema: Any) -> None:
    ours = json.loads(FILE.read_text(encoding="utf-8"))["paths"]
    included = {path.replace("{user_id}", "{userId}"): item for path, item in schema["paths"].items()}
    for path, item in ours.items():
        for method, operation in item.items():
            found = included[PREFIX + path][method]
            assert found["operationId"] == operation["operationId"]
            assert found["security"] == operation["security"] if "security" in operation else "security" not in found
            assert set(found["responses"]) == set(operation["responses"])
            assert ("requestBody" in found) == ("requestBody" in operation)


def test_the_views_of_the_project_can_use_our_authentication(schema: Any) -> None:
    payments = schema["paths"]["/a/payments"]["post"]
    assert payments["security"] == [{"sessionToken": []}, {"browserSession": [], "csrfToken": []}]
    assert {"sessionToken", "browserSession", "csrfToken"} <= set(schema["components"]["securitySchemes"])
