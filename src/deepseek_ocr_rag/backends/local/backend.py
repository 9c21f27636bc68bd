"""DeepSeek-OCR on a CUDA device at full speed, through this package's own engine."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ...errors import (
    BackendUnavailableError,
    ConfigurationError,
    DeepSeekOCRError,
    EngineUnsupportedError,
    MissingExtraError,
)
from ...model.checkpoint import find_checkpoint
from ...model.ngrams import NoRepeat
from ..base import PageRequest, Reply
from ..fingerprints import fingerprint, model_files
from ..transformers.backend import TransformersBackend
from .engine_process import EngineProcess

if TYPE_CHECKING:
    from ..model_settings import ModelSettings

__all__ = ["LocalBackend", "engine_problem"]

_log = logging.getLogger("deepseek_ocr_rag")


@dataclass(slots=True)
class _Loaded:
    """A model that is ready.

    Attributes:
        engine: The process that runs it.
        settings: How it is asked and understood.
        started: What the process is started with.
    """

    engine: EngineProcess
    settings: ModelSettings
    started: dict[str, Any]


class LocalBackend:
    """Reads pages with a DeepSeek-OCR model on an NVIDIA GPU, hundreds at once.

    The model is loaded when the first page comes, in a process of its own, and kept
    until :meth:`close`. Should that process end, because the GPU failed, another is
    started and given the pages that were not done. Several threads may share the
    backend: their pages are written together. The first pages of a document go before
    the later pages of others.

    Where the engine does not run (another device, an older GPU) pages are read by
    :class:`~deepseek_ocr_rag.TransformersBackend` instead, which a warning says.

    Args:
        model: A folder, a hub id, or "deepseek-ocr", "deepseek-ocr-2",
            "unlimited-ocr". A hub id that is not on this machine is downloaded.
        revision: Commit of a hub id; the published models have a default.
        tokenizer: ``tokenizer.json``, where it does not lie in the folder.
        device: "cuda", "cuda:1", or None for the first GPU.
        cache: "fp8" stores keys and values in eight bits: twice the pages in
            the same memory, at a small cost in exactness.
        weights: "int8" stores three quarters of the weights in eight bits: 2.4 GB
            less, at a small cost in exactness.
        gpu_memory_limit: GiB of the GPU's memory that may be used; None uses
            what is free.
        most_pages: Most pages at once; None takes what is useful and fits.
        no_repeat: The rule against repeats; None takes the model's own.
        max_new_tokens: Most tokens of a page; None allows what the model can.
        max_tiles: Most tiles of a page in mode gundam.
        attempts: How often a page is asked for at most.
        page_seconds: When no further attempt at a page is begun.
        download: Whether the hub may be asked.

    Raises:
        ConfigurationError: If an argument cannot be meant.

    Example:
        >>> from deepseek_ocr_rag import LocalBackend, Reader
        >>> with Reader(LocalBackend("deepseek-ocr")) as reader:  # doctest: +SKIP
        ...     document = reader.read("500 pages.pdf")
    """

    name = "local"
    needs_image = True
    reads_text_layer = False

    def __init__(
        self,
        model: str | Path = "deepseek-ocr",
        *,
        revision: str | None = None,
        tokenizer: str | Path | None = None,
        device: str | None = None,
        cache: Literal["model", "fp8"] = "model",
        weights: Literal["model", "int8"] = "model",
        gpu_memory_limit: float | None = None,
        most_pages: int | None = None,
        no_repeat: NoRepeat | None = None,
        max_new_tokens: int | None = None,
        max_tiles: int | None = None,
        attempts: int = 3,
        page_seconds: float = 300.0,
        download: bool = True,
    ) -> None:
        for name, value in (
            ("gpu_memory_limit", gpu_memory_limit),
            ("most_pages", most_pages),
            ("max_new_tokens", max_new_tokens),
            ("attempts", attempts),
        ):
            if value is not None and value <= 0:
                raise ConfigurationError(f"{name} is {value}", remedy="Use more than 0, or None.")
        if cache not in ("model", "fp8"):
            raise ConfigurationError(f"there is no cache {cache!r}", remedy="Use model or fp8.")
        if weights not in ("model", "int8"):
            raise ConfigurationError(
                f"there are no weights {weights!r}", remedy="Use model or int8."
            )
        self.model = str(model)
        self._revision = revision
        self._tokenizer = tokenizer
        self._device = device
        self._cache: Literal["model", "fp8"] = cache
        self._weights = weights
        self._limit = gpu_memory_limit
        self._most_pages = most_pages
        self._no_repeat = no_repeat
        self._max_new_tokens = max_new_tokens
        self._max_tiles = max_tiles
        self._attempts = attempts
        self._page_seconds = page_seconds
        self._download = download
        self._loading = threading.Lock()
        self._loaded: _Loaded | TransformersBackend | None = None
        self._closed = False

    def __repr__(self) -> str:
        return f"LocalBackend({self.model!r})"

    @property
    def fingerprint(self) -> str:
        """The weights, and what the text of a page depends on."""
        return fingerprint(
            model=model_files(self.model, self._revision),
            tokenizer=self._tokenizer and str(self._tokenizer),
            device=self._device,
            cache=self._cache,
            weights=self._weights,
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
            MissingExtraError: If torch is missing.
        """
        self._ready()

    def _ready(self) -> _Loaded | TransformersBackend:
        with self._loading:
            if self._closed:
                raise BackendUnavailableError(
                    "the backend was closed", remedy="Make a new LocalBackend."
                )
            if self._loaded is None:
                self._loaded = self._load()
            return self._loaded

    def _load(self) -> _Loaded | TransformersBackend:
        if find_spec("torch") is None:
            raise MissingExtraError(
                "torch is not installed",
                remedy='Install it: pip install "deepseek-ocr-rag[local]"',
            )
        # Only now: tokenizers and numpy, which nobody needs who does not read with it.
        from ...model.tokenizer import ModelTokenizer
        from ..model_settings import ModelSettings

        checkpoint = find_checkpoint(
            self.model,
            revision=self._revision,
            tokenizer=self._tokenizer,
            download=self._download,
        )
        started = {
            "folder": str(checkpoint.folder.resolve()),
            "tokenizer": str(checkpoint.tokenizer.resolve()),
            "device": self._device,
            "cache": self._cache,
            "memory_limit": None if self._limit is None else int(self._limit * 2**30),
            "slots": self._most_pages,
            "weights": self._weights,
        }
        # It takes a second, which the process takes anyway.
        with ThreadPoolExecutor(1, thread_name_prefix="dsocr-load") as beside:
            tokenizer = beside.submit(ModelTokenizer.from_file, checkpoint.tokenizer)
            try:
                engine = EngineProcess(started)
            except EngineUnsupportedError as error:
                _log.warning("%s: going on with the transformers backend", error)
                return self._transformers()
        settings = ModelSettings(
            family=checkpoint.family,
            tokenizer=tokenizer.result(),
            max_positions=min(engine.max_positions, checkpoint.family.max_positions),
            no_repeat=self._no_repeat or checkpoint.family.no_repeat,
            max_new_tokens=self._max_new_tokens,
            max_tiles=self._max_tiles,
        )
        return _Loaded(engine, settings, started)

    def _engine(self) -> EngineProcess:
        """The process, started again where it has ended."""
        loaded = self._ready()
        if isinstance(loaded, TransformersBackend):
            raise BackendUnavailableError("the engine does not run here")
        with self._loading:
            if not loaded.engine.alive and not self._closed:
                _log.warning("the engine's process has ended: starting another")
                loaded.engine.close()
                loaded.engine = EngineProcess(loaded.started)
            return loaded.engine

    def _transformers(self) -> TransformersBackend:
        """What reads where the engine does not run."""
        return TransformersBackend(
            self.model,
            revision=self._revision,
            tokenizer=self._tokenizer,
            device=self._device,
            batch_size=self._most_pages,
            no_repeat=self._no_repeat,
            max_new_tokens=self._max_new_tokens,
            max_tiles=self._max_tiles,
            attempts=self._attempts,
            page_seconds=self._page_seconds,
            download=self._download,
        )

    def read(self, requests: Iterable[PageRequest]) -> Iterator[Reply]:
        """Read pages as they come; see :class:`~deepseek_ocr_rag.backends.base.Backend`.

        Raises:
            BackendUnavailableError: If the model cannot be loaded, or the GPU fails.
            MissingExtraError: If torch is missing.
        """
        coming = iter(requests)
        first = next(coming, None)
        if first is None:
            return
        loaded = self._ready()
        if isinstance(loaded, TransformersBackend):
            yield from loaded.read(chain([first], coming))
            return
        from .reading import LocalReading

        reading = LocalReading(self._engine, loaded.settings, self._attempts, self._page_seconds)
        try:
            yield from reading.replies(chain([first], coming))
        finally:
            reading.cancel()

    def stream(self, request: PageRequest) -> Iterator[str]:
        """The text of one page while it is written, asked for once, as it comes.

        Closing the iterator ends the writing at the next token.

        Args:
            request: The page.

        Yields:
            Pieces of the raw text, tags included.

        Raises:
            BackendError: If the model cannot be loaded, or the page not be read.
        """
        loaded = self._ready()
        if isinstance(loaded, TransformersBackend):
            yield from loaded.stream(request)
            return
        from .reading import page_order

        settings = loaded.settings
        text = settings.tokenizer.stream()
        order = page_order(settings, request, settings.first(request), 0, stream=True)
        writing = self._engine().submit(order)
        try:
            for token in writing:
                if piece := text.push(token):
                    yield piece
        finally:
            writing.cancel()

    def close(self) -> None:
        """Stop what is being written and free the memory. Closing twice does nothing."""
        with self._loading:
            self._closed = True
            loaded, self._loaded = self._loaded, None
        if isinstance(loaded, TransformersBackend):
            loaded.close()
        elif loaded is not None:
            loaded.engine.close()


def engine_problem() -> DeepSeekOCRError | None:
    """Why the engine does not run on this machine, or None where it does. Imports torch."""
    from ...engine.startup import EngineSettings, engine_device

    try:
        engine_device(EngineSettings())
    except DeepSeekOCRError as error:
        return error
    return None
