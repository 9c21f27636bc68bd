"""Weights: every published tensor has its place, and nothing else does."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from thread_leaks import new_threads
from waiting import LONG

from deepseek_ocr_rag.concurrency.child_process import python_path
from deepseek_ocr_rag.engine.weights import loading
from deepseek_ocr_rag.engine.weights.config import PUBLISHED
from deepseek_ocr_rag.engine.weights.loading import load_weights, random_weights
from deepseek_ocr_rag.engine.weights.mapping import assemble
from deepseek_ocr_rag.engine.weights.tensors import DenseWeights, ExpertWeights
from deepseek_ocr_rag.errors import BackendUnavailableError

PATCHES = "model.vision_model.embeddings.patch_embedding.weight"
"""Published and never used."""


@pytest.fixture(scope="session")
def tensors(golden_checkpoint: Path) -> dict[str, torch.Tensor]:
    return load_file(golden_checkpoint / "model.safetensors")


@pytest.fixture
def saved(tmp_path: Path):
    def save(tensors, name="model.safetensors") -> list[Path]:
        save_file(tensors, tmp_path / name)
        return [tmp_path / name]

    return save


def test_every_published_tensor_is_asked_for_once(shared: Path) -> None:
    index = shared / "deepseek-ocr-files" / "model.safetensors.index.json"
    published = json.loads(index.read_text(encoding="utf-8"))
    asked: list[str] = []
    size = 0

    def take(name: str, shape: tuple[int, ...]) -> torch.Tensor:
        nonlocal size
        asked.append(name)
        tensor = torch.empty(shape, dtype=torch.bfloat16, device="meta")
        size += tensor.nbytes
        return tensor

    assemble(PUBLISHED, take)
    assert sorted([*asked, PATCHES]) == sorted(published["weight_map"])
    assert size + 1024 * 3 * 14 * 14 * 2 == published["metadata"]["total_size"]


def test_queries_keys_and_values_are_one_matrix(golden_weights, tensors) -> None:
    parts = [tensors[f"model.layers.2.self_attn.{part}_proj.weight"] for part in "qkv"]
    assert torch.equal(golden_weights.decoder.layers[2].qkv.weight, torch.cat(parts).float())


def test_experts_are_one_tensor_gate_before_up(golden_weights, tensors) -> None:
    assert isinstance(golden_weights.decoder.layers[0].mlp, DenseWeights)
    mixture = golden_weights.decoder.layers[1].mlp
    assert isinstance(mixture, ExpertWeights)
    name = "model.layers.1.mlp.experts.5"
    gate, up = mixture.gate_up[5].chunk(2)
    assert torch.equal(gate, tensors[f"{name}.gate_proj.weight"].float())
    assert torch.equal(up, tensors[f"{name}.up_proj.weight"].float())
    assert torch.equal(mixture.down[5], tensors[f"{name}.down_proj.weight"].float())


def test_weights_come_in_the_type_that_is_asked_for(golden_config, golden_checkpoint) -> None:
    files = [golden_checkpoint / "model.safetensors"]
    weights = load_weights(golden_config, files, dtype=torch.bfloat16)
    assert weights.decoder.head.dtype == torch.bfloat16
    assert weights.vision.sam.patches.weight.dtype == torch.bfloat16


def test_several_files_are_read_as_one(golden_config, golden_weights, tensors, saved) -> None:
    names = sorted(tensors)
    first = saved({name: tensors[name] for name in names[:50]}, "1.safetensors")
    second = saved({name: tensors[name] for name in names[50:]}, "2.safetensors")
    found = load_weights(golden_config, first + second, dtype=torch.float32)
    assert torch.equal(found.decoder.head, golden_weights.decoder.head)


@pytest.mark.parametrize(
    "name",
    ["lm_head.weight", "model.layers.2.mlp.experts.7.up_proj.weight", "model.view_seperator"],
)
def test_a_missing_tensor_is_named(golden_config, tensors, saved, name) -> None:
    rest = {other: tensor for other, tensor in tensors.items() if other != name}
    with pytest.raises(BackendUnavailableError, match=f"{re.escape(name)} is missing"):
        load_weights(golden_config, saved(rest))


def test_tensors_of_another_network_are_refused(golden_config, tensors, saved) -> None:
    files = saved(tensors | {"model.layers.3.norm.weight": torch.zeros(1)})
    with pytest.raises(BackendUnavailableError, match=r"model\.layers\.3\.norm\.weight belong"):
        load_weights(golden_config, files)


def test_tensors_that_nothing_uses_need_not_be_there(golden_config, tensors, saved) -> None:
    rest = {name: tensor for name, tensor in tensors.items() if name != PATCHES}
    load_weights(golden_config, saved(rest))


def test_a_tensor_of_another_shape_is_refused(golden_config, tensors, saved) -> None:
    files = saved(tensors | {"model.norm.weight": torch.zeros(65)})
    with pytest.raises(BackendUnavailableError, match=r"model\.norm\.weight has the shape \(65,\)"):
        load_weights(golden_config, files)


def test_a_tensor_in_two_files_is_refused(golden_config, tensors, saved) -> None:
    files = saved(tensors) + saved({"model.norm.weight": torch.zeros(64)}, "other.safetensors")
    with pytest.raises(BackendUnavailableError, match="two files"):
        load_weights(golden_config, files)


@pytest.mark.parametrize("keep", [0, 7, 1000, 0.5])
def test_a_file_that_broke_off_is_refused(golden_config, golden_checkpoint, tmp_path, keep) -> None:
    whole = (golden_checkpoint / "model.safetensors").read_bytes()
    broken = tmp_path / "model.safetensors"
    broken.write_bytes(whole[: int(len(whole) * keep) if isinstance(keep, float) else keep])
    with pytest.raises(BackendUnavailableError, match=r"model\.safetensors.*cannot read"):
        load_weights(golden_config, [broken])


def test_a_file_that_is_not_there_is_named(golden_config, tmp_path) -> None:
    with pytest.raises(BackendUnavailableError, match="cannot read"):
        load_weights(golden_config, [tmp_path / "model.safetensors"])


def test_random_weights_are_laid_out_alike_and_repeat(golden_config, golden_weights) -> None:
    first, second = (random_weights(golden_config, dtype=torch.float32) for _ in range(2))
    assert first.decoder.head.shape == golden_weights.decoder.head.shape
    assert torch.equal(first.vision.sam.mix, second.vision.sam.mix)
    other = random_weights(golden_config, dtype=torch.float32, seed=1)
    assert not torch.equal(first.vision.sam.mix, other.vision.sam.mix)


def test_layers_are_read_at_the_same_time(golden_config, golden_checkpoint, monkeypatch) -> None:
    threads = 2
    monkeypatch.setattr(os, "cpu_count", lambda: 2 * threads)
    together = threading.Barrier(threads)
    take = loading._Files.take

    def held(files: object, name: str, shape: tuple[int, ...]) -> torch.Tensor:
        if name.startswith("model.sam_model.blocks.") and name.endswith("norm1.weight"):
            # With fewer threads, the barrier would never open.
            together.wait(LONG)
        return take(files, name, shape)

    layers = golden_config.sam.layers
    assert layers % threads == 0
    monkeypatch.setattr(loading._Files, "take", held)
    weights = load_weights(golden_config, [golden_checkpoint / "model.safetensors"])
    assert len(weights.vision.sam.layers) == layers


def test_a_start_imports_no_compiler(golden_checkpoint: Path) -> None:
    """Some of torch's operations, those on the device "meta" for one, import torch._dynamo and with
    it sympy: five seconds of an engine's start."""
    code = f"""
import sys
import torch
from pathlib import Path
from deepseek_ocr_rag.engine.startup import EngineSettings, start_engine
from deepseek_ocr_rag.model.checkpoint import find_checkpoint
start_engine(find_checkpoint({str(golden_checkpoint)!r}), EngineSettings("cpu")).close()
print([name for name in ("torch._dynamo", "torch._inductor", "sympy") if name in sys.modules])
"""
    environment = {**os.environ, "PYTHONPATH": python_path()}
    ran = subprocess.run(
        [sys.executable, "-P", "-c", code], env=environment, capture_output=True, check=True
    )
    assert ran.stdout.strip().endswith(b"[]")


def test_no_thread_reads_on_after_an_error(golden_config, tensors, saved) -> None:
    before = set(threading.enumerate())
    rest = {name: tensor for name, tensor in tensors.items() if name != "model.image_newline"}
    with pytest.raises(BackendUnavailableError, match=r"model\.image_newline is missing"):
        load_weights(golden_config, saved(rest))
    assert new_threads(before) == []
