"""Loads a model and runs it on a device: chooses device and number format, reports failures."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, Literal, cast

import torch
from transformers import PreTrainedModel

from ...errors import BackendUnavailableError, ConfigurationError, OutOfDeviceMemoryError
from ...model.checkpoint import Checkpoint
from ...model.page_prompt import GeneratedPage, PagePrompt
from ...text.excerpt import first_line
from ..known_failures import remedy_for
from .adapter import adapter_files, merge_adapter
from .generation import generate
from .logits_rules import EndCheck
from .model_loading import load_model
from .quantization_config import quantize

__all__ = ["ModelRuntime"]

CACHE_BYTES: Final = 61_440
"""Bytes of one token in the decoder's cache in 16 bits: 12 layers, keys and values of 1280."""

CPU_FLOAT32_SIZES: Final = 3
"""A CPU computes in float32 if this many times the size of the stored weights is free; the weights
alone then take twice that size. Those of the published model are stored in 6.7 GB."""


class ModelRuntime:
    """A model that is loaded on a device.

    Args:
        checkpoint: The model's files.
        device: "cuda", "cuda:1", "mps", "cpu", "auto" (spread over all GPUs), or None for the best
            one here.
        dtype: "bfloat16", "float16", "float32", or None for what the device can do.
        quantization: "8bit", "4bit" or None.
        adapter: Folder of a LoRA adapter, which is added to the weights.

    Raises:
        BackendUnavailableError: If the weights cannot be loaded or do not fit into memory.
        ConfigurationError: If a setting is invalid.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        device: str | None = None,
        dtype: str | None = None,
        quantization: Literal["8bit", "4bit"] | None = None,
        adapter: str | Path | None = None,
    ) -> None:
        self.device = _device(device)
        self.dtype = _dtype(dtype, self.device, checkpoint)
        self._checkpoint = checkpoint
        self._adapter = None if adapter is None else adapter_files(adapter)
        try:
            self._model = self._load(device == "auto", quantization)
        except torch.OutOfMemoryError as error:
            raise BackendUnavailableError(
                f"the weights do not fit into the memory of {self.device}",
                source=checkpoint.name,
                remedy='Use quantization="8bit" or "4bit", another device, or device="auto" to '
                "spread them over several GPUs.",
            ) from error

    def _load(self, spread: bool, quantization: str | None) -> PreTrainedModel:
        if quantization is None:
            device_map: Any = "auto" if spread else {"": self.device}
            model = load_model(self._checkpoint, dtype=self.dtype, device_map=device_map)
            return model if self._adapter is None else merge_adapter(model, self._adapter)
        # Quantized on the CPU, as the 16-bit weights may not fit on the device.
        model = load_model(self._checkpoint, dtype=self.dtype, device_map={"": "cpu"})
        if self._adapter is not None:
            model = merge_adapter(model, self._adapter)
        quantize(model, quantization, self.device)
        return model

    @property
    def max_positions(self) -> int:
        """Longest sequence in tokens that the checkpoint supports."""
        return int(self._model.config.get_text_config().max_position_embeddings)

    def pages_that_fit(self, tokens: int) -> int:
        """Estimate how many pages of ``tokens`` tokens fit into the free memory."""
        if self.device.type != "cuda":
            return 1
        free, _ = torch.cuda.mem_get_info(self.device)
        # Only half of it: a growing cache is copied, and the vision tower needs memory too.
        return max(1, int(free * 0.5) // (tokens * CACHE_BYTES))

    def generate(
        self,
        pages: Sequence[PagePrompt],
        *,
        at_end: EndCheck,
        interval: int = 32,
        cancelled: Callable[[], bool],
    ) -> tuple[GeneratedPage, ...]:
        """Generate a batch; see :func:`.generation.generate`.

        Raises:
            OutOfDeviceMemoryError: If the batch is too large; its memory is freed.
            BackendUnavailableError: If the device fails in another way.
        """
        try:
            return generate(
                self._model, pages, at_end=at_end, interval=interval, cancelled=cancelled
            )
        except RuntimeError as error:
            if not _is_out_of_memory(error):
                raise BackendUnavailableError(
                    f"the model failed on {self.device}: {first_line(error)}",
                    source=self._checkpoint.name,
                    remedy=remedy_for(str(error))
                    or "Run `dsocr doctor`; after a CUDA error, start the program again.",
                ) from error
            # Memory is freed after the handler: until then the traceback holds the tensors.
            problem = str(error)
        self._free_cache()
        raise OutOfDeviceMemoryError(problem)

    def _free_cache(self) -> None:
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        elif self.device.type == "mps":
            torch.mps.empty_cache()

    def close(self) -> None:
        """Free the device's memory."""
        del self._model
        self._free_cache()


def _is_out_of_memory(error: Exception) -> bool:
    """Return whether memory ran out; CUDA has a class for it, MPS and the CPU only a message."""
    message = str(error).lower()
    return isinstance(error, torch.OutOfMemoryError) or any(
        sign in message for sign in ("out of memory", "can't allocate memory", "not enough memory")
    )


def _device(name: str | None) -> torch.device:
    if name in (None, "auto"):
        if torch.cuda.is_available():
            return torch.device("cuda", 0)
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(str(name))
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ConfigurationError(
            f"the device {name!r} cannot be used: {first_line(error)}",
            remedy="Leave device out to use the best one here, or run `dsocr doctor`.",
        ) from error
    if device.type == "cuda" and device.index is None:
        return torch.device("cuda", torch.cuda.current_device())
    return device


def _dtype(name: str | None, device: torch.device, checkpoint: Checkpoint) -> torch.dtype:
    if name is not None:
        if name not in ("bfloat16", "float16", "float32"):
            raise ConfigurationError(
                f"dtype={name!r} is not supported", remedy="Use bfloat16, float16 or float32."
            )
        return cast("torch.dtype", getattr(torch, name))
    if device.type == "cuda":
        native = torch.cuda.get_device_capability(device) >= (8, 0)
        return torch.bfloat16 if native else torch.float16
    if device.type == "mps":
        return torch.bfloat16 if _supports_bfloat16(device) else torch.float16
    stored = sum(path.stat().st_size for path in checkpoint.weights)
    fits = _free_memory() >= CPU_FLOAT32_SIZES * stored
    return torch.float32 if fits else torch.bfloat16


def _supports_bfloat16(device: torch.device) -> bool:
    """Return whether the device computes in bfloat16; macOS 13 and older do not."""
    try:
        torch.ones(1, dtype=torch.bfloat16, device=device).add_(1)
    except (RuntimeError, TypeError):
        return False
    return True


def _free_memory() -> int:
    """Return the free bytes of the machine's memory; 0 if unknown."""
    try:
        import psutil
    except ImportError:
        return 0
    return int(psutil.virtual_memory().available)
