"""Tells apart functions that count tokens, so that caches do not take one for another."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from types import CodeType
from typing import Final

__all__ = ["counter_fingerprint"]

PROBES: Final = (
    "",
    "a",
    "The keeper lights the lamp at dusk; it burns 12.5 l of oil a night.",
    "Donaudampfschifffahrtsgesellschaft, naïveté, Ελληνικά, русский, العربية, ไทย",
    "灯塔的看守人每晚点灯。日本語と한국어。",
    "<table><tr><td>1871</td><td>-0,5 %</td></tr></table>\n\n# Head\n\n$\\frac{a}{b}$",
    "  \t\n\n   x" * 20,
    "word " * 700,
)
"""Texts that tokenizers cut into different numbers of tokens."""


def counter_fingerprint(count: Callable[[str], int]) -> str:
    """Return a string that differs for functions that count differently.

    It is made of the function's name, its code and constants, and of what it counts in some
    texts, which tells apart tokenizers behind the same code. The same function has the same
    fingerprint in every process.
    """
    name = f"{getattr(count, '__module__', '')}.{getattr(count, '__qualname__', type(count))}"
    code = getattr(count, "__code__", None)
    parts = [name, *(_code_parts(code) if isinstance(code, CodeType) else [])]
    parts += [repr(count(text)) for text in PROBES]
    return hashlib.sha256("\x1f".join(parts).encode("utf-8", "replace")).hexdigest()[:32]


def _code_parts(code: CodeType) -> list[str]:
    constants = (each for each in code.co_consts if not isinstance(each, CodeType))
    inner = (each for each in code.co_consts if isinstance(each, CodeType))
    own = [code.co_code.hex(), repr(tuple(constants)), repr(code.co_names)]
    return own + [part for each in inner for part in _code_parts(each)]
