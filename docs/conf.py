"""The documentation as a site: `make docs` writes it to `build/site`."""

project = "dfns_login"
extensions = ["myst_parser", "sphinx_copybutton"]
exclude_patterns = ["README.md"]  # the index of the folder: `index.md` is that of the site
html_theme = "furo"
html_title = "dfns_login"
html_show_copyright = False
html_show_sphinx = False
myst_heading_anchors = 4  # so that links to headings work as they do in the repository
nitpicky = True
