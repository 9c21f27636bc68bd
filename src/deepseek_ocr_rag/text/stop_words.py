"""Function words of eleven languages: the lists that bm25s contains, and words that they lack.

bm25s is under the MIT licence. Its lists come from the Snowball project (snowballstem.org) and lack
most question words.
"""

from __future__ import annotations

import importlib
import logging
import sys
import warnings
from functools import lru_cache
from types import ModuleType
from typing import Final

from .terms import terms

__all__ = ["LANGUAGES", "quiet_bm25s", "stop_words"]

_LISTS: Final = {
    "en": ("EN", "EN_PLUS"),
    "de": ("GERMAN",),
    "nl": ("DUTCH",),
    "fr": ("FRENCH",),
    "es": ("SPANISH",),
    "pt": ("PORTUGUESE",),
    "it": ("ITALIAN",),
    "sv": ("SWEDISH",),
    "no": ("NORWEGIAN",),
    "ru": ("RUSSIAN",),
    "pl": (),
}

LANGUAGES: Final = tuple(_LISTS)
"""ISO 639-1 codes. ``no`` also stands for Danish, which has nearly the same function words."""

_FURTHER: Final = {
    "en": "whose many much often please",
    "de": """wer wen wem wessen wann warum wieso weshalb wohin woher womit wofür wodurch worin wovon
        woran wieviel wieviele viele vielen gibt gab geben darf dürfen kannst soll sollen muss müssen
        pro je seit ab laut bitte""",
    "nl": """hoeveel wanneer waar waarom waarheen welk welke wiens zijn worden mag mogen moeten per
        sinds volgens tijdens tussen zich""",
    "fr": """quand comment combien pourquoi où quoi quel quelle quels quelles lequel laquelle dont
        est-ce depuis entre chez sans sous si cette cet aussi plus moins""",
    "es": """cuánto cuánta cuántos cuántas cuándo cuál cuáles quién quiénes cómo dónde adónde según
        por cada sea este esta estos estas""",
    "pt": """quanto quanta quantos quantas onde porque porquê qual quais cada segundo sob desde
        este esta estes estas""",
    "it": """quando chi cosa come perché quali qual cos dove quel ogni prima dopo senza secondo""",
    "sv": """hur när varför vart varifrån många mycket bör får måste finns enligt per blir""",
    "no": """hvordan hvorfor hvilket hvornår mye får må finnes ifølge per mellem ikke efter""",
    "ru": """почему сколько откуда каков какова каково каковы какие какого каких который которая
        которое которые является""",
    "pl": """a aby albo ale bez bo być był była było były będzie będą bym byś by co czego czemu czy
        czyj czyja czyje dla dlaczego do dokąd dzięki gdy gdyby gdzie go i ich ich ile im ilu jak
        jaka jaki jakie jakich jakim jaką jakiego jakiej jako je jednak jego jej jemu jest jestem
        jeśli jeżeli ją kiedy kim kogo komu kto która którą które którego której który których
        którym którzy lub ma mają mam masz mi mnie może mogą można mu musi musimy na nad nam nami nas
        nie niego niej nich nim niż o od oraz pan pana pani państwa państwo po pod poza przed przez
        przy się są skąd sobie ta tak także tam te tego tej temu ten to tu tych tym tylko u w we wam was
        według wolno z za ze że żeby""",
}
"""Question words and others that Snowball's lists lack. It has no list for Polish, so the whole list
is here."""


def quiet_bm25s() -> ModuleType:
    """Import bm25s without its debug log and its warning about missing notebook widgets."""
    if "bm25s" in sys.modules:
        return sys.modules["bm25s"]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "IProgress not found")
        module = importlib.import_module("bm25s")
    logging.getLogger("bm25s").setLevel(logging.WARNING)
    return module


@lru_cache
def stop_words(language: str) -> frozenset[str]:
    """Return the function words of a language, in the form of :func:`~.terms.terms`.

    Args:
        language: One of :data:`LANGUAGES`.
    """
    quiet_bm25s()
    lists = importlib.import_module("bm25s.stopwords")
    listed: list[str] = _FURTHER[language].split()
    for name in _LISTS[language]:
        listed += getattr(lists, f"STOPWORDS_{name}")
    return frozenset(term for word in listed for term in terms(word))
