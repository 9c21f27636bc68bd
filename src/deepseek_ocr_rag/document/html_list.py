"""Untrusted lines as an HTML list."""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import Literal

from ..text.visible import visible

__all__ = ["html_list"]


def html_list(items: Iterable[str], tag: Literal["ol", "ul"]) -> str:
    """Escaped lines as a list; nothing if there are none."""
    lines = "".join(f"<li>{html.escape(visible(item))}</li>" for item in items)
    return f"<{tag}>{lines}</{tag}>" if lines else ""
