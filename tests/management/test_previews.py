"""`manage.py dfns preview-emails`: every email as files."""

from email import message_from_bytes, policy
from typing import Any

import pytest

from dfns_login.delivery import sample_emails


def test_every_email_is_written_as_html_text_and_eml(dfns: Any, tmp_path: Any) -> None:
    """Without a database: nothing is read, stored or sent."""
    folder = tmp_path / "new" / "previews"
    said = dfns("preview-emails", "--to", str(folder), "--language", "ar", "--json")
    names = [name for name, _ in sample_emails("ar")]
    assert said.json == {"folder": str(folder), "emails": names}
    kinds = {f"{name}.{kind}" for name in names for kind in ("html", "txt", "eml")}
    assert {each.name for each in folder.iterdir()} == {"index.html", *kinds}
    for name, email in sample_emails("ar"):
        assert 'dir="rtl"' in (folder / f"{name}.html").read_text()
        written = message_from_bytes((folder / f"{name}.eml").read_bytes(), policy=policy.default)
        assert written["Subject"].strip() == email.subject
        assert f"{name}.html" in (folder / "index.html").read_text()


def test_a_folder_that_cannot_be_written_is_said(dfns: Any, tmp_path: Any) -> None:
    (tmp_path / "file").touch()
    said = dfns("preview-emails", "--to", str(tmp_path / "file"), "--json")
    assert "Can't write to" in said.json["error"]


@pytest.mark.parametrize("language", ["../x", "xx", "english"])
def test_an_unknown_language_is_refused(dfns: Any, tmp_path: Any, language: str) -> None:
    said = dfns("preview-emails", "--to", str(tmp_path), "--language", language, "--json")
    assert "language" in said.json["error"]
