"""The language model: prompts in, then token by token."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from ..model.tokenizer import EOS, IMAGE
from .kv_cache import KVCache, LayerCache
from .ops import Ops, StepRows
from .products import float32_product
from .slots import Slots, to_device
from .weights.config import DecoderConfig
from .weights.tensors import DecoderWeights, DenseWeights, ExpertWeights

__all__ = ["Decoder", "PrefillRequest"]


@dataclass(frozen=True, slots=True)
class PrefillRequest:
    """A sequence that is to be computed from its start.

    Attributes:
        slot: Where it lives; occupied with the same tokens.
        ids: Its tokens.
        picture: What stands for its picture tokens, ``(picture tokens, width)``.
    """

    slot: int
    ids: Sequence[int]
    picture: Tensor


class Decoder:
    """The network, its cache and its sequences.

    Args:
        config: The sizes.
        weights: The tensors; their device and type are the decoder's.
        operations: What computes.
        cache: Keys and values.
        slots: The sequences. A slot must be occupied, and own the pages for
            all tokens that are computed, before it is named here.
    """

    def __init__(
        self,
        config: DecoderConfig,
        weights: DecoderWeights,
        ops: Ops,
        cache: KVCache,
        slots: Slots,
    ) -> None:
        self._config = config
        self._weights = weights
        self._ops = ops
        self._cache = cache
        self._slots = slots
        self._angles = _angles(config, slots.history.shape[1]).to(slots.device)

    @torch.inference_mode()
    def prefill(self, prompts: Sequence[PrefillRequest]) -> Tensor:
        """Compute whole prompts and write a first token for each.

        Returns:
            What :meth:`.operations.Ops.choose` reports, a row a prompt.
        """
        lengths = [len(prompt.ids) for prompt in prompts]
        ids = self._integers([token for prompt in prompts for token in prompt.ids])
        positions = self._integers([place for length in lengths for place in range(length)])
        slots = self._integers([prompt.slot for prompt in prompts])
        residual = self._weights.embeddings[ids].float()
        residual[self._picture_places(prompts)] = torch.cat(
            [prompt.picture for prompt in prompts]
        ).float()
        heads, width = self._config.heads, self._config.head_width

        def attend(queries: Tensor, qkv: Tensor, cache: LayerCache) -> Tensor:
            # Straight from what was computed: a prompt does not read the cache.
            results = []
            for part in torch.split(qkv.view(len(qkv), 3, heads, width), lengths):
                query, key, value = part.permute(1, 2, 0, 3)[:, None]
                result = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
                results.append(result[0].transpose(0, 1).flatten(1))
            return torch.cat(results)

        of_tokens = slots.repeat_interleave(self._integers(lengths), output_size=len(ids))
        update = self._layers(residual, positions, of_tokens, attend)
        last = self._integers(lengths).cumsum(0) - 1
        logits = self._logits(residual[last], update[last])
        rows = StepRows(slots, torch.zeros_like(slots), 1)
        return self._ops.sample(logits, rows, self._slots, EOS)

    @torch.inference_mode()
    def step(self, rows: StepRows) -> Tensor:
        """Compute each row's newest token and the drafts behind it.

        Nothing here waits for the device, so that it can be captured.

        Returns:
            What :meth:`.operations.Ops.choose` reports.
        """
        slots, positions = rows.slots, self._slots.lengths[rows.slots]
        if rows.queries > 1:
            each = torch.arange(rows.queries, device=slots.device, dtype=torch.int32)
            positions = (positions[:, None] + each).flatten()
            slots = slots[:, None].repeat(1, rows.queries).flatten()
        residual = self._weights.embeddings[self._slots.history[slots, positions]].float()

        def attend(queries: Tensor, qkv: Tensor, cache: LayerCache) -> Tensor:
            return self._ops.attend(
                queries, rows, self._slots, cache, self._config.reference_window
            )

        update = self._layers(residual, positions, slots, attend)
        return self._ops.sample(self._logits(residual, update), rows, self._slots, EOS)

    def _layers(
        self,
        residual: Tensor,
        positions: Tensor,
        slots: Tensor,
        attend: Callable[[Tensor, Tensor, LayerCache], Tensor],
    ) -> Tensor:
        """Run all layers; what the last one adds is left to the caller."""
        ops, epsilon = self._ops, self._config.epsilon
        update: Tensor | None = None
        for number, layer in enumerate(self._weights.layers):
            normed = ops.add_norm(residual, update, layer.attention_norm, epsilon)
            qkv = functional.linear(normed, layer.qkv)
            cache = self._cache.layer(number)
            queries = ops.rotate_and_store(qkv, self._angles, positions, slots, self._slots, cache)
            attended = functional.linear(attend(queries, qkv, cache), layer.projection)
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
        gate, up = functional.linear(values, mlp.gate_up).chunk(2, -1)
        return functional.linear(functional.silu(gate) * up, mlp.down)[:, None]

    def _logits(self, residual: Tensor, update: Tensor) -> Tensor:
        norm = self._weights.norm
        normed = self._ops.add_norm(residual, update, norm, self._config.epsilon)
        return float32_product(normed, self._weights.head)

    def _picture_places(self, prompts: Sequence[PrefillRequest]) -> Tensor:
        ids = (token for prompt in prompts for token in prompt.ids)
        return self._integers([place for place, token in enumerate(ids) if token == IMAGE])

    def _integers(self, numbers: Sequence[int]) -> Tensor:
        return to_device(numbers, self._slots.device)


def _angles(config: DecoderConfig, positions: int) -> Tensor:
    """Cosine and sine of the rotary positions, ``(2, positions, head width / 2)``.

    Source: Su et al., RoFormer, 2021; halves rotated against each other, as published.
    """
    half = torch.arange(0, config.head_width, 2, dtype=torch.float32) / config.head_width
    angles = torch.arange(positions)[:, None] * config.rope_theta**-half
    return torch.stack([angles.cos(), angles.sin()])
