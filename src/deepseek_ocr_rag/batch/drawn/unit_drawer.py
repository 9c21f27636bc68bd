"""Draws the pages of units for other processes to read: :class:`UnitDrawer`."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, Final, cast

from ...backends.base import Backend
from ...errors import CorruptSourceError, DeepSeekOCRError
from ...model.prompts import mode_named
from ...reading.preparation import PreparedPage, prepare_page
from ...sources.source import Source
from ...text.visible import visible_line
from ..batch_settings import BatchSettings
from ..page_units import PageUnit
from ..storage.fetched_documents import FetchedDocuments
from .drawn_unit import DrawnUnit

__all__ = ["UnitDrawer", "can_be_drawn_apart"]

_log = logging.getLogger("deepseek_ocr_rag")

PICTURE_READERS: Final = ("local", "transformers", "server", "ollama")
"""Backends that need only pictures, by the first word of their names."""


def can_be_drawn_apart(backend: str) -> bool:
    """Whether another process may draw the pages for the backend of this name."""
    return backend.replace("/", ":").partition(":")[0] in PICTURE_READERS


@dataclass(frozen=True, slots=True)
class _PictureReader:
    """Answers what :func:`prepare_page` asks of a backend: it wants pictures, as PNG files."""

    name: str = ""
    model: str = ""
    needs_image: bool = True
    reads_text_layer: bool = False
    sends_png: bool = True


class UnitDrawer:
    """Opens documents and draws the pages of units, one page after the other.

    Args:
        settings: What :meth:`BatchSettings.to_dict` gives.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        self._settings = BatchSettings.from_dict(settings)
        self._mode = mode_named(self._settings.resolution)
        self._fetched = FetchedDocuments(self._settings.limits, self._settings.urls)

    def draw(self, unit: PageUnit) -> DrawnUnit:
        """Draw the pages of a unit; if the document cannot be opened, return its error."""
        try:
            with self._fetched.source(
                unit.uri, password=unit.password, renderer=self._settings.renderer
            ) as source:
                if unit.sha256 and source.sha256 != unit.sha256:
                    raise CorruptSourceError(
                        "the document changed after its pages had been counted",
                        source=source.name,
                        remedy="Start a new run.",
                    )
                return DrawnUnit(unit, source.sha256, source.page_count, self._pages(unit, source))
        except DeepSeekOCRError as error:
            return DrawnUnit(
                unit, error_type=type(error).__name__, problem=error.problem, remedy=error.remedy
            )
        except Exception as error:  # noqa: BLE001 - becomes a row
            # An error of an object store, for example, must not end the run.
            _log.exception("%s could not be drawn", visible_line(unit.name))
            return DrawnUnit(
                unit,
                error_type=CorruptSourceError.__name__,
                problem=f"it cannot be opened ({type(error).__name__}: {error})",
            )

    def close(self) -> None:
        """Remove what was fetched."""
        self._fetched.close()

    def _pages(self, unit: PageUnit, source: Source) -> tuple[PreparedPage, ...]:
        def prepared(number: int) -> PreparedPage:
            return prepare_page(source, number, cast("Backend", _PictureReader()), self._mode)

        return tuple(map(prepared, unit.numbers))
