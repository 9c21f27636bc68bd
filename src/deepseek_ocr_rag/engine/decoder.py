"""The language model: computes prompts, then token by token."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from ..model.tokenizer import EOS
from .kv_cache import KVCache, LayerCache
from .ops import Ops, Places, StepRows
from .prefill import PrefillBatch, PrefillRequest, pack
from .slots import Slots, to_device
from .weights.config import DecoderConfig
from .weights.tensors import DecoderWeights, DenseWeights, ExpertWeights, Matrix

__all__ = ["ROWS_STEP", "Decoder"]

ROWS_STEP: Final = 64
"""Captured steps are padded to at most the next multiple of this number of rows."""


class Decoder:
    """The network, its cache and its sequences.

    Before a slot is used here, it must be assigned, and its block table must hold blocks for all
    tokens that will be computed.
    """

    def __init__(
        self, config: DecoderConfig, weights: DecoderWeights, ops: Ops, cache: KVCache, slots: Slots
    ) -> None:
        self._config = config
        self._weights = weights
        self._ops = ops
        self._cache = cache
        self._slots = slots
        self.device = slots.device
        self.dtype = weights.head.dtype
        self._angles = _angles(config, slots.history.shape[1]).to(slots.device)
        # Steps are padded to more rows than there are slots.
        most_rows = -(-len(slots.lengths) // ROWS_STEP) * ROWS_STEP
        self._arrivals = torch.zeros(
            most_rows, config.heads, dtype=torch.int32, device=slots.device
        )

    @torch.inference_mode()
    def prefill(self, requests: Sequence[PrefillRequest]) -> Tensor:
        """Compute whole prompts and sample a first token for each, see :meth:`.ops.Ops.sample`."""
        tokens, prompts = sum(len(request.ids) for request in requests), len(requests)
        packed = to_device(pack(requests, tokens, prompts, self._slots.padding_slot), self.device)
        pictures = torch.cat([request.picture for request in requests])
        return self.prefill_batch(PrefillBatch.unpack(packed, tokens, prompts), pictures)

    @torch.inference_mode()
    def prefill_batch(self, batch: PrefillBatch, pictures: Tensor) -> Tensor:
        """Compute the prompts of a batch, without waiting for the device.

        Args:
            batch: The prompts.
            pictures: Their picture embeddings, ``(rows, width)``, at least one row.

        Returns:
            The result of :meth:`.ops.Ops.sample`, a row for each prompt.
        """
        heads = self._config.heads
        text = self._weights.embeddings[self._slots.history[batch.token_slots, batch.positions]]
        seen = pictures[batch.pictures.clamp(min=0)].to(text.dtype)
        residual = torch.where((batch.pictures >= 0)[:, None], seen, text).float()

        places = Places(self._angles, batch.positions, batch.token_slots)

        def attend(qkv: Tensor, cache: LayerCache) -> Tensor:
            self._ops.rotate_and_store(qkv, places, self._slots, cache)
            # A prompt's keys and values were just computed: it does not read the cache.
            return self._ops.attend_prompts(qkv, batch.tiles, heads)

        update = self._layers(residual, attend)
        logits = self._logits(residual[batch.last], update[batch.last])
        rows = StepRows(batch.slots, torch.zeros_like(batch.slots), 1)
        return self._ops.sample(logits, rows, self._slots, EOS)

    @torch.inference_mode()
    def step(self, rows: StepRows) -> Tensor:
        """Compute each row's newest token and its drafts, see :meth:`.ops.Ops.sample`.

        It never waits for the device, so that it can be captured.
        """
        residual, positions, slots = self._ops.embed(self._weights.embeddings, rows, self._slots)

        places = Places(self._angles, positions, slots)
        window = self._config.reference_window

        def attend(qkv: Tensor, cache: LayerCache) -> Tensor:
            return self._ops.attend(qkv, places, rows, self._slots, cache, window, self._arrivals)

        update = self._layers(residual, attend)
        return self._ops.sample(self._logits(residual, update), rows, self._slots, EOS)

    def _layers(
        self,
        residual: Tensor,
        attend: Callable[[Tensor, LayerCache], Tensor],
    ) -> Tensor:
        """Run all layers; return the output of the last, not yet added to the residual."""
        ops, epsilon = self._ops, self._config.epsilon
        update: Tensor | None = None
        for number, layer in enumerate(self._weights.layers):
            normed = ops.add_norm(residual, update, layer.attention_norm, epsilon)
            qkv = ops.product(normed, layer.qkv)
            attended = ops.product(attend(qkv, self._cache.layer(number)), layer.projection)
            normed = ops.add_norm(residual, attended[:, None], layer.mlp_norm, epsilon)
            update = self._mlp(normed, layer.mlp)
        if update is None:
            return residual.new_zeros(len(residual), 1, residual.shape[1])
        return update

    def _mlp(self, values: Tensor, mlp: DenseWeights | ExpertWeights) -> Tensor:
        if isinstance(mlp, ExpertWeights):
            return self._ops.moe(
                values, mlp, self._config.experts_per_token, self._config.routed_scale
            )
        gate, up = self._ops.product(values, mlp.gate_up).chunk(2, -1)
        return self._ops.product(functional.silu(gate) * up, mlp.down)[:, None]

    def _logits(self, residual: Tensor, update: Tensor) -> Tensor:
        norm = self._weights.norm
        normed = self._ops.add_norm(residual, update, norm, self._config.epsilon)
        return self._ops.product(normed, Matrix(self._weights.head), exact=True)


def _angles(config: DecoderConfig, positions: int) -> Tensor:
    """Compute cosine and sine of the rotary positions, ``(2, positions, head width / 2)``.

    Source: Su et al., RoFormer, 2021; the two halves of a head are rotated, as published.
    """
    half = torch.arange(0, config.head_width, 2, dtype=torch.float32) / config.head_width
    angles = torch.arange(positions)[:, None] * config.rope_theta**-half
    return torch.stack([angles.cos(), angles.sin()])
