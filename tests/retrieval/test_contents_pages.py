"""Tables of contents are told from what looks like them, by their lines alone."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepseek_ocr_rag import Reader
from deepseek_ocr_rag.backends import LiteBackendWarning
from deepseek_ocr_rag.retrieval.contents_pages import is_contents, is_listing

DOTTED = """# Contents

A Note to You .......... 2
Refrigerator Safety .... 3
Parts and Features ... 4-5
Before Using ........... 6
Cleaning ............... 6
Levelling .............. 7"""
ROWS = [("Scope", 1), ("Terms", 4), ("Methods", 9), ("Results", 15), ("Annex", 40)]


@pytest.mark.parametrize(
    "text",
    [
        DOTTED,
        "\n".join(f"{title} {page}" for title, page in ROWS),
        "| What | Page |\n| --- | --- |\n" + "\n".join(f"| {t} | {p} |" for t, p in ROWS),
        "<table>" + "".join(f"<tr><td>{t}</td><td>{p}</td></tr>" for t, p in ROWS) + "</table>",
        "目录\n第一章 绪论 1\n第二章 方法 5\n第三章 结果 12\n第四章 讨论 20\n第五章 结论 31",
    ],
)
def test_a_table_of_contents_is_one(text: str) -> None:
    assert is_contents(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "The keeper lit the lamp in 1871.\nIt burned until 1902.",
        # A table of figures does not rise.
        "\n".join(f"{t} {p}" for t, p in zip("abcdefgh", [9, 3, 7, 1, 8, 2, 6, 4], strict=True)),
        # Numbers without words.
        "\n".join(map(str, range(1, 20))),
        # The same number over and over.
        "\n".join(f"Ward {letter} 4" for letter in "abcdefgh"),
        # Prices.
        "\n".join(f"Item {n} {n}.50" for n in range(1, 9)),
        # Numbers at the end of some lines of prose.
        "\n".join(f"This line of prose has no number.\nIn section {n}" for n in range(4))
        + "\nEnd.",
    ],
)
def test_other_pages_are_no_tables_of_contents(text: str) -> None:
    assert not is_contents(text)


def test_a_misread_number_is_forgiven() -> None:
    assert is_contents(DOTTED.replace("Cleaning ............... 6", "Cleaning ............... 1"))


def test_a_real_manual_has_one_contents_page(shared: Path) -> None:
    manual = shared / "corpus" / "qa" / "pdf" / "watch_d.pdf"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LiteBackendWarning)
        pages = Reader("lite").read(manual).pages
    assert [page.number for page in pages if is_contents(page.markdown)] == [2]


@given(st.text("ab 12.|-<>/tr\n", max_size=300))
def test_any_text_can_be_judged(text: str) -> None:
    assert is_contents(text) in (True, False)


# --- listings ------------------------------------------------------------------------------

EXHIBITS = """Exhibit Index
3.1 Restated Certificate of Incorporation (incorporated by reference to the Form 10-Q of July 2015)
3.2 By-laws (incorporated by reference to the Form 8-K of 18 February 2016)
23.1 Consent of the auditor, filed herewith
"""
AUDITED = """Report of Independent Registered Public Accounting Firm
We have audited the accompanying balance sheets. In our opinion, they present fairly the position.
"""


@pytest.mark.parametrize("text", [EXHIBITS, AUDITED])
def test_a_list_of_exhibits_and_an_auditors_report_are_listings(text: str) -> None:
    assert is_listing(text)


@pytest.mark.parametrize(
    "text",
    [
        "In our opinion, the lamp is bright. The lease is filed as Exhibit 4 to our Form 10-K.",
        "| Total current assets | 8,802 |\n| --- | --- |\n| Total assets | 15,803 |",
        "",
    ],
)
def test_text_that_refers_once_and_statements_are_no_listings(text: str) -> None:
    assert not is_listing(text)
