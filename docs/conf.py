"""The documentation as a site: `make docs` writes it to `build/site`.

The pages in `reference` are filled from the code: a comment such as `<!-- generated: checks -->`, with the line before
it, is replaced by what `generated.py` returns for it.
"""

import os
import re
import sys
from pathlib import Path

import django
from sphinx.application import Sphinx

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE)]
os.environ |= {"DJANGO_SETTINGS_MODULE": "project.settings", "DEBUG": "1"}
django.setup()

import generated  # noqa: E402  needs the settings

project = "dfns_login"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton"]
exclude_patterns = ["README.md"]  # the folder's page for those who read it without the site
html_theme = "furo"
html_title = "dfns_login"
html_show_copyright = False
html_show_sphinx = False
html_show_sourcelink = False
myst_heading_anchors = 4  # so that links to headings work as they do in the repository
smartquotes = False  # they turn the dashes of options into one
nitpicky = True
nitpick_ignore_regex = [("py:.*", ".*")]  # types of Django and of private modules, in signatures
default_role = "code"  # docstrings have names in single backticks
autodoc_typehints_format = "short"
add_module_names = False
toc_object_entries = False


def fill(_app: Sphinx, _page: str, source: list[str]) -> None:
    text = re.sub(r".*\n<!-- generated: (\w+) -->", lambda found: generated.PAGES[found[1]](), source[0])
    # on the site, a link that is named by its file is named by the title there
    source[0] = re.sub(r"\[[\w-]+\.md\]\(([^)\s]+)\)", r"[](\1)", text)


def outdated(*_: object) -> list[str]:
    """Pages that are filled from the code, which may have changed."""
    return ["screenshots", *(f"reference/{page.stem}" for page in HERE.glob("reference/*.md"))]


def setup(app: Sphinx) -> None:
    app.connect("env-get-outdated", outdated)
    app.connect("source-read", fill)
