"""Starts an engine: checks the device, loads the weights, and divides the memory."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass
from typing import Final

import torch

from ..errors import BackendUnavailableError, ConfigurationError, EngineUnsupportedError
from ..model.checkpoint import Checkpoint
from ..model.families import FAMILIES, Family
from ..model.ngrams import NoRepeat
from ..model.prompts import MODES, Mode
from ..model.tokenizer import BOS, IMAGE
from ..model.views import page_grid
from .block_pool import BLOCK_SIZE
from .compile_ahead import Rehearsal, load_and_compile
from .cuda_graphs import MAX_PROMPTS
from .engine import Engine
from .kernels.self_test import triton_problem
from .kv_cache import CacheType, block_bytes
from .ops import Ops
from .reference_ops import ReferenceOps
from .runner import PageImage, Runner
from .scheduler import Scheduler
from .sequence import PageTask, WrittenSequence
from .weights.compressed import scale_blocks
from .weights.config import DecoderConfig, EngineConfig, QwenConfig, engine_config
from .weights.loading import load_weights
from .weights.quantization import VisionType, WeightType, quantized
from .weights.tensors import EngineWeights

__all__ = ["EngineSettings", "engine_device", "start_engine", "warm_up"]

OLDEST_CAPABILITY: Final = (8, 0)
"""Ampere: older GPUs have no bfloat16."""

EIGHT_BIT_CAPABILITY: Final = (8, 9)
"""Ada: older GPUs cannot convert e4m3 numbers."""

TYPICAL_TOKENS: Final = 1600
"""Tokens of a typical page while it is generated, prompt included; decides the number of slots."""

MAX_SLOTS: Final = 512
"""Most slots. More would gain little: a step already spends nearly all its time on the cache."""

PREFILL_TOKENS: Final = 4096
"""Prompt tokens that are computed at once, those of four pages. More would gain nothing, and
would delay an urgent page."""

SPARE: Final = 0.02
"""Share of the memory that fragmentation may waste."""

WARM_UP_BLOCKS: Final = 2 + PREFILL_TOKENS // BLOCK_SIZE * 2
"""Blocks of the cache before the memory is divided: enough for the prompts of a prefill."""

ROOM_TO_COMPILE: Final = 4 * 2**30
"""Bytes beside the weights that compiling kernels while these are loaded needs: for one layer of
each kind, embeddings and the largest batch of views. With less, the weights are loaded first."""

ROOM_SIDE_BY_SIDE: Final = 32 * 2**30
"""Fewest bytes beside the weights with which whole pages go through the first tower beside tiles.
That saves 0.4 % of a page's time, and takes 0.36 GiB: with less, pages that no longer fit would
cost more."""

GRAPH_BYTES: Final = 256 * 2**20
"""Bytes that are kept free for graphs that are captured when a batch of views first occurs."""

_log = logging.getLogger("deepseek_ocr_rag")


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """Settings of an engine.

    A ``cache`` of "fp8" stores keys and values in eight bits: twice the pages at once, and faster
    large batches.
    """

    device: str | None = None  # a CUDA device, "cpu" (slow, for tests), or None for the first GPU
    cache: CacheType = "model"
    memory_limit: int | None = None  # bytes of GPU memory that may be used; None uses what is free
    slots: int | None = None  # most pages at once; None takes as many as are useful and fit
    weights: WeightType = "model"  # "int8" and "fp8" store the experts in eight bits: 2.4 GB less;
    # "int8-all" and "fp8-all" the dense layers too: 0.1 GB less than that
    vision: VisionType = "model"  # "fp8" multiplies in eight bits in the first tower


def engine_device(settings: EngineSettings) -> torch.device:
    """Return the device that the engine will run on.

    Raises:
        ConfigurationError: If there is no such device, or it cannot use one of the settings.
        EngineUnsupportedError: If the engine cannot run on it.
    """
    try:
        device = torch.device(settings.device or "cuda")
    except RuntimeError as error:
        raise ConfigurationError(
            f"there is no device {settings.device!r}", remedy='Use "cuda", "cuda:0" or "cpu".'
        ) from error
    if device.type == "cpu":
        return device
    if device.type != "cuda" or torch.version.hip is not None or not torch.cuda.is_available():
        raise _unsupported("there is no CUDA device")
    device = torch.device("cuda", device.index or 0)
    if device.index >= torch.cuda.device_count():
        raise ConfigurationError(
            f"there is no device {device}",
            remedy=f"Use one of cuda:0 to cuda:{torch.cuda.device_count() - 1}.",
        )
    capability = torch.cuda.get_device_capability(device)
    if capability < OLDEST_CAPABILITY:
        name = torch.cuda.get_device_name(device)
        raise _unsupported(f"{name} has compute capability {capability[0]}.{capability[1]}")
    if problem := triton_problem():
        raise _unsupported(problem)
    if capability < EIGHT_BIT_CAPABILITY:
        if settings.cache == "fp8":
            raise ConfigurationError(
                "a cache of fp8 needs compute capability 8.9", remedy='Use cache="model".'
            )
        if settings.weights.startswith("fp8"):
            raise ConfigurationError(
                "weights in fp8 need compute capability 8.9", remedy='Use weights="int8".'
            )
        if settings.vision == "fp8":
            raise ConfigurationError(
                "vision in fp8 needs compute capability 8.9", remedy='Use vision="model".'
            )
    return device


def start_engine(checkpoint: Checkpoint, settings: EngineSettings | None = None) -> Engine:
    """Load a model and start its engine.

    Raises:
        ConfigurationError: As :func:`engine_device`, or if ``config.json`` is invalid.
        EngineUnsupportedError: If the engine cannot run the model, or cannot run on this device.
        BackendUnavailableError: If the weights are unusable or do not fit into memory.
    """
    settings = settings or EngineSettings()
    start = time.monotonic()
    config = engine_config(checkpoint.config)
    device = engine_device(settings)
    layout = scale_blocks(checkpoint.config)

    def load() -> EngineWeights:
        dtype = torch.float32 if device.type == "cpu" else torch.bfloat16
        weights = load_weights(
            config, checkpoint.weights, device=device, dtype=dtype, blocks=layout
        )
        return quantized(weights, settings.weights, settings.vision)

    if device.type == "cpu":
        return _on_cpu(config, load(), settings)
    torch.cuda.set_device(device)
    total = torch.cuda.get_device_properties(device).total_memory
    limit = min(settings.memory_limit or total, total)
    torch.cuda.set_per_process_memory_fraction(limit / total, device)
    rest = _free_bytes(limit) - sum(path.stat().st_size for path in checkpoint.weights)
    rehearsal = _rehearsal(config, settings, rest)
    try:
        weights = load_and_compile(
            config, load, _kernels(), rehearsal, beside=rest > ROOM_TO_COMPILE
        )
        engine = _on_gpu(config, weights, settings, limit, rehearsal.slots)
    except torch.OutOfMemoryError as error:
        raise _out_of_memory(limit) from error
    _log.info("model %s ready in %.1f s", checkpoint.name, time.monotonic() - start)
    return engine


def _on_cpu(config: EngineConfig, weights: EngineWeights, settings: EngineSettings) -> Engine:
    slots = settings.slots or 4
    longest = _longest(config.decoder)
    blocks = 1 + longest + slots * -(-TYPICAL_TOKENS // BLOCK_SIZE)
    runner = Runner(
        config, weights, ReferenceOps(), slots=slots, blocks=blocks, cache=settings.cache
    )
    scheduler = Scheduler(slots=slots, blocks=blocks)
    return Engine(runner, scheduler, config.decoder.max_positions)


def _on_gpu(
    config: EngineConfig,
    weights: EngineWeights,
    settings: EngineSettings,
    limit: int,
    rehearsed: int,
) -> Engine:
    """Divide the memory and capture graphs; steps of up to ``rehearsed`` rows were rehearsed."""
    bytes_per_block = block_bytes(config.decoder, weights.decoder.head.dtype, settings.cache)
    free = _free_bytes(limit)
    slots = _slots(settings, free, bytes_per_block)
    runner = Runner(
        config,
        weights,
        _kernels(),
        slots=slots,
        blocks=WARM_UP_BLOCKS,
        cache=settings.cache,
        max_prefill_tokens=PREFILL_TOKENS,
        side_by_side=free >= ROOM_SIDE_BY_SIDE,
    )
    begin = time.monotonic()
    family = _family(config)
    runner.capture_vision(_view_sides(family), rehearsed=True)
    torch.cuda.reset_peak_memory_stats()
    allocated = torch.cuda.memory_reserved()
    warm_up(runner, family, config.decoder.max_positions)
    # Without ``rehearsed``, each is run before it is captured: this is the first run with the real
    # weights.
    runner.capture(least_rows=slots)
    # The memory of the prefills and of the largest step, eager and in their graphs.
    needed = torch.cuda.max_memory_reserved() - allocated
    runner.resize(0)
    torch.cuda.empty_cache()
    spare = int(SPARE * limit) + GRAPH_BYTES + needed
    blocks = (_free_bytes(limit) - spare) // bytes_per_block
    if blocks < 1 + _longest(config.decoder):
        raise _out_of_memory(limit)
    runner.resize(blocks)
    runner.capture(rehearsed=rehearsed)
    _log.info("graphs captured in %.1f s", time.monotonic() - begin)
    _log.info("%d pages at once, a cache of %d tokens", slots, (blocks - 1) * BLOCK_SIZE)
    scheduler = Scheduler(slots=slots, blocks=blocks, max_prefill_tokens=PREFILL_TOKENS)
    return Engine(runner, scheduler, config.decoder.max_positions)


def _rehearsal(config: EngineConfig, settings: EngineSettings, free: int) -> Rehearsal:
    """Return what the engine will run with ``free`` bytes beside the weights."""
    family = _family(config)
    mode = next(mode for name in WARM_UP_MODES if family.has_mode(mode := MODES[name]))
    return Rehearsal(
        slots=_slots(settings, free, block_bytes(config.decoder, torch.bfloat16, settings.cache)),
        blocks=WARM_UP_BLOCKS,
        cache=settings.cache,
        weights=settings.weights,
        max_prefill_tokens=PREFILL_TOKENS,
        view_sides=_view_sides(family),
        pages=_warm_up_images(mode, family),
        vision=settings.vision,
    )


def _slots(settings: EngineSettings, free: int, bytes_per_block: int) -> int:
    """Return how many pages are generated at once with ``free`` bytes for their cache."""
    useful = free // (bytes_per_block * -(-TYPICAL_TOKENS // BLOCK_SIZE))
    return settings.slots or max(1, min(MAX_SLOTS, useful))


def _family(config: EngineConfig) -> Family:
    return FAMILIES["deepseek-ocr-2" if isinstance(config.second, QwenConfig) else "deepseek-ocr"]


def _view_sides(family: Family) -> tuple[int, int]:
    """Return the sides of the views whose graphs are captured: whole pages and tiles."""
    return MODES["gundam"].base_size, family.tile_side


def _kernels() -> Ops:
    # Imported late, because the kernels need triton, which an engine on the CPU does not.
    from .kernels.kernel_ops import KernelOps

    return KernelOps()


def warm_up(runner: Runner, family: Family, max_positions: int) -> None:
    """Read a few pages, to warm up the work outside of graphs: views, slots and blocks.

    The pages have the longest prompt that fits into ``max_positions`` tokens.
    """
    for mode in map(MODES.__getitem__, WARM_UP_MODES):
        if not family.has_mode(mode):
            continue
        grid = page_grid(*A4_PIXELS[0], mode, family)
        ids = [BOS, *[IMAGE] * family.image_tokens(mode.base_size, grid), 3]
        if len(ids) >= max_positions:
            continue
        blocks = list(range(1, 2 + len(ids) // BLOCK_SIZE))
        count = min(MAX_PROMPTS, PREFILL_TOKENS // len(ids))
        for picture in _warm_up_images(mode, family):
            task = PageTask(ids, picture, NoRepeat(0), 1)
            pages = [WrittenSequence(task, n, slot=0, blocks=blocks) for n in range(count)]
            runner.prefill(pages).wait()
        return


def _warm_up_images(mode: Mode, family: Family) -> list[PageImage]:
    return [
        PageImage(torch.zeros(height, width, 3, dtype=torch.uint8), mode, family)
        for width, height in A4_PIXELS
    ]


WARM_UP_MODES: Final = ("gundam", "base", "tiny")
"""From the longest prompt to the shortest."""

A4_PIXELS: Final = ((1240, 1754), (1629, 2304))
"""Width and height of an A4 page at 150 dpi, and of one that is rendered for tiles."""


def _longest(config: DecoderConfig) -> int:
    """Count the blocks of the longest sequence, with room for the drafts after it."""
    return math.ceil((config.max_positions + BLOCK_SIZE) / BLOCK_SIZE)


def _free_bytes(limit: int) -> int:
    """Return the bytes that are still free within the limit."""
    free, _ = torch.cuda.mem_get_info()
    return min(free, limit - torch.cuda.memory_reserved())


def _out_of_memory(limit: int) -> BackendUnavailableError:
    return BackendUnavailableError(
        f"the model and one page do not fit into {limit / 2**30:.1f} GiB of GPU memory",
        remedy='Free memory, raise gpu_memory_limit, use cache="fp8" and weights="int8", or '
        'use backend="transformers" with quantization="4bit".',
    )


def _unsupported(problem: str) -> EngineUnsupportedError:
    return EngineUnsupportedError(
        f"the local engine cannot run here: {problem}",
        remedy="It needs an NVIDIA GPU of compute capability 8.0 or newer (Ampere: A10, A100, "
        'RTX 30) and a CUDA build of torch with Triton. Use backend="transformers" elsewhere.',
    )
