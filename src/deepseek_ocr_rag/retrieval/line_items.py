"""Which line items of a financial statement a named measure is calculated from.

A statement has "Net income" and "Total assets" and never "return on assets". The table is
small on purpose: standard measures with their usual operands, and the other names of the
statements themselves.
"""

from __future__ import annotations

import re
from typing import Final

from ..text.terms import search_terms

__all__ = ["related_items"]

_INCOME: Final = "net income; net earnings"
_REVENUE: Final = "revenue; net sales"
_COST: Final = "cost of sales; cost of goods sold; cost of revenue"
_EQUITY: Final = "total equity; total shareholders' equity; stockholders' equity"
_OPERATING: Final = "operating income; income from operations"
_CURRENT: Final = "total current assets; total current liabilities"
_OPERATIONS: Final = "net cash provided by operating activities"
_PROPERTY: Final = "purchases of property and equipment; additions to property, plant and equipment"
_DEBT: Final = "long-term debt; current portion of long-term debt; short-term debt"
_TAX: Final = "income tax expense; provision for income taxes; earnings before income taxes"

_ITEMS: Final = {
    # Names as in questions, as regular expressions; line items as in statements.
    r"return on (?:total |average )?assets|roa": f"{_INCOME}; total assets",
    r"return on (?:average |shareholders['’]? )?equity|roe": f"{_INCOME}; {_EQUITY}",
    r"return on (?:capital employed|invested capital)|roce|roic": (
        f"{_OPERATING}; total assets; total current liabilities"
    ),
    r"working capital|current ratio": _CURRENT,
    r"quick ratio|acid[- ]test": f"{_CURRENT}; cash and cash equivalents; receivables; inventories",
    r"gross (?:profit )?margins?|gross profit": f"gross profit; {_REVENUE}; {_COST}",
    r"operating (?:profit )?margins?": f"{_OPERATING}; {_REVENUE}",
    r"(?:net )?profit margins?|net margins?": f"{_INCOME}; {_REVENUE}",
    r"effective tax(?: rate| ratio)?": _TAX,
    r"capital expenditures?|capex": _PROPERTY,
    r"free cash ?flows?|fcf": f"{_OPERATIONS}; {_PROPERTY}",
    r"(?:operating )?cash ?flow (?:ratio|to)|cash from operations": _OPERATIONS,
    r"days payables? outstanding|dpo": f"accounts payable; inventories; {_COST}",
    r"days sales outstanding|dso": f"accounts receivable; {_REVENUE}",
    r"days inventor(?:y|ies) outstanding|dio|inventory turnover": f"inventories; {_COST}",
    r"(?:fixed )?asset turnover": f"{_REVENUE}; total assets; property and equipment, net",
    r"interest coverage|ebit": f"{_OPERATING}; interest expense",
    r"ebitda": f"{_OPERATING}; depreciation and amortization",
    r"total debt|debt[- ]to[- ]equity|capitali[sz]ation ratio": f"{_DEBT}; {_EQUITY}",
    r"dividend payout": f"dividends paid; {_INCOME}",
    r"pp&?n?e": "property, plant and equipment, net",
    r"eps": "earnings per share",
    r"top[- ]line": _REVENUE,
    r"bottom[- ]line": _INCOME,
    r"balance sheet": "statement of financial position",
    r"statements? of financial position": "balance sheets",
    r"income statement": "statements of income; statements of operations; statements of earnings",
    r"statements? of (?:income|operations|earnings)|profit and loss": "income statement",
    r"cash ?flow statement": "statements of cash flows",
}
_PATTERNS: Final = tuple(
    (re.compile(rf"(?<!\w)(?:{name})(?!\w)", re.IGNORECASE), items)
    for name, items in _ITEMS.items()
)


def related_items(question: str) -> list[str]:
    """The search terms of the line items that a question's measures are calculated from.

    Each term once; none that the question has itself.
    """
    found = dict.fromkeys(
        term
        for pattern, items in _PATTERNS
        if pattern.search(question)
        for term in search_terms(items, function_words=False)
    )
    return [term for term in found if term not in search_terms(question)]
