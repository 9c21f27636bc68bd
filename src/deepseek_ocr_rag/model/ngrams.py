"""The no-repeat n-gram rule, which keeps the model out of loops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import ConfigurationError

__all__ = ["NoRepeat", "banned_tokens"]


@dataclass(frozen=True, slots=True)
class NoRepeat:
    """A rule that no n-gram of ``size`` tokens may occur twice."""

    size: int  # 0 turns the rule off
    window: int | None = None  # only n-grams that start in the last ``window`` tokens; None: all
    exempt: frozenset[int] = frozenset()  # ids of tokens that may complete any n-gram

    def __post_init__(self) -> None:
        if self.size < 0 or (self.window is not None and self.window < 1):
            raise ConfigurationError(
                f"invalid n-gram rule: size {self.size}, window {self.window}",
                remedy="Use a size of 0 or more, and a window of at least 1 or None.",
            )


def banned_tokens(tokens: Sequence[int], rule: NoRepeat) -> frozenset[int]:
    """Return the tokens that the rule forbids next; faster implementations must agree with it.

    Source: the windowed n-gram processor of the published vLLM scripts. An n-gram counts if it
    starts within the window; the last one ends with the newest token.

    Args:
        tokens: The sequence so far, prompt included.
        rule: The rule to apply.
    """
    size = rule.size
    if size == 0 or len(tokens) < size:
        return frozenset()
    prefix = list(tokens[len(tokens) - size + 1 :])
    first = 0 if rule.window is None else max(0, len(tokens) - rule.window)
    return (
        frozenset(
            tokens[start + size - 1]
            for start in range(first, len(tokens) - size + 1)
            if list(tokens[start : start + size - 1]) == prefix
        )
        - rule.exempt
    )
