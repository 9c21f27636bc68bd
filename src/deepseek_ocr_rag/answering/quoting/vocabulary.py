"""Collects the words of all documents, and finds the names of a question that none of them has."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Final

from ...retrieval.line_items import ITEMS, MEASURES
from ...retrieval.query import parse_query
from ...text.languages import languages, languages_of_texts
from ...text.plain_text import plain_text
from ...text.terms import terms
from ..verification.statements import equivalent_words
from .asked_names import AskedName, asked_names, is_abbreviation
from .asked_words import asked_words
from .name_words import INFLECTS_NAMES

__all__ = ["Vocabulary", "names_of", "years_of"]

_WORD: Final = re.compile(r"[^\W\d_]+")
_APOSTROPHE: Final = re.compile("['’]")
_BARRED: Final = str.maketrans("łøđ", "lod")

_DIGRAPHS: Final = str.maketrans({"ä": "ae", "å": "aa", "ö": "oe", "ø": "oe", "ü": "ue", "æ": "ae"})

_OTHER_SCRIPT: Final = re.compile(r"[^\W\d_A-Za-z\u00aa-\u02af\u1e00-\u1eff]{2,}")
"""A word in other letters than Latin ones."""

_SHORTEST_STEM: Final = 4
_LONGEST_ENDING: Final = 3
"""Fewest letters of a name that stay, and most that change, if a language inflects it."""

_SHORTEST_PART: Final = 6
"""Fewest letters of a name that counts as present within a longer word, such as a web address."""

_BETWEEN: Final = r"\W{1,3}(?:\w{1,3}\W{1,3})?"
"""Between the words that an abbreviation stands for, one short word such as "of" is allowed."""

_MEASURE_TERMS: Final = frozenset(
    term
    for text in (
        *(f"{measure.name} {measure.definition}" for measure in MEASURES),
        *(label for item, labels in ITEMS.items() for label in (item, *labels)),
    )
    for term in terms(text)
)
"""Words of "Return on Assets", which a question may capitalise."""

_YEAR: Final = re.compile(r"(?<![0-9.,])(?:FY\s?)?((?:19|20)[0-9]{2})(?![0-9])")
_SHORTEST_NAME: Final = 3


def names_of(question: str) -> tuple[str, ...]:
    """The names in a question, without roles, currencies and names of measures.

    There are none if the question may be in a language that capitalises nouns.
    """
    if not languages(parse_query(question).asked).isdisjoint(("de", "zh")):
        return ()
    return tuple(
        word
        for name in asked_names(question)
        for word in name.words
        if len(word) >= _SHORTEST_NAME and not _MEASURE_TERMS.issuperset(terms(word))
    )


def years_of(question: str) -> tuple[str, ...]:
    """The years that a question names."""
    return tuple(dict.fromkeys(_YEAR.findall(parse_query(question).asked)))


class Vocabulary:
    """All words of some texts; nothing is counted before the first question.

    Args:
        texts: With their headings and the names of their documents.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self._texts = tuple(texts)

    @cached_property
    def _terms(self) -> frozenset[str]:
        return frozenset(term for text in self._texts for term in terms(plain_text(text)))

    @cached_property
    def _letters(self) -> str:
        """The letters and digits of all texts, in lower case, and nothing else."""
        return "\n".join(re.sub(r"[\W_]+", "", text.casefold()) for text in self._texts)

    @cached_property
    def _unmarked(self) -> frozenset[str]:
        return frozenset(form for term in self._terms for form in _other_spellings(term))

    @cached_property
    def _small(self) -> frozenset[str]:
        """The words that occur somewhere without a capital."""
        found = (word for text in self._texts for word in _WORD.findall(plain_text(text)))
        return frozenset(word for word in found if word.islower())

    @cached_property
    def _has_other_scripts(self) -> bool:
        """Whether the texts may write a name in another script: Москва is Moskva."""
        return any(_OTHER_SCRIPT.search(text) for text in self._texts)

    @cached_property
    def _languages(self) -> frozenset[str]:
        return languages_of_texts(self._texts)

    def lacking_names(self, question: str) -> tuple[AskedName, ...]:
        """The names in a question that occur in none of the texts, in any known form.

        At least half of the words of a name must be missing. Inflected and misread forms count
        as present, and so do the words that an abbreviation stands for. None is ``certain`` to be a
        name if the texts are in other languages, which may have another name for the same thing, or
        if they write other capitalised words of the question without a capital.
        """
        spoken = languages(parse_query(question).asked)
        names = asked_names(question)
        found = []
        for name in names:
            lacking = [word for word in name.words if self._lacks(word, spoken)]
            if lacking and len(lacking) * 2 >= name.size:
                found.append(name)
        # A question that capitalises one ordinary noun may capitalise others.
        certain = all(name.certain or is_abbreviation(name.words[0]) for name in found)
        if not certain or self._explains_capitals(names, spoken):
            found = [replace(name, certain=False) for name in found]
        return tuple(found)

    def missing_names(self, question: str) -> tuple[str, ...]:
        """Those of :meth:`lacking_names` that are certain to be names."""
        found = self.lacking_names(question)
        return tuple(dict.fromkeys(name.text for name in found if name.certain))

    def missing_words(self, question: str) -> tuple[str, ...]:
        """The content words of a question that occur in none of the texts in any form.

        They are returned as the question writes them, see :func:`asked_words`.
        """
        missing = {w: t for w, t in asked_words(question).items() if t not in self._terms}
        known = equivalent_words(missing.values(), self._terms) if missing else {}
        return tuple(word for word, term in missing.items() if not known[term])

    def _explains_capitals(self, names: Sequence[AskedName], spoken: frozenset[str]) -> bool:
        """Whether the texts have a capitalised word in lower case, or use other languages or scripts."""
        words = {word.lower() for name in names for word in name.words if not is_abbreviation(word)}
        if not words.isdisjoint(self._small) or (names and self._has_other_scripts):
            return True
        return bool(names and self._languages) and self._languages.isdisjoint(spoken)

    def _lacks(self, name: str, spoken: frozenset[str]) -> bool:
        # "Orlen'a" is a Polish form of Orlen, and "Neill" is a part of "O'Neill".
        wanted = terms(max(_APOSTROPHE.split(name), key=len))
        missing = [term for term in wanted if term not in self._terms]
        if not missing:
            return False
        if sum(map(str.isupper, name)) > 1:
            return not self._stands_for(name)
        known = equivalent_words(missing, self._terms)
        return any(
            not known[term]
            and self._unmarked.isdisjoint(_other_spellings(term))
            and not self._is_part(term)
            and not (spoken & INFLECTS_NAMES and self._is_inflected(term))
            for term in missing
        )

    def _is_inflected(self, term: str) -> bool:
        """Whether a word of the texts differs only in its last letters."""
        plain = _without_marks(term)
        stem = plain[: max(_SHORTEST_STEM, len(plain) - _LONGEST_ENDING)]
        longest = len(stem) + _LONGEST_ENDING
        return len(plain) >= _SHORTEST_STEM and any(
            word.startswith(stem) and len(word) <= longest for word in self._unmarked
        )

    def _is_part(self, term: str) -> bool:
        return len(term) >= _SHORTEST_PART and term in self._letters

    def _stands_for(self, abbreviation: str) -> bool:
        """Whether consecutive words begin with the capitals of an abbreviation."""
        letters = re.sub(r"[\W_]+", "", abbreviation.casefold())
        if len(letters) >= _SHORTEST_PART and letters in self._letters:
            return True
        capitals = [letter for letter in abbreviation if letter.isupper()]
        written = re.compile(
            r"\b" + _BETWEEN.join(rf"{re.escape(letter.casefold())}\w*" for letter in capitals)
        )
        return any(written.search(text.casefold()) for text in self._texts)


def _other_spellings(term: str) -> tuple[str, str]:
    """The spellings without accents, as on a keyboard that has none: Muller and Mueller."""
    return _without_marks(term), _without_marks(term.translate(_DIGRAPHS))


def _without_marks(term: str) -> str:
    """Remove accents: Zürich and Zurich, Łódź and Lodz are the same place."""
    apart = unicodedata.normalize("NFD", term.translate(_BARRED))
    return "".join(letter for letter in apart if not unicodedata.combining(letter))
