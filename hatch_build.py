"""What `hatchling` does besides: a package is built only with the browser's scripts in it."""

from pathlib import Path
from typing import Any, Final

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

BUNDLE: Final = Path("dfns_login", "static", "dfns_login", "dist")
SCRIPTS: Final = ("signer.js", "envelope.worker.js", "THIRD_PARTY_LICENSES.txt")


class BundleHook(BuildHookInterface):
    """Refuses to build without the bundle; an sdist brings its own along, so that a wheel of it needs no Node."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002  hatchling's signature
        if version == "editable":
            return
        missing = [name for name in SCRIPTS if not (Path(self.root) / BUNDLE / name).is_file()]
        if missing:
            msg = f"There is no {BUNDLE / missing[0]}: run `make web` first."
            raise SystemExit(msg)
