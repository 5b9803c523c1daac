"""The npm package of the client, as `make client-package` builds it and the examples install it (R-200)."""

import json
import subprocess
from pathlib import Path

import pytest

import dfns_login
from tests.client.test_types import check
from tests.support.client_runners import SOURCES
from tests.support.examples import EXAMPLES, NAMES, installed
from tests.support.javascript_clients import CLIENTS

FILES = {"LICENSE", "README.md", "THIRD_PARTY_LICENSES.txt", "package.json", "types"}
SCRIPTS = {"index.js", "envelope.worker.js", "envelope.worker.d.ts"}
ROUND_TRIP = """
import { standardVault, WrongPasswordError } from '@dfns-login/client'
const vault = standardVault()
const { envelope } = await vault.create('correct horse battery staple')
const key = await vault.open(envelope, 'correct horse battery staple')
const wrong = await vault.open(envelope, 'wrong').catch((error) => error)
console.log(key.extractable, wrong instanceof WrongPasswordError)
"""
ON_A_SERVER = """
for (const name of ['Worker', 'location', 'navigator', 'window']) delete globalThis[name]
globalThis.fetch = () => console.log('sent')
const client = %s
const session = new client.Session({ orgId: 'or-1' })
new client.PasswordProtectedKeySigner({ password: () => '' })
const started = process.getActiveResourcesInfo().filter((each) => /Timeout|Immediate|Message|TCP/.test(each))
console.log(session.signedIn, started.length, client.passkeysSupported())
client.getPasskey({}).catch((error) => console.log(error.name))
"""


@pytest.fixture(scope="module")
def package() -> Path:
    return installed("react") / "node_modules" / "@dfns-login" / "client"


def test_the_package_has_the_version_of_the_python_package_and_depends_on_nothing(package: Path) -> None:
    manifest = json.loads((package / "package.json").read_text())
    assert manifest["version"] == dfns_login.__version__
    assert manifest["license"] == "MIT"
    assert manifest["publishConfig"] == {"access": "public", "provenance": True}
    assert not {"dependencies", "peerDependencies", "scripts", "private"} & manifest.keys()
    assert {each.name for each in package.iterdir() if not each.name.startswith("chunk-")} == FILES | SCRIPTS
    assert manifest["sideEffects"] == ["./envelope.worker.js"]


def test_publint_finds_nothing_and_the_repository_is_named(node: str, tmp_path: Path) -> None:
    url = "git+https://git.example.com/login.git"
    build = [node, str(SOURCES / "package.mjs"), str(tmp_path)]
    subprocess.run(build, check=True, env={"REPOSITORY_URL": url})
    manifest = json.loads((tmp_path / "package.json").read_text())
    assert manifest["repository"] == {"type": "git", "url": url, "directory": "dfns_login/client"}
    publint = [node, str(CLIENTS / "node_modules" / "publint" / "src" / "cli.js"), "--strict", "--pack=false"]
    done = subprocess.run([*publint, str(tmp_path)], capture_output=True, text=True, check=False)
    assert (done.returncode, "All good" in done.stdout) == (0, True), done.stdout


@pytest.mark.parametrize(
    ("resolution", "module"), [("bundler", "esnext"), ("nodenext", "nodenext"), ("node16", "node16")]
)
def test_its_types_are_found(resolution: str, module: str, node: str, tmp_path: Path) -> None:
    (tmp_path / "node_modules").symlink_to(installed("react") / "node_modules")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "main.ts").write_text(
        "import { Api, PasswordProtectedKeySigner, type SigningChallenge } from '@dfns-login/client'\n"
        "export const api: Api = new Api('/', { bearer: () => '' })\n"
        "export const signer = new PasswordProtectedKeySigner({ password: () => '' })\n"
        "export const sign = (asked: SigningChallenge): Promise<{ kind: string }> => signer.sign(asked)\n"
        "// @ts-expect-error: the types are really there\n"
        "export const wrong: number = new Api('/')\n"
    )
    options = {"module": module, "moduleResolution": resolution, "lib": ["es2022", "dom"], "types": [], "strict": True}
    config = {"compilerOptions": {**options, "noEmit": True}, "files": ["main.ts"]}
    (tmp_path / "tsconfig.json").write_text(json.dumps(config))
    assert check(tmp_path, node=node) == ""


def test_it_runs_in_node(node: str) -> None:
    command = [node, "--input-type=module", "--eval", ROUND_TRIP]
    done = subprocess.run(command, cwd=installed("vue"), capture_output=True, text=True, check=True)
    assert done.stdout == "false true\n"


@pytest.mark.parametrize(
    ("kind", "imported"),
    [("module", "await import('@dfns-login/client')"), ("commonjs", "require('@dfns-login/client')")],
)
def test_a_server_can_import_it_and_nothing_starts(kind: str, imported: str, node: str) -> None:
    """A server that renders pages has none of what browsers have."""
    command = [node, "--no-warnings", f"--input-type={kind}", "--eval", ON_A_SERVER % imported]
    done = subprocess.run(command, cwd=installed("vue"), capture_output=True, text=True, check=True, timeout=10)
    assert done.stdout == "false 0 false\nNotSupportedError\n"


def test_the_examples_are_short(node: str) -> None:
    assert check(EXAMPLES / "react", node=node) == ""
    for name in NAMES:
        sources = (EXAMPLES / name / "src").glob("*.[tv]*")  # the page and its style aside
        lines = "".join(each.read_text() for each in sources).splitlines()
        assert len([line for line in lines if line.strip()]) < 100


@pytest.mark.parametrize("name", NAMES)
def test_the_lock_files_of_the_examples_have_a_hash_of_everything_else(name: str) -> None:
    packages = json.loads((EXAMPLES / name / "package-lock.json").read_text())["packages"]
    without = [each for each, entry in packages.items() if each and "integrity" not in entry]
    assert without == ["node_modules/@dfns-login/client"]
    manifest = json.loads((EXAMPLES / name / "package.json").read_text())
    used = manifest["dependencies"].pop("@dfns-login/client")
    assert used == f"file:../../dist/dfns-login-client-{dfns_login.__version__}.tgz"
    versions = [*manifest["dependencies"].values(), *manifest["devDependencies"].values()]
    assert all(each[0].isdigit() for each in versions)
