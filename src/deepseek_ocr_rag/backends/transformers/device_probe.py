"""Prints what torch finds on this machine, as one JSON object.

The doctor runs this program in a process of its own, because importing torch takes seconds,
occupies a GPU, and may kill the process if the installation is broken.
"""

from __future__ import annotations

import json
import warnings
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

__all__ = ["main"]

OLDEST_CAPABILITY: Final = (8, 0)
"""Of the cards that the local engine runs on."""


def main() -> None:
    """Print what torch finds, including the errors of single GPUs."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        import torch

        found: dict[str, Any] = {
            "version": torch.__version__,
            "cuda": torch.version.cuda,
            "hip": torch.version.hip,
            "mps": torch.backends.mps.is_available(),
            "gpus": [_gpu(index) for index in range(torch.cuda.device_count())],
            "flash_attn_error": _flash_attn_error(),
        }
    found["warnings"] = " ".join(str(warning.message) for warning in caught)[:4000]
    print(json.dumps(found))  # noqa: T201 - the caller reads it


def _kernel_error(index: int) -> str:
    """Say why the local engine's kernels do not run on a GPU; "" if they do."""
    import torch

    try:
        # Imported late: nothing else here needs the engine, whose import a damaged torch prevents.
        from ...engine.kernels.self_test import kernel_error
    except ImportError as problem:
        return f"ImportError: {problem}"
    torch.cuda.set_device(index)
    return kernel_error(torch.device("cuda", index))


def _gpu(index: int) -> dict[str, Any]:
    import torch

    try:
        free, total = torch.cuda.mem_get_info(index)
        torch.ones(1, device=torch.device("cuda", index)).add_(1).item()
        error = ""
    except (RuntimeError, AssertionError) as problem:
        free, total, error = 0, 0, str(problem)[:2000]
    capability = torch.cuda.get_device_capability(index)
    kernels = None
    if not error and torch.version.hip is None and capability >= OLDEST_CAPABILITY:
        kernels = _kernel_error(index)[:4000]
    return {
        "name": torch.cuda.get_device_name(index),
        "capability": list(capability),
        "free": free,
        "total": total,
        "error": error,
        "kernels": kernels,
    }


def _flash_attn_error() -> str | None:
    """Say why flash-attn cannot be imported; "" if it can, None if it is not installed."""
    if find_spec("flash_attn") is None:
        return None
    try:
        import_module("flash_attn")
    except (ImportError, OSError, RuntimeError) as problem:
        return str(problem)[:2000] or type(problem).__name__
    return ""


if __name__ == "__main__":
    main()
