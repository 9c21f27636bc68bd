"""DeepSeek-OCR on this machine through transformers' own classes: CUDA, MPS or CPU, no remote code."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final, Literal

from ...concurrency.cancellation import Cancellation
from ...concurrency.fair_turns import FairSemaphore
from ...errors import (
    BackendUnavailableError,
    ConfigurationError,
    MissingExtraError,
    TurnCancelledError,
)
from ...model.checkpoint import Checkpoint, find_checkpoint
from ...model.ngrams import NoRepeat
from ...model.prompts import MODES
from ..base import PageRequest, Reply
from ..fingerprints import fingerprint, model_files
from ..retry_ladder import SMALLER_MODE, RetryLadder
from .batch_size import BatchSize

if TYPE_CHECKING:
    from ..model_settings import ModelSettings
    from ..page_text import PageText
    from .runtime import ModelRuntime

__all__ = ["TransformersBackend", "gpu_name"]

MOST_PAGES: Final = 64
"""Larger batches gain little: the published classes then wait on themselves."""

TYPICAL_TOKENS: Final = 3000
"""Of a page, prompt included, for the estimate of how many fit into memory."""


_log = logging.getLogger("deepseek_ocr_rag")


@dataclass(slots=True)
class _Page:
    """A page that is being read, and in which call."""

    ladder: RetryLadder
    reading: object
    warnings: list[str] = field(default_factory=list)


class TransformersBackend:
    """Reads pages with a DeepSeek-OCR model in this process, on any device that torch knows.

    The model is loaded when the first page comes (20 s from a warm disk) and
    kept until :meth:`close`. Pages are read in batches; several threads may
    share the backend, their batches then take turns, fairly. A page that comes out
    badly is asked for again in other ways; where memory runs out, batches are
    halved, and a page that does not fit alone is read in a smaller mode.

    Args:
        model: A folder, a hub id, or "deepseek-ocr", "deepseek-ocr-2",
            "unlimited-ocr". A hub id that is not on this machine is downloaded.
        revision: Commit of a hub id; the published models have a default.
        tokenizer: ``tokenizer.json``, where it does not lie in the folder.
        device: "cuda", "cuda:1", "mps", "cpu", "auto" to spread the model over
            all GPUs, or None for the best device here.
        dtype: "bfloat16", "float16", "float32", or None for what the device can do.
        quantization: "8bit" or "4bit" weights, for a small card; not with "auto".
        batch_size: Most pages at once; None estimates it from the free memory.
        no_repeat: The rule against repeats; None takes the model's own.
        max_new_tokens: Most tokens of a page; None allows what the model can.
        max_tiles: Most tiles of a page in mode gundam.
        attempts: How often a page is asked for at most.
        page_seconds: When no further attempt at a page is begun.
        download: Whether the hub may be asked.

    Raises:
        ConfigurationError: If an argument cannot be meant.

    Example:
        >>> from deepseek_ocr_rag import Reader, TransformersBackend
        >>> with Reader(TransformersBackend("deepseek-ocr")) as reader:  # doctest: +SKIP
        ...     print(reader.read("scan.pdf").to_markdown())
    """

    name = "transformers"
    needs_image = True
    reads_text_layer = False

    def __init__(
        self,
        model: str | Path = "deepseek-ocr",
        *,
        revision: str | None = None,
        tokenizer: str | Path | None = None,
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
        for name, value in (("batch_size", batch_size), ("max_new_tokens", max_new_tokens)):
            if value is not None and value < 1:
                raise ConfigurationError(f"{name} is {value}", remedy="Use 1 or more, or None.")
        if attempts < 1:
            raise ConfigurationError(f"attempts is {attempts}", remedy="Use 1 or more.")
        if quantization and device == "auto":
            raise ConfigurationError(
                f"{quantization} weights lie on one device and cannot be spread over several",
                remedy='Name the device, "cuda:0" say, or leave quantization out.',
            )
        self.model = str(model)
        self._revision = revision
        self._tokenizer = tokenizer
        self._device = device
        self._dtype = dtype
        self._quantization = quantization
        self._batch_size = batch_size
        self._no_repeat = no_repeat
        self._max_new_tokens = max_new_tokens
        self._max_tiles = max_tiles
        self._attempts = attempts
        self._page_seconds = page_seconds
        self._download = download
        self._loading = threading.Lock()
        self._places = FairSemaphore(1)
        self._loaded: tuple[ModelRuntime, ModelSettings] | None = None
        self._closed = threading.Event()
        self._size = BatchSize(batch_size or MOST_PAGES)

    def __repr__(self) -> str:
        return f"TransformersBackend({self.model!r})"

    @property
    def fingerprint(self) -> str:
        """The weights, and what the text of a page depends on."""
        return fingerprint(
            model=model_files(self.model, self._revision),
            tokenizer=self._tokenizer and str(self._tokenizer),
            device=self._device,
            quantization=self._quantization,
            dtype=self._dtype,
            no_repeat=self._no_repeat,
            max_new_tokens=self._max_new_tokens,
            max_tiles=self._max_tiles,
            attempts=self._attempts,
        )

    def load(self) -> None:
        """Load the model now; otherwise the first page does.

        Raises:
            BackendUnavailableError: If the model is missing, incomplete, or
                does not fit into memory.
            MissingExtraError: If torch or transformers is missing or too old.
        """
        self._ready()

    def _ready(self) -> tuple[ModelRuntime, ModelSettings]:
        with self._loading:
            if self._closed.is_set():
                raise BackendUnavailableError(
                    "the backend was closed", remedy="Make a new TransformersBackend."
                )
            if self._loaded is None:
                self._loaded = self._load()
            return self._loaded

    def _load(self) -> tuple[ModelRuntime, ModelSettings]:
        try:
            from ...model.tokenizer import ModelTokenizer
            from ..model_settings import ModelSettings
            from .runtime import ModelRuntime
        except ImportError as error:
            raise MissingExtraError(
                f"torch and transformers 5.20 or newer are needed: {error}",
                remedy='Install them: pip install "deepseek-ocr-rag[local]"',
            ) from error
        checkpoint = self._find()
        runtime = ModelRuntime(
            checkpoint, device=self._device, dtype=self._dtype, quantization=self._quantization
        )
        family = checkpoint.family
        settings = ModelSettings(
            family=family,
            tokenizer=ModelTokenizer.from_file(checkpoint.tokenizer),
            max_positions=min(runtime.max_positions, family.max_positions),
            no_repeat=self._no_repeat or family.no_repeat,
            max_new_tokens=self._max_new_tokens,
            max_tiles=self._max_tiles,
        )
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

    def _find(self) -> Checkpoint:
        return find_checkpoint(
            self.model,
            revision=self._revision,
            tokenizer=self._tokenizer,
            download=self._download,
        )

    def read(self, requests: Iterable[PageRequest]) -> Iterator[Reply]:
        """Read pages in batches; see :class:`~deepseek_ocr_rag.backends.base.Backend`.

        Raises:
            BackendUnavailableError: If the model cannot be loaded.
            MissingExtraError: If torch or transformers is missing or too old.
        """
        coming = iter(requests)
        again: list[_Page] = []
        while True:
            # The first page loads the model, which says how many pages fit.
            batch = again or [self._page(request, coming) for request in islice(coming, 1)]
            if not batch:
                return
            fits = self._size.now
            more = islice(coming, max(0, fits - len(batch)))
            batch += [self._page(request, coming) for request in more]
            batch, again = batch[:fits], batch[fits:]
            for page, written in self._write(batch):
                if isinstance(written, Reply):
                    yield written
                elif self._next(page, written):
                    again.append(page)
                else:
                    yield page.ladder.reply()

    def _page(self, request: PageRequest, reading: object) -> _Page:
        _, settings = self._ready()
        return _Page(
            RetryLadder(
                request,
                settings.first(request),
                attempts=self._attempts,
                seconds=self._page_seconds,
            ),
            reading,
        )

    def _next(self, page: _Page, written: PageText) -> bool:
        """Whether the page has to be asked for again."""
        _, settings = self._ready()
        attempt = settings.attempt(page.ladder.settings, written, page.warnings)
        return page.ladder.add(attempt) is not None

    def _write(self, batch: Sequence[_Page]) -> Iterator[tuple[_Page, PageText | Reply]]:
        """Write a batch, in halves where it does not fit, down to single pages in smaller modes."""
        from ...errors import OutOfDeviceMemoryError
        from ..page_text import LoopWatch

        batch = [page for page in batch if not page.ladder.request.cancellation.cancelled]
        if not batch:
            return
        runtime, settings = self._ready()
        prompts = [settings.prompt(page.ladder.request, page.ladder.settings) for page in batch]
        watches = [LoopWatch(settings.tokenizer) for _ in batch]
        cancellations = [page.ladder.request.cancellation for page in batch]

        def cancelled() -> bool:
            return self._closed.is_set() or all(each.cancelled for each in cancellations)

        try:
            with self._places.place(batch[0].reading, cancellations[0]):
                written = runtime.generate(
                    prompts, at_end=lambda row, new: watches[row](new), cancelled=cancelled
                )
        except TurnCancelledError:
            yield from self._write(batch)
            return
        except OutOfDeviceMemoryError:
            yield from self._write_less(batch)
            return
        if self._closed.is_set():
            raise BackendUnavailableError("the backend was closed while it read")
        if cancelled():
            return
        self._size.succeeded(len(batch))
        for page, watch, one in zip(batch, watches, written, strict=True):
            yield page, watch.finish(one)

    def _write_less(self, batch: Sequence[_Page]) -> Iterator[tuple[_Page, PageText | Reply]]:
        half = len(batch) // 2
        if half:
            self._size.failed(len(batch))
            _log.warning("out of memory with %d pages at once: going on with %d", len(batch), half)
            yield from self._write(batch[:half])
            yield from self._write(batch[half:])
            return
        (page,) = batch
        mode = page.ladder.settings.mode.name
        smaller = SMALLER_MODE.get(mode)
        _, settings = self._ready()
        if smaller is None or not settings.family.has_mode(MODES[smaller]):
            yield page, _out_of_memory(page.ladder)
            return
        page.warnings.append(f"out of memory in mode {mode}: read in mode {smaller}")
        page.ladder.settings = replace(page.ladder.settings, mode=MODES[smaller])
        yield from self._write(batch)

    def stream(self, request: PageRequest) -> Iterator[str]:
        """The text of one page while it is written, asked for once, as it comes.

        Closing the iterator ends the writing at the next token.

        Args:
            request: The page.

        Yields:
            Pieces of the raw text, tags included.

        Raises:
            BackendUnavailableError: If the model cannot be loaded, or memory runs out.
        """
        runtime, settings = self._ready()
        prompt = settings.prompt(request, settings.first(request))
        text = settings.tokenizer.stream()
        pieces: SimpleQueue[str | Exception | None] = SimpleQueue()
        unwanted = Cancellation()

        def push(row: int, tokens: Sequence[int]) -> bool:
            pieces.put("".join(map(text.push, tokens)))
            return False

        def write() -> None:
            try:
                with self._places.place(unwanted, unwanted):
                    runtime.generate(
                        [prompt], at_end=push, interval=1, cancelled=lambda: unwanted.cancelled
                    )
                pieces.put(None)
            except Exception as error:  # noqa: BLE001 - raised again in the caller's thread
                pieces.put(error)

        writer = threading.Thread(target=write, name="dsocr-stream-text", daemon=True)
        writer.start()
        try:
            while (piece := pieces.get()) is not None:
                if isinstance(piece, Exception):
                    raise BackendUnavailableError(
                        f"the page could not be written: {piece}",
                        source=request.source,
                        page=request.page,
                    ) from piece
                if piece:
                    yield piece
        finally:
            unwanted.cancel()
            writer.join()

    def close(self) -> None:
        """Stop what is being written and free the memory. Closing twice does nothing."""
        self._closed.set()
        with self._places.place(self, Cancellation()), self._loading:
            loaded, self._loaded = self._loaded, None
        if loaded is not None:
            loaded[0].close()


def _out_of_memory(ladder: RetryLadder) -> Reply:
    request = ladder.request
    error = BackendUnavailableError(
        "out of memory even in the smallest mode",
        source=request.source,
        page=request.page,
        remedy='Use mode "tiny", quantization="4bit", or a device with more memory.',
    )
    if ladder.answered:
        return ladder.reply(failure=error.problem)
    return Reply(request.key, "", finish_reason="error", error=str(error))


def gpu_name() -> str | None:
    """The GPU that a model would run on, or None; imports torch, which must be installed."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_name(0)
    return "Apple's GPU" if torch.backends.mps.is_available() else None
