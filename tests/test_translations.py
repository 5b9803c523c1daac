"""Every text is translated into every language that the pages speak, and what is compiled is what was written."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from io import BytesIO
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from django.utils.translation.template import templatize

ROOT = Path(__file__).resolve().parent.parent
LANGUAGES = ("fr", "ar")
SOURCES = {"dfns_login": ("dfns_login",), "project": ("project", "templates")}
"""Folders whose texts each catalogue holds, by the folder that it lies in."""
MARKED = {"gettext", "gettext_lazy", "_", "ngettext", "ngettext_lazy", "pgettext", "pgettext_lazy"}
IN_TEMPLATES = re.compile(r"\b(n?p?gettext)\((.*?)\)\s", re.DOTALL)
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%%|\{\w*\}")

Text = tuple[str, ...]
"""Context, if any; singular; plural, if any."""

of_each_catalogue = pytest.mark.parametrize("folder", SOURCES)
of_each_language = pytest.mark.parametrize("language", LANGUAGES)


@cache
def catalogue(folder: str, language: str) -> Catalog:
    path = ROOT / folder / "locale" / language / "LC_MESSAGES" / "django.po"
    with path.open("rb") as file:
        return read_po(file, locale=language, domain="django")


def texts_of_code(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MARKED:
            given = [each.value for each in node.args if isinstance(each, ast.Constant) and isinstance(each.value, str)]
            yield given[1] if node.func.id.startswith("p") else given[0]


def texts_of_template(path: Path) -> Iterator[str]:
    for function, arguments in IN_TEMPLATES.findall(templatize(path.read_text(), origin=str(path)) + "\n"):
        literals = re.findall(r"u?('(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\")", arguments)
        texts = [ast.literal_eval(each) for each in literals]
        yield texts[1] if function.startswith("p") else texts[0]


@cache
def texts(folder: str) -> frozenset[str]:
    found: set[str] = set()
    for source in SOURCES[folder]:
        for path in (ROOT / source).rglob("*"):
            if "node_modules" in path.parts or "openapi" in path.parts:
                continue
            if path.suffix == ".py" and "migrations" not in path.parts:
                found.update(texts_of_code(path))
            elif path.suffix in {".html", ".txt"} and "templates" in path.parts:
                found.update(texts_of_template(path))
    return frozenset(found)


def singular(message_id: object) -> str:
    return message_id[0] if isinstance(message_id, (tuple, list)) else str(message_id)


def test_there_are_texts() -> None:
    assert len(texts("dfns_login")) > 200
    assert "Your sign-in code for %(rp_name)s" in texts("dfns_login")


@of_each_catalogue
@of_each_language
def test_every_text_is_in_the_catalogue(folder: str, language: str) -> None:
    known = {singular(each.id) for each in catalogue(folder, language) if each.id}
    assert sorted(texts(folder) - known) == [], "run `make messages` and translate"
    assert sorted(known - texts(folder)) == [], "texts that nobody shows any more"


@of_each_catalogue
@of_each_language
def test_every_text_is_translated(folder: str, language: str) -> None:
    for each in catalogue(folder, language):
        translations = each.string if isinstance(each.string, (tuple, list)) else (each.string,)
        assert all(translations), each.id
        assert not each.fuzzy or not each.id, each.id


@of_each_catalogue
@of_each_language
def test_every_translation_keeps_its_placeholders(folder: str, language: str) -> None:
    for each in catalogue(folder, language):
        if not each.id:
            continue
        wanted = set(PLACEHOLDER.findall(singular(each.id)))
        if isinstance(each.id, (tuple, list)):  # a form may leave the number to its word, and name nothing else
            assert all(set(PLACEHOLDER.findall(form)) <= wanted for form in each.string), each.id
        else:
            assert set(PLACEHOLDER.findall(str(each.string))) == wanted, each.id


@of_each_language
def test_no_plural_form_is_missing(language: str) -> None:
    forms = {"fr": 2, "ar": 6}[language]
    for folder in SOURCES:
        found = catalogue(folder, language)
        assert found.num_plurals == forms
        plurals = [each for each in found if isinstance(each.id, (tuple, list))]
        assert all(len(each.string) == forms for each in plurals)


@of_each_catalogue
@of_each_language
def test_what_is_compiled_is_what_was_written(folder: str, language: str) -> None:
    compiled = BytesIO()
    write_mo(compiled, catalogue(folder, language))
    path = ROOT / folder / "locale" / language / "LC_MESSAGES" / "django.mo"
    assert path.read_bytes() == compiled.getvalue(), "run `make messages`"


def test_nothing_is_removed() -> None:
    """R-245. A credential is deactivated, in every text that people read."""
    assert {text for text in texts("dfns_login") | texts("project") if re.search("remov", text, re.IGNORECASE)} == set()
