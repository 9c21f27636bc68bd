"""Starts, during the import of torch, what the engine would otherwise wait for after it.

Nothing here has to succeed: what fails is tried again by the engine, which says what is wrong.
"""

from __future__ import annotations

import ctypes
import os
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from ...model.checkpoint import find_checkpoint

__all__ = ["create_context", "read_files", "start_ahead"]

_CARD: Final = re.compile(r"cuda(?::([0-9]+))?")

_TO_THE_END: Final = 0


def start_ahead(startup: Mapping[str, Any]) -> None:
    """Begin all of it in threads, which end by themselves.

    Args:
        startup: The settings of the engine's process, see :class:`.engine_process.EngineProcess`.
    """
    device = startup["device"] or "cuda"
    works: list[Callable[[], object]] = [lambda: _read_weights(startup)]
    if _CARD.fullmatch(device) is not None:
        works += [lambda: create_context(device), _key_of_triton()]
    for work in works:
        with suppress(RuntimeError):  # no thread can be started
            threading.Thread(target=_try, args=(work,), daemon=True).start()


def _try(work: Callable[[], object]) -> None:
    # Whatever is wrong with a driver, an installation or a model, the engine reports it better.
    with suppress(Exception):
        work()


def create_context(device: str, open_library: Callable[[str], Any] = ctypes.CDLL) -> None:
    """Have the driver create the CUDA context of this process, which takes 0.3 s.

    It is the one that torch then uses (the primary context), and lasts as long as the process.

    Args:
        device: "cuda" for the first card, or "cuda:1" and so on; for any other, does nothing.
        open_library: Opens a shared library.
    """
    named = _CARD.fullmatch(device)
    if named is None:
        return
    try:
        driver = open_library("libcuda.so.1")
    except OSError:
        return  # no driver, or another system than Linux
    card, context = ctypes.c_int(), ctypes.c_void_p()
    # Each returns 0 when it has succeeded.
    _ = (
        driver.cuInit(0)
        or driver.cuDeviceGet(ctypes.byref(card), int(named[1] or 0))
        or driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), card)
    )


def read_files(files: Iterable[Path]) -> None:
    """Have the system read files from the disk, if they are not in memory yet."""
    if not hasattr(os, "posix_fadvise"):
        return
    for path in files:
        with suppress(OSError):
            file = os.open(path, os.O_RDONLY)
            try:
                os.posix_fadvise(file, 0, _TO_THE_END, os.POSIX_FADV_WILLNEED)
            finally:
                os.close(file)


def _read_weights(startup: Mapping[str, Any]) -> None:
    checkpoint = find_checkpoint(startup["folder"], tokenizer=startup["tokenizer"], download=False)
    read_files(checkpoint.weights)


def _key_of_triton() -> Callable[[], object]:
    """Return Triton's function that reads all of Triton's own files, half a gigabyte.

    Triton does so once, for the key of its cache, and keeps the key; otherwise the first kernel
    would wait for it.
    """
    # Imported here and not in the thread, because threads that import at once wait for each other.
    try:
        from triton.runtime.cache import triton_key
    except Exception:  # noqa: BLE001 - an installation may be broken in any way
        return lambda: None
    key: Callable[[], object] = triton_key
    return key
