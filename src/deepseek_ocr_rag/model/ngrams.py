"""The rule that keeps the model from repeating itself: which n-grams may not come twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import ConfigurationError

__all__ = ["NoRepeat", "banned_tokens"]


@dataclass(frozen=True, slots=True)
class NoRepeat:
    """No n-gram of ``size`` tokens may come twice."""

    size: int  # 0 allows everything
    window: int | None = None  # how far back an n-gram may start to count; None: anywhere
    exempt: frozenset[int] = frozenset()  # ids of tokens that may complete any n-gram

    def __post_init__(self) -> None:
        if self.size < 0 or (self.window is not None and self.window < 1):
            raise ConfigurationError(
                f"an n-gram rule of size {self.size} and window {self.window} makes no sense",
                remedy="Use a size of 0 or more, and a window of at least 1 or None.",
            )


def banned_tokens(tokens: Sequence[int], rule: NoRepeat) -> frozenset[int]:
    """The tokens that may not come next: the definition that all fast forms must equal.

    Source: the windowed n-gram processor of the published vLLM scripts. Its window counts where an
    n-gram starts, and its last start is the one whose n-gram ends with the newest token.
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
