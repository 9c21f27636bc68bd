"""Checkpoints in eight bits, in the layout of compressed-tensors: the same as their plain weights."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from deepseek_ocr_rag.engine.sequence import PageTask
from deepseek_ocr_rag.engine.startup import EngineSettings, start_engine
from deepseek_ocr_rag.engine.weights.compressed import ScaleBlock, scale_blocks, scaled
from deepseek_ocr_rag.engine.weights.loading import load_weights
from deepseek_ocr_rag.engine.weights.quantization import quantize_decoder
from deepseek_ocr_rag.engine.weights.tensors import Matrix
from deepseek_ocr_rag.errors import BackendUnavailableError, EngineUnsupportedError
from deepseek_ocr_rag.model.checkpoint import find_checkpoint
from deepseek_ocr_rag.model.families import FAMILIES
from deepseek_ocr_rag.model.ngrams import NoRepeat
from deepseek_ocr_rag.model.views import page_views

LINEAR = re.compile(r"model\.layers\.\d+\.(?:self_attn|mlp)\..*_proj\.weight")
"""What the public FP8 checkpoints of this family store in eight bits: the decoder's linear layers
but for the router and the head."""

BLOCK = {"outputs": 32, "inputs": 48}
KINDS = {
    "fp8": (torch.float8_e4m3fn, 448.0, {"num_bits": 8, "type": "float"}),
    "int8": (torch.int8, 127.0, {"num_bits": 8, "type": "int"}),
}
STRATEGIES = {
    "tensor": {},
    "channel": {},
    "block": {"block_structure": [BLOCK["outputs"], BLOCK["inputs"]]},
    "group": {"group_size": 16},
}


def compressed(weight: torch.Tensor, kind: str, strategy: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Store a matrix as llm-compressor does, by loops over its parts."""
    dtype, largest, _ = KINDS[kind]
    outputs, inputs = weight.shape
    high, wide = {
        "tensor": (outputs, inputs),
        "channel": (1, inputs),
        "block": (BLOCK["outputs"], BLOCK["inputs"]),
        "group": (1, 16),
    }[strategy]
    scales = torch.empty(-(-outputs // high), -(-inputs // wide))
    stored = torch.empty(weight.shape, dtype=dtype)
    for row in range(scales.shape[0]):
        for column in range(scales.shape[1]):
            part = (
                slice(row * high, (row + 1) * high),
                slice(column * wide, (column + 1) * wide),
            )
            scale = weight[part].abs().max() / largest
            scales[row, column] = scale
            divided = weight[part] / scale
            stored[part] = (divided.round() if kind == "int8" else divided).to(dtype)
    return stored, scales.view(1) if strategy == "tensor" else scales


def config_of(kind: str, strategy: str) -> dict:
    weights = {**KINDS[kind][2], "strategy": strategy, "symmetric": True, **STRATEGIES[strategy]}
    return {
        "quant_method": "compressed-tensors",
        "format": "float-quantized" if kind == "fp8" else "int-quantized",
        "quantization_status": "compressed",
        "ignore": ["lm_head", "re:model.vision_model.*", "re:model.sam_model.*"],
        "config_groups": {
            "group_0": {
                "targets": ["Linear"],
                "weights": weights,
                "input_activations": {"num_bits": 8, "type": "float", "strategy": "token"},
            }
        },
    }


@pytest.fixture
def folder(golden_checkpoint: Path, tmp_path: Path):
    """Write the golden checkpoint in eight bits; returns its folder and its plain weights."""

    def write(kind: str, strategy: str) -> tuple[Path, Path]:
        stored: dict[str, torch.Tensor] = {}
        plain: dict[str, torch.Tensor] = {}
        for name, weight in load_file(golden_checkpoint / "model.safetensors").items():
            plain[name] = stored[name] = weight
            if LINEAR.fullmatch(name):
                eight, scales = compressed(weight.float(), kind, strategy)
                stored[name], stored[f"{name}_scale"] = eight, scales
                plain[name] = by_hand(eight, scales, strategy)
        found = []
        for title, tensors in (("compressed", stored), ("plain", plain)):
            place = tmp_path / title
            place.mkdir()
            for file in golden_checkpoint.glob("*.json"):
                shutil.copyfile(file, place / file.name)
            save_file({n: t.contiguous() for n, t in tensors.items()}, place / "model.safetensors")
            found.append(place)
        told = json.loads((found[0] / "config.json").read_text())
        told["quantization_config"] = config_of(kind, strategy)
        (found[0] / "config.json").write_text(json.dumps(told))
        return found[0], found[1]

    return write


def by_hand(eight: torch.Tensor, scales: torch.Tensor, strategy: str) -> torch.Tensor:
    """Multiply each number by the scale of its part."""
    outputs, inputs = eight.shape
    row, column = torch.arange(outputs)[:, None], torch.arange(inputs)[None, :]
    if strategy == "tensor":
        each = scales.expand(outputs, inputs)
    elif strategy == "channel":
        each = scales[row, 0]
    elif strategy == "group":
        each = scales[row, column // 16]
    else:
        each = scales[row // BLOCK["outputs"], column // BLOCK["inputs"]]
    return eight.float() * each


@pytest.mark.parametrize("strategy", list(STRATEGIES))
@pytest.mark.parametrize("kind", list(KINDS))
def test_the_weights_are_those_of_their_scales(folder, golden_config, kind, strategy) -> None:
    stored, plain = folder(kind, strategy)
    blocks = scale_blocks(json.loads((stored / "config.json").read_text()))
    found, expected = (
        load_weights(
            golden_config, [place / "model.safetensors"], dtype=torch.float32, blocks=blocks
        ).decoder
        for place in (stored, plain)
    )
    for one, other in zip(found.layers, expected.layers, strict=True):
        assert torch.equal(one.qkv.weight, other.qkv.weight)
        assert torch.equal(one.projection.weight, other.projection.weight)
        for part in ("gate_up", "down"):
            found_part, expected_part = getattr(one.mlp, part), getattr(other.mlp, part)
            if isinstance(found_part, Matrix):
                found_part, expected_part = found_part.weight, expected_part.weight
            assert torch.equal(found_part, expected_part)


def test_experts_kept_in_fp8_are_the_numbers_of_the_file(folder, golden_config) -> None:
    stored, _ = folder("fp8", "channel")
    file = stored / "model.safetensors"
    weights = quantize_decoder(load_weights(golden_config, [file]), "fp8")
    name = "model.layers.1.mlp.experts.5.down_proj.weight"
    expected = load_file(file)[name]
    assert torch.equal(weights.decoder.layers[1].mlp.down[5].float(), expected.float())
    assert weights.decoder.layers[1].qkv.scales is None


def test_dense_layers_kept_in_fp8_are_the_numbers_of_the_file(folder, golden_config) -> None:
    stored, _ = folder("fp8", "channel")
    file = stored / "model.safetensors"
    layers = quantize_decoder(load_weights(golden_config, [file]), "fp8-all").decoder.layers
    tensors = load_file(file)
    for name, found in (
        ("model.layers.1.self_attn.o_proj", layers[1].projection),
        ("model.layers.0.mlp.down_proj", layers[0].mlp.down),
    ):
        assert torch.equal(found.weight.float(), tensors[f"{name}.weight"].float())
        scales = tensors[f"{name}.weight_scale"].float().flatten()
        torch.testing.assert_close(found.scales, scales, rtol=4e-3, atol=0)


def test_the_engine_writes_the_tokens_of_the_plain_weights(folder, golden_cases, shared) -> None:
    case = golden_cases[0]
    page = PageTask(
        case.arrays("expected")["input_ids"].ravel().tolist(),
        page_views(case.image, case.mode, FAMILIES["deepseek-ocr"]),
        NoRepeat(0),
        8,
        min_new_tokens=8,
    )
    written = []
    for place in folder("fp8", "channel"):
        checkpoint = find_checkpoint(place, tokenizer=shared / "deepseek-ocr-files/tokenizer.json")
        engine = start_engine(checkpoint, EngineSettings(device="cpu"))
        written.append(engine.submit(page).result(120).tokens)
        engine.close()
    assert written[0] == written[1]


def test_eight_bits_without_scales_are_refused(folder, golden_config) -> None:
    """Or they would be read as they are, 448 where 0.1 is meant."""
    file = folder("fp8", "channel")[0] / "model.safetensors"
    tensors = load_file(file)
    name = "model.layers.0.self_attn.q_proj.weight_scale"
    del tensors[name]
    save_file(tensors, file)
    with pytest.raises(BackendUnavailableError, match=f"{re.escape(name)} is missing"):
        load_weights(golden_config, [file])


def test_scales_of_another_shape_are_refused(folder, golden_config) -> None:
    file = folder("fp8", "block")[0] / "model.safetensors"
    with pytest.raises(BackendUnavailableError, match=r"weight_scale has the shape \(6, 2\)"):
        load_weights(golden_config, [file], blocks=())


def test_a_block_that_ends_at_the_edge_has_its_own_scale() -> None:
    """The published width of the dense layer, 6,848, is 53 and a half times 128."""
    weight = torch.ones(5, 3).to(torch.float8_e4m3fn)
    scale = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    found = scaled(weight, scale, (ScaleBlock(2, 2),))
    assert found is not None
    assert found.tolist() == [[1, 1, 2], [1, 1, 2], [3, 3, 4], [3, 3, 4], [5, 5, 6]]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"quant_method": "awq"}, "quantized by 'awq'"),
        ({"format": "pack-quantized"}, "'pack-quantized'"),
        ({"format": "nvfp4-pack-quantized"}, "nvfp4"),
    ],
)
def test_other_ways_to_store_weights_are_named(change, match) -> None:
    config = {"quantization_config": config_of("fp8", "channel") | change}
    with pytest.raises(EngineUnsupportedError, match=match):
        scale_blocks(config)


def test_zero_points_and_four_bits_are_refused() -> None:
    for change in ({"symmetric": False}, {"num_bits": 4}, {"strategy": "attn_head"}):
        told = config_of("int8", "channel")
        told["config_groups"]["group_0"]["weights"] |= change
        with pytest.raises(EngineUnsupportedError):
            scale_blocks({"quantization_config": told})
