"""Keys and values that leave the device and come back; experts in eight bits."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from deepseek_ocr_rag.engine.block_pool import BlockPool
from deepseek_ocr_rag.engine.kv_cache import KVCache, block_bytes
from deepseek_ocr_rag.engine.weights.config import PUBLISHED
from deepseek_ocr_rag.engine.weights.quantization import quantize


def small():
    from dataclasses import replace

    return replace(PUBLISHED.decoder, layers=2, heads=2, width=32)


@pytest.mark.parametrize("kind", ["model", "fp8"])
def test_saved_blocks_are_restored_to_other_blocks(kind) -> None:
    cache = KVCache.empty(small(), 9, dtype=torch.float32, kind=kind)
    for part in (cache.keys, cache.values, cache.key_scales, cache.value_scales):
        if part is not None:
            part.copy_(torch.randn(part.shape).to(part.dtype))
    before = cache.keys[:, [3, 5]].float(), cache.layer(1).values[[3, 5]].float()
    swapped = cache.save([3, 5])
    cache.restore([7, 1], swapped)
    assert torch.equal(cache.keys[:, [7, 1]].float(), before[0])
    assert torch.equal(cache.layer(1).values[[7, 1]].float(), before[1])


@pytest.mark.parametrize("kind", ["model", "fp8"])
def test_a_page_takes_as_many_bytes_as_it_says(kind) -> None:
    one, two = (KVCache.empty(small(), blocks, kind=kind) for blocks in (1, 2))

    def size(cache: KVCache) -> int:
        parts = (cache.keys, cache.values, cache.key_scales, cache.value_scales)
        return sum(part.nbytes for part in parts if part is not None)

    assert size(two) - size(one) == block_bytes(small(), torch.bfloat16, kind)


def test_a_token_of_the_published_model_takes_61440_bytes() -> None:
    assert block_bytes(PUBLISHED.decoder, torch.bfloat16, "model") == 64 * 61_440


def test_the_first_block_is_never_given_out() -> None:
    pool = BlockPool(5)
    assert sorted(pool.take(4)) == [1, 2, 3, 4]
    with pytest.raises(ValueError, match="0 are free"):
        pool.take(1)
    pool.give_back([2])
    assert pool.take(1) == [2]


def test_matrices_in_eight_bits_differ_by_half_a_step_at_most() -> None:
    weight = torch.randn(3, 20, 30)
    weight[1, 4] = 0
    eight_bits, scales = quantize(weight, "int8")
    assert eight_bits.dtype == torch.int8
    difference = (eight_bits * scales[..., None] - weight).abs()
    assert (difference <= 0.5001 * scales[..., None]).all()


def test_matrices_in_fp8_keep_three_bits_behind_the_first() -> None:
    weight = torch.randn(3, 20, 30)
    weight[1, 4] = 0
    eight_bits, scales = quantize(weight, "fp8")
    assert eight_bits.dtype == torch.float8_e4m3fn
    difference = (eight_bits.float() * scales[..., None] - weight).abs()
    # Relative to the number itself, but for those next to zero.
    assert (difference <= weight.abs() / 16 + 2**-9 * scales[..., None]).all()
