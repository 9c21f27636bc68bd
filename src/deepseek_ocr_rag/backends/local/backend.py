"""DeepSeek-OCR on an NVIDIA GPU at full speed, through this package's own engine."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal

from ...concurrency.cancellation import Cancellation
from ...errors import (
    BackendUnavailableError,
    ConfigurationError,
    DeepSeekOCRError,
    EngineUnsupportedError,
)
from ...model.checkpoint import Checkpoint
from ...model.ngrams import NoRepeat
from ...setting_names import with_known_settings
from ..base import PageRequest, Reply
from ..checkpoint_backend import CheckpointBackend, CheckpointOptions, check_positive
from ..transformers.backend import TransformersBackend, gpu_name
from .card_engines import CardEngines
from .devices import all_devices, checked_devices

if TYPE_CHECKING:
    from ..model_settings import ModelSettings

__all__ = ["LocalBackend", "engine_problem"]

_log = logging.getLogger("deepseek_ocr_rag")


@dataclass(slots=True)
class _LoadedEngine:
    """A model that is ready, on one card or several."""

    engines: CardEngines
    settings: ModelSettings


@with_known_settings()
class LocalBackend(CheckpointBackend[_LoadedEngine | TransformersBackend]):
    """Reads pages with a DeepSeek-OCR model on an NVIDIA GPU, hundreds at once.

    The model is loaded while the first document is opened, in a process of its own, and kept
    until :meth:`close`. If that process ends because the GPU failed, another one is
    started and given the unfinished pages. Several threads may share the backend:
    their pages are generated together. The first pages of a document go before the
    later pages of others.

    With several cards, each has a process of its own with the whole model, and each page goes
    to the least busy one. While a process is started again, the other cards read its pages; a
    card that fails three times in a row is left out, with a warning.

    If the engine does not run here (another device, an older GPU), pages are read by
    :class:`~deepseek_ocr_rag.TransformersBackend` instead, and a warning is logged.

    Args:
        model: A folder, a hub id, or "deepseek-ocr", "deepseek-ocr-2",
            "unlimited-ocr". A hub id that is not on this machine is downloaded.
        revision: Commit of a hub id; the published models have a default.
        tokenizer: ``tokenizer.json``, if it is not in the folder.
        adapter: Folder of a LoRA adapter, as ``dsocr train`` writes it. The engine reads a
            merged copy of the model, which is written to a temporary folder while the model
            loads and deleted by :meth:`close`; merge it yourself (``dsocr merge``) to save that
            time.
        device: "cuda", "cuda:1", or None for the first GPU.
        devices: Several cards, in place of ``device``: "all", or names such as
            ["cuda:0", "cuda:1"].
        cache: "fp8" stores keys and values in eight bits, which fits twice the pages into
            the same memory. On 200 pages of a small network the words stayed the same,
            but on every other page boxes moved by a unit, so "model" is the default on
            every card (docs/engine.md).
        weights: "int8" and "fp8" store three quarters of the weights in eight bits:
            2.4 GB less, at a cost in accuracy. "fp8" is faster too, most of all
            for a few pages at once; it needs compute capability 8.9. "int8-all" and
            "fp8-all" store the dense layers in eight bits as well, as public eight-bit
            checkpoints do; this saves another 0.1 GB and is slower.
        vision: "fp8" multiplies in eight bits in the first vision tower: prompts take less
            time, at a cost in accuracy (docs/engine.md); it needs compute capability 8.9.
        gpu_memory_limit: Most GiB of memory used on each card; None uses what is free.
        most_pages: Most pages at once on each card; None for as many as fit and still help.
        no_repeat: The repetition rule; None takes the model's own.
        max_new_tokens: Most tokens of a page; None allows what the model can write.
        max_tiles: Most tiles of a page at resolution gundam.
        attempts: Most times that a page is asked for.
        page_seconds: Time after which no further attempt at a page starts.
        download: Whether the model may be downloaded from the hub.

    Raises:
        ConfigurationError: If an argument is invalid.

    Example:
        >>> from deepseek_ocr_rag import LocalBackend, Reader
        >>> with Reader(LocalBackend("deepseek-ocr")) as reader:  # doctest: +SKIP
        ...     document = reader.read("500 pages.pdf")
    """

    name = "local"
    sends_pixels = True

    def __init__(
        self,
        model: str | Path = "deepseek-ocr",
        *,
        revision: str | None = None,
        tokenizer: str | Path | None = None,
        adapter: str | Path | None = None,
        device: str | None = None,
        devices: Literal["all"] | Sequence[str] | None = None,
        cache: Literal["model", "fp8"] = "model",
        weights: Literal["model", "int8", "fp8", "int8-all", "fp8-all"] = "model",
        vision: Literal["model", "fp8"] = "model",
        gpu_memory_limit: float | None = None,
        most_pages: int | None = None,
        no_repeat: NoRepeat | None = None,
        max_new_tokens: int | None = None,
        max_tiles: int | None = None,
        attempts: int = 3,
        page_seconds: float = 300.0,
        download: bool = True,
    ) -> None:
        check_positive(gpu_memory_limit=gpu_memory_limit, most_pages=most_pages)
        if cache not in ("model", "fp8"):
            raise ConfigurationError(
                f"cache={cache!r} is not supported", remedy='Use "model" or "fp8".'
            )
        if weights not in ("model", "int8", "fp8", "int8-all", "fp8-all"):
            raise ConfigurationError(
                f"weights={weights!r} is not supported",
                remedy='Use "model", "int8", "fp8", "int8-all" or "fp8-all".',
            )
        if vision not in ("model", "fp8"):
            raise ConfigurationError(
                f"vision={vision!r} is not supported", remedy='Use "model" or "fp8".'
            )
        self._devices = checked_devices(device, devices)
        options = CheckpointOptions(
            model=str(model),
            revision=revision,
            tokenizer=tokenizer,
            adapter=adapter,
            device=None if self._devices == "all" else self._devices[0],
            no_repeat=no_repeat,
            max_new_tokens=max_new_tokens,
            max_tiles=max_tiles,
            attempts=attempts,
            page_seconds=page_seconds,
            download=download,
        )
        super().__init__(options, cache=cache, weights=weights, vision=vision)
        self._limit = gpu_memory_limit
        self._most_pages = most_pages
        self._copy: TemporaryDirectory[str] | None = None
        self._starts = Cancellation()

    def begin_loading(self) -> None:
        """Begin to load the model, without waiting for it; a reader does so for its first page."""
        self._begin_loading()

    def on_loading(self, call: Callable[[], object]) -> None:
        """Call a bound method when the model begins to be loaded, if its object still exists.

        It is called at once if that has happened already. It must be quick.

        Args:
            call: The bound method.
        """
        self._on_loading(call)

    def _load(self) -> _LoadedEngine | TransformersBackend:
        self.check()
        loaded: _LoadedEngine | TransformersBackend | None = None
        try:
            loaded = self._load_engine()
        finally:
            if not isinstance(loaded, _LoadedEngine):
                self._drop_copy()
        return loaded

    def _load_engine(self) -> _LoadedEngine | TransformersBackend:
        # Imported late: tokenizers is not needed before a model is loaded.
        from ...model.tokenizer import ModelTokenizer

        checkpoint = self._options.find_checkpoint()
        startup = {
            "folder": str((self._merged(checkpoint) or checkpoint.folder).resolve()),
            "tokenizer": str(checkpoint.tokenizer.resolve()),
            "memory_limit": None if self._limit is None else int(self._limit * 2**30),
            "slots": self._most_pages,
            **self._own_options,
        }
        devices = all_devices() if self._devices == "all" else self._devices
        begun = threading.Event()

        def load_tokenizer() -> ModelTokenizer:
            # Loading it holds the GIL for half a second, in which no process could be started.
            begun.wait()
            # Imports numpy, which is needed once the processes are ready.
            from . import reading  # noqa: F401

            return ModelTokenizer.from_file(checkpoint.tokenizer)

        with ThreadPoolExecutor(1, thread_name_prefix="dsocr-load") as executor:
            tokenizer = executor.submit(load_tokenizer)
            try:
                startups = [{**startup, "device": device} for device in devices]
                engines = CardEngines(startups, begun.set, self._starts)
            except EngineUnsupportedError as error:
                _log.warning("%s: using the transformers backend instead", error)
                return TransformersBackend.from_options(self._options, self._most_pages)
            finally:
                begun.set()
        settings = self._options.settings(checkpoint, tokenizer.result(), engines.max_positions)
        return _LoadedEngine(engines, settings)

    def _merged(self, checkpoint: Checkpoint) -> Path | None:
        """Write a copy of the model with the adapter merged in; None if none is needed."""
        if self._options.adapter is None:
            return None
        on_cpu = self._devices != "all" and any(
            (name or "").startswith("cpu") for name in self._devices
        )
        if not on_cpu and not (gpu_name() or "").startswith("NVIDIA"):
            # The engine will not run here, and transformers adds the adapter itself.
            return None
        # Imported late: it loads torch into this process, which does not need it otherwise.
        from ..transformers.adapter import adapter_files, write_merged

        adapter = adapter_files(self._options.adapter)
        self._copy = TemporaryDirectory(prefix="dsocr-merged-")
        return write_merged(checkpoint, adapter, Path(self._copy.name) / "model")

    def _drop_copy(self) -> None:
        """Delete the merged copy, of many gigabytes, if there is one."""
        copy, self._copy = self._copy, None
        if copy is not None:
            copy.cleanup()

    def _engines(self) -> CardEngines:
        loaded = self._ready()
        if isinstance(loaded, TransformersBackend):
            raise BackendUnavailableError("the engine does not run here")
        return loaded.engines

    @property
    def cards(self) -> int:
        """How many cards it reads on; for "all", 1 until the model is loaded."""
        loaded = self._loaded
        if isinstance(loaded, _LoadedEngine):
            return loaded.engines.count
        return 1 if self._devices == "all" else len(self._devices)

    @property
    def gpu_memory(self) -> int | None:
        """Bytes that the engine has allocated on its cards; None before the first page."""
        loaded = self._loaded
        return loaded.engines.gpu_memory if isinstance(loaded, _LoadedEngine) else None

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
        # Imported late: it loads numpy.
        from .reading import LocalReading

        settings = loaded.settings
        reading = LocalReading(
            self._engines,
            settings,
            lambda request: self._ladder(request, settings),
            cards=loaded.engines.count,
        )
        try:
            yield from reading.replies(chain([first], coming))
        finally:
            reading.cancel()

    def stream(self, request: PageRequest) -> Iterator[str]:
        """Ask for one page once, and yield its text while it is generated.

        Closing the iterator or cancelling the request ends the generation at the next token.

        Args:
            request: The page.

        Yields:
            Pieces of the raw text, tags included.

        Raises:
            BackendError: If the model cannot be loaded, or the page cannot be read.
        """
        loaded = self._ready()
        if isinstance(loaded, TransformersBackend):
            yield from loaded.stream(request)
            return
        from .reading import engine_request

        settings = loaded.settings
        text = settings.tokenizer.stream()
        handle = self._engines().submit(
            engine_request(settings, request, settings.first(request), 0, stream=True)
        )
        try:
            with request.cancellation.on_cancel(handle.cancel):
                for token in handle:
                    if piece := text.push(token):
                        yield piece
        finally:
            handle.cancel()

    def close(self) -> None:
        """Stop the generation, or the start, and free the memory. Closing twice does nothing."""
        self._closed.set()
        # A start takes seconds, and holds the lock.
        self._starts.cancel()
        with self._loading:
            loaded, self._loaded = self._loaded, None
        if isinstance(loaded, TransformersBackend):
            loaded.close()
        elif loaded is not None:
            loaded.engines.close()
        self._drop_copy()


def engine_problem() -> DeepSeekOCRError | None:
    """Say why the engine does not run on this machine; None if it does. Imports torch."""
    from ...engine.startup import EngineSettings, engine_device

    try:
        engine_device(EngineSettings())
    except DeepSeekOCRError as error:
        return error
    return None
