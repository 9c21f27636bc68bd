"""Reads pages that another process has drawn: :func:`drawn_stream`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import cast

from PIL.Image import Image

from ... import errors
from ...backends.base import Backend, sends_png
from ...errors import CorruptSourceError, DeepSeekOCRError, PageRangeError
from ...model.prompts import Mode, Task
from ...reading.backend_stream import BackendStream
from ...reading.preparation import PreparedPage, resolution_of
from ...sources.source import Source
from .drawn_unit import DrawnUnit, image_of

__all__ = ["drawn_stream"]


def drawn_stream(
    drawn: DrawnUnit,
    numbers: tuple[int, ...],
    *,
    name: str,
    backend: Callable[[], Backend],
    task: Task,
    mode: Mode,
) -> BackendStream:
    """A stream over some pages of a drawn unit.

    Raises:
        SourceError: If the document could not be opened for drawing.
    """
    if drawn.error_type is not None:
        kind = getattr(errors, drawn.error_type, CorruptSourceError)
        if not (isinstance(kind, type) and issubclass(kind, DeepSeekOCRError)):
            kind = CorruptSourceError
        raise kind(drawn.problem, source=name, remedy=drawn.remedy)
    source = cast("Source", _DrawnSource(drawn, name))
    return _DrawnStream(source, numbers, backend=backend, task=task, mode=mode)


class _DrawnSource:
    """Answers what a page stream asks of a document, from the drawn pages."""

    parallel_pages = 1

    def __init__(self, drawn: DrawnUnit, name: str) -> None:
        self.name = name
        self.sha256 = drawn.sha256
        self.page_count = drawn.total_pages
        self._pages = {each.page.number: each for each in drawn.pages}

    def page(self, number: int) -> PreparedPage:
        found = self._pages.get(number)
        if found is None:
            raise PageRangeError("it was not drawn", source=self.name, page=number)
        return found

    def render(self, number: int, long_side: int) -> Image:
        png = self.page(number).png
        if png is None:
            raise PageRangeError("it was not drawn", source=self.name, page=number)
        return image_of(png)

    def text_layer(self, number: int) -> None:
        """Always None: only pictures are drawn ahead."""

    def draw_for(self, cards: int) -> int:
        """Always one: everything is drawn already."""
        return self.parallel_pages

    def close(self) -> None:
        """Do nothing: nothing is open."""


class _DrawnStream(BackendStream):
    def _prepared(self, number: int, backend: Backend) -> PreparedPage:
        source = cast("_DrawnSource", self._opened)
        found = source.page(number)
        page = replace(
            found.page,
            backend=backend.name,
            model=backend.model,
            resolution=resolution_of(backend, self._mode),
        )
        if found.png is None or sends_png(backend):
            return replace(found, page=page)
        return PreparedPage(page, image=image_of(found.png))
