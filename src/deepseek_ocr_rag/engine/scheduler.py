"""Decides which sequences are on the device, without touching a tensor.

Each iteration of the engine's loop asks for a plan::

    swap out -> swap in -> step -> prefill

A sequence keeps its slot and blocks until it ends, unless a better ranked one needs
them: then the worst ranked is swapped out with its keys and values, and continues later.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import merge
from typing import Final

from .block_pool import BLOCK_SIZE, BlockPool
from .sequence import WrittenSequence

__all__ = ["Plan", "Scheduler"]

SLOTS_PER_RESERVED: Final = 128
"""One slot in this many is kept free for better ranked sequences, because swapping one out takes
longer than computing a prompt."""

PATIENCE: Final = 4
CROWDED_PATIENCE: Final = 16
"""Iterations that prompts wait for more to share a prefill with: for pages to arrive, and (if they
outnumber the free slots) for slots to become free."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan of one iteration.

    ``swap_out`` has the sequences that leave the device, and the blocks that hold their keys and
    values until something else is written to them.
    """

    swap_out: tuple[tuple[WrittenSequence, tuple[int, ...]], ...] = ()
    swap_in: tuple[WrittenSequence, ...] = ()  # sequences that come back
    prefill: tuple[WrittenSequence, ...] = ()  # sequences whose prompts are computed, together


class Scheduler:
    """The sequences, their slots and their blocks.

    ``blocks`` includes block 0 and must be enough for the longest sequence. Prompts wait a little
    until ``min_batch`` can be computed at once, because single ones cost more; at most
    ``max_prefill_tokens`` prompt tokens are computed at once.
    """

    def __init__(
        self, *, slots: int, blocks: int, min_batch: int = 4, max_prefill_tokens: int = 8192
    ) -> None:
        self.slots = slots
        self._reserved = slots // SLOTS_PER_RESERVED
        self._min_batch = min(min_batch, slots)
        self._max_prefill_tokens = max_prefill_tokens
        self._free_slots = list(range(slots - 1, -1, -1))
        self._pool = BlockPool(blocks)
        self._waiting: list[WrittenSequence] = []
        self._swapped: list[WrittenSequence] = []
        self._running: list[WrittenSequence] = []
        self._waited = 0
        self._coming: int | None = None  # cached ``coming``; None if it may have changed

    @property
    def running(self) -> tuple[WrittenSequence, ...]:
        """The sequences on the device, best ranked first."""
        return tuple(self._running)

    @property
    def coming(self) -> int:
        """Prompts that wait, and those that are known to follow them; 0 if no slot is free."""
        if len(self._free_slots) <= self._reserved:
            return 0
        if self._coming is None:
            following = (1 + sequence.task.following for sequence in self._waiting)
            self._coming = max(len(self._waiting), *following, 0)
        return self._coming

    def add(self, sequence: WrittenSequence) -> None:
        """Add a sequence, which waits for its prefill."""
        insort(self._waiting, sequence, key=_rank)
        self._coming = None

    def remove(self, sequence: WrittenSequence) -> None:
        """Free the slot and blocks of a sequence that has ended or was cancelled.

        Work in flight may still write to them, so it must finish before any work that is planned
        later.
        """
        for group in (self._waiting, self._swapped, self._running):
            if sequence in group:
                group.remove(sequence)
        self._coming = None
        self._release(sequence)
        sequence.swapped = None

    def prefill_less(self) -> None:
        """Halve the prompts that are computed at once, after they ran out of memory."""
        self._max_prefill_tokens = max(1, self._max_prefill_tokens // 2)

    def plan(self, queries: int, *, prefill: bool = True) -> Plan | None:
        """Plan the next iteration, with ``queries`` tokens of each running sequence.

        Args:
            queries: Tokens that a step computes for each sequence.
            prefill: Whether prompts may start; urgent ones always may.

        Returns:
            None if a sequence that must be swapped out has tokens in flight: collect them, then ask
            again.
        """
        worst = self._running[-1].task.priority if self._running else None
        leaving = self._to_swap_out(queries)
        if any(sequence.in_flight for sequence in leaving):
            return None
        swap_out = tuple((sequence, tuple(sequence.blocks)) for sequence in leaving)
        for sequence in leaving:
            self._release(sequence)
            self._running.remove(sequence)
        for sequence, missing in self._short_of_blocks(self._running, queries):
            sequence.blocks += self._pool.take(missing)
        swap_in, prompts = self._to_start(queries, worst, prefill=prefill)
        for sequence in leaving:
            insort(self._swapped, sequence, key=_rank)
        return Plan(swap_out, swap_in, prompts)

    def _to_swap_out(self, queries: int) -> list[WrittenSequence]:
        """Choose the sequences that must leave so that better ranked ones have room."""
        staying = list(self.running)
        leaving: list[WrittenSequence] = []
        free = len(self._pool)
        first = self._waiting[0] if self._waiting else None
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
        self, queries: int, worst: int | None, *, prefill: bool
    ) -> tuple[tuple[WrittenSequence, ...], tuple[WrittenSequence, ...]]:
        """Choose the sequences that come to the device: those to swap in, and prompts."""
        swapped_in: list[WrittenSequence] = []
        prompts: list[WrittenSequence] = []
        tokens = 0
        is_ready = prefill and self._is_ready()
        # Of hundreds that wait, this mostly looks at one. It merges copies, because the loop
        # changes the lists.
        for sequence in merge(tuple(self._swapped), tuple(self._waiting), key=_rank):
            is_prompt = sequence not in self._swapped
            is_urgent = worst is not None and sequence.task.priority < worst
            if is_prompt:
                tokens += sequence.length
                # An urgent page does not share a prefill with others, which would delay it.
                fits = not prompts or (
                    tokens <= self._max_prefill_tokens
                    and (worst is None or prompts[0].task.priority == sequence.task.priority)
                )
                if not fits or not (is_ready or is_urgent):
                    if not self._swapped:
                        break
                    continue
            # Some blocks must be left, or the next one that is needed would swap it out again.
            missing = self._missing(sequence, queries)
            if len(self._free_slots) <= (0 if is_urgent else self._reserved) or missing + len(
                self._running
            ) > len(self._pool):
                break
            (self._waiting if is_prompt else self._swapped).remove(sequence)
            (prompts if is_prompt else swapped_in).append(sequence)
            sequence.slot = self._free_slots.pop()
            sequence.blocks += self._pool.take(missing)
            insort(self._running, sequence, key=_rank)
        if prompts:
            self._waited = 0
            self._coming = None
        return tuple(swapped_in), tuple(prompts)

    def _is_ready(self) -> bool:
        """Return whether enough prompts wait, or have waited long enough, for a prefill now."""
        waiting, free = len(self._waiting), len(self._free_slots) - self._reserved
        if not waiting or free < 1:
            return False
        if not self._running or min(waiting, free) >= self._min_batch or self._is_full():
            return True
        self._waited += 1
        return self._waited > (PATIENCE if waiting <= free else CROWDED_PATIENCE)

    def _is_full(self) -> bool:
        """Return whether the first waiting prompts have as many tokens as are computed at once."""
        first = self._waiting[: self._min_batch]
        return sum(sequence.length for sequence in first) >= self._max_prefill_tokens

    def _short_of_blocks(
        self, sequences: Sequence[WrittenSequence], queries: int
    ) -> list[tuple[WrittenSequence, int]]:
        """Find the few sequences that need more blocks, and the number of blocks."""
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
