"""Loads weights from memory-mapped safetensors files to the device; makes random ones for tests."""

from __future__ import annotations

import contextlib
import math
import os
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ...errors import BackendUnavailableError
from .compressed import EIGHT_BITS, ScaleBlock, scaled
from .config import EngineConfig
from .mapping import assemble
from .tensors import EngineWeights

__all__ = ["load_weights", "random_weights"]

UNUSED: Final = re.compile(
    r"model\.vision_model\.embeddings\.(?:patch_embedding\.weight|position_ids)"
    r"|.*\.rotary_emb\.inv_freq"
    r"|.*\.(?:input|output)_scale"
)
"""Weights that are published, but never read: the second tower takes the first one's output as its
patches, and the rest are constants. The last are scales from compressed-tensors for rounded
activations; here, activations keep their type or get their scales while the network runs."""

MOST_THREADS: Final = 8
"""Most threads that read layers. On an H200's host, eight read 6.7 GB in 0.4 s, one in 1.1 s."""

REMEDY: Final = "Use the weights as they are published, of one revision; download the folder again."


def load_weights(
    config: EngineConfig,
    files: Sequence[Path],
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.bfloat16,
    blocks: Sequence[ScaleBlock] = (),
) -> EngineWeights:
    """Load the published weights.

    Those in eight bits are multiplied by their scales; ``blocks`` are those of
    :func:`.compressed.scale_blocks`.

    Raises:
        BackendUnavailableError: If a file cannot be read, or if the tensors in the files are not
            exactly the expected ones.
    """
    with contextlib.ExitStack() as opened:
        source = _Files(files, torch.device(device), dtype, blocks, opened)
        threads = max(1, min(MOST_THREADS, (os.cpu_count() or 1) // 2))
        # Entered last: when it is left, no thread reads any more, and the files may be closed.
        pool = opened.enter_context(ThreadPoolExecutor(threads, "dsocr-weights"))
        weights = assemble(config, source.take, pool.map)
        source.check_left_over()
    return weights


class _Files:
    """The tensors of some safetensors files, by name."""

    def __init__(
        self,
        files: Sequence[Path],
        device: torch.device,
        dtype: torch.dtype,
        blocks: Sequence[ScaleBlock],
        opened: contextlib.ExitStack,
    ) -> None:
        self._dtype = dtype
        self._blocks = blocks
        self._file_of: dict[str, Any] = {}
        for path in files:
            with _reading(path):
                file = opened.enter_context(safe_open(path, framework="pt", device=str(device)))
                names = list(file.keys())
            if twice := self._file_of.keys() & set(names):
                raise _unfit(f"{min(twice)} is in two files", path)
            self._file_of |= dict.fromkeys(names, (file, path))
        self._left = set(self._file_of)

    def take(self, name: str, shape: tuple[int, ...]) -> Tensor:
        """Read the tensor of a name, which must have the shape."""
        tensor = self._read(name, shape)
        if tensor.dtype in EIGHT_BITS:
            tensor = self._scaled(name, tensor)
        return tensor.to(self._dtype)

    def _read(self, name: str, shape: tuple[int, ...] | None) -> Tensor:
        if name not in self._file_of:
            raise _unfit(f"{name} is missing")
        file, path = self._file_of[name]
        with _reading(path):
            found = tuple(file.get_slice(name).get_shape())
            if shape is not None and found != shape:
                raise _unfit(f"{name} has the shape {found}, not {shape}", path)
            tensor: Tensor = file.get_tensor(name)
        self._left.discard(name)
        return tensor

    def _scaled(self, name: str, tensor: Tensor) -> Tensor:
        scale = self._read(f"{name}_scale", None)
        found = scaled(tensor, scale, self._blocks) if tensor.ndim == 2 else None
        if found is None:
            raise _unfit(
                f"{name}_scale has the shape {tuple(scale.shape)}, which is not that of "
                f"any scales for {tuple(tensor.shape)}",
                self._file_of[name][1],
            )
        return found

    def check_left_over(self) -> None:
        """Refuse unexpected tensors: they belong to another network."""
        extra = sorted(name for name in self._left if not UNUSED.fullmatch(name))
        if extra:
            more = f" and {len(extra) - 3} more" if len(extra) > 3 else ""
            raise _unfit(f"{', '.join(extra[:3])}{more} belong to another network")


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except (SafetensorError, OSError) as error:
        raise BackendUnavailableError(
            f"cannot read the weights: {error}", source=str(path), remedy=REMEDY
        ) from error


def _unfit(problem: str, path: Path | None = None) -> BackendUnavailableError:
    return BackendUnavailableError(
        f"the weights do not fit the model: {problem}",
        source=None if path is None else str(path),
        remedy=REMEDY,
    )


def random_weights(
    config: EngineConfig,
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.bfloat16,
    seed: int = 0,
    deviation: float | None = None,
) -> EngineWeights:
    """Make random weights, for measurements and tests.

    ``deviation`` is the standard deviation of every matrix; None draws each so that it preserves
    the norm of its input, roughly as a trained one does. With None, rounding to bfloat16 routes
    some tokens to other experts; with 0.02, the published initialisation, it rarely does.
    """
    generator = torch.Generator(device).manual_seed(seed)

    def take(name: str, shape: tuple[int, ...]) -> Tensor:
        size = 0.02
        if len(shape) > 1:
            size = deviation or math.prod(shape[1:]) ** -0.5
        tensor = torch.empty(shape, device=device, dtype=dtype).normal_(
            0, size, generator=generator
        )
        is_norm = len(shape) == 1 and name.endswith(".weight")
        return tensor.add_(1) if is_norm else tensor

    return assemble(config, take)
