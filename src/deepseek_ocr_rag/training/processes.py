"""Lets processes of ``accelerate launch`` or ``torchrun`` train together, one on each GPU."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..errors import ConfigurationError, MissingExtraError
from ..installing import install_command

__all__ = ["Processes", "started_processes"]


@dataclass(frozen=True, slots=True)
class Processes:
    """The processes of a training, seen from one of them.

    Attributes:
        device: Where this process trains.
        count: How many processes there are.
        index: The number of this process, from 0; the first one writes the files.
    """

    device: torch.device
    count: int = 1
    index: int = 0

    @property
    def first(self) -> bool:
        """Whether this process writes the files."""
        return self.index == 0

    def average_gradients(self, weights: Iterable[Tensor]) -> None:
        """Replace each weight's gradient by the mean over all processes."""
        if self.count == 1:
            return
        from accelerate.utils import reduce

        trained = list(weights)
        for weight in trained:
            if weight.grad is None:
                weight.grad = torch.zeros_like(weight)
        # Adapters are small, so one message is quicker than many.
        joined = torch.cat([weight.grad.flatten() for weight in trained if weight.grad is not None])
        parts = reduce(joined, "mean").split([weight.numel() for weight in trained])
        for weight, part in zip(trained, parts, strict=True):
            weight.grad = part.view_as(weight)

    def mean(self, value: Tensor) -> Tensor:
        """Return the mean of a number over all processes."""
        if self.count == 1:
            return value
        from accelerate.utils import reduce

        averaged: Tensor = reduce(value.clone(), "mean")
        return averaged

    def gather(self, items: list[Any]) -> list[list[Any]]:
        """Collect a value from every process, in their order. It is sent as JSON, never pickled."""
        if self.count == 1:
            return [items]
        from accelerate.utils import gather, pad_across_processes

        data = torch.frombuffer(bytearray(json.dumps(items).encode()), dtype=torch.uint8)
        data = data.to(self.device)
        lengths = gather(torch.tensor([len(data)], device=self.device)).tolist()
        rows = gather(pad_across_processes(data)[None])
        return [
            json.loads(bytes(row[:length].tolist()))
            for row, length in zip(rows, lengths, strict=True)
        ]

    def wait(self) -> None:
        """Wait until all processes are here."""
        if self.count > 1:
            from accelerate import PartialState

            PartialState().wait_for_everyone()


def started_processes(device: str | None) -> Processes:
    """Find the processes that ``accelerate launch`` or ``torchrun`` started; else only this one.

    Args:
        device: Where to train: "cpu", "cuda", "cuda:1"; None for the GPU, if there is one.

    Raises:
        ConfigurationError: If several processes would train on one GPU.
        MissingExtraError: If there are several, and accelerate is missing.
    """
    if int(os.environ.get("WORLD_SIZE") or 1) == 1:
        return Processes(torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu")))
    if device not in (None, "cpu", "cuda"):
        raise ConfigurationError(
            f"several processes cannot all train on {device}",
            remedy="Leave the device out: each process takes a GPU of its own.",
        )
    try:
        from accelerate import PartialState
    except ImportError as error:
        raise MissingExtraError(
            "accelerate is not installed", remedy=f"Install it: {install_command('train')}"
        ) from error
    state = PartialState(cpu=device == "cpu" or not torch.cuda.is_available())
    return Processes(state.device, state.num_processes, state.process_index)
