"""Requests of the client (R-201)."""

import json
import subprocess

from tests.support.client_runners import DIST

PATHS = ["auth/x", "/auth/x", "//auth/x", "/\\\\auth/x"]
BASES = ["/", "/login/", "/login", "https://login.example.com", "https://login.example.com/"]
REQUESTS = """
import { Api } from %(module)s
const [bases, paths] = %(asked)s
const sent = []
globalThis.fetch = async (url, { headers }) => {
  sent.push([url, headers.get('Authorization')])
  return new Response('{}')
}
for (const base of bases) for (const path of paths) await new Api(base, { bearer: () => 't' }).call('GET', path)
console.log(JSON.stringify(sent))
"""


def test_no_spelling_of_a_path_sends_the_token_to_another_host(node: str) -> None:
    asked = {"module": json.dumps((DIST / "signer.js").as_uri()), "asked": json.dumps([BASES, PATHS])}
    command = [node, "--input-type=module", "--eval", REQUESTS % asked]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [[f"{base.rstrip('/')}/auth/x", "Bearer t"] for base in BASES for _ in PATHS]
