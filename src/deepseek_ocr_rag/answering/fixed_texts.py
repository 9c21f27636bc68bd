"""Fixed texts that an answer may contain."""

from __future__ import annotations

from typing import Final

__all__ = ["NOT_FOUND", "UNSUPPORTED"]

NOT_FOUND: Final = "This is not in these documents."
"""The whole text of an answer if nothing was found."""

UNSUPPORTED: Final = "[unsupported]"
"""Stands in an answer's text behind a sentence that its sources do not support."""
