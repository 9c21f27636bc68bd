"""Decides what the device does next. Knows nothing of tensors.

A turn of the loop asks for a plan, runs it, and brings back what was written::

    put aside -> resume -> begin -> step

A sequence keeps its slot and pages until it ends, unless a better ranked one
needs them: then the worst ranked is put aside, with its keys and values, and
later goes on where it was.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass

from .block_pool import BLOCK_SIZE, BlockPool
from .sequence import WrittenSequence

__all__ = ["Plan", "Scheduler"]


@dataclass(frozen=True, slots=True)
class Plan:
    """A turn, to be done in this order.

    Attributes:
        put_aside: Sequences that leave the device for a while, and the pages
            that hold their keys and values until something else is written.
        resume: Sequences that come back to it.
        begin: Sequences whose prompts are computed, together.
    """

    swap_out: tuple[tuple[WrittenSequence, tuple[int, ...]], ...] = ()
    swap_in: tuple[WrittenSequence, ...] = ()
    prefill: tuple[WrittenSequence, ...] = ()


class Scheduler:
    """The sequences, and who owns which slots and pages.

    Args:
        slots: How many sequences run at once.
        pages: How many pages the cache has, page 0 included; enough for the
            longest sequence.
        together: While all slots are in use, prompts wait until so many can be
            computed at once: few at a time are slower, and hold up the others.
        prompt_tokens: Most tokens of prompts that are computed at once.
    """

    def __init__(
        self, *, slots: int, blocks: int, min_batch: int = 4, max_prefill_tokens: int = 8192
    ) -> None:
        self.slots = slots
        self._min_batch = min(min_batch, slots)
        self._max_prefill_tokens = max_prefill_tokens
        self._free_slots = list(range(slots - 1, -1, -1))
        self._pool = BlockPool(blocks)
        self._waiting: list[WrittenSequence] = []
        self._swapped: list[WrittenSequence] = []
        self._running: list[WrittenSequence] = []

    @property
    def running(self) -> tuple[WrittenSequence, ...]:
        """The sequences on the device, best ranked first."""
        return tuple(self._running)

    def add(self, sequence: WrittenSequence) -> None:
        """A new sequence, or one whose beginning is tried again."""
        self._waiting.append(sequence)

    def remove(self, sequence: WrittenSequence) -> None:
        """A sequence has ended, or nobody wants it: its slot and pages are free.

        What the device still computes for it must come before what is planned
        from now on, so that it overwrites nothing of the next owner's.
        """
        for group in (self._waiting, self._swapped, self._running):
            if sequence in group:
                group.remove(sequence)
        self._release(sequence)
        sequence.swapped = None

    def prefill_less(self) -> None:
        """So many prompts at once were too much for the device."""
        self._max_prefill_tokens = max(1, self._max_prefill_tokens // 2)

    def plan(self, queries: int, *, prefill: bool = True) -> Plan | None:
        """The next turn.

        Args:
            queries: Tokens of each running sequence that are computed in it.
            prefill: Whether prompts may be started.

        Returns:
            None if a sequence must be put aside of which the device may have
            written tokens that are not known yet: bring them back and ask again.
        """
        leaving = self._to_swap_out(queries, prefill=prefill)
        if any(sequence.in_flight for sequence in leaving):
            return None
        swap_out = tuple((sequence, tuple(sequence.blocks)) for sequence in leaving)
        for sequence in leaving:
            self._release(sequence)
            self._running.remove(sequence)
        for sequence, missing in self._short_of_blocks(self._running, queries):
            sequence.blocks += self._pool.take(missing)
        swap_in, prefilled = self._to_start(queries, prefill=prefill)
        self._swapped += leaving
        return Plan(swap_out, swap_in, prefilled)

    def _to_swap_out(self, queries: int, *, prefill: bool) -> list[WrittenSequence]:
        """Who must go so that the others have room."""
        staying = list(self.running)
        leaving: list[WrittenSequence] = []
        free = len(self._pool)
        first = min(self._waiting, key=_rank, default=None) if prefill else None
        if (
            first is not None
            and staying
            and first.task.priority < staying[-1].task.priority
            and (not self._free_slots or self._missing(first, queries) > free)
        ):
            leaving.append(staying.pop())
            free += len(leaving[-1].blocks)
        while sum(missing for _, missing in self._short_of_blocks(staying, queries)) > free:
            leaving.append(staying.pop())
            free += len(leaving[-1].blocks)
        return leaving

    def _to_start(
        self, queries: int, *, prefill: bool
    ) -> tuple[tuple[WrittenSequence, ...], tuple[WrittenSequence, ...]]:
        """Who comes to the device: sequences that go on, and sequences that begin."""
        resumed: list[WrittenSequence] = []
        prefilled: list[WrittenSequence] = []
        tokens = 0
        worst = self.running[-1].task.priority if self._running else None
        crowded = worst is not None and len(self._free_slots) < self._min_batch
        for sequence in sorted((*self._swapped, *self._waiting), key=_rank):
            goes_on = sequence in self._swapped
            if not goes_on:
                tokens += sequence.length
                too_many = prefilled and tokens > self._max_prefill_tokens
                # A better ranked one does not wait for company.
                in_company = crowded and worst is not None and sequence.task.priority >= worst
                if not prefill or too_many or in_company:
                    continue
            # Room to spare, or the next page that is needed puts it aside again.
            if not self._free_slots or self._missing(sequence, queries) + self._spare > len(
                self._pool
            ):
                break
            (self._swapped if goes_on else self._waiting).remove(sequence)
            (resumed if goes_on else prefilled).append(sequence)
            sequence.slot = self._free_slots.pop()
            sequence.blocks += self._pool.take(self._missing(sequence, queries))
            insort(self._running, sequence, key=_rank)
        return tuple(resumed), tuple(prefilled)

    @property
    def _spare(self) -> int:
        """Pages that the running sequences will need soon."""
        return len(self._running)

    def _short_of_blocks(
        self, sequences: Sequence[WrittenSequence], queries: int
    ) -> list[tuple[WrittenSequence, int]]:
        """Those that need more pages, and how many; few of hundreds in a turn."""
        return [
            (sequence, self._missing(sequence, queries))
            for sequence in sequences
            if sequence.room < queries
        ]

    def _missing(self, sequence: WrittenSequence, queries: int) -> int:
        return max(0, -((sequence.room - queries) // BLOCK_SIZE))

    def _release(self, sequence: WrittenSequence) -> None:
        self._pool.give_back(sequence.blocks)
        sequence.blocks = []
        if sequence.slot is not None:
            self._free_slots.append(sequence.slot)
            sequence.slot = None


def _rank(sequence: WrittenSequence) -> tuple[int, int]:
    return sequence.rank
