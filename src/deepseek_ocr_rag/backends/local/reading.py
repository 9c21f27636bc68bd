"""Pages on their way through the engine: tasks out of requests, replies out of tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from queue import SimpleQueue
from typing import Final

from ...errors import (
    BackendError,
    BackendReplyError,
    BackendUnavailableError,
    DeepSeekOCRError,
    EngineLostError,
    PageTooLargeError,
    SourceError,
)
from ...model.ngrams import NoRepeat
from ...model.prompts import MODES
from ...model.views import page_grid
from ..attempts import AttemptSettings
from ..base import PageRequest, Reply
from ..model_settings import ModelSettings
from ..page_images import turned
from ..retry_ladder import SMALLER_MODE, RetryLadder
from .engine_process import EngineProcess
from .page_request import EngineRequest, PageHandle

__all__ = ["LocalReading", "page_order"]

FIRST_PAGES: Final = 4
"""So many of a document go before the later pages of others: somebody waits for
them. Only they are drafted from their text layers, which pays in small batches."""

MOST_LOSSES: Final = 2
"""So often a page is given to a new process; then it may be what ends them."""

READ_AHEAD: Final = 24
"""Pages whose pictures wait in the engine: two lots of eight whose prompts are computed, and
the next. Those that are being written have none any more, so that memory does not grow with
their number."""


@dataclass(slots=True)
class _Page:
    """A page that is being read.

    Attributes:
        ladder: Its attempts.
        number: How many pages of the same document came before it.
        warnings: What the user should know.
        losses: How many processes ended while they wrote it.
        heeding: While it is being written, what ends that when nobody wants it any more.
    """

    ladder: RetryLadder
    number: int
    losses: int = 0
    warnings: list[str] = field(default_factory=list)
    heeding: ExitStack = field(default_factory=ExitStack)


class LocalReading:
    """The pages of one document, as they are read.

    Args:
        engine: Gives the process that writes; a new one where the last has ended.
        settings: How pages are asked for and understood.
        attempts: How often a page is asked for at most.
        seconds: When no further attempt at a page is begun.
    """

    def __init__(
        self,
        engine: Callable[[], EngineProcess],
        settings: ModelSettings,
        attempts: int,
        seconds: float,
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._attempts = attempts
        self._seconds = seconds
        self._under_way: dict[PageHandle, _Page] = {}
        self._waiting: set[PageHandle] = set()
        self._news: SimpleQueue[PageHandle] = SimpleQueue()

    def replies(self, requests: Iterable[PageRequest]) -> Iterator[Reply]:
        """Replies as pages end; a request is taken only while few pages wait to begin.

        Raises:
            BackendUnavailableError: If the engine cannot be started again.
        """
        coming = enumerate(requests)
        exhausted = False
        while not exhausted or self._under_way:
            # One begins for each that ends: the engine is fed however many have ended.
            full = len(self._waiting) >= READ_AHEAD
            if not exhausted and not full:
                number, request = next(coming, (0, None))
                exhausted = request is None
                if request is not None and (reply := self._begin(self._page(request, number))):
                    yield reply
            writing = self._ended(wait=bool(self._under_way) and (exhausted or full))
            if writing and (reply := self._end(self._under_way.pop(writing), writing)):
                yield reply

    def _page(self, request: PageRequest, number: int) -> _Page:
        first = self._settings.first(request)
        ladder = RetryLadder(request, first, attempts=self._attempts, seconds=self._seconds)
        return _Page(ladder, number)

    def _ended(self, *, wait: bool) -> PageHandle | None:
        """Take the news up to a page that has ended; wait for some only if asked to."""
        while wait or not self._news.empty():
            wait = False
            writing = self._news.get()
            self._waiting.discard(writing)
            # There may be two pieces of news of a page that has ended.
            if writing.future.done() and writing in self._under_way:
                return writing
        return None

    def cancel(self) -> None:
        """Nobody wants the pages that are under way."""
        for writing in self._under_way:
            writing.cancel()

    def _begin(self, page: _Page) -> Reply | None:
        """Have the page written; its reply if it cannot be."""
        ladder = page.ladder
        try:
            order = page_order(self._settings, ladder.request, ladder.settings, page.number)
        except (BackendReplyError, SourceError) as error:
            return _failed(page, error)
        if ladder.request.redraw is not None:
            # Hundreds of pictures would be gigabytes.
            ladder.request = replace(ladder.request, image=None)
        writing = self._engine().submit(order, self._news.put)
        self._under_way[writing] = page
        self._waiting.add(writing)
        page.heeding.enter_context(ladder.request.cancellation.on_cancel(writing.cancel))
        return None

    def _end(self, page: _Page, writing: PageHandle) -> Reply | None:
        """The page's reply, unless it is asked for again or not wanted any more."""
        page.heeding.close()
        if page.ladder.request.cancellation.cancelled:
            return None
        try:
            text = writing.future.result()
        except BackendUnavailableError:
            raise
        except PageTooLargeError as error:
            return self._in_smaller_mode(page, error)
        except EngineLostError as error:
            page.losses += 1
            if page.losses >= MOST_LOSSES:
                return _failed(page, error)
            return self._begin(page)
        except BackendError as error:
            return _failed(page, error)
        attempt = self._settings.attempt(page.ladder.settings, text, page.warnings)
        if page.ladder.add(attempt) is not None:
            return self._begin(page)
        return page.ladder.reply()

    def _in_smaller_mode(self, page: _Page, error: PageTooLargeError) -> Reply | None:
        mode = page.ladder.settings.mode.name
        smaller = MODES.get(SMALLER_MODE.get(mode, ""))
        if smaller is None or not self._settings.family.has_mode(smaller):
            return _failed(page, error)
        page.warnings.append(f"out of memory in mode {mode}: read in mode {smaller.name}")
        page.ladder.settings = replace(page.ladder.settings, mode=smaller)
        return self._begin(page)


def page_order(
    settings: ModelSettings,
    request: PageRequest,
    how: AttemptSettings,
    number: int,
    *,
    stream: bool = False,
) -> EngineRequest:
    """What the engine is asked for a page.

    Args:
        settings: Of the model.
        request: The page.
        how: The attempt.
        number: How many pages of the same document came before it.
        stream: Whether tokens are wanted as they come.

    Raises:
        ConfigurationError: If the model has no such mode or no such prompt.
        BackendReplyError: If the page has no image.
        SourceError: If it cannot be drawn again.
    """
    drawn = request.drawn()
    if drawn is None:
        raise BackendReplyError("the page has no image", source=request.source, page=request.page)
    image = turned(drawn, how.turn)
    if image.mode != "RGB":
        image = image.convert("RGB")
    grid = page_grid(*image.size, how.mode, settings.family, max_tiles=settings.max_tiles)
    ids = settings.ids(how.task, settings.family.view_sides(how.mode)[0], grid)
    return EngineRequest(
        ids=ids,
        image=image,
        mode=how.mode,
        max_tiles=settings.max_tiles,
        rule=how.no_repeat or NoRepeat(0),
        max_new_tokens=settings.new_tokens(ids),
        temperature=how.temperature,
        source=_source(settings, request) if number < FIRST_PAGES and not how.turn else (),
        priority=0 if number < FIRST_PAGES else 1,
        stream=stream,
    )


def _source(settings: ModelSettings, request: PageRequest) -> list[int]:
    """Tokens of the page's text layer, in the order in which the PDF draws them."""
    try:
        layer = None if request.draft is None else request.draft()
    except SourceError:
        # A damaged text layer costs time, not text.
        return []
    if layer is None:
        return []
    return settings.tokenizer.encode(" ".join(word.text for word in layer.words))


def _failed(page: _Page, error: DeepSeekOCRError) -> Reply:
    if page.ladder.answered:
        return page.ladder.reply(failure=error.problem)
    return Reply(page.ladder.request.key, "", finish_reason="error", error=str(error))
