"""The kernels compute what the plain operations compute, on a GPU or in Triton's interpreter."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
triton = pytest.importorskip("triton")

import triton.language as tl

from deepseek_ocr_rag.engine.kernels import norms
from deepseek_ocr_rag.engine.kernels.experts.single import _chosen
from deepseek_ocr_rag.engine.kernels.kernel_ops import KernelOps
from deepseek_ocr_rag.engine.kernels.linear_layers import product
from deepseek_ocr_rag.engine.kv_cache import KVCache
from deepseek_ocr_rag.engine.ops import QUERY_TILE, Places, StepRows
from deepseek_ocr_rag.engine.prefill import PrefillBatch, PrefillRequest, pack
from deepseek_ocr_rag.engine.reference_ops import ReferenceOps
from deepseek_ocr_rag.engine.slots import Slots
from deepseek_ocr_rag.engine.weights.config import DecoderConfig
from deepseek_ocr_rag.engine.weights.quantization import quantize
from deepseek_ocr_rag.engine.weights.tensors import ExpertWeights, Matrix

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
PLAIN, KERNELS = ReferenceOps(), KernelOps()
HALF = torch.bfloat16 if DEVICE == "cuda" else torch.float16
"""The interpreter cannot multiply bfloat16."""

END = 1


def config(**changes) -> DecoderConfig:
    sizes = {
        "width": 64, "layers": 1, "heads": 2, "vocabulary": 5000, "dense_layers": 0,
        "dense_width": 64, "experts": 8, "experts_per_token": 3, "expert_width": 48,
        "shared_experts": 2, "routed_scale": 1.0, "max_positions": 400, "rope_theta": 1e4,
        "epsilon": 1e-6, "reference_window": None,
    }  # fmt: skip
    return DecoderConfig(**(sizes | changes))


@pytest.fixture
def numbers(own_seed):
    """Random numbers, others in every test."""
    generator = torch.Generator(DEVICE).manual_seed(own_seed)

    def draw(*shape, dtype=torch.float32):
        return torch.randn(shape, generator=generator, device=DEVICE).to(dtype)

    return draw


def integers(values) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.int32, device=DEVICE)


def difference(found, expected) -> float:
    """The relative difference over all numbers together; NaN never passes."""
    found, expected = found.double(), expected.double()
    return float((found - expected).norm() / expected.norm())


TOLERANCE = {torch.float32: 1e-5, torch.float16: 2e-3, torch.bfloat16: 8e-3}


@pytest.mark.parametrize("dtype", [torch.float32, HALF])
@pytest.mark.parametrize("parts", [0, 1, 5])
def test_add_norm(numbers, dtype, parts) -> None:
    residual = numbers(3, 80)
    update = numbers(3, parts, 80, dtype=dtype) if parts else None
    weight = numbers(80, dtype=dtype)
    copy = residual.clone()
    expected = PLAIN.add_norm(copy, update, weight, 1e-6)
    found = KERNELS.add_norm(residual, update, weight, 1e-6)
    assert difference(residual, copy) < 1e-6
    assert difference(found, expected) < TOLERANCE[dtype]


@pytest.mark.parametrize(("parts", "rows"), [(0, None), (2, 3)])
def test_the_first_norm_of_a_step_is_not_launched_ahead(numbers, monkeypatch, parts, rows) -> None:
    """Kernels behind it read where the tokens stand before they wait: by then it must be written."""
    launched = []
    monkeypatch.setattr(norms, "launch", lambda *_, **given: launched.append(given["rows"]))
    KERNELS.add_norm(numbers(3, 80), numbers(3, parts, 80) if parts else None, numbers(80), 1e-6)
    assert launched == [rows]


def filled(numbers, lengths, *, kind="model", dtype=torch.float32, prompts=None, sizes=None):
    """Slots of those lengths, whose pages lie scattered, and a cache full of numbers."""
    sizes = sizes or config()
    slots = Slots.empty(len(lengths), positions=max(lengths) + 1, device=DEVICE)
    most = slots.block_table.shape[1]
    order = torch.randperm(len(lengths) * most, device=DEVICE).int() + 1
    slots.block_table[:-1] = order.view(len(lengths), most)
    slots.lengths[:-1] = integers(lengths)
    slots.prompts[:-1] = integers(prompts or [1] * len(lengths))
    cache = KVCache.empty(
        sizes, 1 + len(lengths) * most, device=DEVICE, dtype=dtype, kind=kind
    ).layer(0)
    for stored, scales in ((cache.keys, cache.key_scales), (cache.values, cache.value_scales)):
        stored.copy_(numbers(*stored.shape).to(stored.dtype))
        if scales is not None:
            scales.copy_(numbers(*scales.shape).abs() / 3)
    return slots, cache


@pytest.mark.parametrize("dtype", [torch.float32, HALF])
def test_attend_prompts(numbers, dtype) -> None:
    """Prompts of a token, of exactly a tile, of a tile and a bit; padding behind them."""
    lengths = [1, QUERY_TILE, QUERY_TILE + 9, 3]
    requests = [
        PrefillRequest(slot, [7] * length, torch.empty(0)) for slot, length in enumerate(lengths)
    ]
    tokens, prompts = sum(lengths) + 40, len(lengths) + 2
    batch = PrefillBatch.unpack(pack(requests, tokens, prompts, 9), tokens, prompts)
    qkv = numbers(tokens, 3 * 64, dtype=dtype)
    expected = PLAIN.attend_prompts(qkv, batch.tiles, 2)
    found = KERNELS.attend_prompts(qkv, batch.tiles.to(DEVICE), 2)
    assert difference(found[: sum(lengths)], expected[: sum(lengths)]) < TOLERANCE[dtype]
    assert not found[sum(lengths) :].any()


@pytest.mark.parametrize(("dtype", "kind"), [
    (torch.float32, "model"), (HALF, "model"), (HALF, "fp8"),
])  # fmt: skip
def test_rotate_and_store(numbers, dtype, kind) -> None:
    slots, cache = filled(numbers, [5, 130, 0], kind=kind, dtype=dtype)
    twin = copied(cache)
    qkv = numbers(4, 3 * 64, dtype=dtype)
    copy = qkv.clone()
    angles = numbers(2, slots.history.shape[1], 16)
    places = Places(angles, integers([5, 130, 131, 0]), integers([0, 1, 1, 2]))
    PLAIN.rotate_and_store(copy, places, slots, twin)
    KERNELS.rotate_and_store(qkv, places, slots, cache)
    assert difference(qkv, copy) < TOLERANCE[dtype]
    assert_same_cache(cache, twin, dtype)


def copied(cache):
    return type(cache)(*(None if part is None else part.clone() for part in (
        cache.keys, cache.values, cache.key_scales, cache.value_scales
    )))  # fmt: skip


def assert_same_cache(cache, twin, dtype) -> None:
    for name in ("keys", "values", "key_scales", "value_scales"):
        if getattr(cache, name) is not None:
            # The interpreter rounds some numbers just below a power of two down by half.
            limit = 0.1 if cache.key_scales is not None and DEVICE == "cpu" else TOLERANCE[dtype]
            assert difference(getattr(cache, name), getattr(twin, name)) < limit


@pytest.mark.parametrize("dtype", [torch.float32, HALF])
@pytest.mark.parametrize("queries", [1, 3])
def test_embed(numbers, dtype, queries) -> None:
    slots, _ = filled(numbers, [5, 130, 0], kind="model", dtype=dtype)
    slots.history.copy_(
        torch.arange(slots.history.numel(), device=DEVICE).view_as(slots.history) % 97
    )
    rows = StepRows(integers([1, 0, 2]), integers([0] * 3), queries)
    embeddings = numbers(97, 72, dtype=dtype)
    found, expected = (ops.embed(embeddings, rows, slots) for ops in (KERNELS, PLAIN))
    for mine, plain in zip(found, expected, strict=True):
        assert mine.dtype == plain.dtype
        assert torch.equal(mine, plain)


def attended(numbers, lengths, prompts, order, *, queries=1, window=None, kind="model", dtype=HALF):
    """What kernels and plain operations make of the same step: results, caches, arrivals."""
    slots, cache = filled(numbers, lengths, kind=kind, dtype=dtype, prompts=prompts)
    rows = StepRows(integers(order), integers([0] * len(order)), queries)
    each = torch.arange(queries, dtype=torch.int32, device=DEVICE)
    places = Places(
        numbers(2, slots.history.shape[1], 16),
        (slots.lengths[rows.slots][:, None] + each).flatten(),
        rows.slots.repeat_interleave(queries),
    )
    qkv = numbers(len(order) * queries, 3 * 64, dtype=dtype)
    twin, arrivals = copied(cache), torch.zeros(8, 2, dtype=torch.int32, device=DEVICE)
    expected = PLAIN.attend(qkv.clone(), places, rows, slots, twin, window, arrivals)
    found = KERNELS.attend(qkv, places, rows, slots, cache, window, arrivals)
    return found, expected, cache, twin, arrivals


@pytest.mark.parametrize(("dtype", "kind"), [
    (torch.float32, "model"), (HALF, "model"), (HALF, "fp8"),
])  # fmt: skip
@pytest.mark.parametrize("queries", [1, 5])
@pytest.mark.parametrize("window", [None, 40])
def test_attend(numbers, dtype, kind, queries, window) -> None:
    # Nothing, a part of a block, a block but one, a block, and parts of a third one.
    found, expected, cache, twin, arrivals = attended(
        numbers,
        [0, 7, 63, 64, 150],
        [1, 3, 63, 20, 90],
        [4, 0, 2, 1, 3],
        queries=queries,
        window=window,
        kind=kind,
        dtype=dtype,
    )
    # The newest tokens are rounded too, which the interpreter does differently.
    limit = 0.2 if kind == "fp8" and DEVICE == "cpu" else TOLERANCE[dtype]
    assert difference(found, expected) < limit
    assert_same_cache(cache, twin, dtype)
    assert not arrivals.any()


@pytest.mark.parametrize("kind", ["model", "fp8"])
def test_attend_to_more_chunks_than_are_joined_at_once(numbers, kind) -> None:
    found, expected, _, _, arrivals = attended(numbers, [2100], [5], [0], kind=kind)
    # Of so many tokens, the newest, which the interpreter rounds differently, hardly counts.
    assert difference(found, expected) < (2e-2 if kind == "fp8" else TOLERANCE[HALF])
    assert not arrivals.any()


@pytest.mark.parametrize("dtype", [torch.float32, HALF])
@pytest.mark.parametrize(
    "tokens",
    # One, a few, and as many as have lists of routes.
    [1, 3, 20, 40, pytest.param(600 if DEVICE == "cuda" else 140, marks=pytest.mark.long)],
)
def test_mix(numbers, dtype, tokens) -> None:
    experts = ExpertWeights(
        router=numbers(8, 64, dtype=dtype),
        gate_up=numbers(10, 96, 64, dtype=dtype) / 8,
        down=numbers(10, 64, 48, dtype=dtype) / 8,
    )
    values = numbers(tokens, 64, dtype=dtype)
    expected = PLAIN.moe(values, experts, 3, 1.5)
    found = KERNELS.moe(values, experts, 3, 1.5)
    assert found.shape == expected.shape
    assert difference(found.float().sum(1), expected.float().sum(1)) < TOLERANCE[dtype]


@pytest.mark.parametrize("dtype", [torch.float32, HALF])
@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("tokens", [1, 3, 20, 50])
@pytest.mark.parametrize("kind", ["model", "int8", "fp8"])
def test_product(numbers, dtype, exact, tokens, kind) -> None:
    """Sides that no tile divides; every output is written, and what is to be cleared is."""
    weight, scales = numbers(70, 200, dtype=dtype) / 8, None
    if kind != "model":
        stored, each = quantize(weight[None], kind)
        weight, scales = stored[0], each[0]
    matrix = Matrix(weight, scales)
    values = numbers(tokens, 200, dtype=dtype)
    expected = PLAIN.product(values, matrix, exact=exact)
    cleared = integers([7] * 16)
    found = product(values, matrix, exact=exact, cleared=cleared)
    assert found.dtype == expected.dtype
    assert difference(found, expected) < TOLERANCE[torch.float32 if exact else dtype]
    assert not cleared.any()


def experts_in_eight_bits(numbers, kind, inner=48) -> ExpertWeights:
    gate_up, gate_up_scales = quantize(numbers(10, 2 * inner, 64, dtype=HALF) / 8, kind)
    down, down_scales = quantize(numbers(10, 64, inner, dtype=HALF) / 8, kind)
    router = numbers(8, 64, dtype=HALF)
    return ExpertWeights(router, gate_up, down, gate_up_scales, down_scales)


@pytest.mark.parametrize("tokens", [20, 40])
def test_mix_with_experts_in_int8(numbers, tokens) -> None:
    experts = experts_in_eight_bits(numbers, "int8")
    values = numbers(tokens, 64, dtype=HALF)
    expected = PLAIN.moe(values, experts, 3, 1.5)
    found = KERNELS.moe(values, experts, 3, 1.5)
    assert difference(found.float().sum(1), expected.float().sum(1)) < 2 * TOLERANCE[HALF]


@pytest.mark.parametrize(("tokens", "inner", "limit"), [
    # Up to 64 channels have one scale, as in the plain operations, but some numbers are rounded
    # to another neighbour. More have several, and are rounded differently.
    (1, 48, 4e-2), (20, 48, 4e-2), (20, 200, 6e-2),
])  # fmt: skip
def test_mix_with_experts_in_fp8(numbers, tokens, inner, limit) -> None:
    experts = experts_in_eight_bits(numbers, "fp8", inner)
    values = numbers(tokens, 64, dtype=HALF)
    expected = PLAIN.moe(values, experts, 3, 1.5)
    found = KERNELS.moe(values, experts, 3, 1.5)
    # The interpreter rounds towards zero.
    limit = 0.15 if DEVICE == "cpu" else limit
    assert difference(found.float().sum(1), expected.float().sum(1)) < limit


@triton.jit
def _choose(logits, found):
    for part in tl.static_range(5):
        expert, _share = _chosen(logits, part, 1.0, 8, 8, 3)
        tl.store(found + part, expert)


@pytest.mark.filterwarnings("ignore:All-NaN")
@pytest.mark.parametrize(("first", "expected"), [(0.0, [2, 0, 1, 8, 9]), (float("nan"), None)])
def test_no_expert_is_chosen_that_is_not_there(first, expected) -> None:
    """For logits that are no numbers, all experts are the best; memory behind the last is not read."""
    logits = torch.tensor([first, first - 1, first + 1, *[first - 2] * 5], device=DEVICE)
    found = integers([-1] * 5)
    _choose[(1,)](logits, found)
    if expected is None:
        assert all(0 <= expert < 10 for expert in found.tolist())
    else:
        assert found.tolist() == expected


@pytest.mark.parametrize(("kind", "limit"), [("int8", 2e-2), ("fp8", 8e-2)])
def test_what_experts_in_eight_bits_cost(numbers, kind, limit) -> None:
    exact = ExpertWeights(numbers(8, 64), numbers(10, 96, 64) / 8, numbers(10, 64, 48) / 8)
    gate_up, gate_up_scales = quantize(exact.gate_up, kind)
    down, down_scales = quantize(exact.down, kind)
    stored = ExpertWeights(exact.router, gate_up, down, gate_up_scales, down_scales)
    values = numbers(40, 64)
    cost = difference(PLAIN.moe(values, stored, 3, 1.5), PLAIN.moe(values, exact, 3, 1.5))
    assert 1e-3 < cost < limit


@pytest.mark.parametrize("ops", [PLAIN, KERNELS])
@pytest.mark.parametrize("kind", ["model", "fp8"])
def test_nothing_but_numbers_is_stored(numbers, ops, kind) -> None:
    slots, cache = filled(numbers, [5], kind=kind, dtype=HALF)
    qkv = numbers(3, 3 * 64, dtype=HALF)
    qkv[0, 70], qkv[1, 80], qkv[2, 150] = float("nan"), float("inf"), -float("inf")
    angles = numbers(2, slots.history.shape[1], 16)
    places = Places(angles, integers([3, 4, 5]), integers([0, 0, 0]))
    ops.rotate_and_store(qkv, places, slots, cache)
    for part in (cache.keys, cache.values, cache.key_scales, cache.value_scales):
        assert part is None or part.float().isfinite().all()
