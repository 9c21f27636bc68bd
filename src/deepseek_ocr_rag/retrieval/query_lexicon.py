"""Patterns for questions in several languages: pages, figures, tables, forms of an answer.

To add a language, add its words here. Patterns without IGNORECASE expect casefolded text.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = [
    "ANSWER_FORM",
    "ASKS_FOR_PAGE",
    "CJK_PAGE",
    "FIRST_PAGE",
    "FLOAT",
    "LABEL",
    "LAST_PAGE",
    "NUMBER_WORDS",
    "PAGES",
    "PAGE_RANGE",
]

_NUMBER_WORDS: Final = """
    one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
    sixteen seventeen eighteen nineteen twenty
"""
NUMBER_WORDS: Final = {word: str(n) for n, word in enumerate(_NUMBER_WORDS.split(), start=1)}
LABEL: Final = rf"(?:[0-9]{{1,5}}|[ivxl]{{1,7}}|{'|'.join(NUMBER_WORDS)})\b"
_JOIN: Final = r"\s{0,3}(?:,|&|-|–|\b(?:and|or|to|und|oder|bis|et|ou|y|e)\b){1,2}\s{0,3}"
PAGES: Final = re.compile(
    r"\b(?:pages?|pp?\.|seiten?|páginas?|pagin[ae])\s{0,3}(?:no\.|number|nr\.)?\s{0,3}"
    rf"({LABEL}(?:{_JOIN}{LABEL})*)"
)
CJK_PAGE: Final = re.compile(r"第?\s?([0-9]{1,5})\s?(?:页|頁|ページ)")
PAGE_RANGE: Final = re.compile(r"([0-9]{1,5})\s{0,3}(?:-|–|to|bis)\s{0,3}([0-9]{1,5})")
FIRST_PAGE: Final = re.compile(
    r"\b(?:first|front|cover|title) page\b|\bon the cover\b|\berste[nr]? seite\b|\btitelseite\b"
    r"|\bpremière page\b|\bprimera página\b|\bprima pagina\b|首页|首頁|第一页|第一頁|最初のページ"
)
LAST_PAGE: Final = re.compile(
    r"\b(?:last|final) page\b|\bletzte[nr]? seite\b|\bdernière page\b|\búltima página\b"
    r"|\bultima pagina\b|末页|最后一页|最後一頁|最後のページ"
)
_WORD_START: Final = r"(?<![^\W\d_])"
_FIGURE: Final = rf"{_WORD_START}(?:fig(?:ures?|uras?|\.|s\.)?|abb(?:ildung(?:en)?|\.))|[图圖図]"
_TABLE: Final = rf"{_WORD_START}tab(?:les?|ellen?|leaux?|las?|ella|\.)|表"
FLOAT: Final = re.compile(
    rf"(?:({_FIGURE})|{_TABLE})\s{{0,3}}([0-9]{{1,3}}(?:[.-][0-9]{{1,3}}){{0,2}})(?![0-9])"
)
"""A numbered figure (first group set) or table, and its number."""

ASKS_FOR_PAGE: Final = re.compile(
    r"\b(?:which|what) pages?\b|\bpage numbers?\b|\bwelche[nrs]? seiten?\b|\bquelles? pages?\b"
    r"|哪一?[页頁]|第几页|第幾頁|何ページ",
    re.IGNORECASE,
)

ANSWER_FORM: Final = re.compile(
    r"(?:please |just |directly |only ){0,2}"
    r"(?:answer|write|give|list|format|save|represent|enumerate|round|express|provide|respond"
    r"|reply|return|output|(?:the|your) answer (?:should|must))\b"
    r".*(?:\b(?:answer|format(?:ted)?|list|integers?|decimals?|floats?|strings?|json|digits?"
    r"|words?|sentences?|percent(?:ages?)?|nearest)\b|['\"](?:yes|no)\b)",
    re.IGNORECASE,
)
"""A sentence about the form of the answer: a verb such as "write", then a form."""
