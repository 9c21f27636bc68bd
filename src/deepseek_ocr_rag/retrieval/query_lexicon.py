"""Patterns for questions in several languages: pages, figures, tables, forms of an answer.

To add a language, add its words here. Patterns without IGNORECASE expect casefolded text.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = [
    "ANSWER_FORM",
    "ASKS_FOR_LISTING",
    "ASKS_FOR_MEASURE",
    "ASKS_FOR_MORE",
    "ASKS_FOR_PAGE",
    "ASKS_FOR_SIGNATURE",
    "CJK_PAGE",
    "CLOSING",
    "CLOSING_WORDS",
    "FIRST_PAGE",
    "FLOAT",
    "GLUED",
    "LABEL",
    "LAST_PAGE",
    "MEASURES",
    "NUMBER_WORDS",
    "PAGES",
    "PAGE_RANGE",
    "REQUEST",
    "SUPERLATIVE",
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
MEASURES: Final = {
    "tall": "height", "high": "height", "long": "length duration", "wide": "width", "deep": "depth",
    "heavy": "weight", "fast": "speed", "thick": "thickness", "old": "age", "hot": "temperature",
    "far": "distance", "hoch": "höhe", "lang": "länge dauer", "breit": "breite", "tief": "tiefe",
    "schwer": "gewicht", "schnell": "geschwindigkeit", "alt": "alter", "weit": "entfernung",
}  # fmt: skip
"""Maps a word after "how" to a table's name for the measure: "How tall is it?" asks for a height."""
ASKS_FOR_MEASURE: Final = re.compile(rf"\b(?:how|wie) ({'|'.join(MEASURES)})\b", re.IGNORECASE)

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

ASKS_FOR_MORE: Final = re.compile(
    r"^was\b|\b(?:who(?:m|se)?|what|which|when|where|why|how|we[rnm]|wessen|welche[mnrs]?|wann|wo|warum"
    r"|wie(?:viele?)?|qui|quoi|quel(?:le)?s?|quand|où|pourquoi|comment|combien|quién(?:es)?|qué"
    r"|cuál(?:es)?|cuándo|cuánt[oa]s?|dónde|cómo|chi|cosa|qual[ei]?|quando|quant[oaie]s?|dove|perché"
    r"|quem|quais|onde|wie|wat|welke?|wanneer|waar|hoeveel|vem|vad|vilk(?:en|et|a)|när|hur|hv(?:em|ad?|or)"
    r"|hvilken|kto|jak(?:i|a|ie)|gdzie|kiedy|ile|кто|что|как(?:ой|ая|ое|ие)|когда|где|сколько)\b",
    re.IGNORECASE,
)
"""Asks for something that the question does not say, unlike a question answered by yes or no."""

ASKS_FOR_LISTING: Final = re.compile(
    r"\bexhibits?\b|\bfiled with\b|\baudit|\bby reference\b", re.IGNORECASE
)
"""Shows that a question is about a list of exhibits or an auditor's report."""

ASKS_FOR_SIGNATURE: Final = re.compile(
    r"\bwho(?:\s+\w+){0,2}\s+(?:co-?)?sign(?:ed|s)?\b(?!\s+(?:up|in|off|on|out)\b)|\bsigned by who"
    r"|\bwho (?:wrote|sent) (?:the|this|that) (?:letter|e-?mail|memo|note|message)\b"
    r"|\bwhose signatures?\b|\bsignator(?:y|ies)\b|\bwer\b.*\bunter(?:schr(?:ieb|eibt)|zeichnet)"
    r"|\bqui (?:a|ont) signé|\bquién(?:es)? firm|\bchi ha firmato|谁签|签[署名字]人|誰が署名",
    re.IGNORECASE,
)
SUPERLATIVE: Final = re.compile(
    r"\b(?:most|least|\w{2,}est)\b|\b(?:am\s+\w+sten|meisten|wenigsten)\b|\b\w{3,}ste[nrs]?\b"
    r"|\b(?:le|la|les) (?:plus|moins)\b|\b(?:el|la) (?:más|menos)\b|最",
    re.IGNORECASE,
)
"""Asks for a comparison of all things of a kind, which a table has more often than a sentence."""

CLOSING_WORDS: Final = (
    *(
        "sincerely",
        "faithfully",
        "respectfully",
        "cordially",
        "regards",
        "signature",
        "undersigned",
    ),
    *(
        "freundlichen",
        "hochachtungsvoll",
        "cordialement",
        "atentamente",
        "saluti",
        "此致",
        "敬上",
        "敬具",
    ),
)
"""Words of the lines above signatures, for search."""

CLOSING: Final = re.compile(
    r"\W{0,3}(?:yours\s+(?:\w+\s+)?(?:sincerely|faithfully|truly)|(?:very\s+)?(?:sincerely|truly)\b"
    r"|(?:(?:with\s+)?(?:kind|best|warm)(?:est)?\s+)?regards\b|respectfully|cordially|/s/|signed\b"
    r"|signature|mit (?:freundlichen|besten) grüßen|hochachtungsvoll|cordialement|veuillez agréer"
    r"|atentamente|(?:distinti|cordiali) saluti|此致|敬上|敬具)",
    re.IGNORECASE,
)
"""The beginning of the line above, or before, a signature."""

ANSWER_FORM: Final = re.compile(
    r"(?:please |just |directly |only ){0,2}"
    r"(?:answer|write|give|list|format|save|represent|enumerate|round|express|provide|respond"
    r"|reply|return|output|(?:the|your) answer (?:should|must))\b"
    r".*(?:\b(?:answer|format(?:ted)?|list|integers?|decimals?|floats?|strings?|json|digits?"
    r"|words?|sentences?|percent(?:ages?)?|nearest|thousands?|millions?|billions?)\b"
    r"|['\"](?:yes|no)\b)"
    r"|if\b.*\b(?:then|please|just)\s+(?:please\s+)?(?:say|state|answer|reply|explain|write)\b",
    re.IGNORECASE,
)
"""A sentence about the form of the answer: a verb such as "write", then a form; or what to say if
there is no answer."""

GLUED: Final = re.compile(r"(?<=[^\W\d_][?!])(?=[^\W\d_])|(?<=[0-9][?!])(?=[^\W\d_])")
"""The end of a sentence without a space before the next one ("in 2015?Answer in thousands.")."""

REQUEST: Final = re.compile(
    r"\b(?:(?:assume|imagine|suppose|pretend)(?: that)? )?you are an? [\w ]{1,40}?(?=\band\b|[.,;:])"
    r"|\b(?:please )?(?:answer|give (?:a response|an answer) to|respond to)"
    r" (?:the|this|my)(?: following)? question\b"
    r"|\bhere(?:['’]s| is) (?:the|my) question\b"
    r"|\byour only resources?(?:\(s\))?\b"
    r"|\bby (?:primarily )?(?:using|relying on|drawing conclusions from|basing your answers? (?:off of|on))\b"
    r"|\b(?:the )?(?:information|details)(?: that (?:is|are))? (?:stated|shown|given)(?: only)? in\b",
    re.IGNORECASE,
)
"""Parts of a question about answering rather than its subject: who "you" are, what to use."""
