"""The interface of all backends: :class:`Backend`.

A backend takes requests as they come and returns replies as they finish. It sees
page images and returns the model's text; it never sees a document.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from PIL.Image import Image

from ..concurrency.cancellation import Cancellation
from ..concurrency.picture_frames import PixelPicture
from ..concurrency.png_pictures import PngPicture
from ..document.grammar.confidence import TokenLogprob
from ..document.text_layer import TextLayer
from ..document.types import FinishReason
from ..errors import BackendError, BackendReplyError
from ..model.prompts import Mode, Task
from ..setting_names import renamed_setting, warn_renamed

__all__ = [
    "Backend",
    "PageRequest",
    "Repeatable",
    "Reply",
    "TokenLogprob",
    "begin_loading",
    "cards_of",
    "fingerprint_of",
    "has_resolutions",
    "on_loading",
    "sends_pixels",
    "sends_png",
]


@renamed_setting("mode", "resolution")
@dataclass(frozen=True, slots=True)
class PageRequest:
    """One page to read.

    Attributes:
        key: Identifies the request among those in flight; the reply repeats it.
        page: 1-based page number in its file.
        source: Name of the file, for messages.
        sha256: Hash of the file's bytes.
        image: The page as an RGB image. None if ``png`` or ``text_layer`` takes its
            place, or if the backend needs no image (:attr:`Backend.needs_image`).
        text_layer: Only for backends that read it, and only if the page has a
            usable one; ``image`` is then None.
        task: What to ask the model for.
        resolution: How finely the model sees the page.
        width: Width of the displayed page in points.
        height: Height of the displayed page in points.
        draft: Returns the page's text layer, for backends that still read the image
            but are faster with a draft of its text; the result is the same.
        redraw: Draws ``image`` again, for backends that read too many pages at once
            to keep all images, or that were given ``png`` instead.
        cancellation: Cancelled when the reply is no longer wanted. The backend then
            stops work on the page as soon as it can and gives no reply.
        png: The page as a PNG file, in place of ``image``, for backends that pass it
            on as it is: those whose ``sends_png`` is True.
        pixels: The page's pixels, in place of ``image``, for backends that pass those on:
            those whose ``sends_pixels`` is True.
        following: How many more pages of the same reading are expected after this one;
            backends that read many pages at once plan by it.
    """

    key: int
    page: int
    source: str
    sha256: str
    image: Image | None
    text_layer: TextLayer | None
    task: Task
    resolution: Mode
    width: float = 0.0
    height: float = 0.0
    draft: Callable[[], TextLayer | None] | None = None
    redraw: Callable[[], Image] | None = None
    cancellation: Cancellation = field(default_factory=Cancellation, compare=False, repr=False)
    png: PngPicture | None = field(default=None, repr=False)
    pixels: PixelPicture | None = field(default=None, repr=False)
    following: int = 0

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the image in pixels; raises what :meth:`drawn` raises."""
        sent = self.png or self.pixels
        if self.image is None and sent is not None:
            return sent.width, sent.height
        return self.drawn().size

    @property
    def mode(self) -> Mode:
        """The old name of ``resolution``, for one release."""
        warn_renamed("PageRequest.mode", "PageRequest.resolution")
        return self.resolution

    def drawn(self) -> Image:
        """Return the image; draw it again if the backend dropped it or was given a file.

        Raises:
            SourceError: If it can no longer be drawn.
            BackendReplyError: If the request has no image.
        """
        if self.image is not None:
            return self.image
        if self.pixels is not None:
            return self.pixels.picture()
        if self.redraw is not None:
            return self.redraw()
        raise BackendReplyError(
            "the page has no image",
            source=self.source,
            page=self.page,
            remedy="Give an image; this backend reads no text layers.",
        )

    def failed(self, error: Exception, attempts: int = 1) -> Reply:
        """Make the reply for a page that could not be read.

        Args:
            error: Why it could not be read.
            attempts: How often the model was asked for it.
        """
        return Reply(
            *(self.key, "", "error"),
            attempts=attempts,
            error=str(error),
            error_type=type(error).__name__,
        )


@dataclass(frozen=True, slots=True)
class Reply:
    """The result of one request.

    Attributes:
        key: The request's key.
        text: Raw text in the model's grammar, tags included.
        finish_reason: Why the text ends.
        tokens: New tokens, or None if the backend does not count them.
        attempts: How often the model was asked for the page.
        warnings: What a user should know about this page.
        error: What went wrong, if ``finish_reason`` is "error".
        logprobs: Log-probabilities of the new tokens, in order; empty if the
            backend does not know them. Their ends are offsets in ``text``.
        error_type: The class of the error, if it is known.
    """

    key: int
    text: str
    finish_reason: FinishReason = "stop"
    tokens: int | None = None
    attempts: int = 1
    warnings: tuple[str, ...] = ()
    error: str | None = None
    logprobs: tuple[TokenLogprob, ...] = ()
    error_type: str | None = None


@runtime_checkable
class Backend(Protocol):
    """Reads page images.

    Attributes:
        name: Short name, given in all metadata: lite, ollama, server, ...
        model: Name of the model that reads.
        needs_image: False if replies do not depend on pixels (``replay``); pages
            are then not rendered.
        reads_text_layer: True if a usable text layer may replace the image.
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
        """Read pages as they come; yield replies in any order, one for each request not cancelled.

        A backend pulls from ``requests`` only when it can start a page, so that
        memory does not grow with the document. A failure of one page is a reply
        with ``finish_reason="error"``; a failure that makes all further pages
        pointless (no server, no model) is raised. Closing the iterator ends the
        work. Several iterators may be alive at once, also in several threads;
        they take turns at what they share.

        Raises:
            BackendError: If no page can be read.
        """
        ...

    def close(self) -> None:
        """Free the backend's resources; it must not be used afterwards."""
        ...


@runtime_checkable
class Repeatable(Protocol):
    """A backend whose finished pages may be cached while its fingerprint stays the same.

    Attributes:
        fingerprint: Everything that the text depends on besides the request, the
            backend's name and its model: revision, number format, longest text.
            None if that is unknown.
    """

    @property
    def fingerprint(self) -> str | None:
        """See the class. May raise a BackendError, like :attr:`Backend.model`."""
        ...


def has_resolutions(backend: Backend) -> bool:
    """Return whether the backend reads pages at one of the model's resolutions.

    Every backend with a model does. One without sets the attribute ``has_resolutions = False``:
    it gets the finest picture, and its pages report no resolution.
    """
    return bool(getattr(backend, "has_resolutions", True))


def fingerprint_of(backend: Backend) -> str | None:
    """Return the backend's fingerprint; None if its pages must not be cached."""
    try:
        # Not isinstance: before Python 3.12 it evaluates the property as well.
        fingerprint: str | None = getattr(backend, "fingerprint", None)
    except BackendError:
        # Reading will fail for the same reason and report it.
        return None
    return fingerprint


def sends_png(backend: Backend) -> bool:
    """Return whether the backend passes page images on as PNG files, so that it takes ``png``."""
    return bool(getattr(backend, "sends_png", False))


def sends_pixels(backend: Backend) -> bool:
    """Return whether the backend passes page images on as pixels, so that it takes ``pixels``."""
    return bool(getattr(backend, "sends_pixels", False))


def cards_of(backend: Backend) -> int:
    """Return how many cards the backend reads on: more cards need more pages drawn at once."""
    return max(1, int(getattr(backend, "cards", 1)))


def begin_loading(backend: Backend) -> None:
    """Tell the backend that pages will come for it, so that it may load its model meanwhile.

    A backend that can has a method of this name, which returns at once and may be called often.
    """
    begin = getattr(backend, "begin_loading", None)
    if begin is not None:
        begin()


def on_loading(backend: Backend, call: Callable[[], object]) -> None:
    """Have the backend call a bound method when it begins to load its model; at once if it has begun.

    A backend that can has a method of this name. It does not keep the bound method's object alive.
    """
    tell = getattr(backend, "on_loading", None)
    if tell is not None:
        tell(call)
