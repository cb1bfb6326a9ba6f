"""How Sphinx builds these pages: ``make docs``."""

import throughtime

project = "throughtime"
author = "The throughtime developers"
version = release = throughtime.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "alabaster"
html_theme_options = {"description": "Recurrent networks in Python, from the equations up", "page_width": "1100px"}

napoleon_google_docstring = False
autodoc_typehints = "none"  # the docstrings say what the parameters are, with their shapes
autodoc_member_order = "bysource"


def setup(app):
    """Keeps napoleon away from attributes: it takes what stands before a colon for a type."""
    written = {}

    def keep(app, what, name, obj, options, lines):
        if what in ("attribute", "data", "property"):
            written[name] = lines[:]

    def restore(app, what, name, obj, options, lines):
        if name in written:
            lines[:] = written.pop(name)

    app.connect("autodoc-process-docstring", keep, priority=400)
    app.connect("autodoc-process-docstring", restore, priority=600)
