"""Prepares pages for the backend: reads their size and text, renders them, a few pages ahead."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from itertools import chain, repeat
from typing import Any, Final, cast

from PIL.Image import Image

from ..backends.base import Backend, has_resolutions
from ..concurrency.cancellation import Cancellation
from ..document.text_layer import TextLayer, usable
from ..document.types import Page
from ..errors import SourceError
from ..model.prompts import MODES, Mode
from ..sources.source import Source

__all__ = ["READ_AHEAD", "PreparedPage", "has_ink", "prepare_page", "read_ahead", "resolution_of"]

READ_AHEAD: Final = 3
"""Pages prepared beyond the one that the backend asked for: enough to keep up to four
rendering processes busy, and few enough not to matter for memory."""

INK_CONTRAST: Final = 8
"""Grey levels of 255. Where no two 4 x 4 blocks of pixels differ by more, there is
nothing that anybody could read."""

STRIP_ROWS: Final = 128
"""Rows of pixels examined at once; a multiple of 4, so that blocks stay whole."""


@dataclass(frozen=True, slots=True)
class PreparedPage:
    """A page that is ready for the backend, or that ended before it got there."""

    page: Page  # number, label, size; a finish_reason if blank or failed
    image: Image | None = None  # RGB, where the backend needs one
    text_layer: TextLayer | None = None  # where the backend can use it


def read_ahead(
    prepare: Callable[[int], tuple[int, PreparedPage]],
    keys: Iterable[int],
    source: Source,
    cancellation: Cancellation,
) -> Iterator[tuple[int, PreparedPage]]:
    """Run ``map(prepare, keys)`` in threads, up to :data:`READ_AHEAD` pages ahead.

    Ends early, and closes the source, when it is cancelled.
    """
    pending: deque[Future[tuple[int, PreparedPage]]] = deque()
    pool = ThreadPoolExecutor(source.parallel_pages, thread_name_prefix="dsocr-render")
    cancelled: Future[Any] = Future()
    try:
        with cancellation.on_cancel(lambda: cancelled.set_result(None)):
            for key in chain(keys, repeat(None)):
                if key is not None:
                    pending.append(pool.submit(prepare, key))
                    if len(pending) <= READ_AHEAD:
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
        if backend.reads_text_layer:
            layer = source.text_layer(number)
            if layer is not None and usable(layer):
                return PreparedPage(page, text_layer=layer)
        if not backend.needs_image:
            return PreparedPage(page)
        image = source.render(number, _long_side(backend, mode))
    except SourceError as error:
        return PreparedPage(replace(page, finish_reason="error", error=str(error)))
    if not has_ink(image):
        return PreparedPage(replace(page, finish_reason="blank"))
    return PreparedPage(page, image=image)


def resolution_of(backend: Backend, mode: Mode) -> str:
    """What a page says of the resolution at which this backend sees it."""
    return mode.name if has_resolutions(backend) else ""


def _long_side(backend: Backend, mode: Mode) -> int:
    if has_resolutions(backend):
        return mode.long_side
    return max(each.long_side for each in MODES.values())


def has_ink(image: Image) -> bool:
    """Whether anything on the page stands out from its background."""
    darkest, lightest = 255, 0
    # Strip by strip from the top, because on most pages the first few decide.
    for top in range(0, image.height, STRIP_ROWS):
        strip = image.crop((0, top, image.width, min(top + STRIP_ROWS, image.height)))
        # The extrema of one grey channel are two numbers; Pillow's types allow for more.
        low, high = cast("tuple[int, int]", strip.convert("L").reduce(4).getextrema())
        darkest, lightest = min(darkest, low), max(lightest, high)
        if lightest - darkest > INK_CONTRAST:
            return True
    return False
