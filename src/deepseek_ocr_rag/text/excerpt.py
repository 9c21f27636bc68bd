"""Shortens untrusted text for an error message."""

from __future__ import annotations

__all__ = ["excerpt"]


def excerpt(text: str, *, secret: str | None = None, longest: int = 200) -> str:
    """Cut a text to one printable line of at most ``longest`` characters.

    Every ``secret`` in it becomes ``***``.
    """
    if secret:
        text = text.replace(secret, "***")
    printable = "".join(c if c.isprintable() else " " for c in text[: 10 * longest])
    words = " ".join(printable.split())
    return words if len(words) <= longest else words[: longest - 1] + "…"
