"""Word lists that depend on the language; add another language here."""

from __future__ import annotations

from typing import Final

__all__ = [
    "ABBREVIATIONS",
    "ABBREVIATIONS_BEFORE_NUMBERS",
    "AMBIGUOUS_MONTHS",
    "COMPOUND_STARTS",
    "FUNCTION_WORDS",
    "MONTHS",
    "MONTH_NAMES",
    "NUMBER_PRONOUNS",
    "NUMBER_WORDS",
    "SCALE_WORDS",
    "TENS_WORDS",
    "folded",
]


def folded(word: str) -> str:
    """Return a word that a case-insensitive pattern found, in the form that these lists have.

    Such a pattern takes ``ı`` and ``İ`` for an "i", which :meth:`str.casefold` does not.
    """
    return word.casefold().replace("i\u0307", "i").replace("ı", "i")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_MONTH_NAMES: Final = """
    january januar jänner janvier enero gennaio janeiro januari styczeń stycznia styczniu январь января январе
    february februar février febrero febbraio fevereiro februari luty lutego lutym февраль февраля феврале
    march märz mars marzo março maart marts marzec marcu март марта марте
    april avril abril aprile kwiecień kwietnia kwietniu апрель апреля апреле
    may mai mayo maggio maio mei maj maja maju май мая мае
    june juni juin junio giugno junho czerwiec czerwca czerwcu июнь июня июне
    july juli juillet julio luglio julho lipiec lipca lipcu июль июля июле
    august août agosto augustus augusti sierpień sierpnia sierpniu август августа августе
    september septembre septiembre settembre setembro wrzesień września wrześniu сентябрь сентября сентябре
    october oktober octobre octubre ottobre outubro październik października październiku октябрь октября октябре
    november novembre noviembre novembro listopad listopada listopadzie ноябрь ноября ноябре
    december dezember décembre diciembre dicembre dezembro desember grudzień grudnia grudniu декабрь декабря декабре
"""
_SHORT_MONTHS: Final = "jan; feb; mar; apr; ; jun; jul; aug; sep sept; oct okt; nov; dec dez"
MONTH_NAMES: Final = {
    name: number
    for number, line in enumerate(_MONTH_NAMES.strip().splitlines(), start=1)
    for name in line.split()
}
"""Names of months in eleven European languages, lower case, with their numbers. Polish "marca" is left out:
in Spanish it is a brand."""

MONTHS: Final = MONTH_NAMES | {
    name: number
    for number, names in enumerate(_SHORT_MONTHS.split(";"), start=1)
    for name in names.split()
}
"""The same, with their short forms."""

AMBIGUOUS_MONTHS: Final = frozenset(("may", "march", "mar"))
"""Names of months that are also other words when they are not capitalised."""

_COUNTED: Final = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen",
    "null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf",
)
NUMBER_WORDS: Final = {
    word: value for words in _COUNTED for value, word in enumerate(words.split())
}
"""English words for 0 to 19 and German ones for 0 to 12."""

_DECADES: Final = "twenty thirty forty fifty sixty seventy eighty ninety"
TENS_WORDS: Final = {word: 10 * value for value, word in enumerate(_DECADES.split(), start=2)}
"""English words for the tens from 20 to 90."""

NUMBER_PRONOUNS: Final = frozenset(("one", "eins", "null"))
"""Number words that often do not count anything: "this one"."""

SCALE_WORDS: Final = {
    "thousand": 3, "million": 6, "billion": 9, "trillion": 12, "mn": 6, "bn": 9,
    "tausend": 3, "millionen": 6, "milliarden": 9, "mio": 6, "mrd": 9,
}  # fmt: skip
"""Words that scale the number before them, with their power of ten."""

ABBREVIATIONS: Final = _words("""
    mr mrs ms dr prof st vs ed eds al approx inc ltd co corp bzw ca vgl hrsg
    jan feb mar apr jun jul aug sep sept oct nov dec
""")
"""Words whose full stop does not end a sentence."""

ABBREVIATIONS_BEFORE_NUMBERS: Final = _words("""
    no nos fig figs eq sec ch vol pp nr abb tab bd art
""")
"""The same, but only before a number."""

FUNCTION_WORDS: Final = _words("""
    a about also an and any are as at be been being but by can could did do does doing for from
    had has have having he her hers him his how i if in into is it its me my no nor not of on or
    our she should so some such than that the their them then there these they this those to us
    was we were what when where which who whom whose why will with would you your
""")
"""English function and question words. The search index holds them; only questions leave them out.
Search needs no lists for other languages, because BM25 gives little weight to a term that many
texts contain; :mod:`.stop_words` has such lists for other purposes."""

COMPOUND_STARTS: Final = _words("""
    all cross double ex full half high inter large left long low mid multi near non on one open
    post pre right self semi short single small so third two well year
""")
"""First parts of English compounds that usually keep their hyphen."""
