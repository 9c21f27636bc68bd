"""What axe-core finds wrong with a page of a browser."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

__all__ = ["violations"]

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}

AUDIT = "rules => axe.run(document, rules).then(found => found.violations.map(each => [each.id, ...each.nodes.map(node => `${node.html.slice(0, 200)} ${node.failureSummary}`)]))"


def violations(page: Any) -> list[Any]:
    """What axe-core finds wrong."""
    script = files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
    page.evaluate(script)  # not as a script of the page: its policy would refuse it
    found: list[Any] = page.evaluate(AUDIT, RULES)
    return found
