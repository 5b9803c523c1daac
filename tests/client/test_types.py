"""Types: the signer fits the official client, and the documented TypeScript compiles."""

import json
import re
import subprocess
from pathlib import Path

from dfns_login import errors
from tests.support.client_runners import SOURCES
from tests.support.javascript_clients import CLIENTS
from tests.support.servers import ROOT

TYPES = ROOT / "build" / "client" / "types" / "index.d.ts"  # of the npm package
EXAMPLES = {
    name: (ROOT / "docs" / page).read_text().partition("```ts\n")[2].partition("```")[0]
    for name, page in {"client.ts": "client.md", "front_end.ts": "how-to/front-end.md"}.items()
}

README = "\n".join(block.partition("```")[0] for block in (SOURCES / "README.md").read_text().split("```ts\n")[1:])
ENTERED = "declare const code: string, registrationCode: string, password: string, leaving: AbortController\n"


def check(project: Path, *, node: str) -> str:
    """Return the compiler's output."""
    compiler = SOURCES / "node_modules" / "typescript" / "bin" / "tsc"
    done = subprocess.run([node, compiler, "--project", project], capture_output=True, text=True, check=False)
    assert done.returncode == 0 or done.stdout, done.stderr
    return done.stdout


def test_signer_and_store_have_the_official_clients_types(node: str) -> None:
    assert check(CLIENTS / "tsconfig.json", node=node) == ""


def test_the_documented_examples_type_check(node: str, tmp_path: Path) -> None:
    for name, example in EXAMPLES.items():
        assert "PasswordProtectedKeySigner" in example
        (tmp_path / name).write_text(example)
    (tmp_path / "readme.ts").write_text(README + ENTERED)
    paths = {"@dfns/*": [f"{CLIENTS}/node_modules/@dfns/*"], "@dfns-login/client": [str(TYPES)]}
    config = {
        "extends": str(SOURCES / "tsconfig.json"),
        "compilerOptions": {"paths": paths},
        "include": [],
        "files": [*EXAMPLES, "readme.ts"],
    }
    (tmp_path / "tsconfig.json").write_text(json.dumps(config))
    assert check(tmp_path, node=node) == ""


def test_the_types_have_every_code_of_a_refusal() -> None:
    told = (SOURCES / "refusal_codes.ts").read_text()
    codes = {each.code for each in vars(errors).values() if isinstance(each, type) and hasattr(each, "code")}
    assert set(re.findall(r"'(\w+)'", told)) == codes
