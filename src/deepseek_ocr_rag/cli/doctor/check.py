"""The result of one check of ``dsocr doctor``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Check"]


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check."""

    name: str  # what was checked
    ok: bool  # whether it works
    detail: str  # what was found
    remedy: str = ""  # what to do; empty if there is nothing to do
    optional: bool = False  # whether everything else works without it

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form."""
        return asdict(self)
