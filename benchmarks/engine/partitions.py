"""Whether prompts and steps overlap if each has multiprocessors of its own.

    python benchmarks/engine/partitions.py [--rows 512] [--shares 24,32,48,64,80] [--few 4,16]

Prompts multiply and steps read memory, so both at once could take less time than one after the other.
The GPU's multiprocessors are divided by green contexts (CUDA 12.4 and newer): a lot of four pages runs
on some of them, steps of the decoder on the others, or on all; with ``--few`` small steps on some of them
and lots on the others. "Work" is what is done in a second, 1.00 being what turns on the whole GPU do in it.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import time
from collections.abc import Callable
from typing import Any

import torch
import triton
import triton.language as tl
from engine import PICTURE, PROMPT, Bench
from gpu_time import milliseconds
from torch import Tensor

from deepseek_ocr_rag.engine.cuda_graphs import MAX_PROMPTS
from deepseek_ocr_rag.engine.ops import StepRows
from deepseek_ocr_rag.engine.prefill import PrefillBatch, PrefillRequest, pack
from deepseek_ocr_rag.engine.vision.towers import Vision
from deepseek_ocr_rag.engine.weights.config import PUBLISHED
from deepseek_ocr_rag.engine.weights.loading import random_weights
from deepseek_ocr_rag.engine.weights.tensors import EngineWeights

CUDA = torch.device("cuda")
CONTEXT = 1400
LOT = 4
LOT_TOKENS = 4096
BOTH_MS = 500
"""How long both run at once."""

RESOURCE_BYTES = 512
"""More than a CUdevResource of any version has."""
COUNT_AT = 96
"""Where it has its number of multiprocessors."""
MULTIPROCESSORS = 1
NON_BLOCKING = 1
DEFAULT_STREAM = 1


class Driver:
    """The CUDA driver's functions for green contexts."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL("libcuda.so.1")

    def __call__(self, name: str, *arguments: object) -> None:
        code = getattr(self._library, name)(*arguments)
        if code:
            raise RuntimeError(f"{name} returned {code}")

    def split(self, first: int) -> tuple[Any, Any, int, int]:
        """Make streams on ``first`` multiprocessors and on the rest; return their numbers too."""
        whole, part, rest = (ctypes.create_string_buffer(RESOURCE_BYTES) for _ in range(3))
        self("cuDeviceGetDevResource", ctypes.c_int(0), whole, ctypes.c_int(MULTIPROCESSORS))
        groups = ctypes.c_uint(1)
        self(
            "cuDevSmResourceSplitByCount",
            part,
            ctypes.byref(groups),
            whole,
            rest,
            ctypes.c_uint(0),
            ctypes.c_uint(first),
        )
        return self._stream(part), self._stream(rest), _count(part), _count(rest)

    def _stream(self, resource: Any) -> Any:
        described, context, stream = (ctypes.c_void_p() for _ in range(3))
        self("cuDevResourceGenerateDesc", ctypes.byref(described), resource, ctypes.c_uint(1))
        self(
            "cuGreenCtxCreate",
            ctypes.byref(context),
            described,
            ctypes.c_int(0),
            ctypes.c_uint(DEFAULT_STREAM),
        )
        self(
            "cuGreenCtxStreamCreate",
            ctypes.byref(stream),
            context,
            ctypes.c_uint(NON_BLOCKING),
            ctypes.c_int(0),
        )
        return torch.cuda.ExternalStream(stream.value)


def _count(resource: Any) -> int:
    return int.from_bytes(resource.raw[COUNT_AT : COUNT_AT + 4], "little")


@triton.jit
def _processors(found, SIZE: tl.constexpr):  # noqa: N803
    """Write on which multiprocessor each program runs."""
    each = tl.arange(0, SIZE)
    number = tl.inline_asm_elementwise(
        "mov.u32 $0, %smid;", "=r,r", [each], dtype=tl.int32, is_pure=False, pack=1
    )
    tl.store(found + tl.program_id(0) * SIZE + each, number)


def processors(stream: Any) -> tuple[int, int]:
    """Count the multiprocessors of a kernel, and of one in a graph that another stream replays."""
    found = torch.full((20_000, 128), -1, dtype=torch.int32, device=CUDA)
    torch.cuda.synchronize()
    counts = []
    with torch.cuda.stream(stream):
        _processors[(len(found),)](found, SIZE=128)
    stream.synchronize()
    counts.append(len(found.unique()))
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        _processors[(len(found),)](found, SIZE=128)
    found.fill_(-1)
    graph.replay()
    torch.cuda.synchronize()
    counts.append(len(found.unique()))
    return counts[0], counts[1]


class Lot:
    """The prompts of four pages: both towers, and the decoder's prefill."""

    def __init__(self, weights: EngineWeights) -> None:
        self._vision = Vision(PUBLISHED, weights.vision, capture=False)
        self._bench = Bench(weights, LOT, 928, "model")
        self._views = [
            torch.randint(0, 256, shape, dtype=torch.uint8, device=CUDA)
            for shape in ((LOT, 3, 1024, 1024), (6 * LOT, 3, 640, 640))
        ]
        slots = self._bench.slots
        self._pictures = torch.randn(
            LOT_TOKENS, PUBLISHED.decoder.width, dtype=torch.bfloat16, device=CUDA
        )
        requests = [PrefillRequest(n, PROMPT, self._pictures[:PICTURE]) for n in range(LOT)]
        self._packed = pack(requests, LOT_TOKENS, MAX_PROMPTS, slots.padding_slot).to(CUDA)

    def towers(self) -> list[Tensor]:
        return [self._vision.features(views) for views in self._views]

    def prefill(self) -> Tensor:
        batch = PrefillBatch.unpack(self._packed, LOT_TOKENS, MAX_PROMPTS)
        rewind(self._bench)
        return self._bench.decoder.prefill_batch(batch, self._pictures)

    def __call__(self) -> object:
        return self.towers(), self.prefill()


def rewind(bench: Bench) -> None:
    """Let all sequences be as long as before, without waiting for the device."""
    bench.slots.lengths[: bench.rows].fill_(bench.context)


def steps(bench: Bench) -> Callable[[], object]:
    """A step that leaves no traces, so that it can be repeated."""
    slots = torch.arange(bench.rows, dtype=torch.int32, device=CUDA)
    rows = StepRows(slots, torch.zeros_like(slots), 1)

    def run() -> object:
        output = bench.decoder.step(rows)
        rewind(bench)
        return output

    return run


def captured(work: Callable[[], object], stream: Any) -> torch.cuda.CUDAGraph:
    """Capture some work on a stream."""
    torch.cuda.synchronize()
    with torch.cuda.stream(stream):
        work()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        work()
    torch.cuda.synchronize()
    return graph


def alone(graph: torch.cuda.CUDAGraph, stream: Any) -> float:
    """Return milliseconds of a replay."""
    torch.cuda.synchronize()
    with torch.cuda.stream(stream):
        return milliseconds(graph.replay, repeats=8)


def both(
    first: tuple[torch.cuda.CUDAGraph, Any, float], second: tuple[torch.cuda.CUDAGraph, Any, float]
) -> tuple[float, float]:
    """Run two graphs at once, again and again; return milliseconds of each while both run."""
    marks: list[list[Any]] = []
    for graph, stream, took in (first, second):
        # Twice as many as fit into the time, as the other slows them down.
        with torch.cuda.stream(stream):
            events = [torch.cuda.Event(enable_timing=True)]
            events[0].record()
            for _ in range(max(4, int(2 * BOTH_MS / took))):
                graph.replay()
                events.append(torch.cuda.Event(enable_timing=True))
                events[-1].record()
        marks.append(events)
    time.sleep(BOTH_MS / 1000)
    print(f"  {torch.cuda.clock_rate()} MHz, {torch.cuda.power_draw() / 1000:.0f} W", end="")
    torch.cuda.synchronize()
    origin = marks[0][0]
    times = [[origin.elapsed_time(event) for event in events] for events in marks]
    begin = max(each[0] for each in times)
    end = min(each[-1] for each in times)
    rates = []
    for each in times:
        inside = [mark for mark in each if begin <= mark <= end]
        rates.append((inside[-1] - inside[0]) / (len(inside) - 1))
    return rates[0], rates[1]


class Partitions:
    """Measures steps and lots, alone and at once."""

    def __init__(self, shares: list[int]) -> None:
        driver = Driver()
        self._weights = random_weights(PUBLISHED, device=CUDA)
        self._whole = torch.cuda.Stream(), torch.cuda.Stream()
        self._splits = {}
        for share in shares:
            first, rest, *counts = driver.split(share)
            self._splits[share] = first, rest
            print(
                f"{share}: {counts} multiprocessors, kernels and graphs run on "
                f"{processors(first)} and {processors(rest)}",
                flush=True,
            )
        self._lot = Lot(self._weights)
        self._lot_graph = captured(self._lot, self._whole[0])
        self._lot_ms = alone(self._lot_graph, self._whole[0])
        parts = (self._lot.towers, self._lot.prefill)
        took = [alone(captured(part, self._whole[0]), self._whole[0]) for part in parts]
        print(f"a lot of {LOT}: {self._lot_ms:.1f} ms; towers {took[0]:.1f}, prefill {took[1]:.1f}")

    def many_rows(self, rows: int, kind: str) -> None:
        """Steps on the larger part or on all, lots on the smaller one."""
        bench = Bench(self._weights, rows, CONTEXT, kind)
        step = captured(steps(bench), self._whole[1])
        step_ms = alone(step, self._whole[1])
        print(f"a step of {rows}, cache {kind}: {step_ms:.2f} ms")
        self._both("two streams", self._lot_graph, self._whole[0], step, self._whole[1], step_ms)
        for share, (first, rest) in self._splits.items():
            lot, part = captured(self._lot, first), captured(steps(bench), rest)
            lot_ms = alone(lot, first)
            print(f"  alone: a lot on {share} {lot_ms:.1f} ms, "
                  f"a step on the rest {alone(part, rest):.2f} ms")  # fmt: skip
            self._both(f"{share} and the rest", lot, first, part, rest, step_ms)
            self._both(f"{share} and all", lot, first, step, self._whole[1], step_ms)

    def few_rows(self, rows: int) -> None:
        """Small steps on the smaller part, lots on the larger one."""
        bench = Bench(self._weights, rows, CONTEXT, "model")
        step = captured(steps(bench), self._whole[1])
        step_ms = alone(step, self._whole[1])
        print(f"a step of {rows}: {step_ms:.2f} ms")
        self._both("two streams", self._lot_graph, self._whole[0], step, self._whole[1], step_ms)
        for share, (first, rest) in self._splits.items():
            lot, part = captured(self._lot, rest), captured(steps(bench), first)
            print(f"  alone: a lot on the rest {alone(lot, rest):.1f} ms, "
                  f"a step on {share} {alone(part, first):.2f} ms")  # fmt: skip
            self._both(f"the rest and {share}", lot, rest, part, first, step_ms)

    def _both(self, name: str, lot: Any, lots: Any, step: Any, rest: Any, step_ms: float) -> None:
        found = both((lot, lots, self._lot_ms * 2), (step, rest, step_ms * 1.2))
        work = self._lot_ms / found[0] + step_ms / found[1]
        print(
            f"  {name:16s} lot {found[0]:6.1f} ms, step {found[1]:6.2f} ms, work {work:.2f}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", default="512,256")
    parser.add_argument("--shares", default="24,32,48,64,80")
    parser.add_argument("--caches", default="model,fp8")
    parser.add_argument("--few", default="", help="rows of small steps, in place of the others")
    arguments = parser.parse_args()
    with torch.inference_mode():
        partitions = Partitions([int(share) for share in arguments.shares.split(",")])
        for rows in (arguments.few or arguments.rows).split(","):
            if arguments.few:
                partitions.few_rows(int(rows))
            else:
                for kind in arguments.caches.split(","):
                    partitions.many_rows(int(rows), kind)
            gc.collect()
            torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
