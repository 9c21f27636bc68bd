"""Runs DeepSeek-OCR through transformers' own classes: CUDA, MPS or CPU, no remote code."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final, Literal

from ...concurrency.cancellation import Cancellation
from ...concurrency.fair_turns import FairSemaphore
from ...errors import (
    BackendReplyError,
    BackendUnavailableError,
    ConfigurationError,
    MissingExtraError,
    OutOfDeviceMemoryError,
    PageTooLargeError,
    SourceError,
    TurnCancelledError,
)
from ...installing import install_command
from ...model.ngrams import NoRepeat
from ...model.page_prompt import PagePrompt
from ...setting_names import with_known_settings
from ..base import PageRequest, Reply
from ..checkpoint_backend import CheckpointBackend, CheckpointOptions, check_positive
from ..retry_ladder import RetryLadder
from .batch_size import BatchSize

if TYPE_CHECKING:
    from ..model_settings import ModelSettings
    from ..page_text import PageText
    from .runtime import ModelRuntime

__all__ = ["TransformersBackend", "gpu_name"]

MOST_PAGES: Final = 64
"""Larger batches gain little: transformers' own code is then the limit."""

TYPICAL_TOKENS: Final = 3000
"""Tokens of a page, prompt included, to estimate how many pages fit into memory."""


_log = logging.getLogger("deepseek_ocr_rag")


@dataclass(frozen=True, slots=True)
class _BatchPage:
    """A page that is being read, and the call that reads it: calls take turns with batches."""

    ladder: RetryLadder
    reading: object


@with_known_settings()
class TransformersBackend(CheckpointBackend["tuple[ModelRuntime, ModelSettings]"]):
    """Reads pages with a DeepSeek-OCR model in this process, on any device that torch supports.

    The model is loaded when the first page comes (20 s from a warm disk) and
    kept until :meth:`close`. Pages are read in batches; if several threads share
    the backend, their batches take turns. A page that comes out badly is asked for
    again in other ways; when memory runs out, batches are halved, and a page that
    does not fit alone is read at a smaller resolution.

    Args:
        model: A folder, a hub id, or "deepseek-ocr", "deepseek-ocr-2",
            "unlimited-ocr". A hub id that is not on this machine is downloaded.
        revision: Commit of a hub id; the published models have a default.
        tokenizer: ``tokenizer.json``, if it is not in the folder.
        adapter: Folder of a LoRA adapter, as ``dsocr train`` writes it; it is added to the
            weights when they are loaded.
        device: "cuda", "cuda:1", "mps", "cpu", "auto" to spread the model over
            all GPUs, or None for the best device here.
        dtype: "bfloat16", "float16", "float32", or None for what the device can do.
        quantization: "8bit" or "4bit" weights, for a small card; not with "auto".
        batch_size: Most pages at once; None estimates it from the free memory.
        no_repeat: The repetition rule; None takes the model's own.
        max_new_tokens: Most tokens of a page; None allows what the model can write.
        max_tiles: Most tiles of a page at resolution gundam.
        attempts: Most times that a page is asked for.
        page_seconds: Time after which no further attempt at a page starts.
        download: Whether the model may be downloaded from the hub.

    Raises:
        ConfigurationError: If an argument is invalid.

    Example:
        >>> from deepseek_ocr_rag import Reader, TransformersBackend
        >>> with Reader(TransformersBackend("deepseek-ocr")) as reader:  # doctest: +SKIP
        ...     print(reader.read("scan.pdf").to_markdown())
    """

    name = "transformers"
    _needs = ("torch", "transformers", "tokenizers", "safetensors")

    def __init__(
        self,
        model: str | Path = "deepseek-ocr",
        *,
        revision: str | None = None,
        tokenizer: str | Path | None = None,
        adapter: str | Path | None = None,
        device: str | None = None,
        dtype: Literal["bfloat16", "float16", "float32"] | None = None,
        quantization: Literal["8bit", "4bit"] | None = None,
        batch_size: int | None = None,
        no_repeat: NoRepeat | None = None,
        max_new_tokens: int | None = None,
        max_tiles: int | None = None,
        attempts: int = 3,
        page_seconds: float = 300.0,
        download: bool = True,
    ) -> None:
        check_positive(batch_size=batch_size)
        if quantization and device == "auto":
            raise ConfigurationError(
                f"{quantization} weights must be on one device and cannot be spread over several",
                remedy='Name a device, such as "cuda:0", or leave quantization out.',
            )
        options = CheckpointOptions(
            model=str(model),
            revision=revision,
            tokenizer=tokenizer,
            adapter=adapter,
            device=device,
            no_repeat=no_repeat,
            max_new_tokens=max_new_tokens,
            max_tiles=max_tiles,
            attempts=attempts,
            page_seconds=page_seconds,
            download=download,
        )
        super().__init__(options, quantization=quantization, dtype=dtype)
        self._dtype = dtype
        self._quantization = quantization
        self._batch_size = batch_size
        self._slots = FairSemaphore(1)
        self._size = BatchSize(batch_size or MOST_PAGES)

    @classmethod
    def from_options(
        cls, options: CheckpointOptions, batch_size: int | None
    ) -> TransformersBackend:
        """Make a backend with the options of another one."""
        return cls(
            batch_size=batch_size, **{name: getattr(options, name) for name in options.__slots__}
        )

    def _load(self) -> tuple[ModelRuntime, ModelSettings]:
        try:
            from ...model.tokenizer import ModelTokenizer
            from .runtime import ModelRuntime
        except ImportError as error:
            raise MissingExtraError(
                f"torch and transformers 5.20 or newer are needed: {error}",
                remedy=f"Install them: {install_command('local')}",
            ) from error
        checkpoint = self._options.find_checkpoint()
        runtime = ModelRuntime(
            checkpoint,
            device=self._options.device,
            dtype=self._dtype,
            quantization=self._quantization,
            adapter=self._options.adapter,
        )
        tokenizer = ModelTokenizer.from_file(checkpoint.tokenizer)
        settings = self._options.settings(checkpoint, tokenizer, runtime.max_positions)
        if self._batch_size is None:
            self._size = BatchSize(min(MOST_PAGES, runtime.pages_that_fit(TYPICAL_TOKENS)))
        _log.info(
            "model %s on %s in %s, batches of %d",
            checkpoint.name,
            runtime.device,
            str(runtime.dtype).removeprefix("torch."),
            self._size.now,
        )
        return runtime, settings

    def read(self, requests: Iterable[PageRequest]) -> Iterator[Reply]:
        """Read pages in batches; see :class:`~deepseek_ocr_rag.backends.base.Backend`.

        Raises:
            BackendUnavailableError: If the model cannot be loaded.
            MissingExtraError: If torch or transformers is missing or too old.
        """
        coming = iter(requests)
        again: list[_BatchPage] = []
        while True:
            # The first page loads the model; only then is it known how many pages fit.
            batch = again or [self._page(request, coming) for request in islice(coming, 1)]
            if not batch:
                return
            fits = self._size.now
            more = islice(coming, max(0, fits - len(batch)))
            batch += [self._page(request, coming) for request in more]
            batch, again = batch[:fits], batch[fits:]
            for page, result in self._generate(batch):
                if isinstance(result, Reply):
                    yield result
                    continue
                _, settings = self._ready()
                ladder = page.ladder
                if ladder.add(settings.attempt(ladder.settings, result, ladder.warnings)):
                    again.append(page)
                else:
                    yield ladder.reply()

    def _page(self, request: PageRequest, reading: object) -> _BatchPage:
        _, settings = self._ready()
        return _BatchPage(self._ladder(request, settings), reading)

    def _generate(
        self, batch: Sequence[_BatchPage]
    ) -> Iterator[tuple[_BatchPage, PageText | Reply]]:
        """Generate a batch; in halves, then in smaller modes, while it does not fit into memory."""
        from ..page_text import LoopWatch

        wanted = [page for page in batch if not page.ladder.request.cancellation.cancelled]
        if not wanted:
            return
        runtime, settings = self._ready()
        batch, prompts = [], []
        for page in wanted:
            prompt = _prompt(page.ladder, settings)
            if isinstance(prompt, Reply):
                yield page, prompt
            else:
                batch.append(page)
                prompts.append(prompt)
        if not batch:
            return
        watches = [LoopWatch(settings.tokenizer) for _ in batch]
        cancellations = [page.ladder.request.cancellation for page in batch]

        def cancelled() -> bool:
            return self._closed.is_set() or all(each.cancelled for each in cancellations)

        try:
            with self._slots.slot(batch[0].reading, cancellations[0]):
                self._check_open()
                generated = runtime.generate(
                    prompts, at_end=lambda row, new: watches[row](new), cancelled=cancelled
                )
        except TurnCancelledError:
            yield from self._generate(batch)
            return
        except OutOfDeviceMemoryError:
            yield from self._generate_smaller(batch)
            return
        self._check_open()
        if cancelled():
            return
        self._size.succeeded(len(batch))
        for page, watch, one in zip(batch, watches, generated, strict=True):
            yield page, watch.finish(one)

    def _check_open(self) -> None:
        """Raise an error if the backend was closed, perhaps while a batch waited for its turn."""
        if self._closed.is_set():
            raise BackendUnavailableError("the backend was closed while it was reading")

    def _generate_smaller(
        self, batch: Sequence[_BatchPage]
    ) -> Iterator[tuple[_BatchPage, PageText | Reply]]:
        half = len(batch) // 2
        if half:
            self._size.failed(len(batch))
            _log.warning(
                "out of memory with %d pages at once: continuing with %d", len(batch), half
            )
            yield from self._generate(batch[:half])
            yield from self._generate(batch[half:])
            return
        (page,) = batch
        _, settings = self._ready()
        if page.ladder.use_smaller_mode(settings.family):
            yield from self._generate(batch)
        else:
            yield page, _out_of_memory(page.ladder)

    def stream(self, request: PageRequest) -> Iterator[str]:
        """Ask for one page once, and yield its text while it is generated.

        Closing the iterator or cancelling the request ends the generation at the next token.

        Args:
            request: The page.

        Yields:
            Pieces of the raw text, tags included.

        Raises:
            BackendUnavailableError: If the model cannot be loaded, memory runs out, or the
                backend is closed meanwhile.
            PageTooLargeError: If picture and prompt leave no room for a reply.
        """
        runtime, settings = self._ready()
        prompt = settings.prompt(request, settings.first(request))
        text = settings.tokenizer.stream()
        pieces: SimpleQueue[str | Exception | None] = SimpleQueue()
        closed = Cancellation()

        def push(row: int, tokens: Sequence[int]) -> bool:
            pieces.put("".join(map(text.push, tokens)))
            return False

        def generate() -> None:
            try:
                with self._slots.slot(closed, closed):
                    self._check_open()
                    runtime.generate(
                        [prompt],
                        at_end=push,
                        interval=1,
                        cancelled=lambda: closed.cancelled or self._closed.is_set(),
                    )
                self._check_open()
                pieces.put(None)
            except TurnCancelledError:
                pieces.put(None)
            except Exception as error:  # noqa: BLE001 - raised again in the caller's thread
                pieces.put(error)

        generator = threading.Thread(target=generate, name="dsocr-stream-text", daemon=True)
        with request.cancellation.on_cancel(closed.cancel):
            generator.start()
            try:
                yield from _pieces(pieces, request)
            finally:
                closed.cancel()
                generator.join()

    def close(self) -> None:
        """Stop the generation and free the memory. Closing twice does nothing."""
        self._closed.set()
        with self._slots.slot(self, Cancellation()), self._loading:
            loaded, self._loaded = self._loaded, None
        if loaded is not None:
            loaded[0].close()


def _prompt(ladder: RetryLadder, settings: ModelSettings) -> PagePrompt | Reply:
    """Make the prompt of the next attempt that fits into the context; a reply if there is none."""
    while True:
        try:
            return settings.prompt(ladder.request, ladder.settings)
        except PageTooLargeError as error:
            reply = ladder.leave_out(error, settings.family)
            if reply is not None:
                return reply
        except (BackendReplyError, SourceError) as error:
            return ladder.failed(error)


def _pieces(pieces: SimpleQueue[str | Exception | None], request: PageRequest) -> Iterator[str]:
    """Yield what a generating thread puts into the queue, until it puts None or an error."""
    while (piece := pieces.get()) is not None:
        if isinstance(piece, BackendUnavailableError):
            raise piece
        if isinstance(piece, Exception):
            raise BackendUnavailableError(
                f"the page could not be read: {piece}", source=request.source, page=request.page
            ) from piece
        if piece:
            yield piece


def _out_of_memory(ladder: RetryLadder) -> Reply:
    request = ladder.request
    return ladder.failed(
        BackendUnavailableError(
            "out of memory even with this page alone at the smallest resolution",
            source=request.source,
            page=request.page,
            remedy='Use quantization="8bit" or "4bit", or a device with more memory.',
        )
    )


def gpu_name() -> str | None:
    """Name the GPU that a model would run on, or None; imports torch, which must be installed."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_name(0)
    return "Apple's GPU" if torch.backends.mps.is_available() else None
