"""The vision kernels compute what plain PyTorch computes, on a GPU or in Triton's interpreter."""

from __future__ import annotations

import os
from dataclasses import fields, is_dataclass, replace

import pytest
import torch

if not torch.cuda.is_available():
    # Read when the kernels are defined, so before they are imported.
    os.environ.setdefault("TRITON_INTERPRET", "1")
pytest.importorskip("triton")

from torch.nn import functional

from deepseek_ocr_rag.engine.kernels.activations import gelu_in_fp8, quick_gelu
from deepseek_ocr_rag.engine.kernels.convolutions import convolved, patch_vectors
from deepseek_ocr_rag.engine.kernels.norms import layer_norm, layer_norm_in_fp8
from deepseek_ocr_rag.engine.kernels.prompt_attention import attend_prompts
from deepseek_ocr_rag.engine.kernels.resampling import resample
from deepseek_ocr_rag.engine.kernels.window_attention import WindowTuning, window_attention
from deepseek_ocr_rag.engine.vision import clip, pointwise, sam, sam_attention
from deepseek_ocr_rag.engine.vision import preprocessing as pixels
from deepseek_ocr_rag.engine.vision.fp8_products import product, rounded
from deepseek_ocr_rag.engine.vision.towers import Vision
from deepseek_ocr_rag.engine.vision.view_batches import row_tiles
from deepseek_ocr_rag.engine.weights.quantization import quantize, quantize_first_tower
from deepseek_ocr_rag.engine.weights.tensors import LayerNorm, Linear

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
HALF = torch.bfloat16 if DEVICE == "cuda" else torch.float16
"""The interpreter cannot multiply bfloat16."""

TOLERANCE = {torch.float32: 1e-5, torch.float16: 2e-3, torch.bfloat16: 1e-2}


@pytest.fixture
def numbers(own_seed):
    """Random numbers, others in every test."""
    generator = torch.Generator(DEVICE).manual_seed(own_seed)

    def draw(*shape, dtype=torch.float32):
        return torch.randn(shape, generator=generator, device=DEVICE).to(dtype)

    return draw


def difference(found, expected) -> float:
    """The relative difference over all numbers together; NaN never passes."""
    found, expected = found.double(), expected.double()
    return float((found - expected).norm() / expected.norm())


def on_device(weights):
    """The same weights on the device of these tests."""
    if isinstance(weights, torch.Tensor):
        return weights.to(DEVICE)
    if isinstance(weights, tuple):
        return tuple(on_device(part) for part in weights)
    if is_dataclass(weights):
        return replace(
            weights, **{f.name: on_device(getattr(weights, f.name)) for f in fields(weights)}
        )
    return weights


SQUARES = [
    pytest.param(1, 12, 12, WindowTuning(64, 4, 1), id="whole picture, blocks reach over its edge"),
    pytest.param(2, 16, 16, WindowTuning(128, 4, 2), id="whole picture, cut into blocks"),
    pytest.param(1, 8, 8, None, id="small picture"),
    pytest.param(2, 8, 4, WindowTuning(16, 4, 1), id="windows that fit"),
    pytest.param(2, 6, 4, WindowTuning(32, 4, 1), id="windows that reach over the edge"),
    pytest.param(1, 10, 14, None, id="picture smaller than a window"),
    pytest.param(1, 20, 14, None, id="the published window"),
]


@pytest.mark.parametrize("dtype", [torch.float32, pytest.param(HALF, marks=pytest.mark.long)])
@pytest.mark.parametrize(("pictures", "grid", "side", "tuning"), SQUARES)
def test_square_attention(numbers, dtype, pictures, grid, side, tuning) -> None:
    heads, width = 2, 16
    qkv = numbers(pictures, grid, grid, 3 * heads * width, dtype=dtype)
    bias = numbers(3 * heads * width, dtype=dtype)
    tables = [numbers(2 * side - 1, width, dtype=dtype) * 0.5 for _ in range(2)]
    exact = (part.float() for part in (qkv, bias, *tables))
    expected = sam_attention.window_attention(*exact, heads=heads)
    found = window_attention(qkv, bias, *tables, heads=heads, tuning=tuning)
    assert difference(found, expected) < TOLERANCE[dtype]


@pytest.mark.gpu
@pytest.mark.skipif(DEVICE == "cpu", reason="no CUDA device")
@pytest.mark.parametrize(
    ("grid", "side"), [(64, 64), (40, 40), (32, 32), (80, 80), (64, 14), (40, 14)]
)
def test_square_attention_at_the_published_sizes(numbers, grid, side) -> None:
    heads, width = 12, 64
    qkv = numbers(1, grid, grid, 3 * heads * width, dtype=HALF)
    bias = numbers(3 * heads * width, dtype=HALF)
    tables = [numbers(2 * side - 1, width, dtype=HALF) * 0.3 for _ in range(2)]
    exact = (part.float() for part in (qkv, bias, *tables))
    expected = sam_attention.window_attention(*exact, heads=heads)
    assert difference(window_attention(qkv, bias, *tables, heads=heads), expected) < 1e-2


@pytest.mark.parametrize("dtype", [torch.float32, HALF])
@pytest.mark.parametrize(("width", "lacks"), [(64, False), (100, True)])
def test_layer_norm(numbers, dtype, width, lacks) -> None:
    values = numbers(2, 5, width, dtype=dtype)
    lacking = numbers(width) if lacks else None
    norm = LayerNorm(numbers(width, dtype=dtype), numbers(width, dtype=dtype), 1e-6)
    found = layer_norm(values, lacking, norm)
    assert found.dtype == dtype
    assert difference(found, normed(values, lacking, norm)) < TOLERANCE[dtype]


def normed(values, lacking, norm):
    """In float32, whatever the type."""
    total = values.float() if lacking is None else values.float() + lacking
    weight, bias = norm.weight.float(), norm.bias.float()
    return functional.layer_norm(total, total.shape[-1:], weight, bias, norm.epsilon)


@pytest.mark.parametrize("dtype", [torch.float32, HALF])
def test_quick_gelu(numbers, dtype) -> None:
    values = numbers(3, 1000, dtype=dtype) * 3
    exact = values.float()
    expected = exact * torch.sigmoid(1.702 * exact)
    assert difference(quick_gelu(values), expected) < TOLERANCE[dtype]


@pytest.mark.gpu
@pytest.mark.skipif(DEVICE == "cpu", reason="no CUDA device")
def test_the_product_with_its_activation_is_nearer_than_the_two_by_themselves(numbers) -> None:
    up = Linear(numbers(3072, 768, dtype=HALF) * 768**-0.5, numbers(3072, dtype=HALF))
    down = Linear(numbers(768, 3072, dtype=HALF), numbers(768, dtype=HALF))
    values = numbers(2, 300, 768, dtype=HALF)
    before = functional.linear(values.double(), up.weight.double(), up.bias.double())
    expected = functional.gelu(before)
    found = difference(pointwise.gelu_between(values, up, down), expected)
    assert found < difference(functional.gelu(up(values)), expected) < 4e-3


@pytest.mark.parametrize("dtype", [torch.float32, pytest.param(HALF, marks=pytest.mark.long)])
@pytest.mark.parametrize(
    ("pictures", "grid", "channels", "outputs", "stride"),
    [(2, 5, 24, 48, 1), (3, 6, 64, 130, 2), (1, 7, 80, 16, 2)],
)
def test_convolution(numbers, dtype, pictures, grid, channels, outputs, stride) -> None:
    values = numbers(pictures, grid, grid, channels, dtype=dtype)
    kernel = numbers(outputs, 9 * channels, dtype=dtype) * (9 * channels) ** -0.5
    shape = (outputs, 3, 3, channels)
    # In double precision, because cuDNN would multiply float32 in TF32.
    expected = functional.conv2d(
        values.double().permute(0, 3, 1, 2),
        kernel.double().view(shape).permute(0, 3, 1, 2),
        stride=stride,
        padding=1,
    ).permute(0, 2, 3, 1)
    found = convolved(values, kernel, stride=stride)
    assert (found.shape, found.dtype) == (expected.shape, dtype)
    assert difference(found, expected) < TOLERANCE[dtype]


@pytest.mark.parametrize("dtype", [torch.float32, pytest.param(HALF, marks=pytest.mark.long)])
@pytest.mark.parametrize("width", [16, 24])
def test_attention_over_views_of_all_sizes(numbers, dtype, width) -> None:
    """Each row sees all of its own view, and padding is left at zero."""
    lengths, heads = [70, 5, 64, 1], 2
    qkv = numbers(sum(lengths) + 9, 3 * heads * width, dtype=dtype)
    tiles = functional.pad(torch.from_numpy(row_tiles(lengths)), (0, 0, 0, 2)).to(DEVICE)
    found = attend_prompts(qkv, tiles, heads, causal=False)
    views = torch.split(qkv[: sum(lengths)].float().view(-1, 3, heads, width), lengths)
    expected = [
        functional.scaled_dot_product_attention(*view.permute(1, 2, 0, 3))
        .transpose(0, 1)
        .flatten(1)
        for view in views
    ]
    assert difference(found[: sum(lengths)], torch.cat(expected)) < TOLERANCE[dtype]
    assert not found[sum(lengths) :].any()


@pytest.fixture
def fp8(monkeypatch):
    """Has the interpreter round to fp8 as cards do; by itself it loses the carry."""
    if DEVICE == "cuda":
        return
    from triton import language, runtime

    inexact = runtime.interpreter._convert_float

    def convert(values, given, wanted, rounding):
        if (given, wanted) == (language.float32, language.float8e4nv):
            return torch.from_numpy(values).to(torch.float8_e4m3fn).view(torch.uint8).numpy()
        return inexact(values, given, wanted, rounding)

    monkeypatch.setattr(runtime.interpreter, "_convert_float", convert)


def is_rounded(stored, scales, expected) -> None:
    """In fp8, each row by its own scale; few numbers fall to the other neighbour."""
    rows = rounded(expected)
    assert (stored.dtype, scales.shape) == (torch.float8_e4m3fn, (*expected.shape[:-1], 1))
    torch.testing.assert_close(scales, rows.scales, rtol=1e-2, atol=0)
    written_out = stored.float() * scales
    assert difference(written_out, expected) < 4e-2
    assert difference(written_out, rows.stored.float() * rows.scales) < 1e-2


@pytest.mark.parametrize("dtype", [torch.float32, HALF])
@pytest.mark.parametrize(("width", "lacks"), [(64, False), (100, True)])
def test_layer_norm_in_fp8(numbers, fp8, dtype, width, lacks) -> None:
    values = numbers(3, 5, width, dtype=dtype)
    lacking = numbers(width) if lacks else None
    norm = LayerNorm(numbers(width, dtype=dtype), numbers(width, dtype=dtype), 1e-6)
    is_rounded(*layer_norm_in_fp8(values, lacking, norm), normed(values, lacking, norm))


@pytest.mark.parametrize("dtype", [torch.float32, HALF])
def test_gelu_in_fp8(numbers, fp8, dtype) -> None:
    values = numbers(2, 3, 100, dtype=dtype) * 3
    values[0, 1] *= 1e-3
    values[1, 1] = 0
    is_rounded(*gelu_in_fp8(values), functional.gelu(values.float()))


@pytest.mark.gpu
@pytest.mark.skipif(DEVICE == "cpu", reason="no CUDA device")
@pytest.mark.parametrize(("rows", "inputs", "outputs"), [(2424, 1024, 3072), (101, 4096, 1024)])
def test_products_in_fp8(numbers, rows, inputs, outputs) -> None:
    """The card's product is that of the rounded numbers."""
    weight, scales = quantize(numbers(1, outputs, inputs, dtype=HALF) * inputs**-0.5, "fp8")
    layer = Linear(weight[0], numbers(outputs, dtype=HALF), scales[0])
    values = rounded(numbers(rows, inputs, dtype=HALF))
    expected = product(replace(values, dtype=torch.float32), layer)
    found = product(values, layer)
    assert found.dtype == HALF
    assert difference(found, expected) < 5e-3


@pytest.mark.parametrize("outputs", [13, 40, 77])
def test_resampling_to_the_byte(outputs) -> None:
    values = torch.randint(0, 256, (5, 40, 3), dtype=torch.uint8)
    weighting = pixels.bicubic_filter(40, outputs, torch.device("cpu"))
    expected = pixels.resample(values, weighting)
    found = resample(
        values.to(DEVICE),
        weighting.first.to(DEVICE),
        weighting.weights.to(DEVICE),
        fraction_bits=pixels.FRACTION_BITS,
    )
    assert torch.equal(found.cpu(), expected)


@pytest.mark.parametrize("dtype", [torch.float32, HALF])
def test_patch_vectors_to_the_bit(dtype) -> None:
    views = torch.randint(0, 256, (2, 3, 96, 96), dtype=torch.uint8)
    views[0, 0, :16, :16] = torch.arange(256).view(16, 16)
    expected = pixels.patch_vectors(views, 16, dtype)
    numbers = pixels.patch_vectors(views[:1, :, :16, :16], 16, dtype).flatten()[:256]
    found = patch_vectors(views.to(DEVICE), 16, numbers.to(DEVICE))
    assert torch.equal(found.cpu(), expected)


def test_the_towers_together(monkeypatch, golden_config, golden_weights) -> None:
    """Every kernel where it is used: a picture smaller than a window, and one larger."""
    weights = on_device(golden_weights.vision)
    # Small windows, so that a small picture has several.
    sizes = replace(golden_config, sam=replace(golden_config.sam, window=4))
    vision = Vision(sizes, weights, capture=False)
    views = [torch.randint(0, 256, (1, 3, side, side), dtype=torch.uint8) for side in (48, 96)]
    views = [view.to(DEVICE) for view in views]
    expected = [vision.features(view) for view in views]
    for module in (clip, pointwise, pixels, sam, sam_attention):
        monkeypatch.setattr(module, "has_kernels", lambda *_: True)
    for view, plain in zip(views, expected, strict=True):
        assert difference(vision.features(view), plain) < 1e-4


def test_the_towers_together_in_fp8(monkeypatch, fp8, golden_config, golden_weights) -> None:
    """As far from plain PyTorch as numbers are that fall to the other neighbour."""
    weights = on_device(quantize_first_tower(golden_weights).vision)
    vision = Vision(golden_config, weights, capture=False)
    view = torch.randint(0, 256, (1, 3, 96, 96), dtype=torch.uint8).to(DEVICE)
    plain = vision.features(view)
    for module in (clip, pointwise, pixels, sam, sam_attention):
        monkeypatch.setattr(module, "has_kernels", lambda *_: True)
    assert difference(vision.features(view), plain) < 2e-2


@pytest.mark.gpu
@pytest.mark.skipif(DEVICE == "cpu", reason="no CUDA device")
def test_kernels_are_used_for_16_bit_numbers_on_a_gpu_only(numbers) -> None:
    assert pointwise.has_kernels(numbers(1, dtype=torch.bfloat16))
    assert not pointwise.has_kernels(numbers(1))
    assert not pointwise.has_kernels(numbers(1, dtype=torch.bfloat16).cpu())
