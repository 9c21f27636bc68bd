"""Many pages at once through one device: schedule, run, bring back, in one thread."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from itertools import count
from queue import Empty, SimpleQueue
from typing import Final

import torch

from ..errors import (
    BackendError,
    BackendUnavailableError,
    ConfigurationError,
    DeepSeekOCRError,
    PageTooLargeError,
)
from ..model.page_prompt import End, GeneratedPage
from .cuda_graphs import MAX_DRAFTED_ROWS
from .runner import Runner, StepOutput
from .scheduler import Scheduler
from .sequence import PageTask, WrittenSequence
from .slots import MAX_DRAFTS, MAX_EXEMPT

__all__ = ["Engine", "GenerationHandle"]

STEPS_UNDER_WAY: Final = 2
"""One that runs and one that waits, so that the device never does."""

PROMPTS_UNDER_WAY: Final = 2
"""The same for prompts; more would keep an urgent one waiting."""

_log = logging.getLogger("deepseek_ocr_rag")


class GenerationHandle:
    """A page on its way: an iterator of its tokens, and its result.

    Example:
        >>> writing = engine.submit(task)  # doctest: +SKIP
        >>> for token in writing:  # doctest: +SKIP
        ...     show(token)
    """

    def __init__(self, sequence: WrittenSequence, requests: SimpleQueue[_Request]) -> None:
        self._sequence = sequence
        self._requests = requests
        self._tokens: SimpleQueue[list[int] | None] = SimpleQueue()
        self._future: Future[GeneratedPage] = Future()

    def __iter__(self) -> Iterator[int]:
        """Tokens as they come, the end token left out; for one reader.

        Raises:
            BackendError: If the page could not be written.
        """
        while (some := self._tokens.get()) is not None:
            yield from some
        self._future.result()

    def result(self, timeout: float | None = None) -> GeneratedPage:
        """The whole text, once it is there.

        Args:
            timeout: Seconds to wait at most; None waits for ever.

        Raises:
            BackendError: If the page could not be written.
            TimeoutError: If it is not there in time.
        """
        return self._future.result(timeout)

    def on_done(self, tell: Callable[[GenerationHandle], object]) -> None:
        """Have a function called once the result is there, in the engine's thread."""
        self._future.add_done_callback(lambda _: tell(self))

    def cancel(self) -> None:
        """Nobody wants the page any more; its result is what was written so far."""
        self._requests.put(_Request(self, cancel=True))


@dataclass(frozen=True, slots=True)
class _Request:
    """What another thread asks of the engine's: to write a page or no longer to; or to end."""

    writing: GenerationHandle | None
    cancel: bool = False


class Engine:
    """Writes pages; may be used from several threads.

    Args:
        runner: The device's side. Only the engine's thread uses it from now on.
        scheduler: Its slots and pages.
        max_positions: Longest sequence in tokens, prompt included.

    Attributes:
        device: Where it runs.
        max_positions: The same.
        slots: How many pages are written at once.
        turns: How many turns the loop has done: it hangs if this stands still.
    """

    def __init__(self, runner: Runner, scheduler: Scheduler, max_positions: int) -> None:
        self._runner = runner
        self._scheduler = scheduler
        self.device = runner.device
        self.max_positions = max_positions
        self.slots = scheduler.slots
        self._arrivals = count()
        self._requests: SimpleQueue[_Request] = SimpleQueue()
        self._handles: dict[WrittenSequence, GenerationHandle] = {}
        self._steps: deque[StepOutput] = deque()
        self._prefills: deque[StepOutput] = deque()
        self._failure: BaseException | None = None
        self._closing = False
        self.iterations = 0
        self._thread = threading.Thread(target=self._run, name="dsocr-engine", daemon=True)
        self._thread.start()

    def submit(self, task: PageTask) -> GenerationHandle:
        """Have a page written.

        Raises:
            ConfigurationError: If it is longer than a sequence can be.
            BackendUnavailableError: If the engine is closed, or has failed.
        """
        longest = len(task.ids) + task.max_new_tokens
        if not task.ids or task.max_new_tokens < 1 or longest > self.max_positions:
            raise ConfigurationError(
                f"{len(task.ids)} prompt tokens and {task.max_new_tokens} new ones "
                f"do not fit into {self.max_positions} positions",
                remedy="Ask for fewer new tokens.",
            )
        if len(task.rule.exempt) > MAX_EXEMPT:
            raise ConfigurationError(
                f"{len(task.rule.exempt)} tokens are exempt from the rule against repeats",
                remedy=f"Exempt at most {MAX_EXEMPT}.",
            )
        if self._closing:
            raise self._unavailable()
        writing = GenerationHandle(WrittenSequence(task, next(self._arrivals)), self._requests)
        self._requests.put(_Request(writing))
        if not self._thread.is_alive():
            self._refuse_requests()
        return writing

    def close(self) -> None:
        """End all pages under way, and the thread."""
        self._closing = True
        self._requests.put(_Request(None))
        self._thread.join()

    def _run(self) -> None:
        try:
            while True:
                self._take_requests()
                if self._closing:
                    break
                self._iterate()
        except BaseException as error:  # noqa: BLE001 - told to everybody who waits
            _log.exception("the local engine failed")
            self._failure = error
        finally:
            self._closing = True
            for sequence in list(self._handles):
                self._fail(sequence, self._unavailable())
            self._refuse_requests()

    def _take_requests(self) -> None:
        """Take what other threads ask for; wait for it where there is nothing else to do."""
        wait = not self._handles
        while True:
            try:
                request = self._requests.get(block=wait)
            except Empty:
                return
            wait = False
            writing = request.writing
            if writing is None:
                return
            sequence = writing._sequence
            if not request.cancel:
                self._handles[sequence] = writing
                self._scheduler.add(sequence)
            elif sequence in self._handles:
                self._cancel(sequence)

    def _iterate(self) -> None:
        """One turn of the loop."""
        self.iterations += 1
        drafting = len(self._scheduler.running) <= MAX_DRAFTED_ROWS
        # Drafts follow what was written last, so that must be known.
        self._collect_steps(0 if drafting else STEPS_UNDER_WAY - 1)
        self._collect_prefills()
        plan = self._scheduler.plan(
            1 + MAX_DRAFTS if drafting else 1, prefill=len(self._prefills) < PROMPTS_UNDER_WAY
        )
        if plan is None:
            self._collect_steps(0)
            self._collect_prefills(wait=True)
            return
        for sequence, blocks in plan.swap_out:
            self._runner.swap_out(sequence, blocks)
        for sequence in plan.swap_in:
            self._runner.swap_in(sequence)
        if plan.prefill:
            self._prefill(plan.prefill)
        rows = [sequence for sequence in self._scheduler.running if sequence.prefilled]
        if rows:
            self._step(rows)
        elif self._prefills:
            self._collect_prefills(wait=True)

    def _prefill(self, sequences: Sequence[WrittenSequence]) -> None:
        try:
            output = self._runner.prefill(sequences)
        except (torch.OutOfMemoryError, DeepSeekOCRError, ValueError) as error:
            if len(sequences) > 1:
                # One of them may be at fault, or all together too large.
                if isinstance(error, torch.OutOfMemoryError):
                    self._scheduler.prefill_less()
                for sequence in sequences:
                    self._prefill([sequence])
                return
            self._scheduler.remove(sequences[0])
            self._fail(sequences[0], _page_error(error))
            return
        for sequence in sequences:
            sequence.in_flight += 1
        self._prefills.append(output)

    def _step(self, rows: Sequence[WrittenSequence]) -> None:
        known = len(rows) <= MAX_DRAFTED_ROWS and not any(row.in_flight for row in rows)
        drafts = [row.drafts() if known else [] for row in rows]
        output = self._runner.step(rows, drafts)
        for row in rows:
            row.in_flight += output.queries
        self._steps.append(output)

    def _collect_steps(self, under_way: int) -> None:
        """Take what steps wrote, until so few are under way."""
        while len(self._steps) > under_way:
            self._take(self._steps.popleft())

    def _collect_prefills(self, *, wait: bool = False) -> None:
        """Take the first tokens of prompts that are computed."""
        while self._prefills and (wait or self._prefills[0].is_ready):
            output = self._prefills.popleft()
            self._take(output)
            for sequence in output.sequences:
                sequence.prefilled = True
                # Some megabytes, which nobody needs any more.
                sequence.task = replace(sequence.task, picture=None)
                sequence.task.on_prefill()
                if sequence.end is not None:
                    self._scheduler.remove(sequence)

    def _take(self, output: StepOutput) -> None:
        for sequence, (tokens, logprobs) in zip(output.sequences, output.wait(), strict=True):
            sequence.in_flight -= output.queries
            writing = self._handles.get(sequence)
            # It may have ended since: what the device wrote behind its end is nobody's.
            if writing is None:
                continue
            written = len(sequence.tokens)
            sequence.take(tokens, logprobs)
            writing._tokens.put(sequence.tokens[written:])
            if sequence.end is not None:
                self._scheduler.remove(sequence)
                self._finish(sequence)

    def _cancel(self, sequence: WrittenSequence) -> None:
        sequence.end = sequence.end or End(len(sequence.tokens), "cancelled")
        # While its prompt is computed, which no step waits for, its pages are nobody else's.
        if sequence.prefilled or not sequence.in_flight:
            self._scheduler.remove(sequence)
        self._finish(sequence)

    def _finish(self, sequence: WrittenSequence) -> None:
        writing = self._handles.pop(sequence)
        writing._future.set_result(sequence.result())
        writing._tokens.put(None)

    def _fail(self, sequence: WrittenSequence, error: BackendError) -> None:
        writing = self._handles.pop(sequence)
        writing._future.set_exception(error)
        writing._tokens.put(None)

    def _refuse_requests(self) -> None:
        """Tell those that nobody will serve."""
        while True:
            try:
                request = self._requests.get_nowait()
            except Empty:
                return
            if request.writing is not None and not request.cancel:
                request.writing._future.set_exception(self._unavailable())
                request.writing._tokens.put(None)

    def _unavailable(self) -> BackendUnavailableError:
        if self._failure is None:
            return BackendUnavailableError("the local engine was closed")
        first = str(self._failure).splitlines()[0] if str(self._failure) else repr(self._failure)
        error = BackendUnavailableError(
            f"the local engine failed: {first}",
            remedy='Start the program again; if it fails again, use backend="transformers".',
        )
        error.__cause__ = self._failure
        return error


def _page_error(error: Exception) -> BackendError:
    if isinstance(error, BackendError):
        return error
    result = BackendError(f"the page cannot be read: {error}")
    if isinstance(error, torch.OutOfMemoryError):
        result = PageTooLargeError(
            "the page does not fit into the GPU's memory",
            remedy="Raise gpu_memory_limit, or use a mode with fewer tokens.",
        )
    result.__cause__ = error
    return result
