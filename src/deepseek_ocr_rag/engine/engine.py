"""Reads many pages at once on one device: one thread schedules, runs and collects."""

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

STEPS_IN_FLIGHT: Final = 2
"""One step runs and one waits in the queue, so that the device is never idle."""

ROWS_PER_URGENT_STEP: Final = 16
MAX_URGENT_STEPS: Final = 8
"""Between two steps of many sequences come some steps of only the urgent ones: one for each 16
rows, at most 8. A step takes 1 ms and 25 us a row, so that an urgent page gets some 400 tokens a second
beside 512 others."""

MANY_ROWS: Final = 64
"""Fewest rows for which urgent steps pay: a smaller step takes hardly longer than an urgent one."""

STEPS_BESIDE_URGENT: Final = 128
"""Steps between two prefills while there are urgent sequences and many prompts to come. A prefill
of four pages takes as long as 35 steps of an urgent sequence."""

MANY_COMING: Final = 64
"""Fewest such prompts: with fewer, the urgent ones end hardly sooner, and all others later."""

MAX_URGENT_ROWS: Final = 8
"""Most sequences in an urgent step."""

MAX_URGENT_TOKENS: Final = 1500
"""Tokens after which a sequence is no longer urgent. 93 % of pages have fewer; one of 7,000 would
hold up all others for 20 seconds."""

_log = logging.getLogger("deepseek_ocr_rag")


class GenerationHandle:
    """A page that is being generated: an iterator of its tokens, and its result."""

    def __init__(self, sequence: WrittenSequence, requests: SimpleQueue[_Request]) -> None:
        self.sequence = sequence
        self._requests = requests
        self._news = threading.Event()
        self._future: Future[GeneratedPage] = Future()

    def __iter__(self) -> Iterator[int]:
        """Yield tokens as they come, without the end token; for one consumer."""
        seen, ended = 0, False
        while not ended:
            self._news.wait()
            # Clear first, then read the tokens: none that comes meanwhile is missed.
            self._news.clear()
            ended = self._future.done()
            tokens = self.sequence.tokens[seen:]
            seen += len(tokens)
            yield from tokens
        self._future.result()

    def result(self, timeout: float | None = None) -> GeneratedPage:
        """Wait for the whole page, at most ``timeout`` seconds."""
        return self._future.result(timeout)

    def on_done(self, callback: Callable[[GenerationHandle], object]) -> None:
        """Call a function in the engine's thread once the result is ready."""
        self._future.add_done_callback(lambda _: callback(self))

    def cancel(self) -> None:
        """Stop generating; the result holds the tokens so far."""
        self._requests.put(_Request(self, cancel=True))

    def notify(self) -> None:
        """Tell the consumer that its sequence has new tokens; for the engine."""
        # New tokens are not queued: 512 pages over which nobody iterates would leave half a million
        # entries, and each garbage collection would hold up the device for 50 ms.
        if not self._news.is_set():
            self._news.set()

    def finish(self, page: GeneratedPage) -> None:
        """Set the result; for the engine."""
        self._future.set_result(page)
        self._news.set()

    def fail(self, error: BackendError) -> None:
        """Set an error; for the engine."""
        self._future.set_exception(error)
        self._news.set()


@dataclass(frozen=True, slots=True)
class _Request:
    """A request to the engine's thread: generate or cancel a page; without a handle, wake up."""

    handle: GenerationHandle | None
    cancel: bool = False


class Engine:
    """Generates the text of pages. Thread-safe; only its thread uses the runner."""

    def __init__(self, runner: Runner, scheduler: Scheduler, max_positions: int) -> None:
        self._runner = runner
        self._scheduler = scheduler
        self.device = runner.device
        self.max_positions = max_positions  # longest sequence in tokens, prompt included
        self.slots = scheduler.slots  # pages that are generated at once
        self._arrivals = count()
        self._requests: SimpleQueue[_Request] = SimpleQueue()
        self._handles: dict[WrittenSequence, GenerationHandle] = {}
        self._steps: deque[StepOutput] = deque()
        self._prefills: deque[StepOutput] = deque()
        self._failure: BaseException | None = None
        self._closing = self._ended = False
        self._urgent_steps = 0
        self._steps_since_prefill = 0
        self.iterations = 0  # of the loop so far; if it does not grow, the loop hangs
        self._thread = threading.Thread(target=self._run, name="dsocr-engine", daemon=True)
        self._thread.start()

    def submit(self, task: PageTask) -> GenerationHandle:
        """Start reading a page.

        Raises:
            ConfigurationError: If it is empty, longer than a sequence, or exempts too many tokens.
            BackendUnavailableError: If the engine is closed or has failed.
        """
        if not task.ids or task.max_new_tokens < 1:
            raise ConfigurationError(
                f"a page needs a prompt and room for its text, not {len(task.ids)} prompt tokens "
                f"and {task.max_new_tokens} new ones",
                remedy="Give at least one prompt token, and ask for at least one new one.",
            )
        if len(task.ids) + task.max_new_tokens > self.max_positions:
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
        handle = GenerationHandle(WrittenSequence(task, next(self._arrivals)), self._requests)
        self._requests.put(_Request(handle))
        if self._ended:
            self._refuse_requests()
        return handle

    def close(self) -> None:
        """Fail all pages that are not finished, and end the thread."""
        self._closing = True
        self._requests.put(_Request(None))
        self._thread.join()

    def _run(self) -> None:
        try:
            while True:
                # This waits. The next plan must know what has come meanwhile, or an urgent page
                # would wait for another batch of others' prompts.
                self._collect_steps(STEPS_IN_FLIGHT - 1)
                self._collect_prefills()
                self._take_requests()
                if self._closing:
                    break
                self._iterate()
        except BaseException as error:  # noqa: BLE001 - every waiting caller gets it
            _log.exception("the local engine failed")
            self._failure = error
        finally:
            # Set before the last look at the queue: a request that comes after it is then
            # refused by the thread that sent it.
            self._closing = self._ended = True
            for sequence in list(self._handles):
                self._fail(sequence, self._unavailable())
            self._refuse_requests()

    def _take_requests(self) -> None:
        """Take the requests of other threads; wait for one if there is nothing else to do."""
        wait = not self._handles
        while True:
            try:
                request = self._requests.get(block=wait)
            except Empty:
                return
            wait = False
            handle = request.handle
            if handle is None:
                return
            sequence = handle.sequence
            if not request.cancel:
                self._handles[sequence] = handle
                self._scheduler.add(sequence)
            elif sequence in self._handles:
                self._cancel(sequence)

    def _iterate(self) -> None:
        self.iterations += 1
        drafting = self._takes_drafts(self._next_rows())
        if drafting:
            # Drafts continue the newest token, so the host must know it.
            self._collect_steps(0)
            self._collect_prefills()
        rows = self._next_rows()
        plan = self._scheduler.plan(
            1 + MAX_DRAFTS if drafting else 1,
            prefill=not self._prefills
            and (not rows or self._steps_since_prefill >= self._pause(rows)),
        )
        if plan is None:
            self._collect_steps(0)
            self._collect_prefills(wait=True)
            return
        for sequence, blocks in plan.swap_out:
            self._runner.swap_out(sequence, blocks)
        for sequence in plan.swap_in:
            self._runner.swap_in(sequence)
        rows = self._next_rows()
        # The step first: it runs while the host launches the prompts.
        if rows:
            self._step(rows, drafting=drafting and self._takes_drafts(rows))
        if plan.prefill:
            self._steps_since_prefill = 0
            self._prefill(plan.prefill)
        elif not rows:
            self._collect_prefills(wait=True)

    def _next_rows(self) -> list[WrittenSequence]:
        """Return the rows of the next step: a few urgent sequences several times, then all."""
        rows = [sequence for sequence in self._scheduler.running if sequence.prefilled]
        if len(rows) < MANY_ROWS:
            # Only while many prompts are to come; the other rows make up for it afterwards.
            most = self._pause(rows) - 1
        else:
            most = min(MAX_URGENT_STEPS, len(rows) // ROWS_PER_URGENT_STEP)
        return (self._urgent(rows) if self._urgent_steps < most else []) or rows

    def _pause(self, rows: Sequence[WrittenSequence]) -> int:
        """Return the steps between two prefills."""
        pauses = self._urgent(rows) and self._scheduler.coming >= MANY_COMING
        return STEPS_BESIDE_URGENT if pauses else 1

    def _urgent(self, rows: Sequence[WrittenSequence]) -> list[WrittenSequence]:
        """Return the sequences that go before others on the device."""
        running = self._scheduler.running
        worst = running[-1].task.priority if running else 0
        return [
            row
            for row in rows[:MAX_URGENT_ROWS]
            if row.task.priority < worst and len(row.tokens) < MAX_URGENT_TOKENS
        ]

    def _takes_drafts(self, rows: Sequence[WrittenSequence]) -> bool:
        """Return whether a step of these rows should verify drafts.

        The host must then wait for the newest tokens, so drafts must be likely. They pay if the
        rows are all the running sequences, or if there is a text layer to draft from.
        """
        if len(rows) > MAX_DRAFTED_ROWS:
            return False
        are_alone = len(rows) == len(self._scheduler.running)
        return any(row.expects_drafts for row in rows if are_alone or row.task.source)

    def _prefill(self, sequences: Sequence[WrittenSequence]) -> None:
        try:
            output = self._runner.prefill(sequences)
        except (torch.OutOfMemoryError, DeepSeekOCRError, ValueError) as error:
            if len(sequences) > 1:
                # One page may be invalid, or they may be too large together.
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

    def _step(self, rows: Sequence[WrittenSequence], *, drafting: bool) -> None:
        is_whole = len(rows) == sum(row.prefilled for row in self._scheduler.running)
        self._urgent_steps = 0 if is_whole else self._urgent_steps + 1
        self._steps_since_prefill += 1
        known = drafting and not any(row.in_flight for row in rows)
        drafts = [row.drafts() if known else () for row in rows]
        output = self._runner.step(rows, drafts)
        for row in rows:
            row.in_flight += output.queries
        self._steps.append(output)

    def _collect_steps(self, in_flight: int) -> None:
        """Collect steps until at most ``in_flight`` of them are left."""
        while len(self._steps) > in_flight:
            self._take(self._steps.popleft())

    def _collect_prefills(self, *, wait: bool = False) -> None:
        """Collect the first tokens of prompts that are computed."""
        while self._prefills and (wait or self._prefills[0].is_ready):
            output = self._prefills.popleft()
            self._take(output)
            for sequence in output.sequences:
                sequence.prefilled = True
                # Release the picture's memory, some megabytes.
                sequence.task = replace(sequence.task, picture=None)
                sequence.task.on_prefill()
                if sequence.end is not None:
                    self._scheduler.remove(sequence)

    def _take(self, output: StepOutput) -> None:
        for sequence, (tokens, logprobs) in zip(output.sequences, output.wait(), strict=True):
            sequence.in_flight -= output.queries
            handle = self._handles.get(sequence)
            # It may have ended meanwhile; tokens after its end are dropped.
            if handle is None:
                continue
            sequence.take(tokens, logprobs)
            handle.notify()
            if sequence.end is not None:
                self._scheduler.remove(sequence)
                self._finish(sequence)

    def _cancel(self, sequence: WrittenSequence) -> None:
        sequence.end = sequence.end or End(len(sequence.tokens), "cancelled")
        # Steps do not wait for a prefill, so a sequence in one keeps its blocks until it is done.
        if sequence.prefilled or not sequence.in_flight:
            self._scheduler.remove(sequence)
        self._finish(sequence)

    def _finish(self, sequence: WrittenSequence) -> None:
        self._handles.pop(sequence).finish(sequence.result())

    def _fail(self, sequence: WrittenSequence, error: BackendError) -> None:
        self._handles.pop(sequence).fail(error)

    def _refuse_requests(self) -> None:
        """Fail the waiting requests, which the ended loop will not serve."""
        while True:
            try:
                request = self._requests.get_nowait()
            except Empty:
                return
            if request.handle is not None and not request.cancel:
                request.handle.fail(self._unavailable())

    def _unavailable(self) -> BackendUnavailableError:
        if self._failure is None:
            return BackendUnavailableError(
                "the local engine was closed", remedy="Create a new Reader to read more pages."
            )
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
    result = BackendError(
        f"cannot read the page: {error}",
        remedy='Read it again; if it fails again, use backend="transformers".',
    )
    if isinstance(error, torch.OutOfMemoryError):
        result = PageTooLargeError(
            "the page does not fit into the GPU's memory",
            remedy="Raise gpu_memory_limit, or use a smaller resolution.",
        )
    result.__cause__ = error
    return result
