"""Makes a page's Markdown safe to display: text, headings and tables, nothing active.

Whoever made a document decides what its pages say, and a viewer obeys Markdown and
HTML: it loads pictures (which tells their server who reads what), offers links and
runs scripts. Therefore all text is escaped, and only the tags listed here come out,
without attributes except for the spans of cells.
"""

from __future__ import annotations

import html
import re
from typing import Final

from ..text.visible import visible
from .allowed_tags import let_through
from .markdown import LINE_BREAK, heading_level, markdown_parts
from .tables import Cell, Table, parse_table

__all__ = ["inert_markdown", "labelled_html", "markdown_to_html"]

_KEPT: Final = "b|i|u|s|em|strong|sub|sup|br"
_TABLE: Final = "table|thead|tbody|tfoot|tr|td|th|caption"
_SPANS: Final = r"""(?:\s{1,9}(?:colspan|rowspan)\s{0,9}=\s{0,9}["']?[0-9]{1,6}["']?){0,2}\s{0,9}"""

_ESCAPED_TAG: Final = re.compile(rf"&lt;(/?)({_KEPT})\s{{0,9}}/?&gt;", re.IGNORECASE)
_ACTIVE_TAG: Final = re.compile(
    rf"<(?=\S)(?!(?:/?(?:{_KEPT}|{_TABLE})\s{{0,9}}/?|(?:td|th){_SPANS})>)", re.IGNORECASE
)
_TARGET: Final = re.compile(
    r"""
    \](?=
        :                          # a definition of a link
      | \(\s*
        (?: <[^\n<>]{0,200}? | [^ \n)]{0,200}? )
        (?: [/?:&%\\(] | \.\.      # a path, a query, a scheme, or what may be one in disguise
          | [^\n<>)]{200} )        # or too long to check
    )
    """,
    re.VERBOSE,
)
"""The end of a link's text before a target that is more than a bare name. The ``[f](t)``
of a formula stays, because a character reference would spoil it."""
_PICTURE: Final = re.compile(r"!(?=\[)")
_PIPE: Final = re.compile(r"(?<!\\)\|")


def markdown_to_html(text: str) -> str:
    """Renders a page's Markdown as inert HTML.

    The result has headings, paragraphs, tables, code and ``b i u s em strong sub
    sup br``; formulas are shown as written. It has no pictures, links, scripts,
    styles or attributes from the page, and tells a notebook not to typeset its
    formulas, because TeX has links too.

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
    """A page's Markdown with nothing active in it, for a file that a viewer may show.

    Pictures, links, link definitions, and tags other than those of tables and of
    :func:`markdown_to_html` become plain text. Only a link to a bare name stays: it can lead only
    to a file beside this one.
    """
    # Character references, not backslashes: a backslash in the text before ours would cancel it.
    text = _PICTURE.sub("&#33;", _ACTIVE_TAG.sub("&lt;", visible(text)))
    return _TARGET.sub("&#93;", text)


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
