"""The state of every running sequence on the device.

A sequence occupies a slot. Its known tokens are in ``history``; keys and values of all
but the newest are in the cache::

    history   t0 t1 ... t(n-1)  tn  draft draft
    in cache  <--- lengths = n --->

A decode step computes ``tn`` and the drafts after it, and appends the tokens that follow.
The last slot is padding: it fills the unused rows of a batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..model.ngrams import NoRepeat
from .block_pool import BLOCK_SIZE

__all__ = ["MAX_DRAFTS", "MAX_EXEMPT", "Assignment", "SlotSettings", "Slots", "to_device"]

MAX_DRAFTS: Final = 15
"""Most drafts after the newest token, with which they fill a matrix unit's 16 rows."""

MAX_EXEMPT: Final = 16
"""Most tokens that a sequence may exempt from its no-repeat rule."""

UNLIMITED: Final = 2**30
"""A window larger than any sequence."""

_FIELDS: Final = (
    "slot", "lengths", "prompts", "eos_from", "sizes", "windows", "seeds", "temperatures",
)  # fmt: skip
"""The numbers of an assignment, in the order in which they are copied to the device."""


@dataclass(frozen=True, slots=True)
class SlotSettings:
    """How the tokens of one sequence are sampled."""

    rule: NoRepeat
    min_new_tokens: int = 0  # before the end token is allowed
    temperature: float = 0.0  # 0 takes the most probable token
    seed: int = 0  # for the random numbers of a temperature above 0


@dataclass(frozen=True, slots=True)
class Assignment:
    """A sequence that gets a slot."""

    slot: int
    tokens: Sequence[int]  # all so far, prompt and generated ones
    prompt: int  # number of prompt tokens
    settings: SlotSettings


@dataclass(frozen=True, slots=True)
class Slots:
    """Tensors on the device: a row for every slot, and one for padding."""

    lengths: Tensor  # tokens in the cache, int32, ``(slots + 1,)``
    history: Tensor  # token ids, int32, ``(slots + 1, positions)``
    block_table: Tensor  # blocks of the sequence in order, int32, ``(slots + 1, most blocks)``
    prompts: Tensor  # tokens of the prompt, int32, ``(slots + 1,)``
    eos_from: Tensor  # history length that allows the end token, int32, ``(slots + 1,)``
    sizes: Tensor  # of the no-repeat n-grams, 0 for none, int32
    windows: Tensor  # of the no-repeat rule in tokens, int32
    exempt: Tensor  # may complete any n-gram; -1 pads; int32, ``(slots + 1, MAX_EXEMPT)``
    temperatures: Tensor  # float32
    seeds: Tensor  # int32

    @classmethod
    def empty(cls, slots: int, *, positions: int, device: torch.device | str = "cpu") -> Self:
        """Allocate slots for sequences of up to ``positions`` tokens."""
        rows = slots + 1
        # A sequence that has ended is computed once or twice more, drafts included, before
        # the host has seen its end.
        room = positions + 4 * (1 + MAX_DRAFTS)

        def integers(*shape: int) -> Tensor:
            return torch.zeros(shape, dtype=torch.int32, device=device)

        return cls(
            lengths=integers(rows),
            history=integers(rows, room),
            block_table=integers(rows, -(-room // BLOCK_SIZE)),
            prompts=integers(rows),
            eos_from=integers(rows),
            sizes=integers(rows),
            windows=integers(rows) + UNLIMITED,
            exempt=integers(rows, MAX_EXEMPT),
            temperatures=torch.zeros(rows, device=device),
            seeds=integers(rows),
        )

    @property
    def padding_slot(self) -> int:
        """The slot of padding rows."""
        return len(self.lengths) - 1

    @property
    def device(self) -> torch.device:
        """The device of all tensors."""
        return self.lengths.device

    def assign(self, assignments: Sequence[Assignment]) -> None:
        """Give slots to sequences, with a dozen kernel launches for all of them."""
        count = len(assignments)
        fields = np.full((len(_FIELDS) + MAX_EXEMPT, count), -1, np.int32)
        for column, each in enumerate(assignments):
            settings, rule = each.settings, each.settings.rule
            fields[: len(_FIELDS), column] = (
                each.slot,
                len(each.tokens) - 1,
                each.prompt,
                each.prompt + settings.min_new_tokens,
                rule.size,
                UNLIMITED if rule.window is None else rule.window,
                settings.seed,
                np.float32(settings.temperature).view(np.int32),
            )
            exempt = sorted(rule.exempt)
            fields[len(_FIELDS) : len(_FIELDS) + len(exempt), column] = exempt
        lengths = [len(each.tokens) for each in assignments]
        tokens = np.empty((3, sum(lengths)), np.int32)
        tokens[0] = np.repeat(fields[0], lengths)
        tokens[1] = np.concatenate([np.arange(length) for length in lengths])
        tokens[2] = np.concatenate([np.asarray(each.tokens) for each in assignments])
        on_device = to_device(tokens, self.device)
        self.history[on_device[0], on_device[1]] = on_device[2]
        values = to_device(fields, self.device)
        slots = values[0]
        for name, row in zip(_FIELDS[1:-1], values[1:], strict=False):
            getattr(self, name)[slots] = row
        self.temperatures[slots] = values[len(_FIELDS) - 1].view(torch.float32)
        self.exempt[slots] = values[len(_FIELDS) :].T

    def write_drafts(self, slots: Tensor, drafts: Tensor) -> None:
        """Write int32 drafts, ``(drafts, rows)``, after the newest tokens of ``(rows,)`` slots."""
        each = torch.arange(1, 1 + len(drafts), dtype=torch.int32, device=self.device)
        self.history[slots, self.lengths[slots] + each[:, None]] = drafts


def to_device(numbers: Sequence[int] | NDArray[np.int32] | Tensor, device: torch.device) -> Tensor:
    """Copy numbers to the device as int32, without waiting for it."""
    tensor = torch.as_tensor(numbers, dtype=torch.int32)
    if device.type == "cuda":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)
