"""Checks torch, its GPUs, flash-attn and the disk space for the weights."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ...backends.known_failures import failure_named, remedy_for
from ...concurrency.offline import OFFLINE
from ...installing import install_command
from .check import Check
from .version_checks import installed_version

__all__ = ["Gpu", "TorchFacts", "disk_check", "facts_checks", "probe_torch", "torch_checks"]

GB: Final = 10**9

PROBE_SECONDS: Final = 120.0
"""The first import of torch from a slow disk can take a minute."""

WEIGHTS_BYTES: Final = 7 * GB
READING_BYTES: Final = 9 * GB
"""The weights in 16 bits, and one page."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU as torch sees it."""

    name: str
    capability: tuple[int, int]  # CUDA compute capability, major and minor
    free: int  # bytes of memory
    total: int  # bytes of memory
    error: str = ""  # why it cannot compute; empty if it can
    kernels: str | None = (
        None  # why the local engine's kernels do not run; "" if they do, None if not tried
    )


@dataclass(frozen=True, slots=True)
class TorchFacts:
    """What the probe found."""

    version: str  # of torch
    cuda: str | None = None  # version of CUDA that it was built for
    hip: str | None = None  # version of ROCm that it was built for
    mps: bool = False  # whether an Apple GPU can be used
    gpus: tuple[Gpu, ...] = ()  # of CUDA or ROCm
    warnings: str = ""  # of torch during the probe
    flash_attn_error: str | None = None  # why it cannot be imported; None: not installed

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> TorchFacts:
        """Convert what the probe printed."""
        gpus = tuple(
            Gpu(**{**gpu, "capability": (gpu["capability"][0], gpu["capability"][1])})
            for gpu in data["gpus"]
        )
        return cls(**{**data, "gpus": gpus})


def probe_torch(seconds: float = PROBE_SECONDS) -> TorchFacts | str:
    """Import and query torch in a separate process; if that fails, return the reason as text."""
    command = [sys.executable, "-m", "deepseek_ocr_rag.backends.transformers.device_probe"]
    try:
        done = subprocess.run(  # noqa: S603 - our own program
            command,
            capture_output=True,
            timeout=seconds,
            check=False,
            env={**os.environ, **OFFLINE},
        )
    except subprocess.TimeoutExpired:
        return f"importing torch took longer than {seconds:g} s"
    except OSError as error:
        return f"Python cannot be started ({error.strerror})"
    errors = done.stderr.decode("utf-8", "replace").strip()
    try:
        return TorchFacts.from_json(json.loads(done.stdout.splitlines()[-1]))
    except (IndexError, KeyError, TypeError, ValueError):
        last = errors.splitlines()[-1] if errors else f"exit code {done.returncode}"
        return f"torch cannot be imported ({last})"


def torch_checks() -> tuple[Check, ...]:
    """Check torch, the GPUs, flash-attn and the disk; nothing if torch is not installed."""
    if installed_version("torch") is None:
        return ()
    facts = probe_torch()
    if isinstance(facts, str):
        remedy = remedy_for(facts) or f"Run: {install_command('local')} --force-reinstall"
        return (Check("torch", False, facts, remedy), disk_check())
    return (*facts_checks(facts, nvidia_driver=_has_nvidia_driver()), disk_check())


def facts_checks(facts: TorchFacts, *, nvidia_driver: bool) -> tuple[Check, ...]:
    """Say what the probe's facts mean for reading pages."""
    build = f"CUDA {facts.cuda}" if facts.cuda else f"ROCm {facts.hip}" if facts.hip else "CPU"
    checks = [Check("torch", True, f"{facts.version}, built for {build}")]
    if facts.gpus:
        checks += [_gpu_check(index, gpu, facts.hip) for index, gpu in enumerate(facts.gpus)]
    elif facts.mps:
        checks.append(Check("gpu", True, "Apple GPU (mps)"))
    else:
        checks.append(_no_gpu(facts, nvidia_driver=nvidia_driver))
    checks.append(_flash_attn(facts))
    return tuple(checks)


def _gpu_check(index: int, gpu: Gpu, hip: str | None) -> Check:
    name = f"gpu cuda:{index}"
    if gpu.error:
        remedy = remedy_for(gpu.error) or "Look for its error with `dsocr doctor '<the error>'`."
        return Check(name, False, f"{gpu.name}: {gpu.error.splitlines()[0]}", remedy)
    native = hip is not None or gpu.capability >= (8, 0)
    detail = (
        f"{gpu.name}, {gpu.free / GB:.1f} of {gpu.total / GB:.1f} GB free, compute capability "
        f"{gpu.capability[0]}.{gpu.capability[1]}, {'bfloat16' if native else 'float16'}"
    )
    if gpu.free < READING_BYTES:
        remedy = f"{READING_BYTES / GB:.0f} GB are needed. {failure_named('out of memory').cure}"
        return Check(name, False, detail, remedy)
    if gpu.kernels:
        remedy = remedy_for(gpu.kernels) or "Look for it with `dsocr doctor '<the error>'`."
        said = f"{detail}; the local engine does not run: {_telling(gpu.kernels)}"
        return Check(
            name, False, said, f'{remedy} Meanwhile the backend "transformers" reads here.'
        )
    if not native:
        # vLLM and the published code fail on this GPU; our backend uses float16 there.
        remedy = failure_named("bfloat16 unsupported").cure
        return Check(name, True, detail, remedy)
    return Check(name, True, detail)


def _telling(error: str) -> str:
    """The most telling line of an error: the compiler's, if there is one, or else the first."""
    lines = [line.strip() for line in error.splitlines() if line.strip()]
    named = (line for line in lines if "error:" in line or "fatal" in line)
    return next(named, lines[0])[:200]


def _no_gpu(facts: TorchFacts, *, nvidia_driver: bool) -> Check:
    if nvidia_driver and not facts.cuda:
        failure = failure_named("torch without CUDA")
        return Check(
            "gpu",
            False,
            "this machine has an NVIDIA driver, but torch was built for the CPU only",
            failure.cure,
        )
    if nvidia_driver:
        reason = facts.warnings or "torch finds no GPU that it can use"
        remedy = remedy_for(reason) or "Compare nvidia-smi's CUDA version with torch's."
        return Check("gpu", False, reason.splitlines()[0][:300], remedy)
    return Check(
        "gpu",
        False,
        "none that torch can use: the model runs on the CPU and takes minutes a page",
        'Use the backend "lite", which takes seconds a page, or a server on a machine with a GPU. '
        "If this machine has one, install its driver.",
    )


def _flash_attn(facts: TorchFacts) -> Check:
    if facts.flash_attn_error is None:
        return Check("flash-attn", True, "not installed, and not needed")
    version = installed_version("flash-attn") or ""
    if not facts.flash_attn_error:
        return Check("flash-attn", True, version)
    remedy = remedy_for(facts.flash_attn_error) or failure_named("flash-attn mismatched").cure
    detail = f"{version} cannot be imported ({facts.flash_attn_error.splitlines()[0][:200]})"
    return Check("flash-attn", False, detail, remedy)


def _has_nvidia_driver() -> bool:
    return bool(shutil.which("nvidia-smi")) or Path("/proc/driver/nvidia/version").exists()


def disk_check(environment: Mapping[str, str] = os.environ) -> Check:
    """Check for space in the folder where Hugging Face's libraries store the weights."""
    cache = _hub_cache(environment)
    present = sorted(
        folder.name.removeprefix("models--").replace("--", "/")
        for folder in cache.glob("models--*")
        if "ocr" in folder.name.lower() and any(folder.glob("snapshots/*/*.safetensors"))
    )
    existing = next(path for path in (cache, *cache.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    detail = f"{free / GB:.0f} GB free for weights in {cache}"
    if present:
        detail += f", which has {', '.join(present)}"
    return Check(
        "disk",
        bool(present) or free >= WEIGHTS_BYTES,
        detail,
        f"The weights take {WEIGHTS_BYTES / GB:.0f} GB: free some space, or set HF_HOME to a "
        "folder on a larger disk.",
    )


def _hub_cache(environment: Mapping[str, str]) -> Path:
    """The folder that huggingface_hub's documentation gives for these variables."""
    named = environment.get("HF_HUB_CACHE") or environment.get("HUGGINGFACE_HUB_CACHE")
    if named:
        return Path(named).expanduser().absolute()
    home = environment.get("HF_HOME") or str(
        Path(environment.get("XDG_CACHE_HOME") or "~/.cache", "huggingface")
    )
    return Path(home, "hub").expanduser().absolute()
