"""Settings of the documentation: ``make docs`` builds it, offline, with warnings as errors."""

import shutil
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
sys.path.insert(0, str(HERE / "_ext"))

import commands
from inventories import inventories

import absentia

project = "absentia"
author = "the absentia developers"
copyright = "the absentia developers"
version = release = absentia.__version__
language = "en-GB"

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.intersphinx",
    "sphinxcontrib.bibtex",
    "sphinx_design",
    "myst_nb",
    "decision_tree",
    "mathml",
    "program_graph",
]
exclude_patterns = ["_build", "_ext", "_templates"]
templates_path = ["_templates"]

# Markdown and notebooks. Notebooks are shown as they are stored; nothing is executed here.
nb_execution_mode = "off"
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath", "fieldlist", "tasklist"]
myst_heading_anchors = 3
# cells of a notebook may end in text whose first heading is not of the first level
suppress_warnings = ["mystnb.unknown_mime_type"]

# quotation marks and dashes stay as they are typed: many are those of options
smartquotes = False

# The reference. Docstrings are in Google style.
autosummary_generate = True
autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_member_order = "bysource"
autodoc_typehints = "none"
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
maximum_signature_line_length = 70
add_module_names = False
toc_object_entries = False

# Links to other libraries come from small lists in this folder: no network is needed.
intersphinx_mapping = inventories(HERE / "inventories", HERE / "_build" / "inventories")

bibtex_bibfiles = ["bibliography.bib"]
bibtex_default_style = "plain"
bibtex_reference_style = "author_year"

# Formulas become MathML, which browsers draw by themselves: no script, no font, no network.
html_math_renderer = "mathml"

html_theme = "pydata_sphinx_theme"
html_title = "absentia"
html_static_path = ["_static"]
html_css_files = ["absentia.css"]
html_show_sourcelink = False
html_copy_source = False
html_show_sphinx = False
html_last_updated_fmt = None
# the search would fetch pages to quote them, which a browser refuses for files
html_show_search_summary = False
# pages without pages below them need no list of these
ALONE = (
    "index start choose statistics validation results engines coming-from reporting faq glossary "
    "bibliography contributing search genindex"
)
html_sidebars = {page: [] for page in ALONE.split()}
html_context = {"default_mode": "auto"}
html_theme_options = {
    "show_prev_next": True,
    "navigation_depth": 2,
    "show_nav_level": 1,
    "header_links_before_dropdown": 6,
    "navbar_end": ["theme-switcher"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}


def _copy_notebooks(app: object) -> None:
    """Copy the notebooks, which belong to the experiments, to where the pages find them."""
    for path in sorted((ROOT / "experiments" / "notebooks").glob("*.ipynb")):
        copy = HERE / "tutorials" / path.name
        if not copy.exists() or copy.stat().st_mtime < path.stat().st_mtime:
            shutil.copyfile(path, copy)


def _write_commands(app: object) -> None:
    """Write a page for each command, from the command line itself."""
    commands.write(HERE / "commands")


def setup(app) -> None:
    """Copy the notebooks and write the commands' pages before pages are read."""
    app.connect("builder-inited", _copy_notebooks)
    app.connect("builder-inited", _write_commands)
