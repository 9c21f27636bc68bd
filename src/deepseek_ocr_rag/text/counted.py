"""Says how many there are of something."""

from __future__ import annotations

__all__ = ["counted"]


def counted(number: int, noun: str) -> str:
    """A number with its noun, in the plural unless it is one.

    Args:
        number: How many.
        noun: In the singular; its plural must end in s.

    Example:
        >>> counted(1, "more page"), counted(2, "more page")
        ('1 more page', '2 more pages')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
