"""A short excerpt of somebody's text for a message."""

from __future__ import annotations

__all__ = ["excerpt"]


def excerpt(text: str, *, secret: str | None = None, longest: int = 200) -> str:
    """A server's words for use in a message: one line, printable, short, without the key."""
    if secret:
        text = text.replace(secret, "***")
    printable = "".join(c if c.isprintable() else " " for c in text[: 10 * longest])
    words = " ".join(printable.split())
    return words if len(words) <= longest else words[: longest - 1] + "…"
