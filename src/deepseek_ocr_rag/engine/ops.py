"""The decoder's fused operations, as an interface.

:mod:`.reference_ops` computes them with PyTorch on any device, :mod:`.kernels` with
Triton on CUDA. The docstrings here define the results; tests compare the two.

``tokens`` is the number of tokens computed at once, ``rows`` the number of
sequences. A decode step computes ``queries`` tokens of each row, the newest one and
the drafts behind it, stored row by row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from torch import Tensor

from .kv_cache import LayerCache
from .slots import Slots
from .weights.tensors import ExpertWeights

__all__ = ["QUERY_TILE", "Ops", "StepRows"]

QUERY_TILE: Final = 64
"""Queries that prompt attention computes at once."""


@dataclass(frozen=True, slots=True)
class StepRows:
    """The sequences of one decode step.

    Attributes:
        slots: Slot of each sequence, int32, ``(rows,)``.
        drafts: Number of drafts in its history behind the newest token, at most
            ``queries - 1``; int32, ``(rows,)``.
        queries: Tokens computed for each sequence, at least 1.
    """

    slots: Tensor
    drafts: Tensor
    queries: int = 1


class Ops(Protocol):
    """What a set of operations provides."""

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
        state: Slots,
        cache: LayerCache,
    ) -> Tensor:
        """Apply rotary positions to queries and keys, and store keys and values.

        NaN is stored as 0: a block's next owner reads what is left in it and
        multiplies it by a weight of 0.

        Args:
            qkv: ``(tokens, 3 * width)``; queries and keys are rotated in place.
            angles: Cosine and sine of every position, float32,
                ``(2, positions, head width / 2)``.
            positions: Position of each token in its sequence, int32, ``(tokens,)``.
            slots: Slot of each token, int32, ``(tokens,)``.
            state: Holds the block table.
            cache: Where keys and values are stored.

        Returns:
            The queries, ``(tokens, width)``.
        """
        ...

    def attend(
        self,
        queries: Tensor,
        rows: StepRows,
        state: Slots,
        cache: LayerCache,
        window: int | None,
    ) -> Tensor:
        """Attention of a decode step over the paged cache.

        Args:
            queries: ``(rows * queries, width)``.
            rows: The sequences.
            state: Their lengths, prompt lengths and block table.
            cache: Already holds the keys and values of these tokens.
            window: Number of last tokens that are visible besides the prompt,
                the query's own included; None for all.

        Returns:
            ``(rows * queries, width)``.
        """
        ...

    def attend_prompts(self, qkv: Tensor, tiles: Tensor, heads: int) -> Tensor:
        """Causal attention within each of several prompts.

        Args:
            qkv: The prompts' tokens one after the other, padding behind them;
                queries and keys rotated, ``(tokens, 3 * width)``.
            tiles: The tiles of at most :data:`QUERY_TILE` queries: the prompt's
                first token in ``qkv``, the tile's first query within the prompt,
                the prompt's length; int32, ``(tiles, 3)``. Rows of zeros are padding.
            heads: Attention heads.

        Returns:
            ``(tokens, width)``; zeros for padding.
        """
        ...

    def moe(self, values: Tensor, experts: ExpertWeights, per_token: int, scale: float) -> Tensor:
        """Mixture of experts.

        Args:
            values: ``(tokens, width)``.
            experts: The weights.
            per_token: Routed experts of each token: the most probable ones.
            scale: Factor of their probabilities.

        Returns:
            The output of each expert, weighted, ``(tokens, per_token + shared, width)``.
        """
        ...

    def sample(self, logits: Tensor, rows: StepRows, state: Slots, end: int) -> Tensor:
        """Sample the next tokens, verify the drafts, and advance the sequences.

        Each query is followed by the most probable token that the slot's rules
        allow (with a temperature: the most probable after adding Gumbel noise).
        Drafts are accepted up to the first that differs. Histories and lengths
        are updated.

        Args:
            logits: float32, ``(rows * queries, vocabulary)``.
            rows: The sequences.
            state: Their rules, histories and lengths; updated.
            end: The end token, forbidden while a history is shorter than the
                slot's ``eos_from``.

        Returns:
            int32, ``(rows, 1 + 2 * queries)``: the number of new tokens, the
            tokens, and the bits of their log-probabilities (float32, of the
            unmodified logits). Entries beyond the number of new tokens are undefined.
        """
        ...
