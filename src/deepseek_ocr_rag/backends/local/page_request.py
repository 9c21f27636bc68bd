"""A page that is asked of the engine's process, and a page that it is writing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass, replace
from queue import SimpleQueue

from PIL.Image import Image

from ...concurrency.frames import StreamedFrame
from ...concurrency.picture_frames import picture_frame
from ...errors import BackendError
from ...model.ngrams import NoRepeat
from ...model.prompts import Mode
from ..page_text import PageText

__all__ = ["EngineRequest", "PageHandle"]


@dataclass(frozen=True, slots=True)
class EngineRequest:
    """A page that is to be written; see :class:`~deepseek_ocr_rag.engine.sequence.PageTask`.

    Attributes:
        ids: The prompt's token ids.
        image: The page in RGB.
        mode: How large the model sees it.
        max_tiles: Fewer tiles than the family's most.
        rule: Which repeats are forbidden.
        max_new_tokens: The most that may be written.
        temperature: 0 takes the most probable token.
        source: Tokens that the text will probably contain.
        priority: Smaller ones go first.
        stream: Whether each token is wanted at once.
    """

    ids: Sequence[int]
    image: Image
    mode: Mode
    max_tiles: int | None
    rule: NoRepeat
    max_new_tokens: int
    temperature: float = 0.0
    source: Sequence[int] = ()
    priority: int = 0
    stream: bool = False

    def frame(self, key: int) -> StreamedFrame:
        """The order as it travels."""
        rule = {"size": self.rule.size, "window": self.rule.window, "exempt": [*self.rule.exempt]}
        told = {
            "do": "write",
            "key": key,
            "ids": list(self.ids),
            "mode": asdict(self.mode),
            "max_tiles": self.max_tiles,
            "rule": rule,
            "max_new_tokens": self.max_new_tokens,
            "temperature": self.temperature,
            "source": list(self.source),
            "priority": self.priority,
            "stream": self.stream,
        }
        return picture_frame(self.image, told)


class PageHandle:
    """A page that is being written in the other process.

    Args:
        cancel: Ends it.
        news: Told when it begins to be written, and when it has ended.

    Attributes:
        begun: Whether its picture is not needed any more.
        future: Its result.
    """

    def __init__(
        self,
        cancel: Callable[[], None],
        news: Callable[[PageHandle], object] | None = None,
    ) -> None:
        self.cancel = cancel
        self.begun = False
        self.future: Future[PageText] = Future()
        self._news = news
        self._looping = False
        self._tokens: SimpleQueue[Sequence[int] | None] = SimpleQueue()

    def __iter__(self) -> Iterator[int]:
        """Tokens as they come.

        Raises:
            BackendError: If the page could not be written.
        """
        given = 0
        while (some := self._tokens.get()) is not None:
            yield from some
            given += len(some)
        # The last ones come only with the result.
        yield from self.future.result().written.tokens[given:]

    def begin(self) -> None:
        """It is being written."""
        self.begun = True
        self._tell()

    def take(self, tokens: Sequence[int]) -> None:
        """Take its next tokens."""
        self._tokens.put(tokens)

    def repeat(self) -> None:
        """It has begun to repeat itself: it is ended."""
        if not self._looping:
            self._looping = True
            self.cancel()

    def end(self, result: PageText | BackendError) -> None:
        """Give it its result."""
        if isinstance(result, BackendError):
            self.future.set_exception(result)
        else:
            written = result.written
            if self._looping and written.end.reason == "cancelled":
                end = replace(written.end, reason="repetition")
                result = replace(result, written=replace(written, end=end))
            self.future.set_result(result)
        self._tokens.put(None)
        self._tell()

    def _tell(self) -> None:
        if self._news is not None:
            self._news(self)
