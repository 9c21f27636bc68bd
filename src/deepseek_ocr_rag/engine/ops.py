"""The decoder's fused operations, as an interface.

:mod:`.reference_ops` computes them with PyTorch on any device, :mod:`.kernels` with
Triton on CUDA. The docstrings here define the results; tests compare the two.

``tokens`` is the number of tokens computed at once, ``rows`` the number of sequences. A decode step
computes ``queries`` tokens of each row, the newest one and the drafts after it, stored row by row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from torch import Tensor

from .kv_cache import LayerCache
from .slots import Slots
from .weights.tensors import ExpertWeights, Matrix

__all__ = ["QUERY_TILE", "Ops", "Places", "StepRows"]

QUERY_TILE: Final = 64
"""Number of queries that prompt attention computes at once."""


@dataclass(frozen=True, slots=True)
class StepRows:
    """The sequences of one decode step."""

    slots: Tensor  # slot of each sequence, int32, ``(rows,)``
    drafts: Tensor  # number of its drafts, less than ``queries``; int32, ``(rows,)``
    queries: int = 1  # tokens computed for each sequence, at least 1


@dataclass(frozen=True, slots=True)
class Places:
    """Where tokens stand: what their queries and keys are rotated by, and where they are stored."""

    angles: Tensor  # cosine and sine of every position, float32, ``(2, positions, head width / 2)``
    positions: Tensor  # of each token in its sequence, int32, ``(tokens,)``
    slots: Tensor  # of each token's sequence, int32, ``(tokens,)``


class Ops(Protocol):
    """The operations of the decoder."""

    def embed(
        self, embeddings: Tensor, rows: StepRows, state: Slots
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Look up the tokens of a decode step, which the slots' histories hold.

        Returns the residual stream, float32, ``(rows * queries, width)``, and for each token its
        position in its sequence and its slot, int32, ``(rows * queries,)``.
        """
        ...

    def add_norm(
        self, residual: Tensor, update: Tensor | None, weight: Tensor, epsilon: float
    ) -> Tensor:
        """Add a layer's output to the residual stream and norm it for the next layer.

        ``residual`` is float32, ``(tokens, width)``, and changed in place; ``update`` is ``(tokens,
        parts, width)``, whose parts are summed, or None; ``weight`` is that of the root mean square
        norm, ``(width,)``; ``epsilon`` is added to the mean square. Returns the normed residual in
        the type of ``weight``, ``(tokens, width)``.
        """
        ...

    def rotate_and_store(
        self, qkv: Tensor, places: Places, state: Slots, cache: LayerCache
    ) -> None:
        """Apply rotary positions to queries and keys, and store keys and values.

        NaN is stored as 0 and infinity as the largest number, because a block's next owner reads
        the old entries in it and multiplies them by a weight of 0.

        ``qkv`` is ``(tokens, 3 * width)``; queries and keys are rotated in place.
        """
        ...

    def attend(
        self,
        qkv: Tensor,
        places: Places,
        rows: StepRows,
        state: Slots,
        cache: LayerCache,
        window: int | None,
        arrivals: Tensor,
    ) -> Tensor:
        """Rotate and store as :meth:`rotate_and_store`, and attend to the paged cache.

        Args:
            qkv: Of the tokens of a decode step, ``(rows * queries, 3 * width)``; may be changed.
            places: Where these tokens stand.
            rows: The step's rows.
            state: The slots.
            cache: Keys and values of the tokens before.
            window: Number of last tokens that are visible besides the prompt, the query's own
                included; None for all.
            arrivals: Counters for the kernels, zeros before and after the call; int32, ``(rows or
                more, heads)``.

        Returns:
            The result, ``(rows * queries, width)``.
        """
        ...

    def attend_prompts(self, qkv: Tensor, tiles: Tensor, heads: int) -> Tensor:
        """Compute causal attention within each of several prompts.

        ``qkv`` has the prompts' tokens one after the other and padding after them, queries and keys
        rotated, ``(tokens, 3 * width)``. ``tiles`` has a row for each tile of at most
        :data:`QUERY_TILE` queries: the index of the prompt's first token in ``qkv``, the tile's
        first query within the prompt, and the prompt's length; int32, ``(tiles, 3)``. Rows of zeros
        are padding. Returns ``(tokens, width)``; zeros for padding.
        """
        ...

    def product(self, values: Tensor, matrix: Matrix, *, exact: bool = False) -> Tensor:
        """Compute a linear layer of ``(tokens, inputs)``.

        Weights in eight bits count with their scales; ``values`` keep their type. The sums are
        float32, and so is the result if it is to be ``exact``; otherwise it has the type of
        ``values``. Returns ``(tokens, outputs)``.
        """
        ...

    def moe(self, values: Tensor, experts: ExpertWeights, per_token: int, scale: float) -> Tensor:
        """Apply the mixture of experts to ``(tokens, width)``.

        Each token gets the ``per_token`` most probable routed experts; ``scale`` multiplies their
        probabilities. With experts in fp8, the values that they multiply are rounded to fp8 too,
        with a scale for each token or each part of its channels. Returns the weighted output of
        each expert, ``(tokens, per_token + shared, width)``.
        """
        ...

    def sample(self, logits: Tensor, rows: StepRows, state: Slots, end: int) -> Tensor:
        """Sample the next tokens, verify the drafts, and advance the sequences.

        Each query is followed by the most probable token that the slot's rules allow (with a
        temperature: the most probable after adding Gumbel noise). Drafts are accepted up to the
        first that differs. Histories and lengths are updated.

        ``logits`` is float32, ``(rows * queries, vocabulary)``; ``end`` is the end token, forbidden
        while a history is shorter than the slot's ``eos_from``. Returns int32, ``(rows, 1 + 2 *
        queries)``: the number of new tokens, the tokens, and the bits of their log-probabilities
        (float32, of the unmodified logits). Entries beyond the number of new tokens are undefined.
        """
        ...
