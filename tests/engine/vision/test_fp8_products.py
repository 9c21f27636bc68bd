"""What fp8 in the first tower computes, and how far that is from what it stands for."""

from __future__ import annotations

from functools import partial

import pytest
import tiny_engine
import torch
from torch.nn import functional

from deepseek_ocr_rag.engine.vision.fp8_products import RoundedRows, product, rounded
from deepseek_ocr_rag.engine.vision.pointwise import gelu_between, norm_for
from deepseek_ocr_rag.engine.vision.residual import add_product, lacking_biases
from deepseek_ocr_rag.engine.vision.towers import Vision
from deepseek_ocr_rag.engine.weights.loading import random_weights
from deepseek_ocr_rag.engine.weights.quantization import quantize, quantize_first_tower, quantized
from deepseek_ocr_rag.engine.weights.tensors import LayerNorm, Linear

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
    # The largest number of each row is the largest of fp8.
    assert (rows.stored.float().abs().amax(-1) == 448).sum() == 11
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


def test_results_have_the_type_of_the_values() -> None:
    rows = rounded(torch.randn(7, 96).bfloat16())
    assert product(rows, in_fp8(linear(40, 96))).dtype == torch.bfloat16


def test_a_layer_that_is_not_in_fp8_refuses_rounded_values() -> None:
    with pytest.raises(ValueError, match="only a layer in fp8"):
        product(rounded(torch.randn(7, 96)), linear(40, 96))


def test_norms_and_activations_round_for_a_layer_in_fp8_only() -> None:
    up, layer, values, lacking = (
        linear(96, 30), linear(40, 96), torch.randn(5, 96), torch.randn(96),
    )  # fmt: skip
    norm = LayerNorm(torch.randn(96), torch.randn(96), 1e-6)
    before = torch.randn(5, 30)
    activated = functional.gelu(up(before))
    for given in (None, lacking):
        total = values if given is None else values + given
        normed = functional.layer_norm(total, (96,), norm.weight, norm.bias, norm.epsilon)
        for found, expected in (
            (partial(norm_for, values=values, norm=norm, lacking=given), normed),
            (partial(gelu_between, before, up), activated),
        ):
            torch.testing.assert_close(found(layer), expected)
            rows = found(in_fp8(layer))
            assert torch.equal(rows.stored.float(), rounded(expected).stored.float())
            assert torch.equal(rows.scales, rounded(expected).scales)


def test_a_product_is_added_without_its_bias() -> None:
    layer, values = linear(40, 96), torch.randn(3, 5, 96)
    for given, own in ((values, layer), (rounded(values), in_fp8(layer))):
        stream = torch.randn(3, 5, 40)
        expected = stream + product(given, own) - layer.bias
        add_product(stream, given, own)
        torch.testing.assert_close(stream, expected)


def test_a_stream_lacks_the_biases_of_the_layers_so_far() -> None:
    layers = [linear(40, 96) for _ in range(3)]
    found = lacking_biases(Linear(layer.weight, layer.bias.bfloat16()) for layer in layers)
    biases = [layer.bias.bfloat16().float() for layer in layers]
    assert len(found) == 4
    assert not found[0].any()
    torch.testing.assert_close(found[2], biases[0] + biases[1])
    torch.testing.assert_close(found[3], biases[0] + biases[1] + biases[2])


@pytest.fixture(params=["golden", "second"])
def network(request, golden_config, golden_weights):
    if request.param == "golden":
        return golden_config, golden_weights
    return tiny_engine.SECOND, random_weights(tiny_engine.SECOND, dtype=torch.float32)


def test_features_are_close_to_those_that_round_nothing(network) -> None:
    """Of both models."""
    config, weights = network
    views = torch.randint(0, 256, (1, 3, 160, 160), dtype=torch.uint8)
    exact = Vision(config, weights.vision).features(views)
    found = Vision(config, quantize_first_tower(weights).vision).features(views)
    assert 1e-3 < difference(found, exact) < 0.1


def test_layers_of_the_first_tower_are_in_fp8_and_nothing_else(network) -> None:
    _, weights = network
    found = quantized(weights, "model", "fp8")
    expected = [
        getattr(layer, name) for layer in found.vision.sam.layers for name in ("qkv", "up", "down")
    ]
    eight = {id(tensor) for tensor in tensors(found) if tensor.dtype == FP8}
    assert {id(layer.weight) for layer in expected} == eight
    assert all(layer.scales.shape == layer.weight.shape[:1] for layer in expected)
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
