"""Whether prompts and steps overlap if each has multiprocessors of its own.

    python benchmarks/engine/partitions.py [--rows 512] [--shares 24,32,48,64,80]

Prompts multiply and steps read memory, so both at once could take less time than one after the other.
The GPU's multiprocessors are divided by green contexts (CUDA 12.4 and newer): a lot of four pages runs
on some of them, steps of the decoder on the others, or on all. "Work" is what is done in a second, 1.00
being what turns on the whole GPU do in it.
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", default="512,256")
    parser.add_argument("--shares", default="24,32,48,64,80")
    parser.add_argument("--caches", default="model,fp8")
    arguments = parser.parse_args()
    begin = time.perf_counter()
    driver, weights = Driver(), random_weights(PUBLISHED, device=CUDA)
    whole = torch.cuda.Stream(), torch.cuda.Stream()
    splits = {}
    for share in map(int, arguments.shares.split(",")):
        lots, rest, *counts = driver.split(share)
        splits[share] = lots, rest
        print(
            f"{share}: {counts} multiprocessors, kernels and graphs run on "
            f"{processors(lots)} and {processors(rest)}",
            flush=True,
        )
    lot = Lot(weights)
    with torch.inference_mode():
        lot_graph = captured(lot, whole[0])
        lot_ms = alone(lot_graph, whole[0])
        parts = [alone(captured(part, whole[0]), whole[0]) for part in (lot.towers, lot.prefill)]
        print(f"a lot of {LOT}: {lot_ms:.1f} ms; towers {parts[0]:.1f}, prefill {parts[1]:.1f}")
        lot_graphs = {share: captured(lot, splits[share][0]) for share in splits}
        for share, graph in lot_graphs.items():
            took = alone(graph, splits[share][0])
            print(f"  on {share}: {took:.1f} ms, {took * share / 132 / lot_ms:.2f} of its share")
        print(f"({time.perf_counter() - begin:.0f} s)", flush=True)
        for rows in map(int, arguments.rows.split(",")):
            for kind in arguments.caches.split(","):
                bench = Bench(weights, rows, CONTEXT, kind)
                run = steps(bench)
                step_graph = captured(run, whole[1])
                step_ms = alone(step_graph, whole[1])
                print(f"a step of {rows}, cache {kind}: {step_ms:.2f} ms")
                cases = [("two streams", lot_graph, whole[0], step_graph, whole[1])]
                for share, (lots, rest) in splits.items():
                    part = captured(run, rest)
                    print(f"  on {132 - share}: {alone(part, rest):.2f} ms", flush=True)
                    cases.append((f"{share} and the rest", lot_graphs[share], lots, part, rest))
                    cases.append(
                        (f"{share} and all", lot_graphs[share], lots, step_graph, whole[1])
                    )
                for name, graph, lots, part, rest in cases:
                    found = both((graph, lots, lot_ms * 2), (part, rest, step_ms * 1.2))
                    work = lot_ms / found[0] + step_ms / found[1]
                    print(
                        f"  {name:16s} lot {found[0]:6.1f} ms, step {found[1]:6.2f} ms, work {work:.2f}",
                        flush=True,
                    )
                print(f"({time.perf_counter() - begin:.0f} s)", flush=True)
                del bench, run, step_graph, part, cases
                gc.collect()
                torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
