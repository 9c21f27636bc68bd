"""The common part of the backends that run a checkpoint on this machine."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar
from weakref import WeakMethod

from ..errors import BackendUnavailableError, ConfigurationError, MissingExtraError
from ..installing import install_command
from ..model.checkpoint import Checkpoint, find_checkpoint
from ..model.ngrams import NoRepeat
from ..threads import no_thread
from .base import PageRequest
from .fingerprints import fingerprint, model_files
from .retry_ladder import RetryLadder

if TYPE_CHECKING:
    from ..model.tokenizer import ModelTokenizer
    from .model_settings import ModelSettings

__all__ = ["CheckpointBackend", "CheckpointOptions", "check_positive"]

Loaded = TypeVar("Loaded")
"""What a backend holds once its model is loaded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointOptions:
    """The options that these backends share; :class:`TransformersBackend` documents them."""

    model: str
    revision: str | None
    tokenizer: str | Path | None
    adapter: str | Path | None
    device: str | None
    no_repeat: NoRepeat | None
    max_new_tokens: int | None
    max_tiles: int | None
    attempts: int
    page_seconds: float
    download: bool

    def find_checkpoint(self) -> Checkpoint:
        """Find the model's files, or download them if that is allowed."""
        return find_checkpoint(
            self.model, revision=self.revision, tokenizer=self.tokenizer, download=self.download
        )

    def settings(
        self, checkpoint: Checkpoint, tokenizer: ModelTokenizer, max_positions: int
    ) -> ModelSettings:
        """Return the settings of a loaded model that takes up to ``max_positions`` tokens."""
        # Imported late: it loads numpy, which is not needed before a model is loaded.
        from .model_settings import ModelSettings

        family = checkpoint.family
        return ModelSettings(
            family=family,
            tokenizer=tokenizer,
            max_positions=min(max_positions, family.max_positions),
            no_repeat=self.no_repeat or family.no_repeat,
            max_new_tokens=self.max_new_tokens,
            max_tiles=self.max_tiles,
        )


class CheckpointBackend(ABC, Generic[Loaded]):
    """A backend that loads its model when the first page comes and keeps it until it is closed.

    ``own`` are those of the backend's own options that can change the text of a page.
    """

    needs_image = True
    reads_text_layer = False
    _needs: ClassVar[tuple[str, ...]] = ("torch",)  # modules of the extra "local"

    def __init__(self, options: CheckpointOptions, **own: object) -> None:
        check_positive(max_new_tokens=options.max_new_tokens, attempts=options.attempts)
        self.model = options.model
        self._options = options
        self._own_options = own
        self._loading = threading.Lock()
        self._loaded: Loaded | None = None
        self._ahead: Future[Loaded] | None = None
        self._changing_ahead = threading.Lock()
        self._closed = threading.Event()
        # Who is told when the model begins to be loaded.
        self._told: list[WeakMethod[Callable[[], object]]] = []
        self._has_begun = False

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.model!r})"

    @property
    def fingerprint(self) -> str:
        """The weights, and the options that can change the text of a page."""
        options = self._options
        return fingerprint(
            model=model_files(options.model, options.revision),
            tokenizer=options.tokenizer and str(options.tokenizer),
            adapter=options.adapter and model_files(options.adapter, None),
            device=options.device,
            no_repeat=options.no_repeat,
            max_new_tokens=options.max_new_tokens,
            max_tiles=options.max_tiles,
            attempts=options.attempts,
            **self._own_options,
        )

    def check(self) -> None:
        """Check that the backend's packages are installed, without loading anything.

        Raises:
            MissingExtraError: If a package is not installed.
        """
        missing = [name for name in self._needs if find_spec(name) is None]
        if missing:
            raise MissingExtraError(
                f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed",
                remedy=f"Run: {install_command('local')}",
            )

    def load(self) -> None:
        """Load the model now, instead of for the first page.

        Raises:
            BackendUnavailableError: If the model is missing, incomplete, or does not
                fit into memory.
            MissingExtraError: If a library is missing or too old.
        """
        self._ready()

    def _on_loading(self, call: Callable[[], object]) -> None:
        """Call a bound method when the model begins to be loaded; at once if it has begun."""
        with self._changing_ahead:
            self._told = [each for each in self._told if each() is not None]
            self._told.append(WeakMethod(call))
            begun = self._has_begun
        if begun:
            call()

    def _tell_of_loading(self) -> None:
        with self._changing_ahead:
            calls = [] if self._has_begun else [each() for each in self._told]
            self._has_begun = True
        for call in calls:
            if call is not None:
                call()

    def _begin_loading(self) -> None:
        """Begin to load the model in a thread. If that fails, the page that wants it gets the error.

        For models in a process of their own: a thread that loads torch could not be interrupted.
        """
        with self._changing_ahead:
            if self._loaded is not None or self._ahead is not None or self._closed.is_set():
                return
            ahead: Future[Loaded] = Future()

            def load() -> None:
                try:
                    ahead.set_result(self._ready_now())
                except BaseException as error:  # noqa: BLE001 - raised where the result is wanted
                    ahead.set_exception(error)

            try:
                threading.Thread(target=load, name="dsocr-load-ahead", daemon=True).start()
            except RuntimeError as error:
                if not no_thread(error):
                    raise
                return  # the page loads it
            self._ahead = ahead
        self._tell_of_loading()

    def _ready(self) -> Loaded:
        ahead = self._ahead
        if ahead is None or self._closed.is_set():
            return self._ready_now()
        try:
            return ahead.result()
        finally:
            with self._changing_ahead:
                if self._ahead is ahead:
                    self._ahead = None

    def _ready_now(self) -> Loaded:
        with self._loading:
            if self._closed.is_set():
                name = type(self).__name__
                raise BackendUnavailableError(
                    "the backend was closed", remedy=f"Make a new {name}."
                )
            if self._loaded is None:
                self._tell_of_loading()
                self._loaded = self._load()
            return self._loaded

    @abstractmethod
    def _load(self) -> Loaded:
        """Load the model."""

    def _ladder(self, request: PageRequest, settings: ModelSettings) -> RetryLadder:
        return RetryLadder(
            request,
            settings.first(request),
            attempts=self._options.attempts,
            seconds=self._options.page_seconds,
        )


def check_positive(**options: float | None) -> None:
    """Check that options are above 0 or None.

    Raises:
        ConfigurationError: If one is not; the message names the first one.
    """
    for name, value in options.items():
        if value is not None and not value > 0:  # rejects NaN too
            raise ConfigurationError(
                f"{name} is {value}", remedy="Use more than 0, or leave it out."
            )
