"""Reads a colon in the first line of a property, or under ``Returns:``, as punctuation.

napoleon takes what comes before it for a type. Ours are in the annotations.
"""

from __future__ import annotations

from sphinx.application import Sphinx
from sphinx.ext import napoleon
from sphinx.ext.napoleon import GoogleDocstring


class PlainDocstring(GoogleDocstring):
    """Google style with types in annotations only."""

    def _consume_inline_attribute(self) -> tuple[str, list[str]]:
        return "", [*self._consume_to_end()]

    def _consume_returns_section(
        self, preprocess_types: bool = False
    ) -> list[tuple[str, str, list[str]]]:
        lines = self._dedent(self._consume_to_next_section())
        return [("", "", lines)] if lines else []


def setup(app: Sphinx) -> dict[str, bool]:
    """Replace napoleon's reader of docstrings, for which it has no setting."""
    napoleon.GoogleDocstring = PlainDocstring  # type: ignore[misc]
    return {"parallel_read_safe": True}
