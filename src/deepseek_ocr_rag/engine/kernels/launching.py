"""Launches kernels, or only compiles them, many at once."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any

import triton

__all__ = ["compiling", "launch"]

_compile_only: ContextVar[bool] = ContextVar("dsocr_compile_only", default=False)


def launch(kernel: Any, grid: tuple[int, ...], *arguments: object, **constants: object) -> None:
    """Launch a kernel; within :func:`compiling`, only compile it."""
    if _compile_only.get():
        kernel.warmup(*arguments, grid=grid, **constants)
    else:
        kernel[grid](*arguments, **constants)


@contextlib.contextmanager
def compiling() -> Iterator[None]:
    """Compile the kernels that the block launches, in parallel, without running them."""
    token = _compile_only.set(True)
    try:
        with ThreadPoolExecutor(os.cpu_count()) as pool, triton.AsyncCompileMode(pool):
            yield
    finally:
        _compile_only.reset(token)
