"""Sphinx configuration: ``make site`` builds the pages in this folder, warnings are errors."""

from __future__ import annotations

import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
# The pages describe this checkout, whatever version may be installed.
for folder in ("integrations/llama_index", "integrations/langchain", "src", "docs/_ext"):
    sys.path.insert(0, str(ROOT / folder))

from deepseek_ocr_rag.version import __version__  # noqa: E402

project = "deepseek-ocr-rag"
author = "the deepseek-ocr-rag authors"
copyright = f"2026, {author}"
version = release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "outside_links",
    "plain_docstrings",
    "public_names",
    "settings_table",
    "short_references",
]
public_modules = [
    "deepseek_ocr_rag",
    "deepseek_ocr_rag.agents",
    "deepseek_ocr_rag.answering",
    "deepseek_ocr_rag.backends",
    "deepseek_ocr_rag.batch",
    "deepseek_ocr_rag.concurrency",
    "deepseek_ocr_rag.document",
    "deepseek_ocr_rag.errors",
    "deepseek_ocr_rag.export",
    "deepseek_ocr_rag.grammar",
    "deepseek_ocr_rag.reading",
    "deepseek_ocr_rag.records",
    "deepseek_ocr_rag.retrieval",
    "deepseek_ocr_rag.samples",
    "deepseek_ocr_rag.service",
    "deepseek_ocr_rag.sources",
    "deepseek_ocr_rag.text",
    "deepseek_ocr_rag.training",
    "langchain_deepseek_ocr",
    "llama_index.readers.deepseek_ocr",
    "llama_index.retrievers.deepseek_ocr",
    "llama_index.tools.deepseek_ocr",
]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build", "_ext"]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True

html_theme = "pydata_sphinx_theme"
html_title = project
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "navbar_align": "left",
    "navigation_depth": 2,
    "show_toc_level": 2,
    "show_prev_next": True,
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
}
# The front page has a table of its own to go on from.
html_sidebars = {"index": []}
