"""What stands in for the weights while kernels are compiled."""

from __future__ import annotations

import gc
import weakref
from dataclasses import fields, is_dataclass, replace

import pytest

torch = pytest.importorskip("torch")

import tiny_engine

from deepseek_ocr_rag.engine import compile_ahead
from deepseek_ocr_rag.engine.compile_ahead import Rehearsal, few_layers, rehearse, stand_in
from deepseek_ocr_rag.engine.reference_ops import ReferenceOps
from deepseek_ocr_rag.engine.runner import Runner
from deepseek_ocr_rag.engine.weights.config import PUBLISHED
from deepseek_ocr_rag.engine.weights.tensors import DenseWeights, ExpertWeights


def test_one_layer_of_each_kind_is_kept() -> None:
    few = few_layers(PUBLISHED)
    kinds = {layer in few.sam.global_layers for layer in range(few.sam.layers)}
    assert kinds == {True, False}
    assert few.second.layers == 1
    assert few.decoder.layers == few.decoder.dense_layers + 1
    assert few.decoder.width == PUBLISHED.decoder.width


def test_towers_of_one_kind_of_layer_keep_one() -> None:
    for layers in (frozenset(), frozenset(range(12))):
        sam = replace(PUBLISHED.sam, global_layers=layers)
        assert few_layers(replace(PUBLISHED, sam=sam)).sam.layers == 1


@pytest.mark.parametrize("kind", ["model", "int8", "fp8", "int8-all", "fp8-all"])
def test_weights_that_stand_in_have_the_types_of_real_ones(kind) -> None:
    few = few_layers(PUBLISHED)
    weights = stand_in(few, kind, torch.device("meta")) if kind == "model" else None
    small = stand_in(few_layers(tiny_engine.SECOND), kind, torch.device("cpu"))
    layer = small.decoder.layers[0]
    dense, experts = (each.mlp for each in small.decoder.layers)
    assert isinstance(dense, DenseWeights)
    assert isinstance(experts, ExpertWeights)
    stored = {"model": torch.bfloat16, "int8": torch.int8, "fp8": torch.float8_e4m3fn}
    assert experts.down.dtype == stored[kind.removesuffix("-all")]
    for matrix in (dense.gate_up, dense.down, layer.qkv, layer.projection):
        kept = stored[kind[:-4]] if kind.endswith("-all") else torch.bfloat16
        assert matrix.weight.dtype == kept
        assert (matrix.scales is None) == (kept == torch.bfloat16)
    if weights is not None:
        assert weights.decoder.head.shape == (129_280, 1280)


def test_a_tower_that_stands_in_is_in_fp8_if_the_real_one_is() -> None:
    for vision, stored in (("model", torch.bfloat16), ("fp8", torch.float8_e4m3fn)):
        few = few_layers(tiny_engine.SECOND)
        weights = stand_in(few, "model", torch.device("cpu"), vision).vision
        assert weights.sam.layers[0].qkv.weight.dtype == stored


def as_float32(value):
    if isinstance(value, torch.Tensor):
        kept = value.dtype == torch.float8_e4m3fn
        return torch.zeros_like(value, dtype=value.dtype if kept else torch.float32)
    if isinstance(value, tuple):
        return tuple(as_float32(part) for part in value)
    if is_dataclass(value):
        return type(value)(*(as_float32(getattr(value, f.name)) for f in fields(value)))
    return value


@pytest.mark.parametrize(("vision", "threads"), [("model", 1), ("fp8", 1), ("model", 2)])
def test_a_rehearsal_runs_with_few_layers_alone(vision, threads) -> None:
    few = few_layers(tiny_engine.SECOND)
    weights = as_float32(stand_in(few, "model", torch.device("cpu"), vision))
    rehearsal = Rehearsal(4, 40, "model", "model", 1024, (256,), ())
    rehearse(few, weights, ReferenceOps(), rehearsal, threads=threads)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_rehearsal_leaves_nothing_behind_where_no_garbage_is_looked_for(
    monkeypatch, threads
) -> None:
    """No collection runs while an engine starts, and the size of its cache depends on free memory."""
    left: list[weakref.ref[object]] = []

    class Watched(Runner):
        def __init__(self, *args, **more) -> None:
            super().__init__(*args, **more)
            left.extend(weakref.ref(each) for each in (self, self._cache.keys, self._slots.history))

    monkeypatch.setattr(compile_ahead, "Runner", Watched)
    few = few_layers(tiny_engine.SECOND)
    weights = as_float32(stand_in(few, "model", torch.device("cpu")))
    left.append(weakref.ref(weights.decoder.head))
    gc.disable()
    try:
        rehearsal = Rehearsal(4, 40, "model", "model", 1024, (256,), ())
        rehearse(few, weights, ReferenceOps(), rehearsal, threads=threads)
        del weights
        assert [each() for each in left] == [None] * 4
    finally:
        gc.enable()
