"""What the emails use that some mail programs don't know, by the data of caniemail.com, and why each is harmless."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from dfns_login.delivery import sample_emails

pytestmark = pytest.mark.node

SCRIPT: Final = Path(__file__).resolve().parents[1] / "support" / "javascript" / "email_support.mjs"
PROGRAMS: Final = ("apple-mail.*", "gmail.*", "outlook.*", "yahoo.*")
SAMPLES: Final = ("login_code", "registration_code", "notice_fido2_added", "notice_signed_out")
"""They use all that the templates have."""
OUTLOOK: Final = {"outlook.windows", "outlook.windows-mail"}
LACKING: Final[dict[str, str]] = {
    "color-scheme CSS property": "Programs that drop the dark colors keep the light ones, or change them.",
    "color-scheme meta tag": "As above.",
    "@media": "Without it, codes and margins have the size for phones.",
    "<style> element": "Everything that matters is inline.",
    "<body> element": "They make a `div` of it. The background is on a table too.",
    "display:none": "The preheader stays, one pixel high and in the color of the background.",
    "max-height property": "Of the preheader, which `mso-hide` hides in Outlook.",
    "overflow": "As above.",
    "system-ui, ui-serif, ui-sans-serif, ui-rounded, ui-monospace": "Outlook has a style of its own, with Arial.",
    "border-radius": "Square corners.",
    "white-space": "Labels have `nowrap`, and a code is narrower than its cell.",
    "word-break": "Addresses have `word-wrap` too.",
    "role attribute": "Screen readers may call the layout a table.",
    "aria-hidden attribute": "Screen readers may read the first letter of the name before the name.",
    "user-select": "A code is selected by hand.",
}
"""Features by the name in the data, each with what is there in its place."""


def lacking(emails: dict[str, str]) -> dict[str, list[str]]:
    """Return the features in these emails that programs lack, each with the programs."""
    beside_python = str(Path(sys.executable).parent)
    node = shutil.which("node", path=beside_python) or shutil.which("node")
    assert node, "There is no Node: `make test` installs one."
    done = subprocess.run(
        [node, SCRIPT, *PROGRAMS], input=json.dumps(emails), capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found


def test_mail_programs_show_the_emails_well() -> None:
    """R-113: Gmail, Outlook, Apple Mail and Yahoo. What a template uses anew needs a fallback, and its reason here."""
    emails = dict(sample_emails("ar"))
    found = lacking({name: str(emails[name].alternatives[0][0]) for name in SAMPLES})
    assert set(found) == set(LACKING), found
    for feature in ("border-radius", "white-space", "overflow"):
        assert set(found[feature]) <= OUTLOOK


def test_a_layout_that_they_do_not_know_is_found() -> None:
    assert "gmail.android" in lacking({"wrong": '<div style="position:fixed">x</div>'})["position"]
