"""Prepares pages for the backend: reads their size and text, renders them, a few pages ahead."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from itertools import chain, repeat
from typing import Any, Final

from PIL.Image import Image

from ..backends.base import Backend, has_resolutions, sends_pixels, sends_png
from ..concurrency.cancellation import Cancellation
from ..concurrency.picture_frames import PixelPicture
from ..concurrency.png_pictures import PngPicture
from ..document.text_layer import TextLayer, doubt, usable
from ..document.types import Page
from ..errors import SourceError
from ..model.prompts import MODES, Mode
from ..sources.ink import has_ink
from ..sources.source import Source

__all__ = ["READ_AHEAD", "PreparedPage", "prepare_page", "read_ahead", "resolution_of"]

READ_AHEAD: Final = 3
"""Pages prepared beyond the one that the backend asked for: enough to keep up to four
rendering processes busy, and few enough not to matter for memory. With several cards, more
processes draw, each with a page."""


MOST_THREADS: Final = 64
"""Most pages drawn at the same time, whatever the number of cards."""


@dataclass(frozen=True, slots=True)
class PreparedPage:
    """A page that is ready for the backend, or that ended before it got there."""

    page: Page  # number, label, size; a finish_reason if blank or failed
    image: Image | None = None  # RGB, if the backend needs one
    png: PngPicture | None = None  # the image as a file, if the backend only passes it on
    pixels: PixelPicture | None = None  # or as pixels, likewise
    text_layer: TextLayer | None = None  # if the backend can use it; with an image if in doubt
    error_type: str | None = None  # class of the error, if it failed


def read_ahead(
    prepare: Callable[[int], tuple[int, PreparedPage]],
    keys: Iterable[int],
    source: Source,
    cancellation: Cancellation,
    cards: Callable[[], int] = lambda: 1,
) -> Iterator[tuple[int, PreparedPage]]:
    """Run ``map(prepare, keys)`` in threads, up to :data:`READ_AHEAD` pages ahead.

    With several ``cards``, it goes further ahead if more pages can be drawn for them at once.
    ``cards`` is called for each page, because a backend may know the number only once its model is
    loaded.

    Ends early, and closes the source, when it is cancelled.
    """
    pending: deque[Future[tuple[int, PreparedPage]]] = deque()
    # No more threads than pages ahead are ever started.
    threads = MOST_THREADS if source.parallel_pages > 1 else 1
    pool = ThreadPoolExecutor(threads, thread_name_prefix="dsocr-render")
    cancelled: Future[Any] = Future()
    try:
        with cancellation.on_cancel(lambda: cancelled.set_result(None)):
            for key in chain(keys, repeat(None)):
                if key is not None:
                    pending.append(pool.submit(prepare, key))
                    if len(pending) <= max(READ_AHEAD, source.draw_for(cards()) - 1):
                        continue
                elif not pending:
                    break
                either: tuple[Future[Any], ...] = (pending[0], cancelled)
                wait(either, return_when=FIRST_COMPLETED)
                if cancelled.done():
                    source.close()
                    break
                yield pending.popleft().result()
    except BaseException:
        # Stop what is still being rendered: waiting could take as long as a page is allowed to.
        source.close()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def prepare_page(source: Source, number: int, backend: Backend, mode: Mode) -> PreparedPage:
    """Get from the source what the backend needs of one page; an error gives a failed page."""
    page = Page(
        number=number,
        backend=backend.name,
        model=backend.model,
        resolution=resolution_of(backend, mode),
    )
    try:
        info = source.info(number)
        page = replace(page, label=info.label, width=info.width, height=info.height)
        layer = source.text_layer(number) if backend.reads_text_layer else None
        if layer is not None and not usable(layer):
            layer = None
        if layer is not None and not (backend.needs_image and doubt(layer)):
            return PreparedPage(page, text_layer=layer)
        if not backend.needs_image:
            return PreparedPage(page)
        if sends_png(backend):
            png = source.render_png(number, _long_side(backend, mode))
            if png is not None:
                return PreparedPage(page, png=png, text_layer=layer)
        elif sends_pixels(backend):
            pixels = source.render_pixels(number, _long_side(backend, mode))
            if pixels is not None:
                return PreparedPage(page, pixels=pixels, text_layer=layer)
        else:
            image = source.render(number, _long_side(backend, mode))
            if has_ink(image):
                return PreparedPage(page, image=image, text_layer=layer)
    except SourceError as error:
        failed = replace(page, finish_reason="error", error=str(error))
        return PreparedPage(failed, error_type=type(error).__name__)
    return PreparedPage(replace(page, finish_reason="blank"))


def resolution_of(backend: Backend, mode: Mode) -> str:
    """What a page reports as its resolution with this backend."""
    return mode.name if has_resolutions(backend) else ""


def _long_side(backend: Backend, mode: Mode) -> int:
    if has_resolutions(backend):
        return mode.long_side
    return max(each.long_side for each in MODES.values())
