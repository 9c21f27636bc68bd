"""Compiles every kernel of the engine for cards that need not be here; compares needs and limits.

    python benchmarks/engine/kernel_targets.py [8.6 12.1 ...]

No GPU is needed: Triton brings NVIDIA's assembler. The kernels are those that the engine compiles when
it starts, with the published sizes: plain, and with experts and cache in eight bits. Printed are, for
each kind of card, the largest shared memory and the most registers of a program, and what each may
have (CUDA C++ Programming Guide, table of compute capabilities).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from types import SimpleNamespace
from typing import Any
from unittest import mock

import torch
import triton
from torch._subclasses.fake_tensor import FakeTensorMode
from triton.backends.compiler import GPUTarget
from triton.runtime.jit import MockTensor

from deepseek_ocr_rag.engine import compile_ahead, startup
from deepseek_ocr_rag.engine.kernels import (
    activations,
    attention_chunks,
    convolutions,
    embedding,
    launching,
    linear_layers,
    norms,
    paged_attention,
    prompt_attention,
    resampling,
    rotary,
    sampling,
    window_attention,
)
from deepseek_ocr_rag.engine.kernels.experts import few, moe, single
from deepseek_ocr_rag.engine.kernels.kernel_ops import KernelOps
from deepseek_ocr_rag.engine.weights.config import PUBLISHED

LAUNCHING = (
    activations, attention_chunks, convolutions, embedding, few, moe, norms, paged_attention,
    prompt_attention, linear_layers, resampling, rotary, sampling, single, window_attention,
)  # fmt: skip
REGISTERS = 64 * 1024
"""Of a multiprocessor, and so the most of a program, on all of these cards."""

WINDOW = 512
"""Of the model whose pages have no limit, whose attention has kernels of its own."""


@dataclass(frozen=True, slots=True)
class Card:
    """A kind of card, by its compute capability."""

    capability: tuple[int, int]
    examples: str
    shared: int  # kilobytes of shared memory that a program may use

    @property
    def name(self) -> str:
        return f"{self.capability[0]}.{self.capability[1]}"


CARDS = (
    Card((8, 0), "A100, A30", 163),
    Card((8, 6), "RTX 30, A10, A40", 99),
    Card((8, 7), "Jetson Orin", 163),
    Card((8, 9), "RTX 40, L4, L40S", 99),
    Card((9, 0), "H100, H200", 227),
    Card((10, 0), "B200", 227),
    Card((12, 0), "RTX 50, RTX PRO Blackwell", 99),
    Card((12, 1), "GB10 (DGX Spark)", 99),
)


@dataclass(frozen=True, slots=True)
class Need:
    """What one program of a kernel takes."""

    kernel: str
    shared: int  # bytes
    registers: int  # of a thread
    spilled: int  # bytes of a thread that did not fit into registers
    warps: int


class _Driver:
    """Triton's view of a card that is not here."""

    def __init__(self, card: Card) -> None:
        self._number = 10 * card.capability[0] + card.capability[1]

    def get_current_target(self) -> GPUTarget:
        return GPUTarget("cuda", self._number, 32)

    def get_current_device(self) -> int:
        return 0

    def get_current_stream(self, _: int) -> int:
        return 0


@contextmanager
def _as_if_on(card: Card, compiled: list[Any]) -> Iterator[None]:
    """Have launches compile for a card; collects the kernels."""
    ahead = card.capability >= (9, 0)

    def launch(kernel: Any, grid: Any, *arguments: Any, rows: int | None = None, **more: Any):
        if ahead and rows is not None and rows <= launching.MOST_ROWS_AHEAD:
            more["launch_pdl"] = True
        given = [MockTensor(a.dtype) if isinstance(a, torch.Tensor) else a for a in arguments]
        compiled.append((kernel.fn.__name__, kernel.warmup(*given, grid=grid, **more)))

    with ExitStack() as changed:
        for module in LAUNCHING:
            changed.enter_context(mock.patch.object(module, "launch", launch))
        for owner, name, value in (
            (launching, "AHEAD", triton.language.constexpr(ahead)),
            (moe, "shared_memory", lambda: card.shared * 1024),
            (few, "shared_memory", lambda: card.shared * 1024),
            (linear_layers, "shared_memory", lambda: card.shared * 1024),
            (torch.cuda, "get_device_capability", lambda *_: card.capability),
            (torch.cuda, "Stream", lambda *_: None),
            (torch.Tensor, "pin_memory", lambda tensor: tensor),
            (torch.Tensor, "is_pinned", lambda _: True),
        ):
            changed.enter_context(mock.patch.object(owner, name, value))
        triton.runtime.driver.set_active(_Driver(card))
        pool = changed.enter_context(ThreadPoolExecutor(os.cpu_count()))
        changed.enter_context(triton.AsyncCompileMode(pool))
        changed.enter_context(FakeTensorMode(allow_non_fake_inputs=True))
        yield


def needs(card: Card) -> list[Need]:
    """Compile all kernels for a card. Only one card may be asked for in a process."""
    config = compile_ahead.few_layers(PUBLISHED)
    windowed = replace(config, decoder=replace(config.decoder, reference_window=WINDOW))
    kinds = [
        (config, "model", "model", "model"),
        (config, "model", "int8-all", "model"),
        (windowed, "model", "model", "model"),
    ]
    if card.capability >= startup.EIGHT_BIT_CAPABILITY:
        kinds.append((config, "fp8", "fp8-all", "fp8"))
    compiled: list[Any] = []
    with _as_if_on(card, compiled):
        for sizes, cache, weights, vision in kinds:
            settings = startup.EngineSettings(
                cache=cache, weights=weights, slots=startup.MAX_SLOTS, vision=vision
            )
            rehearsal = startup._rehearsal(sizes, settings, 0)
            stand_in = compile_ahead.stand_in(sizes, weights, torch.device("cuda"), vision)
            compile_ahead.rehearse(sizes, stand_in, KernelOps(), rehearsal)
    # Several launches share a kernel.
    found = {}
    for name, waiting in compiled:
        kernel = waiting.result() if hasattr(waiting, "result") else waiting
        if kernel.hash not in found:
            found[kernel.hash] = _need(name, kernel)
    return list(found.values())


def _need(name: str, kernel: Any) -> Need:
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(kernel.asm["cubin"])
        file.flush()
        command = [triton.knobs.nvidia.cuobjdump.path, "-res-usage", file.name]
        usage = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    numbers = SimpleNamespace(
        **{k: int(v) for k, v in re.findall(r"(REG|STACK|LOCAL):(\d+)", usage)}
    )
    return Need(
        name,
        kernel.metadata.shared,
        numbers.REG,
        numbers.STACK + numbers.LOCAL,
        kernel.metadata.num_warps,
    )


def in_a_process(card: Card) -> list[Need]:
    """Ask for a card's needs in a process of its own, with an empty cache of kernels."""
    # Triton's interpreter, which the tests use, compiles nothing.
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    with tempfile.TemporaryDirectory() as cache:
        done = subprocess.run(
            [sys.executable, __file__, "--one", card.name],
            stdout=subprocess.PIPE,
            check=True,
            env={**environment, "TRITON_CACHE_DIR": cache},
        )
    return [Need(**need) for need in json.loads(done.stdout.splitlines()[-1])]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cards", nargs="*", help="compute capabilities; none for all")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        card = next(card for card in CARDS if card.name == arguments.one)
        print(json.dumps([asdict(need) for need in needs(card)]))
        return
    print(
        "| compute capability | kernels | shared memory, of | registers of a program, of | spill |"
    )
    print("|---|---|---|---|---|")
    for card in CARDS:
        if arguments.cards and card.name not in arguments.cards:
            continue
        found = in_a_process(card)
        shared = max(found, key=lambda need: need.shared)
        most = max(found, key=lambda need: need.registers * need.warps)
        print(
            f"| {card.name} ({card.examples}) | {len(found)} "
            f"| {shared.shared / 1024:.0f} KB (`{shared.kernel}`), {card.shared} KB "
            f"| {most.registers * most.warps * 32} (`{most.kernel}`), {REGISTERS} "
            f"| {sum(need.spilled > 0 for need in found)} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
