"""What `hatchling` does besides: a package is built only with the browser's scripts in it."""

from pathlib import Path
from typing import Any, Final

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

BUNDLE: Final = Path("dfns_login", "static", "dfns_login", "dist")
ALWAYS: Final = ("signer.js", "envelope.worker.js", "THIRD_PARTY_LICENSES.txt")
PAGES: Final = ("sign_in", "register", "recover", "account")


class BundleHook(BuildHookInterface):
    """Refuses to build without the bundle; an sdist brings its own along, so that a wheel of it needs no Node."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002  hatchling's signature
        if version == "editable":
            return
        root = Path(self.root)
        entries = [name for name in PAGES if (root / "dfns_login" / "client" / "pages" / f"{name}.ts").is_file()]
        wanted = [*ALWAYS, *(f"{name}.js" for name in entries)]
        missing = [name for name in wanted if not (root / BUNDLE / name).is_file()]
        if missing:
            raise SystemExit(f"There is no {BUNDLE / missing[0]}: run `make web` first.")
