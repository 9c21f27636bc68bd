"""let_through: allowed tags are written anew where they are properly nested, all others escaped."""

from __future__ import annotations

import re

import pytest

from deepseek_ocr_rag.document.allowed_tags import let_through

TAG = re.compile(r"<(?:(/?)(b|i|br)\s*/?>|(?!\s))", re.IGNORECASE)


def refused(text: str) -> str:
    return "{" + text[1:]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<b>a</b>", "<b>a</b>"),
        ("<B >a</B>", "<b>a</b>"),
        ("<b><i>a</i></b>", "<b><i>a</i></b>"),
        ("<b>a</b> <b>c</b>", "<b>a</b> <b>c</b>"),
        ("a<br>b<BR/>c<br />", "a<br>b<br>c<br>"),
        ("<b>a<br>b</b>", "<b>a<br>b</b>"),
        ("<b>a", "{b>a"),
        ("a</b>", "a{/b>"),
        ("</b>a<b>", "{/b>a{b>"),
        ("<b><b>a</b>", "{b><b>a</b>"),
        ("<b>a</b></b>", "<b>a</b>{/b>"),
        ("<b><i>a</b></i>", "{b><i>a{/b></i>"),
        ("<b>x</i></b>", "<b>x{/i></b>"),
        ("<b x=1>a</b>", "{b x=1>a{/b>"),
        ("<script><b>a</b></script>", "{script><b>a</b>{/script>"),
        ("a < b", "a < b"),
        ("", ""),
    ],
)
def test_only_proper_pairs_of_allowed_tags_are_kept(text: str, shown: str) -> None:
    assert let_through(text, TAG, refused) == shown


def test_without_a_rule_what_is_refused_stays_as_it_is() -> None:
    assert let_through("<b>a</b> <i> <B>", TAG) == "<b>a</b> <i> <B>"
