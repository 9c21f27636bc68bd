"""Writes a count with its noun for a message."""

from __future__ import annotations

__all__ = ["counted"]


def counted(number: int, noun: str) -> str:
    """Write a number and its noun, in the plural unless the number is 1.

    Args:
        number: How many.
        noun: In the singular; its plural must only add an s.

    Example:
        >>> counted(1, "more page"), counted(2, "more page")
        ('1 more page', '2 more pages')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
