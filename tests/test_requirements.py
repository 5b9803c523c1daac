"""`docs/requirements.md` names for each requirement the tests that hold it, or says why there are none."""

import re

import pytest

from tests.support.requirements import HEADING, LIST, PAGE, Citing, citations, sections, written

TEXT = PAGE.read_text()
ENTRIES = sections(TEXT)
REQUIRED = [f"D-{number}" for number in range(1, 11)] + [
    f"R-{number:02}"
    for first, last in (
        (1, 14),  # codes
        (20, 27),  # the encrypted key
        (30, 36),  # enumeration
        (40, 48),  # limits
        (50, 57),  # challenges and assertions
        (60, 63),  # keys
        (70, 77),  # tokens and sessions
        (80, 87),  # registration, recovery, credentials, user actions
        (90, 102),  # HTTP, pages, admin
        (110, 121),  # email, worker, operations, logging
    )
    for number in range(first, last + 1)
]


LISTED = HEADING.findall(TEXT)


def test_every_requirement_has_an_entry() -> None:
    """Those from R-122 on are listed as they are built."""
    later = LISTED[len(REQUIRED) :]
    assert [*REQUIRED, *later] == LISTED
    assert later == sorted(set(later))  # each number once
    assert all(each >= "R-122" for each in later)


@pytest.mark.parametrize("requirement", LISTED)
def test_it_is_held_by_tests_or_says_why_not(requirement: str) -> None:
    """A decision may refer to the requirement that carries it out."""
    entry = ENTRIES[requirement]
    tested = LIST.search(f"{entry}\n") is not None
    if requirement.startswith("D-"):
        assert tested or re.search(r"^See R-\d+\.$", entry, re.MULTILINE)
    else:
        assert tested != ("\nNot tested: " in entry)


@pytest.mark.parametrize("requirement", LISTED)
def test_what_it_names_is_there_and_cites_it(requirement: str) -> None:
    """`make requirements` lists anew what was renamed or moved."""
    cited = {each.file: each for each in citations().get(requirement, [])}
    for line in re.findall(r"^- (`tests/.+)$", ENTRIES[requirement], re.MULTILINE):
        file = line.split("`")[1]
        there = cited.get(file, Citing(file=file, tests=("nothing",)))
        if str(there) == f"`{file}`":
            continue
        named = set(re.findall(r"“[^”]+”|`test_\w+`|`Test\w+`", line))
        known = {f"“{each}”" for each in there.sections} | {f"`{each}`" for each in there.tests}
        assert named, line
        assert named <= known, line


def test_every_citation_has_an_entry() -> None:
    assert citations().keys() <= set(LISTED)


def test_the_page_can_be_written_again() -> None:
    assert written(written(TEXT)) == written(TEXT)


def test_each_kind_of_attack_names_requirements_that_are_tested() -> None:
    """The table in `docs/security.md` leaves out no requirement that comes from attacks."""
    security = (PAGE.parent / "security.md").read_text()
    table = security.partition("## What was attacked")[2].partition("## ")[0]
    named = set(re.findall(r"\[(R-\d+)\]\(requirements\.md#r-\d+\)", table))
    assert {each for each in named if LIST.search(f"{ENTRIES[each]}\n") is None} == set()
    attacked = {each for each in LISTED if "attacks on the built product" in ENTRIES[each]}
    assert attacked <= named, f"add a row to the table in docs/security.md: {attacked - named}"
