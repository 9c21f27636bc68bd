"""Hostile text in the grammar: it survives a round trip, loses nothing, takes linear time."""

from __future__ import annotations

import builtins
import os
import re
import subprocess
import sys
import time
from collections import Counter

import pytest
from benchmark_scripts import load_benchmark
from hypothesis import given, settings
from hypothesis import strategies as st
from tagged_text import BANNER, SAVED, STATISTICS, check_layout, grids, seen, tag

from deepseek_ocr_rag.document.grammar.parser import format_page, parse_page
from deepseek_ocr_rag.document.tables import Cell, Table
from deepseek_ocr_rag.document.types import Block, Box
from deepseek_ocr_rag.errors import ConfigurationError

ORACLE = load_benchmark("safety/grammar.py")


# --- and back ----------------------------------------------------------------------------

HOSTILE = [
    "<|ref|>text<|/ref|><|det|>[[1, 2, 3, 4]]<|/det|>\nowned",
    "<|/det|>", "<|det|>title [1, 2, 3, 4]<|/det|>", "&lt;|ref|&gt;", "&amp;amp;", "&#60;",
    "<table><tr><td>x</td></tr></table>", "</table>", "<center>c</center>", "<PAGE>", "# x", "a\n\nb",
    "<--- Page Split --->", BANNER.strip(), STATISTICS.strip(), SAVED.strip(), "a | b\n--- | ---",
    "aINFO 10-25 03:12:45 [a.py:1] x", "image: 0it [00:00, ?it/s]", "<｜end▁of▁sentence｜>",
    "[Unsupported content type: UsageContent]", "[[1, 2]]", "\\[ x \\]", "ordinary words", "é 中 \U0001f600",
]  # fmt: skip

texts = st.lists(
    st.sampled_from(HOSTILE) | st.text(alphabet="ab<>|&;#/=\n -[]1", max_size=12), max_size=3
).map(lambda parts: "\n".join(line.strip(" ") for line in "\n".join(parts).split("\n")).strip())
coordinates = st.integers(0, 999)
boxes = st.builds(Box.from_grid, coordinates, coordinates, coordinates, coordinates)
some_boxes = st.lists(boxes, max_size=2).map(tuple)
filled = st.builds(Cell, texts.filter(bool), st.integers(1, 2), st.integers(1, 2))


@st.composite
def blocks(draw: st.DrawFn) -> Block:
    kind = draw(
        st.sampled_from(["text", "title", "sub_title", "equation", "image", "table", "", "ad 1"])
    )
    places = draw(some_boxes)
    if kind == "table":
        table = Table(tuple(map(tuple, draw(st.lists(st.lists(filled, min_size=1), min_size=1)))))
        text = table.to_html() if table.has_spans else table.to_markdown()
        return Block(kind, text, places, html=table.to_html())
    if kind == "image":
        return Block(kind, "", (*places, draw(boxes)))
    text = draw(texts)
    if not text:
        return Block(kind, "", (*places, draw(boxes)))
    marks = {"title": "# ", "sub_title": "### "}.get(kind, "")
    return Block(kind, marks + text, places)


@settings(deadline=None, max_examples=150)
@given(st.lists(blocks(), max_size=5))
def test_blocks_survive_being_written_and_read(page):
    again = parse_page(format_page(page))
    check_layout(again)
    assert again.warnings == ()
    assert seen(again) == [(block.kind, block.text) for block in page]
    assert grids(again) == [[box.to_grid() for box in block.boxes] for block in page]
    assert [b.table for b in again.blocks] == [b.table for b in page]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_text_that_looks_like_a_tag_comes_back_as_text(hostile):
    page = parse_page(format_page([Block("text", hostile), Block("text", "end")]))
    assert seen(page) == [("text", hostile), ("text", "end")]


def test_a_kind_that_cannot_be_a_label_is_refused():
    with pytest.raises(ConfigurationError, match="cannot be the kind"):
        format_page([Block("<|/ref|>", "x")])


# --- hostile text ------------------------------------------------------------------------

# Long enough that no rule takes them for a label's or a box list's slip.
words = st.text(alphabet="GHJKVWYZ", min_size=18, max_size=24)
SCRAPS = [
    "<|ref|>",
    "<|/ref|>",
    "<|det|>",
    "<|/det|>",
    "<|ref|>text<|/ref|>",
    "<|ref|>table",
    "text",
    "table_caption",
    "[[1,2,3,4]]",
    "[[1,2",
    "]]",
    "[",
    "<table>",
    "</table>",
    "<tr>",
    "<td>",
    "</td>",
    "<center>",
    "</center>",
    "&amp;",
    "&lt;",
    "#",
    "```",
    "\\[",
    "|",
    "---",
    "<br>",
    "====",
    "<---",
    "<|im_start|>",
]
WHOLE = [
    *map(tag, ["text", "table", "image", "table_caption", "title"]),
    *(
        f"\n{BANNER}",
        STATISTICS,
        SAVED,
        "<--- Page Split --->",
        "\n<PAGE>\n",
        "\n",
        "\n\n",
        " ",
        "# ",
    ),
]
scraps = st.sampled_from(SCRAPS + WHOLE)


@settings(deadline=None, max_examples=500)
@given(st.lists(scraps | words, max_size=30))
def test_no_word_is_lost_whatever_stands_around_it(parts):
    text = "".join(parts)
    page = parse_page(text)
    check_layout(page)
    expected = Counter(re.findall("[GHJKVWYZ]{18,}", text))
    # A table's word may be in several places that its cell spans; a word in the
    # place of a label is a label where a body follows.
    found = Counter(
        # A table whose cells did not arrive has no text; its HTML is kept.
        re.findall("[GHJKVWYZ]{18,}", " ".join(f"{b.kind} {b.text or b.html}" for b in page.blocks))
    )
    assert expected <= found


@settings(deadline=None, max_examples=200)
@given(st.text() | st.text(alphabet="<|ref/det>[]1, \n"))
def test_any_text_parses(text):
    check_layout(parse_page(text))


@pytest.mark.parametrize("family", ORACLE.ADVERSARIAL)
def test_adversarial_tags_take_linear_time(family):
    make = ORACLE.ADVERSARIAL[family]

    def seconds(tokens: int) -> float:
        text = make(tokens)
        best = 99.0
        for _ in range(3):
            start = time.thread_time()
            parse_page(text)
            best = min(best, time.thread_time() - start)
        return best

    # Quadratic time would be 64 times as long; the margins are for a busy machine,
    # benchmarks/safety/grammar.py prints the figures.
    large = seconds(64_000)
    assert large < 30 * max(seconds(8_000), 0.001)
    assert large < 2


PAYLOADS = [
    "__import__('os').system('touch owned')",
    "open('owned','w').write('x')",
    "exec(\"open('owned','w')\")",
    'eval(\'open("owned","w")\')',
    "(lambda: open('owned', 'w'))()",
    "[x for x in [open('owned','w')]]",
    "{open('owned','w')}",
    "f\"{open('owned','w')}\"",
    "__builtins__['open']('owned','w')",
    "().__class__.__base__.__subclasses__()",
    "`touch owned`",
    "$(touch owned)",
    "; touch owned;",
    "| touch owned",
    "{{7*7}}",
    "${7*7}",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "!!python/object/apply:os.system ['touch owned']",
    "cos\nsystem\n(S'touch owned'\ntR.",
    "%s%s%s%n",
    "9**9**9**9",
    "1,2,3,4)] or exit(1)",
    "breakpoint()",
    "import os; os.remove('x')",
    "compile('open(1)','','exec')",
    "globals().clear()",
    "raise SystemExit",
    "..\\..\\owned",
    "\x00\x1b]0;owned\x07",
]


def test_payloads_in_tags_have_no_effect(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def refuse(*arguments: object, **options: object) -> None:
        raise AssertionError(f"called with {arguments}")

    for module, name in [
        (builtins, "eval"),
        (builtins, "exec"),
        (os, "system"),
        (subprocess, "Popen"),
    ]:
        monkeypatch.setattr(module, name, refuse)
    before = set(sys.modules)
    assert len(PAYLOADS) == 30
    for payload in PAYLOADS:
        for text in [
            f"<|ref|>text<|/ref|><|det|>{payload}<|/det|>\nkept",
            f"<|ref|>text<|/ref|><|det|>[[{payload}]]<|/det|>\nkept",
            f"<|ref|>{payload}<|/ref|><|det|>[[1, 2, 3, 4]]<|/det|>\nkept",
            f"<|det|>{payload} [1, 2, 3, 4]<|/det|>kept",
            f'{tag("table")}\n<table><tr><td colspan="{payload}">kept</td></tr></table>',
            f"{tag('text')}\nkept {payload}",
        ]:
            assert "kept" in parse_page(text).markdown
    assert list(tmp_path.iterdir()) == []
    assert set(sys.modules) == before
