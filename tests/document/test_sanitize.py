"""What a page can write is shown, and does nothing: in notebooks and in exported Markdown.

What comes out is judged by parsers that are not ours: Python's for HTML, and
markdown-it for Markdown, told to let all HTML through.
"""

from __future__ import annotations

import json
import re
import time
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
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

pytestmark = pytest.mark.minimum

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
A_NAME_BESIDE = {"href", "title"}
MARKDOWN_MAKES = {"ul", "ol", "li", "blockquote", "hr", "thead", "tbody", "tfoot", "caption"}

ATTACKS = [
    "<script>alert(1)</script>", "<SCRIPT SRC=//e/x.js></SCRIPT>", "<img src=x onerror=alert(1)>",
    "<img src='http://e/?leak'>", "![pic](http://e/p.png)", "![pic](//e/p.png)", "![](data:image/png;base64,x)",
    "[go](javascript:alert(1))", "[go](https://e)", "[go](<javascript:alert(1)>)", "[go](\tjavascript:1)",
    "[go](< javascript:alert(1)>)", "[go](java&#115;cript:alert(1))", "[go](javascript&colon;alert(1))",
    "[go](&#106;avascript:1)", "[go](javascript\\:alert(1))", "[go](\\\\e\\share)", "[go](/\\e)", "[a\\](http://e)",
    "[a\\\\](http://e)", "![a][b]\n\n[b]: http://e/p.png", "[a]\n\n[a]: javascript:1", "[a\nb]\n\n[a\nb]: http://e",
    "> [a]: http://e\n\n[a]", "- [a]: http://e\n\n[a]", "[![x](http://e/i)](http://e)", "[]()",
    "[go](../up)", "![](/api?do=it)", "![](?do=it)", "![](a)", "\\![](a)", "!\n[](a)", "[go](a(b)/../c)", "[go](<a b/../c>)", "[go](a<b>/../c)",
    f"[go]({'a' * 300}/../c)", "[go](\n../up)", "[go](up \"x\")", "[go](a)/b)", "[go](..)", "[go](%2e%2E)", "![](%2Fa)", "[go](a\\)/b)",
    "<http://e>", "<me@e.org>",
    "<1@e.org>", "<a href=http://e>x</a>", "<a\nhref='javascript:1'>x</a>", "<svg/onload=alert(1)>", "<svg><script>1</script>",
    "<iframe src=//e></iframe>", "<style>*{background:url(//e)}</style>", "<link rel=stylesheet href=//e>",
    "<meta http-equiv=refresh content='0;url=//e'>", "<base href=//e>", "<form action=//e><input></form>",
    "<object data=//e>", "<embed src=//e>", "<video poster=//e>", "<details open ontoggle=alert(1)>",
    "<b onmouseover=alert(1)>x</b>", "<b style='background:url(//e)'>x</b>", "<td onclick=alert(1)>x</td>",
    "<table background=//e><tr><td>x</td></tr></table>", "<table><tr><td style=x><img src=//e></td></tr></table>",
    "<table><tr><td><script>1</script></td></tr></table>", "<td colspan='2' onclick='x'>y", "<td colspan=\"2\"onclick=x>",
    "<!-- x --><script>1</script>", "<!--><img src=//e>", "<!DOCTYPE x>", "<?php x ?>", "<![CDATA[<script>]]>",
    "</div></div><script>1</script>", "</pre></code><img src=//e>", "```\n</code></pre><img src=//e>\n```",
    "```<img src=//e>\n", "~~~\n~~~\n<img src=//e>", "``` `<img src=//e>\n", "\\[ \\href{javascript:1}{x} \\]",
    "$\\href{javascript:alert(1)}{x}$", "\\(\\unicode{x}\\url{http://e}\\)", "| a | <img src=//e> |\n| --- | --- |\n| x | [l](http://e) |",
    "# <img src=//e>", "# [x](http://e)", "<sub><img src=//e></sub>", "<sub onclick=x>y</sub>", "<B/onclick=x>y</B>",
    "<\x00script>1</script>", "<scr\x00ipt>", "\x1b]0;owned\x07", "\x9b31m", "\u202egnp.exe", "<<script>1</script>",
    "<x:script xmlns:x='http://www.w3.org/1999/xhtml'>1</x:script>", "<math><mi xlink:href='javascript:1'>x</mi></math>",
    "&lt;script&gt;1&lt;/script&gt;", "&#60;script&#62;", "<img\tsrc=//e>", "<img/src=//e>", "<%= x %>", "{{7*7}}",
]  # fmt: skip


class Seen(HTMLParser):
    """Every tag and attribute of a text, and whether each tag that is opened is closed."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.targets: list[str] = []
        self.other: list[str] = []
        self.words = ""
        self.open: list[str] = []
        self.crossed = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.targets += [value for name, value in attrs if name == "href"]
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


def check_markdown(text: str) -> None:
    # As a viewer does that trusts the file.
    rendered = MarkdownIt("commonmark", {"html": True}).enable("table").render(inert_markdown(text))
    seen = Seen(rendered)
    assert seen.tags <= OURS - {"div"} | MARKDOWN_MAKES | {"a"}
    assert seen.attributes <= {"colspan", "rowspan", "class", "style", "start"} | A_NAME_BESIDE
    assert not any(re.search(r"[/?:\\]|\.\.", unquote(target)) for target in seen.targets)
    assert seen.other == []


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_a_page_writes_is_shown_and_does_nothing(attack: str) -> None:
    check_html(attack)
    check_html(f"text {attack} text")
    check_html(f"<table><tr><td>{attack}</td></tr></table>")
    check_markdown(attack)
    check_markdown(f"text {attack} text")


@settings(deadline=None, max_examples=400)
@given(
    st.lists(
        st.sampled_from(ATTACKS) | st.text(alphabet="<>[]()!&;:/\\`|#\n ab.%2e\"'=-", max_size=9)
    )
)
def test_no_mixture_of_attacks_does_anything(parts: list[str]) -> None:
    check_html("".join(parts))
    check_markdown("".join(parts))


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


def test_exported_markdown_keeps_what_is_harmless() -> None:
    text = r"[1] see [f](t), \[ [g(x + \Delta x) - g](x)/2 \], a < b, H<sub>2</sub>O"
    assert inert_markdown(text) == text
    table = '<table><tr><td colspan="2">a</td><th rowspan=3>b</th></tr></table>'
    assert inert_markdown(table) == table


def test_hostile_text_takes_linear_time() -> None:
    def seconds(piece: str, count: int) -> float:
        start = time.process_time()
        markdown_to_html(piece * count)
        inert_markdown(piece * count)
        return time.process_time() - start

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
    document = OcrDocument("<script>.pdf", (PAGE, failed), 2)
    for shown in (PAGE._repr_html_(), failed._repr_html_(), document._repr_html_()):
        seen = Seen(shown)
        assert seen.tags <= OURS
        assert seen.attributes <= {"class"}
    assert "&lt;script&gt;no" in document._repr_html_()
    assert "alert(1)" in PAGE._repr_html_()


def test_a_notebook_is_not_flooded_by_a_long_document() -> None:
    document = OcrDocument(
        "long.pdf", tuple(Page(n, markdown="x" * 50) for n in range(1, 400)), 399
    )
    assert len(document._repr_html_()) < 20_000
    assert "379 more pages" in document._repr_html_()


def test_exported_markdown_has_the_figures_of_the_page_and_no_others() -> None:
    text = "![spy](http://e/p.png)\n\n<img src=//e>"
    image = Block("image", "", span=(0, 0))
    page = Page(1, markdown=text, blocks=(image, Block("text", text, span=(0, len(text)))))
    rendered = MarkdownIt("commonmark").render(page_markdown(page, [(image, "figures/a.png")]))
    assert rendered.count("<img") == 1
    assert 'src="figures/a.png"' in rendered


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
