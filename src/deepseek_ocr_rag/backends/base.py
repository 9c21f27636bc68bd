"""The one way in which text is got from a page: :class:`Backend`.

A backend takes requests as they come and gives back replies as they finish.
It sees page images and writes the model's text; it never sees a document.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from PIL.Image import Image

from ..concurrency.cancellation import Cancellation
from ..document.grammar.confidence import TokenLogprob
from ..document.text_layer import TextLayer
from ..document.types import FinishReason
from ..errors import BackendError
from ..model.prompts import Mode, Task

__all__ = ["Backend", "PageRequest", "Repeatable", "Reply", "TokenLogprob", "fingerprint_of"]


@dataclass(frozen=True, slots=True)
class PageRequest:
    """One page to read.

    Attributes:
        key: Whatever tells this request from the others under way; the reply
            carries it back.
        page: 1-based page number in its file.
        source: Name of the file, for messages.
        sha256: Hash of the file's bytes.
        image: The page, RGB, or None: see :attr:`Backend.needs_image` and
            ``text_layer``.
        text_layer: Only for backends that read it, and only where the page has
            a usable one; then ``image`` is None.
        task: What to ask.
        mode: How large the model sees the page.
        width: Width of the displayed page in points.
        height: Height of the displayed page in points.
        draft: Gives the page's text layer when it is called, for backends that
            read the image and whose time, but not text, depends on it.
        redraw: Draws ``image`` again, for backends that read so many pages at once
            that they cannot keep all their images.
        cancellation: Tells that nobody wants the reply any more. The backend then
            ends its work on the page as soon as it can and gives no reply.
    """

    key: int
    page: int
    source: str
    sha256: str
    image: Image | None
    text_layer: TextLayer | None
    task: Task
    mode: Mode
    width: float = 0.0
    height: float = 0.0
    draft: Callable[[], TextLayer | None] | None = None
    redraw: Callable[[], Image] | None = None
    cancellation: Cancellation = field(default_factory=Cancellation, compare=False, repr=False)

    def drawn(self) -> Image | None:
        """The image, drawn again where the backend let it go.

        Raises:
            SourceError: If it cannot be drawn any more.
        """
        if self.image is None and self.redraw is not None:
            return self.redraw()
        return self.image


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back for one request.

    Attributes:
        key: The request's key.
        text: Raw text in the model's grammar, tags included.
        finish_reason: Why the text ends.
        tokens: New tokens, or None where the backend does not count.
        attempts: How often the page was asked for.
        warnings: What a user should know about this page.
        error: What went wrong where ``finish_reason`` is "error".
        logprobs: How probable the new tokens were, in order; empty where the
            backend does not know. Their ends are offsets in ``text``.
    """

    key: int
    text: str
    finish_reason: FinishReason = "stop"
    tokens: int | None = None
    attempts: int = 1
    warnings: tuple[str, ...] = ()
    error: str | None = None
    logprobs: tuple[TokenLogprob, ...] = ()


@runtime_checkable
class Backend(Protocol):
    """How text is got from page images.

    Attributes:
        name: Short name: lite, ollama, server, ... It stands in all metadata.
        model: Name of the model that reads.
        needs_image: False where replies do not depend on pixels (``replay``);
            pages are then not rendered.
        reads_text_layer: True where a usable text layer may replace the image.
    """

    @property
    def name(self) -> str:
        """See the class."""
        ...

    @property
    def model(self) -> str:
        """See the class."""
        ...

    @property
    def needs_image(self) -> bool:
        """See the class."""
        ...

    @property
    def reads_text_layer(self) -> bool:
        """See the class."""
        ...

    def read(self, requests: Iterable[PageRequest]) -> Iterator[Reply]:
        """Read pages as they come; replies in any order, one for every request not cancelled.

        A backend pulls from ``requests`` only when it has a free place, so that
        memory does not grow with the document. What fails for one page alone
        is a reply with ``finish_reason="error"``; what makes all further pages
        pointless (no server, no model) is raised. Closing the iterator ends
        the work. Several iterators may be alive at once, also in several threads;
        what they have to share, they take in turns.

        Raises:
            BackendError: If no page can be read.
        """
        ...

    def close(self) -> None:
        """Free what the backend holds; it is not used afterwards."""
        ...


@runtime_checkable
class Repeatable(Protocol):
    """A backend whose finished pages may be kept, for as long as its fingerprint is the same.

    Attributes:
        fingerprint: Everything besides the request, the backend's name and its
            model that the text depends on: revision, number format, longest
            text. None where that cannot be told.
    """

    @property
    def fingerprint(self) -> str | None:
        """See the class. May raise a BackendError, like :attr:`Backend.model`."""
        ...


def fingerprint_of(backend: Backend) -> str | None:
    """The backend's fingerprint; None where its pages must not be kept."""
    try:
        # No isinstance: before Python 3.12 that would ask for the fingerprint as well.
        fingerprint: str | None = getattr(backend, "fingerprint", None)
    except BackendError:
        # Reading will say so, if it cannot do without either.
        return None
    return fingerprint
