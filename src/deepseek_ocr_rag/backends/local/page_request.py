"""A request to the engine process for a page, and the handle to its result."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass, replace
from queue import SimpleQueue

from PIL.Image import Image

from ...concurrency.frames import Frame, StreamedFrame
from ...concurrency.picture_frames import PixelPicture, picture_frame, pixel_frame
from ...errors import BackendError
from ...model.ngrams import NoRepeat
from ...model.prompts import Mode
from ..page_text import PageText

__all__ = ["EngineRequest", "PageHandle"]


@dataclass(frozen=True, slots=True)
class EngineRequest:
    """A page to be generated; see :class:`~deepseek_ocr_rag.engine.sequence.PageTask`."""

    ids: Sequence[int]  # of the prompt
    image: Image | PixelPicture  # RGB
    mode: Mode
    max_tiles: int | None  # None for what the family allows
    rule: NoRepeat
    max_new_tokens: int
    temperature: float = 0.0  # 0 takes the most probable token
    source: Sequence[int] = ()  # tokens that the text probably contains, to draft from
    priority: int = 0  # smaller numbers go first
    following: int = 0  # pages that are known to come after it
    stream: bool = False  # whether to send each token at once

    def frame(self, key: int) -> Frame | StreamedFrame:
        """Return the request as a frame."""
        rule = {"size": self.rule.size, "window": self.rule.window, "exempt": [*self.rule.exempt]}
        message = {
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
            "following": self.following,
            "stream": self.stream,
        }
        if isinstance(self.image, PixelPicture):
            return pixel_frame(self.image, message)
        return picture_frame(self.image, message)


class PageHandle:
    """A page that the engine process generates.

    ``notify`` is called when generation begins, and when it has ended. Once it has begun, the
    picture is no longer needed.
    """

    def __init__(
        self, cancel: Callable[[], None], notify: Callable[[PageHandle], object] | None = None
    ) -> None:
        self.cancel = cancel
        self.begun = False
        self.future: Future[PageText] = Future()
        self._notify = notify
        self._looping = False
        self._tokens: SimpleQueue[Sequence[int] | None] = SimpleQueue()

    def __iter__(self) -> Iterator[int]:
        """Yield tokens as they arrive; raise a BackendError if the page cannot be generated."""
        count = 0
        while (tokens := self._tokens.get()) is not None:
            yield from tokens
            count += len(tokens)
        # The last ones arrive only with the result.
        yield from self.future.result().written.tokens[count:]

    def begin(self) -> None:
        """Note that generation has begun."""
        self.begun = True
        self._changed()

    def add_tokens(self, tokens: Sequence[int]) -> None:
        """Add the next tokens."""
        self._tokens.put(tokens)

    def stop_loop(self) -> None:
        """Cancel the page because its text has begun to repeat itself."""
        if not self._looping:
            self._looping = True
            self.cancel()

    def end(self, result: PageText | BackendError) -> None:
        """Set the result."""
        if isinstance(result, BackendError):
            self.future.set_exception(result)
        else:
            written = result.written
            if self._looping and written.end.reason == "cancelled":
                end = replace(written.end, reason="repetition")
                result = replace(result, written=replace(written, end=end))
            self.future.set_result(result)
        self._tokens.put(None)
        self._changed()

    def _changed(self) -> None:
        if self._notify is not None:
            self._notify(self)
