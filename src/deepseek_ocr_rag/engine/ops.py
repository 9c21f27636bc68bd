"""What the decoder asks of the hardware: a few operations, each made of many small ones.

:mod:`.plain` computes them with PyTorch, anywhere; :mod:`.kernels` with kernels
of our own, on CUDA. Both follow what is written here, and the tests hold them
against each other.

``tokens`` is the number of tokens that are computed at once, ``rows`` the number
of sequences. A decode step computes ``queries`` tokens of each row, the newest
one and drafts behind it; they lie row by row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from .kv_cache import LayerCache
from .slots import Slots
from .weights.tensors import ExpertWeights

__all__ = ["Ops", "StepRows"]


@dataclass(frozen=True, slots=True)
class StepRows:
    """The sequences of one decode step.

    Attributes:
        slots: Slot of each, int32, ``(rows,)``.
        drafts: How many drafts stand in its history behind the newest token,
            at most ``queries - 1``; int32, ``(rows,)``.
        queries: Tokens of each that are computed, at least 1.
    """

    slots: Tensor
    drafts: Tensor
    queries: int = 1


class Ops(Protocol):
    """The operations."""

    def add_norm(
        self, residual: Tensor, update: Tensor | None, weight: Tensor, epsilon: float
    ) -> Tensor:
        """Add a layer's output to the residual stream and norm it for the next layer.

        Args:
            residual: float32, ``(tokens, width)``; changed in place.
            update: ``(tokens, parts, width)``, whose parts are summed, or None.
            weight: Of the root mean square norm, ``(width,)``.
            epsilon: Added to the mean square.

        Returns:
            The normed residual in the type of ``weight``, ``(tokens, width)``.
        """
        ...

    def rotate_and_store(
        self,
        qkv: Tensor,
        angles: Tensor,
        positions: Tensor,
        slots: Tensor,
        owners: Slots,
        cache: LayerCache,
    ) -> Tensor:
        """Rotate queries and keys to their positions, and store keys and values.

        What is no number is stored as 0: a page's next owner reads what is left
        in it, times a weight of 0.

        Args:
            qkv: ``(tokens, 3 * width)``; the keys are rotated in place.
            angles: Cosine and sine of every position, float32,
                ``(2, positions, head width / 2)``.
            positions: Place of each token in its sequence, int32, ``(tokens,)``.
            slots: Slot of each token, int32, ``(tokens,)``.
            owners: Which pages belong to which slot.
            cache: Where they are stored.

        Returns:
            The queries, ``(tokens, width)``.
        """
        ...

    def attend(
        self,
        queries: Tensor,
        rows: StepRows,
        owners: Slots,
        cache: LayerCache,
        window: int | None,
    ) -> Tensor:
        """Attention of a decode step.

        Args:
            queries: ``(rows * queries, width)``.
            rows: The sequences.
            owners: Their lengths, prompts and pages.
            cache: Holds the keys and values of these tokens already.
            window: How many of the last tokens are seen besides the prompt,
                the own one included; None for all.

        Returns:
            ``(rows * queries, width)``.
        """
        ...

    def mix(self, values: Tensor, experts: ExpertWeights, per_token: int, scale: float) -> Tensor:
        """Send each token through its experts and the shared ones.

        Args:
            values: ``(tokens, width)``.
            experts: The mixture.
            per_token: Routed experts of each token: the most probable ones.
            scale: What their probabilities are multiplied by.

        Returns:
            What each expert adds, ``(tokens, per_token + shared, width)``.
        """
        ...

    def choose(self, logits: Tensor, rows: StepRows, owners: Slots, end: int) -> Tensor:
        """Choose what follows, check the drafts, and move the sequences on.

        The most probable token that the slot's rules allow follows each query
        (where the slot has a temperature: the one that Gumbel's noise makes
        best). The first draft that differs from it ends what is kept. Histories
        and lengths are brought up to date.

        Args:
            logits: float32, ``(rows * queries, vocabulary)``.
            rows: The sequences.
            owners: Their rules, histories and lengths; changed.
            end: The end token, forbidden while a history is shorter than the
                slot's ``end_from``.

        Returns:
            int32, ``(rows, 1 + 2 * queries)``: the number of new tokens, the
            tokens, and the bits of their log-probabilities (float32, of the
            logits as they are, before any rule). What stands behind the number
            of new tokens means nothing.
        """
        ...
