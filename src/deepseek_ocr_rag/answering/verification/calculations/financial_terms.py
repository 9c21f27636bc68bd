"""Ratios and sums by their names: which line items of the statements they are made of.

The definitions are those of introductory textbooks (Brealey, Myers and Allen, "Principles of
Corporate Finance", chapter on financial analysis); where two are common, both stand in the table.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from ....text.terms import terms, with_stems

__all__ = ["Formula", "LineItem", "formulas_asked", "is_term_word"]

_TERMS: Final = """
    return on assets; roa = net income / total assets
    return on assets; roa = net income / average total assets
    return on equity; roe = net income / total equity
    return on equity; return on average equity; roe = net income / average total equity
    return on capital employed; roce = operating income / total assets - total current liabilities
    gross margin; gross profit margin = gross profit / revenue
    operating margin; operating profit margin; operating income margin = operating income / revenue
    net margin; net profit margin; net income margin; profit margin = net income / revenue
    ebitda margin = operating income + depreciation and amortization / revenue
    ebitda = operating income + depreciation and amortization
    effective tax rate; effective tax ratio = income tax / income before tax
    current ratio = total current assets / total current liabilities
    working capital; working capital ratio = total current assets / total current liabilities
    quick ratio; acid test = total current assets - inventory / total current liabilities
    quick ratio = cash and cash equivalents + receivables / total current liabilities
    cash ratio = cash and cash equivalents / total current liabilities
    working capital; net working capital = total current assets - total current liabilities
    operating cash flow ratio = operating cash flow / total current liabilities
    cash flow to debt; cash flow to total debt = operating cash flow / total debt
    free cash flow; fcf = operating cash flow - capital expenditure
    free cash flow conversion; fcf conversion; cashflow conversion = operating cash flow - capital expenditure / net income
    asset turnover = revenue / average total assets
    asset turnover = revenue / total assets
    fixed asset turnover = revenue / average property and equipment
    inventory turnover = cost of goods sold / average inventory
    inventory turnover = cost of goods sold / inventory
    receivables turnover = revenue / average receivables
    days payable outstanding; dpo = 365 average accounts payable / cost of goods sold + change in inventory
    days payable outstanding; dpo = 365 accounts payable / cost of goods sold
    days inventory outstanding; dio = 365 average inventory / cost of goods sold
    days sales outstanding; dso = 365 average receivables / revenue
    interest coverage; times interest earned = operating income / interest expense
    debt to equity = total debt / total equity
    debt ratio; debt to assets = total liabilities / total assets
    total debt = long-term debt + current portion of long-term debt
    capitalization ratio = long-term debt + current portion of long-term debt / long-term debt + current portion of long-term debt + total equity
    dividend payout; payout ratio = dividends paid / net income
    capital expenditure to revenue; capex to revenue = capital expenditure / revenue
"""

_ITEMS: Final = """
    net income = net income | net earnings | net profit | profit for the year
    revenue = total net revenue | total net sales | total revenue | net revenue | net sales | revenue | sales
    gross profit = gross profit | gross margin
    operating income = operating income | income from operations | operating profit
    total assets = total assets
    total equity = total shareholders equity | total stockholders equity | total equity | shareholders equity | stockholders equity
    total current assets = total current assets
    total current liabilities = total current liabilities
    total liabilities = total liabilities
    income tax = income tax expense | provision for income taxes | income taxes | income tax
    income before tax = earnings before income tax | income before income taxes | income before provision for income taxes | income before taxes | profit before tax
    operating cash flow = net cash provided by operating activities | cash provided by operating activities | cash from operating activities | total cash provided by operating activities
    capital expenditure = purchases of property and equipment | additions to property plant and equipment | purchases of property plant and equipment | capital expenditures
    depreciation and amortization = depreciation amortization and accretion | depreciation and amortization | depreciation amortization | depreciation
    cash and cash equivalents = cash and cash equivalents | cash
    receivables = accounts receivable | trade receivables | receivables
    inventory = inventories | merchandise inventories | inventory
    accounts payable = accounts payable | trade payables
    cost of goods sold = cost of goods sold | cost of sales | cost of revenues | cost of revenue
    change in inventory = change in inventories | inventories
    interest expense = interest expense
    long-term debt = long-term debt | total debt | debt and capital lease obligations
    current portion of long-term debt = current portion of long-term debt | current maturities of long-term debt | short-term debt
    total debt = total debt | long-term debt | debt and capital lease obligations
    property and equipment = net property and equipment | property plant and equipment net | property and equipment
    dividends paid = dividends paid | cash dividends
"""

_QUOTIENT: Final = re.compile(
    r"\b(?:defined as:?|is|are|what is|of|between) (?P<a>[^/?.:;,]{3,60}?) (?:to|/|divided by|over) "
    r"(?P<b>[^/?.:;,]{3,60}?)(?= (?:ratio|for|of|in|at|as)\b|[?.,;]|$)",
    re.IGNORECASE,
)
_DEFINED: Final = re.compile(
    r"\bdefined as:? (?P<a>[^?.;:]{3,80}?) ?(?P<sign>/|divided by|less|minus|plus) ?(?P<b>[^?.;:]{3,80})",
    re.IGNORECASE,
)
_SIGN: Final = re.compile(r"\s([+-])\s")
LONGEST_QUESTION: Final = 1000
"""Characters of a question in which a formula is looked for."""


@dataclass(frozen=True, slots=True)
class LineItem:
    """A row of a statement, by the words that its label may have."""

    phrases: tuple[frozenset[str], ...]  # stems; the first phrase that some row has counts
    sign: int = 1
    is_average: bool = False  # whether the mean of this year and the one before is meant


@dataclass(frozen=True, slots=True)
class Formula:
    """A sum of line items, or a quotient of two sums."""

    name: frozenset[str]  # the terms that name it
    numerator: tuple[LineItem, ...]
    denominator: tuple[LineItem, ...]  # empty for a sum
    factor: int = 1


def formulas_asked(text: str) -> tuple[Formula, ...]:
    """The formulas that a question names or defines, the most specific first."""
    text = " ".join(text[:LONGEST_QUESTION].split())
    asked = _stems(text)
    found = []
    for pattern in (_DEFINED, _QUOTIENT):
        for match in pattern.finditer(text):
            sign = match.groupdict().get("sign") or "/"
            written = {"less": "-", "minus": "-", "plus": "+"}.get(sign.casefold(), "/")
            name = frozenset(terms(match[0]))
            found.append(_formula(name, f"{match['a']} {written} {match['b']}"))
    order = " ".join(with_stems(terms(text))[len(terms(text)) :])
    named = [
        (len(words), _formula(frozenset(terms(name)), definition))
        for names, definition in _DEFINITIONS
        for name in names
        if (words := _stems(name)) <= asked
        and " ".join(with_stems(terms(name))[len(terms(name)) :]) in order
    ]
    longest = max((length for length, _ in named), default=0)
    return (*found, *(formula for length, formula in named if length == longest))


def is_term_word(term: str) -> bool:
    """Whether a term only names a kind of figure, such as "ratio"."""
    return term in _NAMING


def _formula(name: frozenset[str], definition: str) -> Formula:
    above, _, below = definition.partition(" / ")
    factor = re.match(r"([0-9]+) ", above)
    above = above[factor.end() :] if factor else above
    return Formula(name, _sum(above), _sum(below) if below else (), int(factor[1]) if factor else 1)


def _sum(text: str) -> tuple[LineItem, ...]:
    parts = _SIGN.split(f" + {text.strip()}")[1:]
    items: list[LineItem] = []
    for sign, name in zip(parts[::2], parts[1::2], strict=True):
        bare = re.sub(r"^(?:the|average|total average)\s", "", name.strip().casefold())
        is_average = "average" in name.casefold().split()[:2]
        value = 1 if sign == "+" else -1
        expanded = _SUMS.get(bare)
        if expanded:
            items += (LineItem(i.phrases, i.sign * value, is_average) for i in _sum(expanded))
        else:
            items.append(LineItem(_phrases(bare), value, is_average))
    return tuple(items)


def _phrases(name: str) -> tuple[frozenset[str], ...]:
    same = next((known for known in _KNOWN_ITEMS if name in known), None) or (
        next((known for known in _KNOWN_ITEMS if _stems(name) == _stems(known[0])), (name,))
    )
    return tuple(dict.fromkeys(filter(None, map(_stems, same))))


def _stems(text: str) -> frozenset[str]:
    found = [term for term in terms(text) if term not in _SMALL]
    return frozenset(with_stems(found)[len(found) :])


_SMALL: Final = frozenset(("the", "of", "and", "for", "in", "s", "a", "by", "to", "from", "on"))
_NAMING: Final = frozenset(
    terms("ratio margin rate metric turnover return average net total value")
)
_KNOWN_ITEMS: Final = tuple(
    (name.strip(), *(phrase.strip() for phrase in phrases.split("|")))
    for line in _ITEMS.strip().splitlines()
    for name, _, phrases in [line.partition("=")]
)
_DEFINITIONS: Final = tuple(
    (tuple(name.strip() for name in names.split(";")), definition.strip())
    for line in _TERMS.strip().splitlines()
    for names, _, definition in [line.partition("=")]
)
_SUMS: Final = {
    name: definition
    for names, definition in _DEFINITIONS
    for name in names
    if " / " not in definition and name != "total debt"
}
