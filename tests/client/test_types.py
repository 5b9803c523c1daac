"""Types: the signer fits the official client, and the documented TypeScript compiles."""

import json
import subprocess
from pathlib import Path

from tests.support.client_runners import DIST, SOURCES
from tests.support.javascript_clients import CLIENTS
from tests.support.servers import ROOT

EXAMPLE = (ROOT / "docs" / "client.md").read_text().partition("```ts\n")[2].partition("```")[0]


def check(project: Path, *, node: str) -> str:
    """Return the compiler's output."""
    compiler = SOURCES / "node_modules" / "typescript" / "bin" / "tsc"
    done = subprocess.run([node, compiler, "--project", project], capture_output=True, text=True, check=False)
    assert done.returncode == 0 or done.stdout, done.stderr
    return done.stdout


def test_signer_and_store_have_the_official_clients_types(node: str) -> None:
    assert check(CLIENTS / "tsconfig.json", node=node) == ""


def test_the_documented_example_type_checks(node: str, tmp_path: Path) -> None:
    (tmp_path / "example.ts").write_text(EXAMPLE)
    paths = {
        "@dfns/*": [f"{CLIENTS}/node_modules/@dfns/*"],
        "dfns-login-client": [f"{DIST}/types/signer.d.ts"],
    }
    config = {
        "extends": str(SOURCES / "tsconfig.json"),
        "compilerOptions": {"paths": paths},
        "include": [],
        "files": ["example.ts"],
    }
    (tmp_path / "tsconfig.json").write_text(json.dumps(config))
    assert "PasswordProtectedKeySigner" in EXAMPLE
    assert check(tmp_path, node=node) == ""
