"""What a page can write is shown, and does nothing: in notebooks and in exported Markdown.

What comes out is judged by parsers that are not ours: Python's for HTML, markdown-it for
Markdown, told to let all HTML through, and Chromium for what a browser makes of it.
"""

from __future__ import annotations

import json
import re
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hostile_markdown import ATTACKS, CELL_PIECES
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from deepseek_ocr_rag import (
    Block,
    OcrDocument,
    Page,
    markdown_to_html,
    parse_page,
    to_docling,
)
from deepseek_ocr_rag.document.sanitize import inert_markdown
from deepseek_ocr_rag.export.page_markdown import page_markdown

OURS = {
    *(
        "div",
        "p",
        "br",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "pre",
        "code",
        "table",
        "tr",
        "td",
        "th",
    ),
    *("b", "i", "u", "s", "em", "strong", "sub", "sup"),
}
MARKDOWN_SETS = {
    "style": re.compile(r"text-align:(left|right|center)"),
    "class": re.compile(r"language-.*", re.DOTALL),
    "start": re.compile(r"[0-9]+"),
}
"""Attributes that markdown-it itself writes, for columns, code fences and lists."""
MARKDOWN_MAKES = {"ul", "ol", "li", "blockquote", "hr", "thead", "tbody", "tfoot", "caption"}


class Seen(HTMLParser):
    """Every tag and attribute of a text, and whether each tag that is opened is closed."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.values: list[tuple[str, str]] = []
        self.other: list[str] = []
        self.words = ""
        self.open: list[str] = []
        self.crossed = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.values += [(name, value or "") for name, value in attrs]
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag):
        self.tags.add(tag)
        if not self.open or self.open.pop() != tag:
            self.crossed = True

    def handle_data(self, data):
        self.words += data

    def handle_comment(self, data):
        self.other.append(data)

    handle_decl = handle_pi = unknown_decl = handle_comment


def check_html(text: str) -> None:
    written = markdown_to_html(text)
    prefix = '<div class="tex2jax_ignore mathjax_ignore">'
    assert written.startswith(prefix)
    seen = Seen(written.removeprefix(prefix).removesuffix("</div>"))
    assert seen.tags <= OURS - {"div"}
    assert seen.attributes <= {"colspan", "rowspan"}
    assert seen.other == []
    assert not seen.crossed
    assert seen.open == []
    assert not any(c in written for c in "\x00\x1b\x9b\u202e")


def render(text: str) -> str:
    """What a viewer shows of exported Markdown that trusts the file: it lets HTML through."""
    return MarkdownIt("commonmark", {"html": True}).enable("table").render(inert_markdown(text))


def check_markdown(text: str) -> None:
    seen = Seen(render(text))
    assert seen.tags <= OURS - {"div"} | MARKDOWN_MAKES
    for name, value in seen.values:
        allowed = MARKDOWN_SETS.get(name) or re.compile(r"[0-9]{1,5}", re.ASCII)
        assert name in {"colspan", "rowspan", *MARKDOWN_SETS}
        assert allowed.fullmatch(value), (name, value)
    assert seen.other == []
    assert not any(c in inert_markdown(text) for c in "\x00\x1b\x9b\u202e")


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_a_page_writes_is_shown_and_does_nothing(attack: str) -> None:
    check_html(attack)
    check_html(f"text {attack} text")
    check_html(f"<table><tr><td>{attack}</td></tr></table>")
    check_markdown(attack)
    check_markdown(f"text {attack} text")


@settings(deadline=None, max_examples=200)
@given(
    st.lists(
        st.sampled_from(ATTACKS) | st.text(alphabet="<>[]()!&;:/\\`|#\n ab.%2e\"'=-", max_size=9)
    )
)
def test_no_mixture_of_attacks_does_anything(parts: list[str]) -> None:
    check_html("".join(parts))
    check_markdown("".join(parts))


@settings(deadline=None, max_examples=200)
@given(st.lists(st.sampled_from(CELL_PIECES), max_size=20))
def test_no_cell_has_an_attribute_but_its_spans_in_digits(parts: list[str]) -> None:
    pieces = "".join(parts)
    for text in (pieces, f"<table><tr><td {pieces}</td></tr></table>"):
        check_html(text)
        check_markdown(text)
        check_markdown(parse_page(text).markdown)


CELL_AS_WRITTEN = re.compile(
    r"<t[dh](?: colspan=\"[1-9][0-9]{0,3}\")?(?: rowspan=\"[1-9][0-9]{0,4}\")?>", re.ASCII
)
SPAN_PIECES = [
    *CELL_PIECES,
    "=",
    '"',
    "'",
    '""',
    "2",
    '2"',
    "2'",
    "02",
    '2" onclick=x',
    "`2`",
    "=3>",
]


@settings(deadline=None, max_examples=200)
@given(st.lists(st.sampled_from(SPAN_PIECES), max_size=20))
def test_a_cell_is_written_with_spans_in_double_quotes_and_nothing_else(parts: list[str]) -> None:
    pieces = "".join(parts)
    for span in ("colspan", "rowspan"):
        table = f"<table><tr><td {span}{pieces}>a</td><td>b</td></tr></table>"
        for written in (markdown_to_html(table), inert_markdown(table)):
            tags = re.findall(r"<t[dh][^<]*?>", written)
            assert tags
            assert [tag for tag in tags if not CELL_AS_WRITTEN.fullmatch(tag)] == []


@pytest.mark.parametrize("span", ["colspan", "rowspan"])
@pytest.mark.parametrize("value", ['"2"', "'2'", "2", '"2', "'2", "\"2' x", '"02" x', ' = "2"'])
def test_a_span_is_read_in_any_quotes_and_written_in_double_ones(span: str, value: str) -> None:
    equals = "" if "=" in value else "="
    table = f"<table><tr><td {span}{equals}{value}>a</td></tr></table>"
    assert inert_markdown(table) == f'<table><tr><td {span}="2">a</td></tr></table>'


@pytest.mark.parametrize("value", ['""2""', "\"'2'", "`2`", "x2", '" 2"', "(2)", "&#50;"])
def test_what_stands_in_no_quotes_of_html_is_no_span(value: str) -> None:
    table = f"<table><tr><td colspan={value}>a</td></tr></table>"
    assert inert_markdown(table) == "<table><tr><td>a</td></tr></table>"


@settings(deadline=None, max_examples=200)
@given(st.text(alphabet="ab1 \n.,;", max_size=80))
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert inert_markdown(text) == text
    assert "".join(Seen(markdown_to_html(text)).words.split()) == "".join(text.split())


def test_markdown_is_shown_with_its_headings_tables_and_formulas() -> None:
    text = (
        "# Lamp\n\nH<sub>2</sub>O & more\nnext\n\n## Part\n\n\\[ a < b \\]\n\n"
        "| a | b \\| c |\n| --- | --- |\n| 1<br>2 | 3 |\n\n"
        '<table><tr><td colspan="2">wide</td></tr></table>\n\n```\ncode <x>\n```'
    )
    assert markdown_to_html(text) == (
        '<div class="tex2jax_ignore mathjax_ignore"><h1>Lamp</h1>'
        "<p>H<sub>2</sub>O &amp; more<br>next</p><h2>Part</h2>"
        "<pre><code>\\[ a &lt; b \\]</code></pre>"
        "<table><tr><th>a</th><th>b | c</th></tr><tr><td>1<br>2</td><td>3</td></tr></table>"
        '<table><tr><td colspan="2">wide</td></tr></table>'
        "<pre><code>```\ncode &lt;x&gt;\n```</code></pre></div>"
    )


@pytest.mark.parametrize("last", ["b", "b |", r"b\| |"])
def test_a_row_of_pipes_may_end_with_one_or_without(last: str) -> None:
    cell = "b|" if "\\" in last else "b"
    assert f"<th>a</th><th>{cell}</th>" in markdown_to_html(
        f"| a | {last}\n| --- | --- |\n| 1 | 2 |"
    )


def test_an_escaped_pipe_at_the_end_of_a_row_is_text() -> None:
    written = markdown_to_html("| a | b |\n| --- | --- |\n| 1 | 2\\|")
    assert "<td>1</td><td>2|</td>" in written


def test_exported_markdown_keeps_the_text_between_two_tables() -> None:
    table = "<table><tr><td>a</td></tr></table>"
    text = f"above\n\n{table}\n\nbetween\n\n{table}\n\nbelow"
    assert inert_markdown(text) == text


def test_exported_markdown_keeps_what_is_harmless() -> None:
    text = r"[1] a [2], \[ \sum_{i=1}^{n} x_{i} \], {a=1}, a < b, H<sub>2</sub>O, R&D, !, C:\hrefs"
    assert inert_markdown(text) == text
    table = '<table><tr><td colspan="2">a</td><th rowspan="3">b</th></tr></table>'
    assert inert_markdown(f"above\n\n{table}\n\nbelow") == f"above\n\n{table}\n\nbelow"


@pytest.mark.parametrize(
    ("page", "exported"),
    [
        # A formula's brackets: TeX does not see the space.
        (r"\[ [g(x) - g](x)/2 \]", r"\[ [g(x) - g] (x)/2 \]"),
        ("[a]: b", "[a] : b"),
        ("![a][b]", "&#33;[a][b]"),
        (r"$\href{javascript:alert(1)}{x}$", r"$\ href{javascript:alert(1)}{x}$"),
        (r"\htmlStyle{x}{y} \classic", r"\ htmlStyle{x}{y} \classic"),
        ("# A {: onclick=\"alert(1)\" STYLE='x'}", "# A {: onclick =\"alert(1)\" STYLE ='x'}"),
        ("*a*{onclick=x}{: onfocus=y}", "*a*{onclick =x}{: onfocus =y}"),
        ('<td colspan="1>" autofocus onfocus="alert(1)">x', '&lt;td colspan="1>" autofocus'
         ' onfocus="alert(1)">x'),
        # A table is one if it has cells and an end; otherwise the page speaks about a tag.
        ("Use <table> here.\n\n# Next", "Use &lt;table> here.\n\n# Next"),
        ("<table><tr><td>a\n\n# Next", "&lt;table>&lt;tr>&lt;td>a\n\n# Next"),
        ('<table class=x><tr><td id=y colspan="02">a &amp; b < c</td></tr></table>',
         '<table><tr><td colspan="2">a &amp; b &lt; c</td></tr></table>'),
        ("<b>a</b> <i>b <B >c</I> d</b>", "<b>a</b> &lt;i>b <b>c&lt;/I> d</b>"),
        ("a <\x1bb> c\x9b", "a &lt;\ufffdb> c\ufffd"),
        ("a <", "a &lt;"),
    ],
)  # fmt: skip
def test_what_is_active_is_escaped_or_broken_by_a_space(page: str, exported: str) -> None:
    assert inert_markdown(page) == exported


def test_hostile_text_takes_linear_time() -> None:
    def seconds(piece: str, count: int) -> float:
        start = time.thread_time()
        markdown_to_html(piece * count)
        inert_markdown(piece * count)
        return time.thread_time() - start

    for piece in (
        "](",
        "](<",
        "](a",
        "<td ",
        "<b>",
        "[a]:",
        "&lt;b&gt;",
        "|",
        "](   ",
        "<td colspan=",
    ):
        assert seconds(piece, 20_000) < 4, piece


# --- where they are used ------------------------------------------------------------------

PAGE = Page(1, markdown=ATTACKS[0], blocks=(Block("text", ATTACKS[0], span=(0, len(ATTACKS[0]))),))


def test_a_notebook_shows_a_page_and_a_document_harmlessly() -> None:
    failed = Page(2, finish_reason="error", error="<script>no</script>")
    document = OcrDocument("<script>\x1b\u202e.pdf", (PAGE, failed), 2)
    for shown in (PAGE._repr_html_(), failed._repr_html_(), document._repr_html_()):
        seen = Seen(shown)
        assert seen.tags <= OURS
        assert seen.attributes <= {"class"}
    assert "&lt;script&gt;no" in document._repr_html_()
    assert not any(c in document._repr_html_() for c in "\x1b\u202e")
    assert "alert(1)" in PAGE._repr_html_()


def test_a_notebook_is_not_flooded_by_a_long_document() -> None:
    document = OcrDocument(
        "long.pdf", tuple(Page(n, markdown="x" * 50) for n in range(1, 400)), 399
    )
    assert len(document._repr_html_()) < 20_000
    assert "… and 379 more pages:" in document._repr_html_()
    almost = OcrDocument("long.pdf", document.pages[:21], 21)
    assert "… and 1 more page:" in almost._repr_html_()


def test_exported_markdown_has_the_figures_of_the_page_and_no_others() -> None:
    text = "![spy](http://e/p.png)\n\n<img src=//e>"
    image = Block("image", "", span=(0, 0))
    page = Page(1, markdown=text, blocks=(image, Block("text", text, span=(0, len(text)))))
    rendered = MarkdownIt("commonmark").render(page_markdown(page, [(image, "figures/a.png")]))
    assert rendered.count("<img") == 1
    assert 'src="figures/a.png"' in rendered


HOSTILE_CAPTION = 'Figure 1\x1b]0;owned\x07 "x" onerror="alert(1)\u202e\x9b'


def test_exports_have_no_control_characters() -> None:
    text = "a\x1b[2J\x07b\x9b\x00\u202e"
    blocks = (
        Block("text", text, span=(0, len(text))),
        Block("image", "", span=(len(text), len(text))),
        Block(
            "image_caption", HOSTILE_CAPTION, span=(len(text) + 2, len(text + HOSTILE_CAPTION) + 2)
        ),
    )
    page = Page(1, markdown=f"{text}\n\n{HOSTILE_CAPTION}", blocks=blocks)
    failed = Page(2, finish_reason="error", error=text)
    written = page_markdown(page, [(blocks[1], "figures/a.png")]) + page_markdown(failed)
    assert "a\ufffd[2J" in written
    assert "![Figure 1\ufffd" in written
    assert "<!-- not read: a\ufffd" in written
    assert not any(c in written for c in "\x00\x07\x1b\x9b\u202e")


def test_a_caption_in_an_alternative_text_sets_no_attribute() -> None:
    blocks = (
        Block("image", "", span=(0, 0)),
        Block("image_caption", HOSTILE_CAPTION, span=(0, len(HOSTILE_CAPTION))),
    )
    page = Page(1, markdown=HOSTILE_CAPTION, blocks=blocks)
    viewer = MarkdownIt("commonmark", {"html": True})
    seen = Seen(viewer.render(page_markdown(page, [(blocks[0], "figures/a.png")])))
    assert seen.attributes == {"src", "alt"}
    assert ("src", "figures/a.png") in seen.values


def test_no_notebook_of_ours_lets_a_page_speak_markdown() -> None:
    for path in (Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
        assert "Markdown(" not in code
        assert "display.Markdown" not in code


def test_html_that_docling_exports_of_a_page_is_harmless() -> None:
    pytest.importorskip("docling_core")
    tag = "<|ref|>text<|/ref|><|det|>[[1, 2, 3, 4]]<|/det|>\n"
    parsed = parse_page("\n\n".join(f"{tag}{attack}" for attack in ATTACKS))
    page = Page(1, markdown=parsed.markdown, blocks=parsed.blocks, width=100, height=100)
    exported = to_docling(OcrDocument("x.pdf", (page,), 1)).export_to_html()
    seen = Seen(exported.partition("<body>")[2])
    assert not seen.tags & {
        "script",
        "img",
        "a",
        "iframe",
        "svg",
        "style",
        "object",
        "form",
        "link",
    }
    assert not {name for name in seen.attributes if name.startswith("on")} | (
        seen.attributes & {"src", "href", "background", "data"}
    )
