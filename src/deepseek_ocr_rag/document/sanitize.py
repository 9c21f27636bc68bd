"""Makes a page's Markdown safe to display: text, headings and tables, nothing active.

The author of a document decides what its pages say, and a viewer obeys Markdown and
HTML: it loads pictures (which tells their server who reads what), offers links and
runs scripts. Therefore no HTML of a page is passed on: tables are rewritten from
parsed cells, a few tags are rewritten without attributes if they are properly nested,
and everything else is escaped.
"""

from __future__ import annotations

import html
import re
from typing import Final

from ..text.visible import visible
from .allowed_tags import let_through
from .markdown import LINE_BREAK, cut_tables, heading_level, markdown_parts
from .tables import Cell, Table, parse_table

__all__ = ["inert_markdown", "labelled_html", "markdown_to_html"]

_KEPT: Final = "b|i|u|s|em|strong|sub|sup|br"
_ESCAPED_TAG: Final = re.compile(rf"&lt;(/?)({_KEPT})\s{{0,9}}/?&gt;", re.IGNORECASE)
_ANGLE: Final = re.compile(rf"<(?:(/?)({_KEPT})[ \t]{{0,9}}/?>|(?!\s))", re.IGNORECASE)
"""An allowed tag, or a ``<`` that may begin something else. Before white space it begins nothing,
in HTML or as Markdown's ``<address>``."""

_CELL_TAG: Final = re.compile(r"<t[dh][\s/>]", re.IGNORECASE)
_TABLE_END: Final = re.compile(r"</table\b[^<>]*>\s*\Z", re.IGNORECASE)

_PICTURE: Final = re.compile(r"!(?=\[)")
_TARGET: Final = re.compile(r"\](?=[(:])")
"""The end of a link's text, or of a link definition's name."""

_TEX_COMMAND: Final = re.compile(
    r"\\(?=(?:href|url|class|cssId|style|includegraphics|require|mmlToken|html[A-Za-z@]+)"
    r"(?![A-Za-z]))"
)
"""The backslash of commands by which MathJax or KaTeX make links, load files or set attributes."""

_IN_BRACES: Final = re.compile(r"\{[^\n]*")
_ATTRIBUTE: Final = re.compile(r"\b(on[a-z]{2,40}|style|href|src)(?==)", re.IGNORECASE)
"""The start of ``{: name=value}``, which sets attributes in some Markdown dialects (kramdown,
attr_list)."""
_PIPE: Final = re.compile(r"(?<!\\)\|")


def markdown_to_html(text: str) -> str:
    """Renders a page's Markdown as inert HTML.

    The result has headings, paragraphs, tables, code and ``b i u s em strong sub
    sup br``; formulas are shown as written. It has no pictures, links, scripts,
    styles or attributes from the page, and its classes tell a notebook not to
    typeset its formulas, because TeX has links too.

    Args:
        text: Markdown as in :attr:`Page.markdown`; it may contain anything.

    Returns:
        One ``<div>``.

    Example:
        >>> markdown_to_html("# A <script>")
        '<div class="tex2jax_ignore mathjax_ignore"><h1>A &lt;script&gt;</h1></div>'
    """
    parts = (_part(*part[:3]) for part in markdown_parts(visible(text)))
    return f'<div class="tex2jax_ignore mathjax_ignore">{"".join(parts)}</div>'


def inert_markdown(text: str) -> str:
    """Removes everything active from a page's Markdown, for a file that a viewer may show.

    None of the page's HTML is passed on: tables are rewritten from their parsed cells, with no
    attributes but ``colspan`` and ``rowspan``; the tags of :func:`markdown_to_html` are rewritten
    without attributes; every other ``<`` is escaped. A space breaks links, link definitions, and
    the commands and attribute lists by which formulas and some dialects of Markdown make links or
    scripts.
    """
    parts = []
    done = 0
    for _, table, start, end in cut_tables(text := visible(text)):
        if table is not None and _TABLE_END.search(table) and _CELL_TAG.search(table):
            parts += [_without_tags(text[done:start]), parse_table(table).to_html()]
            done = end
    parts.append(_without_tags(text[done:]))
    return _without_links("".join(parts))


def _without_tags(text: str) -> str:
    return let_through(text, _ANGLE, lambda tag: f"&lt;{tag[1:]}")


def _without_links(text: str) -> str:
    # Spaces and a character reference, not backslashes: a backslash in the page's text would
    # cancel ours, while a space does not disturb TeX or a reader of the raw text.
    text = _PICTURE.sub("&#33;", _TARGET.sub("] ", text))
    text = _TEX_COMMAND.sub(r"\\ ", text)
    return _IN_BRACES.sub(lambda line: _ATTRIBUTE.sub(r"\1 ", line[0]), text)


def labelled_html(label: str, inner: str) -> str:
    """Puts an untrusted label above trusted HTML."""
    return f"<div><p><b>{html.escape(visible(label))}</b></p>{inner}</div>"


def _part(kind: str, text: str, table: str | None) -> str:
    if kind == "table":
        return (_pipe_table(text) if table is None else parse_table(table)).to_html()
    if kind in ("title", "sub_title"):
        level = heading_level(text.strip())
        return f"<h{level}>{_inline(text.strip()[level:].strip())}</h{level}>"
    if kind in ("code", "equation"):
        return f"<pre><code>{html.escape(text)}</code></pre>"
    return f"<p>{_inline(text).replace(chr(10), '<br>')}</p>"


def _inline(text: str) -> str:
    return let_through(html.escape(text), _ESCAPED_TAG)


def _pipe_table(text: str) -> Table:
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    rows = [lines[0], *lines[2:]]  # The second line is the ``---`` line.
    return Table(tuple(_row(line, header=number == 0) for number, line in enumerate(rows)))


def _row(line: str, *, header: bool) -> tuple[Cell, ...]:
    inner = line.removeprefix("|")
    inner = inner[:-1] if inner.endswith("|") and not inner.endswith("\\|") else inner
    return tuple(
        Cell(LINE_BREAK.sub("\n", cell.replace("\\|", "|")).strip(), header=header)
        for cell in _PIPE.split(inner)
    )
