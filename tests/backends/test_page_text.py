"""Decodes a page while it is written: its loops and ends are those of the whole text."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("tokenizers")

from deepseek_ocr_rag.backends.page_text import LoopWatch, PageText
from deepseek_ocr_rag.model.loops.detector import find_loops
from deepseek_ocr_rag.model.page_prompt import End, GeneratedPage
from deepseek_ocr_rag.model.tokenizer import ModelTokenizer

TOGETHER = 128
LOOP = "The total of all items is as follows. " + "Nothing else was found here. " * 80


def watched(tokenizer: ModelTokenizer, tokens: list[int], left: int) -> PageText:
    """Return the text of a watch that was given all tokens but the last ones, some at a time."""
    watch = LoopWatch(tokenizer)
    for start in range(0, len(tokens) - left, TOGETHER):
        watch(tokens[start : min(start + TOGETHER, len(tokens) - left)])
    end = End(len(tokens), "stop")
    return watch.finish(GeneratedPage(tuple(tokens), (-0.5,) * len(tokens), end))


def test_a_page_that_repeats_itself_is_noticed_while_it_is_written(tokenizer) -> None:
    tokens = tokenizer.encode(LOOP)
    watch = LoopWatch(tokenizer)
    noticed = [watch(tokens[start : start + 16]) for start in range(0, len(tokens), 16)]
    assert not noticed[0]
    assert any(noticed[: len(noticed) // 2])


@pytest.mark.parametrize(
    ("left", "every"),
    [(0, 36), (1, 36), (100, 36), *(pytest.param(n, 12, marks=pytest.mark.long) for n in (0, 100))],
)
def test_the_loops_of_real_pages_are_those_of_their_whole_text(
    tokenizer, shared, left, every
) -> None:
    # Other pages for each number of tokens that come last.
    files = sorted((shared / "model-outputs").glob("*/**/*.md"))[left % every :: every]
    pages = [*(file.read_text(encoding="utf-8") for file in files), LOOP]
    assert len(pages) > 240 / every
    for page in pages:
        tokens = tokenizer.encode(page)
        text = tokenizer.decode(tokens)
        found = watched(tokenizer, tokens, left)
        assert (found.text, found.loops) == (text, find_loops(text))
        assert (found.text, found.ends) == tokenizer.decode_with_ends(tokens)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_tokens_have_the_loops_of_their_whole_text(tokenizer, data) -> None:
    """Also halves of characters, which become text only together, or never."""
    phrase = data.draw(st.lists(st.integers(0, 129_279), min_size=1, max_size=12))
    tokens = data.draw(st.lists(st.integers(0, 129_279), max_size=20)) + phrase * 60
    text = tokenizer.decode(tokens)
    found = watched(tokenizer, tokens, data.draw(st.integers(0, 50)))
    assert found.loops == find_loops(text)
    assert (found.text, found.ends) == tokenizer.decode_with_ends(tokens)
