"""Shortens untrusted text, or another error, for an error message."""

from __future__ import annotations

__all__ = ["excerpt", "first_line"]


def excerpt(text: str, *, secret: str | None = None, longest: int = 200) -> str:
    """Cut a text to one printable line of at most ``longest`` characters.

    Every ``secret`` in it becomes ``***``.
    """
    if secret:
        text = text.replace(secret, "***")
    printable = "".join(c if c.isprintable() else " " for c in text[: 10 * longest])
    words = " ".join(printable.split())
    return words if len(words) <= longest else words[: longest - 1] + "…"


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text that says something; without one, its class."""
    lines = (line.strip() for line in str(error).splitlines())
    return next((line for line in lines if line), type(error).__name__)
