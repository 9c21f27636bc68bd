"""What fp8 in the towers computes, and how far that is from what it stands for."""

from __future__ import annotations

from dataclasses import replace

import pytest
import tiny_engine
import torch
from torch.nn import functional

from deepseek_ocr_rag.engine.vision.pointwise import gated, gelu, quick_gelu
from deepseek_ocr_rag.engine.vision.products import RoundedRows, product, rounded
from deepseek_ocr_rag.engine.vision.towers import Vision
from deepseek_ocr_rag.engine.weights.loading import random_weights
from deepseek_ocr_rag.engine.weights.quantization import quantize, quantize_towers, quantized
from deepseek_ocr_rag.engine.weights.tensors import Linear, Matrix

FP8 = torch.float8_e4m3fn


def difference(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found.double() - expected.double()).norm() / expected.double().norm())


def linear(outputs: int, inputs: int) -> Linear:
    return Linear(torch.randn(outputs, inputs) * inputs**-0.5, torch.randn(outputs))


def in_fp8(layer: Linear) -> Linear:
    stored, scales = quantize(layer.weight[None], "fp8")
    return Linear(stored[0], layer.bias, scales[0])


def written_out(rows: RoundedRows) -> torch.Tensor:
    return rows.stored.double() * rows.scales.double()


def test_rows_are_rounded_by_scales_of_their_own() -> None:
    values = torch.randn(3, 4, 96)
    values[0, 0] *= 1e4
    values[1, 1] *= 1e-4
    values[2, 2] = 0
    rows = rounded(values)
    assert (rows.stored.dtype, rows.scales.shape) == (FP8, (3, 4, 1))
    # Three bits of a number are kept, so each is off by a sixteenth at most.
    allowed = values.abs() / 16 + values.abs().amax(-1, keepdim=True) * 2**-16
    assert ((written_out(rows) - values).abs() <= allowed).all()
    assert not written_out(rows)[2, 2].any()


def test_a_product_is_that_of_the_rounded_numbers() -> None:
    layer = linear(40, 96)
    values = torch.randn(3, 5, 96)
    rows, stored = rounded(values), in_fp8(layer)
    weight = stored.weight.double() * stored.scales.double()[:, None]
    exact = written_out(rows) @ weight.T + layer.bias.double()
    found = product(rows, stored)
    assert (found.shape, found.dtype) == ((3, 5, 40), torch.float32)
    assert difference(found, exact) < 1e-6
    assert 1e-2 < difference(found, product(values, layer)) < 4e-2


def test_a_matrix_has_no_bias() -> None:
    stored = in_fp8(linear(40, 96))
    rows = rounded(torch.randn(7, 96))
    found = product(rows, Matrix(stored.weight, stored.scales))
    torch.testing.assert_close(found, product(rows, stored) - stored.bias, rtol=0, atol=1e-6)


def test_results_have_the_type_of_the_values() -> None:
    rows = rounded(torch.randn(7, 96).bfloat16())
    assert product(rows, in_fp8(linear(40, 96))).dtype == torch.bfloat16


def test_a_layer_that_is_not_in_fp8_refuses_rounded_values() -> None:
    with pytest.raises(ValueError, match="only a layer in fp8"):
        product(rounded(torch.randn(7, 96)), linear(40, 96))


@pytest.mark.parametrize(
    ("activate", "plain", "width"),
    [
        (gelu, functional.gelu, 96),
        (quick_gelu, lambda values: values * torch.sigmoid(1.702 * values), 96),
        (gated, lambda values: functional.silu(values[..., :96]) * values[..., 96:], 192),
    ],
)
def test_activations_round_for_a_layer_in_fp8_only(activate, plain, width) -> None:
    values, layer = torch.randn(5, width), linear(40, 96)
    expected = plain(values)
    torch.testing.assert_close(activate(values.clone(), layer), expected)
    rows = activate(values, in_fp8(layer))
    torch.testing.assert_close(rows.stored.float(), rounded(expected).stored.float())
    torch.testing.assert_close(rows.scales, rounded(expected).scales)


@pytest.fixture(params=["golden", "second"])
def network(request, golden_config, golden_weights):
    if request.param == "golden":
        return golden_config, golden_weights
    return tiny_engine.SECOND, random_weights(tiny_engine.SECOND, dtype=torch.float32)


def test_both_towers_are_close_to_those_that_round_nothing(network) -> None:
    """Of both models; each tower by itself is changed too."""
    config, weights = network
    views = torch.randint(0, 256, (1, 3, 160, 160), dtype=torch.uint8)
    eight = quantize_towers(weights).vision
    exact = Vision(config, weights.vision).features(views)
    for part in (
        eight,
        replace(weights.vision, sam=eight.sam),
        replace(weights.vision, second=eight.second),
    ):
        assert 1e-3 < difference(Vision(config, part).features(views), exact) < 0.12


def test_layers_of_the_towers_are_in_fp8_and_nothing_else(network) -> None:
    _, weights = network
    found = quantized(weights, "model", "fp8")
    eight = {id(tensor) for tensor in tensors(found) if tensor.dtype == FP8}
    expected = []
    for layer in found.vision.sam.layers:
        expected += [layer.qkv, layer.up, layer.down]
    for layer in found.vision.second.layers:
        mlp = getattr(layer, "mlp", layer)
        expected += [layer.qkv, mlp.down, mlp.gate_up if hasattr(layer, "mlp") else mlp.up]
    assert {id(layer.weight) for layer in expected} == eight
    assert all(layer.scales.shape == layer.weight.shape[:1] for layer in expected)
    assert found.decoder is weights.decoder
    assert quantized(weights, "model", "model") is weights


def tensors(value):
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, tuple):
        for part in value:
            yield from tensors(part)
    elif hasattr(value, "__dataclass_fields__"):
        for name in value.__dataclass_fields__:
            yield from tensors(getattr(value, name))
