"""Reads the pages of one document with the engine: requests become tasks, texts become replies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Final

from PIL.Image import Image

from ...concurrency.picture_frames import PixelPicture
from ...errors import (
    BackendError,
    BackendReplyError,
    BackendUnavailableError,
    EngineLostError,
    PageTooLargeError,
    SourceError,
)
from ...model.ngrams import NoRepeat
from ...model.views import page_grid
from ..attempts import AttemptSettings
from ..base import PageRequest, Reply
from ..model_settings import ModelSettings
from ..page_images import turned
from ..retry_ladder import RetryLadder
from .card_engines import CardEngines
from .engine_process import EngineProcess
from .page_request import EngineRequest, PageHandle

__all__ = ["LocalReading", "engine_request"]

FIRST_PAGES: Final = 4
"""The first pages of a document go before the later pages of others, because a user waits
for them. Only these are drafted from their text layers, which pays off in small batches."""

MOST_LOSSES: Final = 2
"""A page during which this many processes ended may be the cause, and is given up."""

READ_AHEAD: Final = 24
"""Most pages whose pictures wait in the engine of a card: six prefills of four pages each. Pages
that are being generated no longer have a picture, so memory does not grow with them."""


@dataclass(slots=True)
class _PageInProgress:
    """A page that is being read."""

    ladder: RetryLadder
    number: int  # in its document, counted from 0
    losses: int = 0  # processes that ended while they generated it
    cancellation: ExitStack = field(default_factory=ExitStack)  # active while it is generated


class LocalReading:
    """Reads the pages of one document.

    Args:
        engine: Returns the engine that generates them.
        settings: Those of the loaded model.
        ladder: Makes the attempts at a page.
        cards: Number of cards that the engine has.
    """

    def __init__(
        self,
        engine: Callable[[], EngineProcess | CardEngines],
        settings: ModelSettings,
        ladder: Callable[[PageRequest], RetryLadder],
        *,
        cards: int = 1,
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._ladder = ladder
        self._most_waiting = READ_AHEAD * cards
        self._in_progress: dict[PageHandle, _PageInProgress] = {}
        self._waiting: set[PageHandle] = set()
        self._changed: SimpleQueue[PageHandle] = SimpleQueue()

    def replies(self, requests: Iterable[PageRequest]) -> Iterator[Reply]:
        """Yield replies as pages end; take a request only while few pages wait to begin."""
        coming = enumerate(requests)
        exhausted = False
        while not exhausted or self._in_progress:
            # Each turn starts at most one page before it handles one that has ended, so that
            # the engine never runs out of work, however many have ended.
            full = len(self._waiting) >= self._most_waiting
            if not exhausted and not full:
                number, request = next(coming, (0, None))
                exhausted = request is None
                if request is not None:
                    page = _PageInProgress(self._ladder(request), number)
                    if reply := self._begin(page):
                        yield reply
            handle = self._next_ended(wait=bool(self._in_progress) and (exhausted or full))
            if handle and (reply := self._end(self._in_progress.pop(handle), handle)):
                yield reply

    def _next_ended(self, *, wait: bool) -> PageHandle | None:
        """Return a page that has ended, or None; wait for at most one change, if told to."""
        while wait or not self._changed.empty():
            wait = False
            handle = self._changed.get()
            self._waiting.discard(handle)
            # A page may be in the queue twice by the time it has ended.
            if handle.future.done() and handle in self._in_progress:
                return handle
        return None

    def cancel(self) -> None:
        """Stop all pages in progress."""
        for handle in self._in_progress:
            handle.cancel()

    def _begin(self, page: _PageInProgress) -> Reply | None:
        """Give the page to the engine; return a reply if that is not possible in any way."""
        ladder = page.ladder
        try:
            request = engine_request(self._settings, ladder.request, ladder.settings, page.number)
        except PageTooLargeError as error:
            return ladder.leave_out(error, self._settings.family) or self._begin(page)
        except (BackendReplyError, SourceError) as error:
            return ladder.failed(error)
        # The pictures of hundreds of pages would take gigabytes.
        ladder.drop_image()
        handle = self._engine().submit(request, self._changed.put)
        self._in_progress[handle] = page
        self._waiting.add(handle)
        page.cancellation.enter_context(ladder.request.cancellation.on_cancel(handle.cancel))
        return None

    def _end(self, page: _PageInProgress, handle: PageHandle) -> Reply | None:
        """Return the page's reply; None if it is asked for again or was cancelled."""
        page.cancellation.close()
        ladder = page.ladder
        if ladder.request.cancellation.cancelled:
            return None
        try:
            text = handle.future.result()
        except BackendUnavailableError:
            raise
        except PageTooLargeError as error:
            if ladder.use_smaller_mode(self._settings.family):
                return self._begin(page)
            return ladder.failed(error)
        except EngineLostError as error:
            page.losses += 1
            return self._begin(page) if page.losses < MOST_LOSSES else ladder.failed(error)
        except BackendError as error:
            return ladder.failed(error)
        attempt = self._settings.attempt(ladder.settings, text, ladder.warnings)
        return ladder.reply() if ladder.add(attempt) is None else self._begin(page)


def engine_request(
    settings: ModelSettings,
    request: PageRequest,
    attempt: AttemptSettings,
    number: int,
    *,
    stream: bool = False,
) -> EngineRequest:
    """Make the engine's request for one attempt at the page ``number`` (from 0) of a document.

    Raises what :meth:`~.model_settings.ModelSettings.prompt` raises.
    """
    image = _picture(request, attempt)
    size = (image.width, image.height)
    grid = page_grid(*size, attempt.mode, settings.family, max_tiles=settings.max_tiles)
    ids = settings.ids(attempt.task, settings.family.view_sides(attempt.mode)[0], grid)
    early = number < FIRST_PAGES
    return EngineRequest(
        ids=ids,
        image=image,
        mode=attempt.mode,
        max_tiles=settings.max_tiles,
        rule=attempt.no_repeat or NoRepeat(0),
        max_new_tokens=settings.new_tokens(ids),
        temperature=attempt.temperature,
        source=_draft(settings, request) if early and not attempt.turn else (),
        priority=0 if early else 1,
        following=request.following,
        stream=stream,
    )


def _picture(request: PageRequest, attempt: AttemptSettings) -> Image | PixelPicture:
    if request.image is None and request.pixels is not None and not attempt.turn:
        return request.pixels
    image = turned(request.drawn(), attempt.turn)
    return image if image.mode == "RGB" else image.convert("RGB")


def _draft(settings: ModelSettings, request: PageRequest) -> list[int]:
    """Return the tokens of the page's text layer, in the order in which the PDF draws them."""
    try:
        layer = None if request.draft is None else request.draft()
    except SourceError:
        # Without a draft, the page only takes longer.
        return []
    if layer is None:
        return []
    return settings.tokenizer.encode(" ".join(word.text for word in layer.words))
