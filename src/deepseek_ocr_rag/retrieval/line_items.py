"""Lists the line items of financial statements, their names, and the measures made from them.

A statement has "Net income" and "Total assets", but never "return on assets". One table says what a
measure is calculated from. Search looks for its line items, and the check of an answer recomputes
the measure from them. The definitions are those of introductory textbooks (Brealey, Myers and Allen,
"Principles of Corporate Finance", chapter on financial analysis); where two are common, both are
in the table.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from ..text.terms import search_terms, terms, with_stems

__all__ = ["ITEMS", "MEASURES", "Measure", "measures_named", "related_items"]

_MEASURES: Final = """
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

_SYNONYMS: Final = {
    # Other names of line items and of statements, as regular expressions; only search needs them.
    r"pp&?n?e": "property, plant and equipment, net",
    r"eps": "earnings per share",
    r"top[- ]line": "revenue; net sales",
    r"bottom[- ]line": "net income; net earnings",
    r"capex|capital expenditures?": "purchases of property and equipment; additions to property, plant and equipment",
    r"effective tax": "income tax expense; provision for income taxes; earnings before income taxes",
    r"return on invested capital|roic": "operating income; total assets; total current liabilities",
    r"cash from operations": "net cash provided by operating activities",
    r"ebit": "operating income; income from operations",
    r"balance sheet": "statement of financial position",
    r"statements? of financial position": "balance sheets",
    r"income statement": "statements of income; statements of operations; statements of earnings",
    r"statements? of (?:income|operations|earnings)|profit and loss": "income statement",
    r"cash ?flow statement": "statements of cash flows",
}
_PATTERNS: Final = tuple(
    (re.compile(rf"(?<!\w)(?:{name})(?!\w)", re.IGNORECASE), items)
    for name, items in _SYNONYMS.items()
)
SEARCHED: Final = 3
"""How many labels of a line item search looks for; the usual ones come first."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A ratio or a sum of line items.

    ``definition`` is as in the table above: sums with `` + `` and `` - ``, one `` / `` at most, and
    a number before all of it or "average" before an item.
    """

    name: str
    definition: str

    @property
    def items(self) -> tuple[str, ...]:
        """The names of its line items."""
        parts = re.split(r" [-+/] ", re.sub(r"^[0-9]+ ", "", self.definition))
        return tuple(part.removeprefix("average ") for part in parts)


ITEMS: Final = {
    name.strip(): tuple(label.strip() for label in labels.split("|"))
    for line in _ITEMS.strip().splitlines()
    for name, _, labels in [line.partition("=")]
}
"""Maps each line item to the labels that statements use for it."""

MEASURES: Final = tuple(
    Measure(name.strip(), definition.strip())
    for line in _MEASURES.strip().splitlines()
    for names, _, definition in [line.partition("=")]
    for name in names.split(";")
)
"""The measures, each under each of its names."""


def measures_named(text: str) -> tuple[Measure, ...]:
    """The measures that a text names, in any inflection, in the order of the table."""
    said = f" {_stems(text)} "
    return tuple(m for m, stems in zip(MEASURES, _MEASURE_STEMS, strict=True) if stems in said)


def related_items(question: str) -> list[str]:
    """The search terms of the line items that a question's measures are calculated from.

    Each term comes once, and terms that the question has itself are left out.
    """
    labels = [
        label
        for measure in measures_named(question)
        for item in measure.items
        for label in ITEMS.get(item, (item,))[:SEARCHED]
    ]
    labels += [items for pattern, items in _PATTERNS if pattern.search(question)]
    found = search_terms("; ".join(labels), function_words=False) if labels else []
    asked = set(search_terms(question))
    return [term for term in dict.fromkeys(found) if term not in asked]


def _stems(text: str) -> str:
    found = terms(text)
    return " ".join(with_stems(found)[len(found) :])


_MEASURE_STEMS: Final = tuple(f" {_stems(measure.name)} " for measure in MEASURES)
