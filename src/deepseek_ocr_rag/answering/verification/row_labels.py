"""Labels of table rows, and which of them a text names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import Final

from ...document.table_heads import cells_of_row
from ...text.plain_text import plain_text
from ...text.terms import content_terms, terms
from .citable_units import CitableUnit

__all__ = ["TOTAL", "NamedRows", "label_terms"]

_AMOUNT: Final = re.compile(
    r"[($€£¥ -]*[0-9]{1,3}(?:,[0-9]{3})*(?:[).% ]+|[$€£¥].*)?|[($€£¥ -]+[0-9].*|[0-9.,]+ ?%"
)
_COUNT: Final = re.compile(r"\([^()]{0,20}[0-9][^()]{0,20}\)")

_SIGN: Final = re.compile(r"^(?:less|plus|add):?\s+(?!than\b)(?=[^\W\d_])", re.IGNORECASE)
"""Stands before a line item that is subtracted or added: "Less valuation allowances"."""

_REMARK: Final = re.compile(r"\([^()]{1,60}\)")

TOTAL: Final = frozenset(terms("all net other total"))
"""Words of labels that name no row by themselves."""


@lru_cache(maxsize=2**11)
def label_terms(row: str, *, remarks: bool = True) -> frozenset[str]:
    """The terms of the first cell that says what a row is, without notes: "(2)", "(n=612)".

    No cell does in a row that begins with an amount; a number of one or two digits counts the rows.

    Args:
        row: In the markup of its page.
        remarks: Whether to include words in parentheses: "provided by (used in)".
    """
    for cell in cells_of_row(row):
        label = _SIGN.sub("", _COUNT.sub(" ", plain_text(cell)).strip())
        if not remarks and any(map(str.isalpha, bare := _REMARK.sub(" ", label).strip())):
            label = bare
        found = frozenset(content_terms(label))
        if _AMOUNT.fullmatch(label):
            return frozenset()
        if found and not (label.isdigit() and len(label) < 3):
            return found
    return frozenset()


class NamedRows:
    """Which rows a text names.

    Args:
        said: The terms of the text, with equivalents that the sources have.
        texts: The texts.
    """

    def __init__(self, said: frozenset[str], texts: Sequence[str]) -> None:
        self._said = said
        self._counts = [Counter(content_terms(text)) for text in texts]

    def said_among(self, found: Collection[str]) -> set[str]:
        """Those of some terms of the sources that the text has."""
        return {*found} & self._said

    def is_named(self, label: frozenset[str]) -> bool:
        """Whether the text has a whole label; words such as "total" may be missing."""
        return label <= self._said | TOTAL and not label <= TOTAL

    def is_named_instead(self, other: CitableUnit, row: CitableUnit) -> bool:
        """Whether the text names another row rather than this one."""
        label, rival = label_terms(row.text), label_terms(other.text)
        known, known_rival = label & self._said, rival & self._said
        if not label or label == rival:
            return False
        bare, bare_rival = (label_terms(each.text, remarks=False) for each in (row, other))
        if not bare <= self._said and self.is_named(bare_rival):
            return len(bare_rival) >= len(known)
        # "Diluted" below "Shares used in the computation of" says more than its label.
        if not (row.terms_above - other.terms_above - rival).isdisjoint(self._said):
            return False
        if known == label:
            return self.is_named(rival) and self._is_meant(label, rival)
        if bare <= self._said:
            return self.is_named(rival) and bare <= rival
        # Some labels have a word that nobody repeats: "RθJA Junction-to-ambient resistance".
        nearly = len(known_rival) > 1 and len(rival - known_rival) == 1 < len(label - known)
        return nearly and known < known_rival

    def _is_meant(self, label: frozenset[str], longer: frozenset[str]) -> bool:
        """Whether a longer label is meant where the text has all words of both."""
        if not label < longer:
            return False
        return any(
            not all(counts[word] > 1 for word in label)
            for counts in self._counts
            if longer <= counts.keys()
        )
