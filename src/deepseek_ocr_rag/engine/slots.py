"""What the device knows of every sequence that is being written.

A sequence lives in a slot. The tokens it is known to have are in ``history``;
for all but the newest of them keys and values are in the cache::

    history   t0 t1 ... t(n-1)  tn  draft draft
    in cache  <--- lengths = n --->

A decode step computes ``tn`` and the drafts behind it, and writes what follows.
The last slot belongs to nobody: it fills the rows of a batch that are not needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import torch
from torch import Tensor

from ..model.ngrams import NoRepeat
from .block_pool import BLOCK_SIZE

__all__ = ["MAX_DRAFTS", "MAX_EXEMPT", "SlotSettings", "Slots", "to_device"]

MAX_DRAFTS: Final = 15
"""Drafts behind the newest token; with it they fill a matrix unit's 16 rows."""

MAX_EXEMPT: Final = 16
"""Tokens that a sequence may exempt from its rule."""

UNLIMITED: Final = 2**30
"""A window larger than any sequence."""


@dataclass(frozen=True, slots=True)
class SlotSettings:
    """How one sequence is written.

    Attributes:
        rule: Which repeats are forbidden.
        least_tokens: New tokens before which the end token may not come.
        temperature: 0 takes the most probable token.
        seed: Of the random numbers, where the temperature is not 0.
    """

    rule: NoRepeat
    min_new_tokens: int = 0
    temperature: float = 0.0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Slots:
    """Tensors on the device, a row for every slot and one for nobody.

    Attributes:
        lengths: Tokens in the cache, int32, ``(slots + 1,)``.
        history: Token ids, int32, ``(slots + 1, positions)``.
        pages: Numbers of the cache's pages in the order of the sequence, int32,
            ``(slots + 1, most pages)``. Page 0 belongs to nobody.
        prompts: Tokens of the prompt, int32, ``(slots + 1,)``.
        end_from: Length of the history from which on the end token may follow,
            int32, ``(slots + 1,)``.
        sizes: Length of the n-grams that may not repeat, 0 for none, int32.
        windows: Over how many of the last tokens they may not, int32.
        exempt: Tokens that may complete any n-gram, filled up with -1, int32,
            ``(slots + 1, MAX_EXEMPT)``.
        temperatures: float32.
        seeds: int32.
    """

    lengths: Tensor
    history: Tensor
    block_table: Tensor
    prompts: Tensor
    eos_from: Tensor
    sizes: Tensor
    windows: Tensor
    exempt: Tensor
    temperatures: Tensor
    seeds: Tensor

    @classmethod
    def empty(cls, slots: int, *, positions: int, device: torch.device | str = "cpu") -> Self:
        """Slots for sequences of up to ``positions`` tokens."""
        rows = slots + 1
        # A sequence that is at its end is computed once or twice more before
        # the host has seen it, drafts included.
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
        """The slot that fills up batches."""
        return len(self.lengths) - 1

    @property
    def device(self) -> torch.device:
        """Where all of it is."""
        return self.lengths.device

    def assign(self, slot: int, tokens: Sequence[int], prompt: int, settings: SlotSettings) -> None:
        """Give a slot to a sequence.

        Args:
            slot: Which.
            tokens: All tokens so far, the prompt's and written ones.
            prompt: How many of them are the prompt's.
            settings: How it is written.
        """
        rule = settings.rule
        exempt = sorted(rule.exempt)
        self.history[slot, : len(tokens)] = to_device(tokens, self.device)
        unused = [-1] * (MAX_EXEMPT - len(exempt))
        self.exempt[slot] = to_device([*exempt, *unused], self.device)
        # Filled, not assigned: a number that is assigned is copied, and the copy waited for.
        self.lengths[slot].fill_(len(tokens) - 1)
        self.prompts[slot].fill_(prompt)
        self.eos_from[slot].fill_(prompt + settings.min_new_tokens)
        self.sizes[slot].fill_(rule.size)
        self.windows[slot].fill_(UNLIMITED if rule.window is None else rule.window)
        self.temperatures[slot].fill_(settings.temperature)
        self.seeds[slot].fill_(settings.seed)

    def write_drafts(self, slots: Tensor, drafts: Tensor) -> None:
        """Write drafts behind the newest tokens of sequences.

        Args:
            slots: int32, ``(rows,)``.
            drafts: int32, ``(drafts, rows)``.
        """
        each = torch.arange(1, 1 + len(drafts), dtype=torch.int32, device=self.device)
        self.history[slots, self.lengths[slots] + each[:, None]] = drafts


def to_device(numbers: Sequence[int], device: torch.device) -> Tensor:
    """Numbers as int32, without waiting for the device."""
    tensor = torch.tensor(numbers, dtype=torch.int32)
    if device.type == "cuda":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)
