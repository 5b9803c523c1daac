"""Find the tests that cite each requirement, and list them in `docs/requirements.md` (`make requirements`)."""

import ast
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
PAGE: Final = ROOT / "docs" / "requirements.md"
ID: Final = re.compile(r"\b[RD]-\d+\b")
HEADING: Final = re.compile(r"^### ([RD]-\d+)$", re.MULTILINE)
LIST: Final = re.compile(r"\n\nTests:\n\n(?:- .*\n)*(?:  .*\n)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Citing:
    """The parts of one test file that cite a requirement: without sections and tests, all of its tests."""

    file: str
    sections: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()

    def __str__(self) -> str:
        parts = [f"“{title}”" for title in self.sections] + [f"`{name}`" for name in self.tests]
        return f"`{self.file}`" + (": " + ", ".join(parts) if parts else "")


@cache
def citations() -> dict[str, list[Citing]]:
    """Citing test files by requirement, in the order of their paths."""
    found: dict[str, list[Citing]] = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for requirement, citing in citations_of(path).items():
            found.setdefault(requirement, []).append(citing)
    return found


def citations_of(path: Path) -> dict[str, Citing]:
    """Citing parts of one file by requirement: its module, or else sections and tests."""
    source, file = path.read_text(), path.relative_to(ROOT).as_posix()
    tree = ast.parse(source)
    tests = [
        each
        for each in tree.body
        if isinstance(each, ast.FunctionDef | ast.ClassDef) and each.name.lower().startswith("test")
    ]
    if not tests:
        return {}
    found = {each: Citing(file=file) for each in ID.findall(ast.get_docstring(tree) or "")}
    lines = source.splitlines()
    titles = sections_of(lines)
    parts: dict[str, tuple[list[str], list[str]]] = {}
    for test in tests:
        title, cited = next(((t, c) for line, t, c in reversed(titles) if line < test.lineno), ("", frozenset()))
        for each in cited:
            if title not in parts.setdefault(each, ([], []))[0]:
                parts[each][0].append(title)
        for each in {*ID.findall("\n".join(lines[test.lineno - 1 : test.end_lineno]))} - cited:
            parts.setdefault(each, ([], []))[1].append(test.name)
    for each, (sections, names) in parts.items():
        found.setdefault(each, Citing(file=file, sections=tuple(sections), tests=tuple(names)))
    return found


def sections_of(lines: list[str]) -> list[tuple[int, str, frozenset[str]]]:
    """Line, title and citations of each section. A section begins with an unindented comment between empty lines."""
    found = []
    for number, line in enumerate(lines[1:-1], start=1):
        if line.startswith("# ") and not lines[number - 1].strip() and not lines[number + 1].strip():
            title = re.sub(r",? *\(?(?:\b[RD]-\d+\b(?:,| and)? ?)+\)?", "", line[2:]).strip()
            found.append((number, title, frozenset(ID.findall(line))))
    return found


def sections(page: str) -> dict[str, str]:
    """Text below the heading of each requirement."""
    parts = HEADING.split(page)
    bodies = [re.split(r"^## ", body, flags=re.MULTILINE)[0] for body in parts[2::2]]
    return dict(zip(parts[1::2], bodies, strict=True))


def written(page: str) -> str:
    """The page with its lists of tests replaced."""
    found = citations()
    for requirement, body in sections(page).items():
        bare = LIST.sub("\n\n", body).rstrip("\n")
        tests = "".join(f"- {each}\n" for each in found.get(requirement, []))
        new = f"{bare}\n\nTests:\n\n{tests}\n" if tests else f"{bare}\n\n"
        page = page.replace(f"### {requirement}{body}", f"### {requirement}{new}")
    return page.rstrip("\n") + "\n"


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
