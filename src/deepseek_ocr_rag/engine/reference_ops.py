"""The operations in plain PyTorch, for any device; the kernels are tested against them."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from ..model.ngrams import NoRepeat, banned_tokens
from .block_pool import BLOCK_SIZE
from .kv_cache import LARGEST_STORED, LayerCache
from .ops import Places, StepRows
from .products import float32_product
from .slots import Slots
from .weights.tensors import ExpertWeights, Matrix

__all__ = ["ReferenceOps"]

LARGEST_E4M3 = torch.finfo(torch.float8_e4m3fn).max


class ReferenceOps:
    """See :class:`~.ops.Ops`."""

    def embed(
        self, embeddings: Tensor, rows: StepRows, state: Slots
    ) -> tuple[Tensor, Tensor, Tensor]:
        """See :meth:`.ops.Ops.embed`."""
        each = torch.arange(rows.queries, device=rows.slots.device, dtype=torch.int32)
        positions = (state.lengths[rows.slots][:, None] + each).flatten()
        slots = rows.slots[:, None].repeat(1, rows.queries).flatten()
        return embeddings[state.history[slots, positions]].float(), positions, slots

    def add_norm(
        self, residual: Tensor, update: Tensor | None, weight: Tensor, epsilon: float
    ) -> Tensor:
        """See :meth:`.ops.Ops.add_norm`."""
        if update is not None:
            residual += update.float().sum(1)
        mean_square = residual.square().mean(-1, keepdim=True)
        return (residual * torch.rsqrt(mean_square + epsilon) * weight.float()).to(weight.dtype)

    def rotate_and_store(
        self, qkv: Tensor, places: Places, state: Slots, cache: LayerCache
    ) -> None:
        """See :meth:`.ops.Ops.rotate_and_store`."""
        heads, width = cache.keys.shape[1], cache.keys.shape[3]
        queries, keys, values = qkv.view(len(qkv), 3, heads, width).unbind(1)
        positions, slots = places.positions, places.slots
        cosine, sine = places.angles[:, positions, None]
        for part in (queries, keys):
            first, second = part.float().chunk(2, -1)
            turned = (first * cosine - second * sine, second * cosine + first * sine)
            part.copy_(torch.cat(turned, -1))
        blocks = state.block_table[slots, positions // BLOCK_SIZE]
        # NaN and infinity must not reach the blocks' next owner.
        qkv.nan_to_num_(0.0, LARGEST_STORED, -LARGEST_STORED)
        for part, stored, scales in (
            (keys, cache.keys, cache.key_scales),
            (values, cache.values, cache.value_scales),
        ):
            if scales is None:
                stored[blocks, :, positions % BLOCK_SIZE] = part
            else:
                scale = part.float().abs().amax(-1).clamp_min(1e-12) / LARGEST_E4M3
                scales[blocks, :, positions % BLOCK_SIZE] = scale
                stored[blocks, :, positions % BLOCK_SIZE] = (part / scale[..., None]).to(
                    stored.dtype
                )

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
        """See :meth:`.ops.Ops.attend`."""
        self.rotate_and_store(qkv, places, state, cache)
        heads, width = cache.keys.shape[1], cache.keys.shape[3]
        queries = qkv[:, : heads * width]
        results = []
        for row, slot in enumerate(rows.slots.tolist()):
            cached = int(state.lengths[slot])
            length = cached + rows.queries
            blocks = state.block_table[slot, : -(-length // BLOCK_SIZE)]
            keys, values = (
                _stored(stored, scales, blocks)[:, :length].to(queries.dtype)
                for stored, scales in (
                    (cache.keys, cache.key_scales),
                    (cache.values, cache.value_scales),
                )
            )
            own = queries[row * rows.queries : (row + 1) * rows.queries]
            index = torch.arange(length, device=queries.device)
            newest = (cached + torch.arange(rows.queries, device=queries.device))[:, None]
            seen = index <= newest
            if window is not None:
                seen &= (index < state.prompts[slot]) | (index > newest - window)
            result = functional.scaled_dot_product_attention(
                own.reshape(rows.queries, heads, width).transpose(0, 1),
                keys,
                values,
                attn_mask=seen,
            )
            results.append(result.transpose(0, 1).flatten(1))
        return torch.cat(results)

    def attend_prompts(self, qkv: Tensor, tiles: Tensor, heads: int) -> Tensor:
        """See :meth:`.ops.Ops.attend_prompts`."""
        result = qkv.new_zeros(len(qkv), qkv.shape[1] // 3)
        for start, first, length in tiles.tolist():
            if first == 0 and length > 0:
                prompt = qkv[start : start + length].view(length, 3, heads, -1)
                query, key, value = prompt.permute(1, 2, 0, 3)[:, None]
                found = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
                result[start : start + length] = found[0].transpose(0, 1).flatten(1)
        return result

    def product(self, values: Tensor, matrix: Matrix, *, exact: bool = False) -> Tensor:
        """See :meth:`.ops.Ops.product`."""
        result = float32_product(values, matrix.weight.to(values.dtype))
        if matrix.scales is not None:
            result *= matrix.scales
        return result if exact else result.to(values.dtype)

    def moe(self, values: Tensor, experts: ExpertWeights, per_token: int, scale: float) -> Tensor:
        """See :meth:`.ops.Ops.moe`."""
        routed = len(experts.router)
        logits = float32_product(values, experts.router)
        weights, chosen = logits.softmax(-1).topk(per_token, -1)
        shared = torch.arange(routed, len(experts.down), device=values.device)
        chosen = torch.cat([chosen, shared.expand(len(values), -1)], 1)
        weights = torch.cat([weights * scale, weights.new_ones(len(values), len(shared))], 1)
        added = values.new_empty(*chosen.shape, values.shape[1])
        for expert in torch.unique(chosen).tolist():
            token, part = torch.where(chosen == expert)
            both = _product(values[token], experts.gate_up, experts.gate_up_scales, expert)
            gate, up = both.chunk(2, -1)
            inner = functional.silu(gate) * up
            result = _product(inner, experts.down, experts.down_scales, expert)
            added[token, part] = (result * weights[token, part, None]).to(values.dtype)
        return added

    def sample(self, logits: Tensor, rows: StepRows, state: Slots, end: int) -> Tensor:
        """See :meth:`.ops.Ops.sample`."""
        outputs = []
        scores = logits.view(-1, rows.queries, logits.shape[-1])
        for row, (slot, drafts) in enumerate(
            zip(rows.slots.tolist(), rows.drafts.tolist(), strict=True)
        ):
            tokens: list[int] = []
            logprobs: list[float] = []
            known = int(state.lengths[slot]) + 1
            while True:
                query = len(tokens)
                history = state.history[slot, : known + query].tolist()
                token = _best(scores[row, query], history, slot, state, end)
                tokens.append(token)
                logprobs.append(float(scores[row, query].log_softmax(-1)[token]))
                if query == drafts or token != int(state.history[slot, known + query]):
                    break
            state.history[slot, known : known + len(tokens)] = torch.tensor(tokens)
            if slot != state.padding_slot:
                state.lengths[slot] += len(tokens)
            unused = [0] * (rows.queries - len(tokens))
            bits = torch.tensor([*logprobs, *unused], dtype=torch.float32).view(torch.int32)
            outputs.append([len(tokens), *tokens, *unused, *bits.tolist()])
        return torch.tensor(outputs, dtype=torch.int32, device=logits.device)


def _product(values: Tensor, weight: Tensor, scales: Tensor | None, expert: int) -> Tensor:
    """Multiply values by one expert's matrix; if it is in fp8, values are rounded to fp8 too."""
    if weight.dtype == torch.float8_e4m3fn:
        values = _rounded(values)
    product = functional.linear(values, weight[expert].to(values.dtype))
    return product if scales is None else (product * scales[expert]).to(values.dtype)


def _rounded(values: Tensor) -> Tensor:
    """Round values to fp8 and back, with a scale for each token."""
    exact = values.float()
    scales = exact.abs().amax(-1, keepdim=True).clamp_min(1e-12) / LARGEST_E4M3
    return ((exact / scales).to(torch.float8_e4m3fn).float() * scales).to(values.dtype)


def _stored(stored: Tensor, scales: Tensor | None, blocks: Tensor) -> Tensor:
    """Read the keys or values of one sequence, ``(heads, tokens, head width)``."""
    found = stored[blocks].transpose(0, 1).flatten(1, 2)
    if scales is None:
        return found
    return found.float() * scales[blocks].transpose(0, 1).flatten(1, 2)[..., None]


def _best(scores: Tensor, history: list[int], slot: int, state: Slots, end: int) -> int:
    rule = NoRepeat(
        int(state.sizes[slot]),
        int(state.windows[slot]),
        frozenset(token for token in state.exempt[slot].tolist() if token >= 0),
    )
    banned = banned_tokens(history, rule)
    if len(history) < int(state.eos_from[slot]):
        banned |= {end}
    allowed = scores.clone()
    allowed[list(banned)] = float("-inf")
    if heat := float(state.temperatures[slot]):
        seed = int(state.seeds[slot]) * state.history.shape[1] + len(history)
        noise = torch.Generator().manual_seed(seed)
        uniform = torch.rand(scores.shape, generator=noise).clamp_min(1e-20).to(scores.device)
        allowed -= heat * torch.log(-torch.log(uniform))
    return int(allowed.argmax())
