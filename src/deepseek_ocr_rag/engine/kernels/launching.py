"""Launches kernels, or only compiles them, many at once."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar
from functools import cache
from typing import Any, Final

import torch
import triton
import triton.language as tl

__all__ = [
    "CACHE_LINE",
    "await_previous",
    "compiling",
    "fetch_ahead",
    "launch",
    "shared_memory",
]

CACHE_LINE: Final = 128
"""Bytes of a line of the L2 cache, into which :func:`fetch_ahead` brings weights."""

MOST_ROWS_AHEAD: Final = 64
"""Most rows whose kernels are launched ahead. With 512 rows it would make a step 2 % slower."""


def _launches_ahead() -> bool:
    """Return whether a kernel may be launched before the one before it has ended."""
    if not torch.cuda.is_available() or torch.cuda.get_device_capability() < (9, 0):
        return False
    return hasattr(tl.extra.cuda, "gdc_wait")


INTERPRETED: Final = 227 * 1024
"""Bytes of shared memory assumed where there is no card: those of the card that the tunings were
measured on."""

AHEAD: Final = tl.constexpr(_launches_ahead())

_compile_only: ContextVar[bool] = ContextVar("dsocr_compile_only", default=False)


@triton.jit
def await_previous():
    """Let the next kernel be launched, and wait for the end of the one before.

    A kernel that may be launched ahead does only two things before it calls this. It reads weights,
    which never change; and it reads the tokens' slots, positions, lengths and blocks, which have
    been written when the first norm of a step begins, and do not change before its last kernel
    runs. It must not read anything else that the kernels before it write, nor overwrite anything
    that they read.
    """
    if AHEAD:
        tl.extra.cuda.gdc_launch_dependents()
        tl.extra.cuda.gdc_wait()


@triton.jit
def fetch_ahead(cells):
    """Prefetch lines of weights into the L2 cache, in a kernel that is launched ahead."""
    if AHEAD:
        tl.inline_asm_elementwise(
            "prefetch.global.L2 [$1]; mov.u32 $0, 0;",
            "=r,l",
            [cells.to(tl.int64)],
            dtype=tl.int32,
            is_pure=False,
            pack=1,
        )


def launch(
    kernel: Any,
    grid: tuple[int, ...],
    *arguments: object,
    rows: int | None = None,
    **constants: object,
) -> None:
    """Launch a kernel; within :func:`compiling`, only compile it.

    A kernel with :func:`await_previous` gives the number of its ``rows``: if they are few, it is
    launched ahead (programmatic dependent launch), which hides about a microsecond.
    """
    if AHEAD and rows is not None and rows <= MOST_ROWS_AHEAD:
        constants["launch_pdl"] = True
    if _compile_only.get():
        kernel.warmup(*arguments, grid=grid, **constants)
    else:
        kernel[grid](*arguments, **constants)


def shared_memory() -> int:
    """Return the bytes of shared memory that a program on the current device may use."""
    if not torch.cuda.is_available():
        return INTERPRETED  # by Triton's interpreter, on the CPU
    return _shared_memory(torch.cuda.current_device())


@cache
def _shared_memory(device: int) -> int:
    properties = triton.runtime.driver.active.utils.get_device_properties(device)
    return int(properties["max_shared_mem"])


@contextlib.contextmanager
def compiling() -> Iterator[None]:
    """Compile the kernels that the block launches, in parallel, without running them.

    They are loaded onto the current device too: until 3.6, Triton builds a launcher for each with a
    C compiler before its first run, which takes a third of a second, one after the other.
    """
    token = _compile_only.set(True)
    try:
        with _LoadingPool() as pool, triton.AsyncCompileMode(pool):
            yield
    finally:
        _compile_only.reset(token)


class _LoadingPool(ThreadPoolExecutor):
    """Compiles kernels as asked, and loads each one too."""

    def __init__(self) -> None:
        # Each thread has a current device of its own.
        device = torch.cuda.current_device()
        super().__init__(os.cpu_count(), initializer=torch.cuda.set_device, initargs=(device,))

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        def loaded() -> Any:
            kernel = fn(*args, **kwargs)
            kernel.run  # noqa: B018 - the first access loads the kernel
            return kernel

        return super().submit(loaded)
