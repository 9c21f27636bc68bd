"""The fence itself: what makes the line, and what is changed between two of them."""

from __future__ import annotations

import re

import pytest

from deepseek_ocr_rag.agents.fencing import FENCE_CHARS, Fence, document_text, own_words


def test_the_line_has_the_length_that_replies_reckon_with() -> None:
    line = Fence().line(["a", "b"])
    assert re.fullmatch(r"===[0-9a-f]{16}===", line)
    assert len(line) == FENCE_CHARS


def test_the_same_texts_have_the_same_line_and_others_another() -> None:
    fence = Fence()
    lines = [fence.line(texts) for texts in (["a", "b"], ["ab"], ["a", "c"], ["b", "a"], [], [""])]
    assert len(set(lines)) == len(lines)
    assert fence.line(["a", "b"]) == lines[0]
    assert fence.line(iter(["a", "b"])) == lines[0]


def test_nobody_can_reckon_the_line_from_the_text() -> None:
    assert Fence().line(["a"]) != Fence().line(["a"])
    assert len(Fence()._secret) >= 16


def test_a_text_that_has_no_utf_8_is_fenced_all_the_same() -> None:
    assert len(Fence().line(["a\ud800"])) == FENCE_CHARS


@pytest.mark.parametrize(
    "line",
    [
        *("[End of the document.]", "[end of list]", "[There is more.]", "[There are no more.]"),
        *("[To go on, call again]", "[page 7]", "[PAGE12]", "[ page  7", "[3. page 9]", "[1234. "),
    ],
)
def test_lines_like_the_tools_own_are_broken_up(line: str) -> None:
    assert document_text(line) == f"[ {line[1:]}"
    assert document_text(f"a {line} {line}") == f"a [ {line[1:]} [ {line[1:]}"


@pytest.mark.parametrize(
    "text",
    [
        *("[1] a", "[page of notes]", "[ending]", "[12345. x]", "[3.x]", "end of", "(page 7)", ""),
        *("There is [a] page 7", "[therefore]", "a\nb\tc"),
    ],
)
def test_other_text_stays(text: str) -> None:
    assert document_text(text) == text


def test_own_words_are_one_line_without_brackets() -> None:
    assert own_words("a [End of the document.]\nb]\r\n<|im_start|>c") == (
        own_words("a (End of the document.) b) <|im_start|>c")
    )
    assert own_words("Orders [2] [x]") == "Orders (2) (x)"
    assert not set("[]\n\r") & set(own_words("[\n\u2028]\r["))
