"""The site of these pages (`make site`): Sphinx, with every page and link as it is on GitHub."""

import inspect
import os
import sys
from pathlib import Path

from docutils import nodes
from pydantic import BaseModel
from sphinx import addnodes
from sphinx.application import Sphinx

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "workflow"))

import nullcrop  # noqa: E402 (it is found through the line above)

BLOB = "https://github.com/nullcrop/nullcrop/blob/main/"

project = "nullcrop"
author = copyright = "The nullcrop authors"
release = nullcrop.__version__
extensions = ["myst_parser", "sphinx_external_toc", "sphinx.ext.apidoc", "sphinx.ext.autodoc"]
html_theme = "furo"
html_title = f"nullcrop {release}"
html_show_sourcelink = False
highlight_language = "text"

# Links to headings as GitHub makes them.
myst_heading_anchors = 4
suppress_warnings = ["myst.header"]

# One page a package, from what its public functions and classes say of themselves. The models of the YAML
# files are left out: config-keys.md and dataset-keys.md have their keys.
apidoc_modules = [{"path": "../workflow/nullcrop", "destination": "api", "max_depth": 1}]
os.environ["SPHINX_APIDOC_OPTIONS"] = "members"  # pages of packages ignore `automodule_options`
default_role = "literal"
autodoc_member_order = "bysource"
exclude_patterns = ["api/modules.rst"]
suppress_warnings += ["etoc.toctree"]  # those of apidoc; _toc.yml says the order


def left_out(app: Sphinx, of: str, name: str, member: object, skip: bool, options: object) -> bool | None:
    """Whether the page of a package leaves a member out; None leaves it to autodoc."""
    if inspect.isclass(member):
        return issubclass(member, BaseModel) or None
    return (of == "module" and not inspect.isroutine(member)) or None


def shown_by_github(app: Sphinx, document: nodes.document) -> None:
    """What a page links to outside this folder (a config, a README) is no page of the site."""
    folder = Path(app.srcdir, app.env.docname).parent
    for link in list(document.findall(addnodes.download_reference)):
        _lead_to(folder / link["reftarget"], link)
    for link in list(document.findall(addnodes.pending_xref)):
        page = Path(app.srcdir, link["reftarget"])
        if link["refdomain"] == "doc" and not page.is_relative_to(app.srcdir):
            _lead_to(page.with_name(f"{page.name}.md"), link, link.get("reftargetid"))


def _lead_to(file: Path, link: nodes.Element, heading: str | None = None) -> None:
    address = BLOB + os.path.relpath(file, ROOT) + (f"#{heading}" if heading else "")
    link.replace_self(nodes.reference("", "", *link.children, refuri=address))


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("autodoc-skip-member", left_out)
    # Before Sphinx gathers the files that a page offers for download.
    app.connect("doctree-read", shown_by_github, priority=100)
