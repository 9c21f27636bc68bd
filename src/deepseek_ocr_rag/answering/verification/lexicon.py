"""The words, by language, that the checks of answers know.

To add a language, add its words here and in :mod:`.calculations.operation_words`.
"""

from __future__ import annotations

import re
from typing import Final, Literal

from ...retrieval.query_lexicon import MEASURES
from ...text.terms import terms, with_stems

__all__ = [
    "ABSENCE_NEGATION",
    "ABSENCE_WORDS",
    "ANY_UNIT",
    "ARTICLES",
    "CLAUSE_BREAKS",
    "CONJUNCTIONS",
    "CONTEXT_DEPENDENT",
    "FRAME_WORDS",
    "GERMAN_NOT_NAMES",
    "GERMAN_WORDS",
    "JOINING_WORDS",
    "LEVEL_JOINTS",
    "MEASURE_WORDS",
    "NEGATION",
    "NOT_NAMES",
    "OPENING_PRONOUN",
    "PART_JOINTS",
    "SHORT_FORMS",
    "UNIT_WORDS",
    "YES_OR_NO",
    "Direction",
    "direction",
]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# --- facts ------------------------------------------------------------------------------

GERMAN_WORDS: Final = _words("""
    aus auch bei das dem der ein eine einen einer für ist mit nach nicht oder sind und werden
    wird wurde zum zur
""")
"""Lower-case words that only German has. German capitalises every noun, so a single capital does
not show a name."""

GERMAN_NOT_NAMES: Final = GERMAN_WORDS | {"am", "den", "die", "es", "im", "sie", "vom", "wenn"}

NOT_NAMES: Final = _words("""
    after although because before between during each except if not once since through unless
    until when whether while within
""")
"""Words that are capitalised only because a line or a list item begins with them."""

# --- words of statements ----------------------------------------------------------------

FRAME_WORDS: Final = _words("""
    according answer based described document following here mentioned page provided say said
    section source state stated text yes
""")
"""Words about the answer itself."""

JOINING_WORDS: Final = frozenset(
    terms("""
    among amongst during each every however many may might much must need needed over possible respectively
    shall therefore thus upon using versus via vs whereas while
""")
)
"""Prepositions, conjunctions and modal words: search counts them, but they state nothing
that a source could lack."""

YES_OR_NO: Final = re.compile(
    r"\b(?:yes|no|ja|nein|oui|non|s[ií]|sim|não)\b|[是否对對不]|はい|いいえ", re.IGNORECASE
)
"""A word that answers a question by itself."""

_UNITS: Final = """
    v volt; mv millivolt; kv kilovolt; a ampere amp; ma milliampere; µa microampere; w watt; mw milliwatt
    kw kilowatt; hz hertz; khz kilohertz; mhz megahertz; ghz gigahertz; s sec second; ms msec millisecond
    µs microsecond; ns nanosecond; h hr hour; m meter metre; mm millimeter millimetre
    cm centimeter centimetre; km kilometer kilometre; in inch; ft foot feet; kg kilogram; g gram
    mg milligram; lb pound; l liter litre; ml milliliter millilitre; c celsius; f fahrenheit; k kelvin
    pa pascal; kpa kilopascal; ohm ω; pf picofarad; nf nanofarad; µf uf microfarad; mb megabyte
    gb gigabyte; kb kilobyte; fps frame; rpm revolution; db decibel
"""
_SHORT_FORMS: Final = """
    min minimum; max maximum; typ typical; nom nominal; avg average; qty quantity; temp temperature
    freq frequency; incl including; excl excluding
"""


def _alike(text: str) -> dict[str, frozenset[str]]:
    groups = [terms(group) for group in text.replace(";", "\n").splitlines()]
    return {term: frozenset(group) for group in groups for term in group}


SHORT_FORMS: Final = _alike(_SHORT_FORMS)
"""Maps a word to its short form in the head of a table, and back."""

MEASURE_WORDS: Final = _alike(";".join(f"{word} {nouns}" for word, nouns in MEASURES.items()))
"""Maps the word that asks for a measure to the word that tables use for it, and back:
"How tall is it?" is answered below "Height (m)"."""

UNIT_WORDS: Final = _alike(_UNITS)
"""Maps the symbol or name of a unit of measurement to all its forms (SI Brochure, 9th edition,
section 5, and common abbreviations)."""

_TIME: Final = frozenset(
    terms("""
    second minute hour day week month year night sekunde sekunden minuten stunde stunden tag tage tagen
    woche wochen monat monate monaten jahr jahre jahren seconde heure jour semaine mois année nuit
    segundo minuto hora día semana mes año noche secondo ora giorno settimana mese anno notte uur dag
    dagen weken maand maanden jaar nacht minut timme dagar vecka veckor månad månader år natt time
    dage uge uger måned måneder godzina dzień dni tydzień miesiąc rok lat
    """)
)

_MONEY: Final = frozenset(
    terms("""
    cent dollar euro franc pence pound rupee yen yuan dollari dollaro dólar dólares euron franken kronen
    kroner kronor libra libras livre peso pesos pond reais sterlina sterline złoty złote złotych
    """)
)

ANY_UNIT: Final = frozenset(UNIT_WORDS) | _TIME | _MONEY
"""Units, including those of time and money: they do not say what a figure is about."""

# --- negation ---------------------------------------------------------------------------

NEGATION: Final = re.compile(
    r"""(?:\bno\b(?!\s(?:the|its?|this|that|these|those|they|there|we|he|she)\b)
    |\b(?:not|never|cannot|without|against|avoid(?:ing)?|nicht|niemals|ohne|kein(?:e[mnrs]?)?
    |niet|geen|nooit|zonder|pas|jamais|nunca|não|non(?!-)|senza|inte|ingen|inget|aldrig|utan|ikke|aldri|nie)\b
    |n['’]t\b)
    (?!\s?[,.!])""",
    re.IGNORECASE | re.VERBOSE,
)

ABSENCE_WORDS: Final = frozenset(
    terms("""
    answer available contain contained context detail document documents evidence find found given
    have include included information mention mentioned passage provide provided question say
    source sources specify specified state stated text there unfortunately
""")
)
"""A negated sentence of only these and the question's words says that nothing was found."""

ABSENCE_NEGATION: Final = re.compile(
    r"\b(?:not|no|nothing|cannot|neither|nor)\b|n['’]t\b", re.IGNORECASE
)

# --- parts of sentences -----------------------------------------------------------------

CLAUSE_BREAKS: Final = r"\b(?:vs|versus|while|whereas|compared (?:to|with))\b"
CONJUNCTIONS: Final = r"\b(?:and|or|to|vs|versus|und|oder|bis|et|ou|y|e|o)\b"

PART_JOINTS: Final[dict[str, str]] = {
    "en": "and but while whereas",
    "de": "und aber während sowie",
    "nl": "en maar terwijl",
    "fr": "et mais tandis",
    "es": "y pero mientras",
    "pt": "e mas enquanto",
    "it": "e ma mentre",
    "sv": "och men medan",
    "no": "og men mens",
    "ru": "и а но",
    "pl": "i a oraz ale",
}
"""By language, the conjunctions after which a sentence may go on with another figure."""

LEVEL_JOINTS: Final[dict[str, str]] = {
    "en": "to",
    "de": "auf bis",
    "nl": "tot naar",
    "fr": "à",
    "es": "a hasta",
    "pt": "para a",
    "it": "a",
    "sv": "till",
    "no": "til",
    "ru": "до",
    "pl": "do",
}
"""By language, the prepositions before the figure that something rose to."""

ARTICLES: Final = _words("""
    a an the der die das dem den des ein eine einem einen einer eines de het een le la les un une el los las
    unos unas il lo gli i uno una o os as um uma en ett et
""")

CONTEXT_DEPENDENT: Final = re.compile(
    r"""^(?:and|but|or|so|also|what\ about|how\ about|und|aber|oder|auch|et|mais|y|pero|e|ma)\b
    |\b(?:it|its|he|him|his|she|her|hers|they|them|their|this|that|these|those|there|then|one|ones
    |same|er|ihn|ihm|sie|ihr|ihre|ihren|sein|seine|seinen|es|dies|diese|dieser|dieses|das|davon|dort
    |darin|dessen|deren)\b""",
    re.IGNORECASE | re.VERBOSE,
)
"""Words in a question that may refer to the question before it."""

OPENING_PRONOUN: Final = re.compile(
    r"(?:It|They|He|She|This|These|Es|Er|Sie|Dies|Diese[rs]?|Il|Elle|Ils|Elles)\b(?!\s(?:is|ist)\s\w+\s(?:that|dass)\b)"
)
"""The beginning of a sentence that goes on about something in the sentence before it."""

# --- rise and fall ----------------------------------------------------------------------

Direction = Literal["up", "down"]

_DIRECTIONS: Final[dict[Direction, str]] = {
    "up": "climb gain grew grow growth grown increase rise risen rose",
    "down": "decline decrease drop dropped fall fallen fell reduce reduction shrank shrink",
}
_BY_STEM: Final[dict[str, Direction]] = {
    stem: moved
    for moved, words in _DIRECTIONS.items()
    for stem in with_stems(words.split())[len(words.split()) :]
}


def direction(term: str) -> Direction | None:
    """Whether a term says that something rose or fell; None for other terms."""
    return _BY_STEM.get(with_stems([term])[1])
