"""Compiles an engine's kernels on stand-in weights while the real ones are loaded."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .kv_cache import CacheType
from .ops import Ops
from .runner import PageImage, Runner
from .weights.config import EngineConfig
from .weights.mapping import assemble
from .weights.quantization import VisionType, WeightType, quantized
from .weights.tensors import EngineWeights

__all__ = ["Rehearsal", "few_layers", "load_and_compile", "rehearse", "stand_in"]

_log = logging.getLogger("deepseek_ocr_rag")


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What determines which kernels an engine compiles."""

    slots: int  # pages at once
    blocks: int  # of the cache that the rehearsal uses
    cache: CacheType
    weights: WeightType
    max_prefill_tokens: int
    view_sides: Sequence[int]
    pages: Sequence[PageImage]
    vision: VisionType = "model"


def few_layers(config: EngineConfig) -> EngineConfig:
    """Keep only the first layers, up to one of each kind: they use the kernels of all layers."""
    sam, decoder = config.sam, config.decoder
    is_global = [layer in sam.global_layers for layer in range(sam.layers)]
    return replace(
        config,
        sam=replace(sam, layers=1 + max(is_global.index(kind) for kind in set(is_global))),
        second=replace(config.second, layers=1),
        decoder=replace(decoder, layers=min(decoder.layers, decoder.dense_layers + 1)),
    )


def stand_in(
    config: EngineConfig, kind: WeightType, device: torch.device, vision: VisionType = "model"
) -> EngineWeights:
    """Return uninitialized weights of a network's shapes and types."""

    def take(_: str, shape: tuple[int, ...]) -> Tensor:
        return torch.empty(shape, dtype=torch.bfloat16, device=device)

    return quantized(assemble(config, take), kind, vision)


def load_and_compile(
    config: EngineConfig,
    load: Callable[[], EngineWeights],
    ops: Ops,
    rehearsal: Rehearsal,
    *,
    beside: bool,
) -> EngineWeights:
    """Load the weights, and compile all kernels: side by side, or one after the other."""
    # Imported late, because it needs triton, which an engine on the CPU does not.
    from .kernels.launching import compiling

    device = torch.device("cuda", torch.cuda.current_device())
    begin = time.monotonic()
    # Each thread has a current device of its own.
    with ThreadPoolExecutor(1, initializer=torch.cuda.set_device, initargs=(device,)) as pool:
        loading = pool.submit(load)
        if beside:
            few = few_layers(config)
            with compiling():
                weights = stand_in(few, rehearsal.weights, device, rehearsal.vision)
                rehearse(few, weights, ops, rehearsal, threads=2)
        else:
            weights = loading.result()
            torch.cuda.empty_cache()
            with compiling():
                rehearse(config, weights, ops, rehearsal)
        compiled = time.monotonic()
        weights = loading.result()
    torch.cuda.empty_cache()
    _log.info(
        "kernels compiled in %.1f s, weights loaded %.1f s later",
        compiled - begin,
        time.monotonic() - compiled,
    )
    return weights


def rehearse(
    config: EngineConfig,
    weights: EngineWeights,
    ops: Ops,
    rehearsal: Rehearsal,
    *,
    threads: int = 1,
) -> None:
    """Run once everything that an engine will capture, and make the views of pages.

    Half of the time is spent in the driver, so with two ``threads`` the towers run in one and the
    decoder in the other; that needs the memory of both at once.
    """
    runner = Runner(
        config,
        weights,
        ops,
        slots=rehearsal.slots,
        blocks=rehearsal.blocks,
        cache=rehearsal.cache,
        max_prefill_tokens=rehearsal.max_prefill_tokens,
    )

    def towers() -> None:
        runner.compile_vision(rehearsal.view_sides)
        for page in rehearsal.pages:
            views = page.views(runner.device)
            # The views are made on first access.
            _ = views.global_view, views.tiles

    if threads == 1:
        towers()
        runner.compile_decoder()
        return
    with ThreadPoolExecutor(1, "dsocr-towers", _take_device, (runner.device,)) as pool:
        # The copied context says that kernels are only compiled.
        beside = pool.submit(copy_context().run, towers)
        runner.compile_decoder()
        beside.result()


def _take_device(device: torch.device) -> None:
    """Make the device the current one of this thread, if it is a GPU."""
    if device.type == "cuda":
        torch.cuda.set_device(device)
