"""Reads units of pages, in any engine: :class:`PageReader`."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, cast

from ..backends.base import Backend, fingerprint_of
from ..backends.registry import backend_named
from ..errors import (
    BackendTimeoutError,
    BackendUnavailableError,
    BusyError,
    CorruptSourceError,
    DeepSeekOCRError,
    EngineLostError,
    SourceError,
)
from ..model.prompts import mode_named, task_named
from ..reading.page_stream import PageStream
from ..reading.reader import Reader
from .batch_settings import BatchSettings
from .drawn.drawn_stream import drawn_stream
from .drawn.drawn_unit import DrawnUnit
from .metered_backend import MeteredBackend
from .page_units import PageUnit, selection_text
from .storage.fetched_documents import FetchedDocuments
from .storage.locations import shown_uri
from .stored_pages import PageRow, row_of_page

__all__ = ["UNIT_COLUMNS", "PageReader", "units_of"]

RETRY_SECONDS: Final = (1.0, 5.0, 25.0)
"""Pauses after an error that is not the document's fault; after the last one, it is raised."""

_PASSING: Final = (BackendUnavailableError, BackendTimeoutError, EngineLostError, BusyError)

UNIT_COLUMNS: Final = ("entry", "doc_id", "uri", "sha256", "pages", "configuration", "password")
"""The columns of a batch of units."""

_log = logging.getLogger("deepseek_ocr_rag")


class PageReader:
    """Reads batches of units: a callable with a loaded model, for any engine that keeps one.

    It depends on no engine: ``map_batches(PageReader, ...)`` of Ray Data can call it, and so can a
    loop. A page that cannot be read becomes a row with its error and affects no other page. Threads
    may share a reader.

    Args:
        settings: How to read; or the result of :meth:`BatchSettings.to_dict`.
        backend: Reads in place of the backend that the settings name. It stays open.
        on_page: Called with each finished page, from any thread.

    Raises:
        BackendError: If the backend does not work on this machine.

    Example:
        >>> reader = PageReader(BatchSettings(backend="lite"))  # doctest: +SKIP
        >>> rows = reader({"entry": [0], "doc_id": ["a"], "uri": ["/papers/a.pdf"],
        ...                "sha256": [""], "pages": ["1-32"]})  # doctest: +SKIP
    """

    def __init__(
        self,
        settings: BatchSettings | Mapping[str, Any],
        *,
        backend: Backend | None = None,
        on_page: Callable[[PageRow], object] | None = None,
    ) -> None:
        if not isinstance(settings, BatchSettings):
            settings = BatchSettings.from_dict(dict(settings))
        self.settings = settings
        self._own = backend is None
        self._backend = MeteredBackend(
            backend_named(settings.backend, allow_remote_code=settings.allow_remote_code)
            if backend is None
            else backend
        )
        self._on_page = on_page
        self._reader = Reader(
            cast("Backend", self._backend),
            resolution=settings.resolution,
            task=settings.task,
            renderer=settings.renderer,
            limits=settings.limits,
            cache=False,
        )
        self._fetched = FetchedDocuments(settings.limits, settings.urls)
        self._revision: str | None = None
        self._lock = threading.Lock()

    @property
    def names(self) -> tuple[str, str]:
        """The names of the backend and of its model."""
        return self._backend.name, self._backend.model

    @property
    def revision(self) -> str:
        """Identifies what the text depends on besides the model's name; "" if unknown."""
        with self._lock:
            if self._revision is None:
                self._revision = fingerprint_of(cast("Backend", self._backend)) or ""
            return self._revision

    def __call__(self, batch: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
        """Read a batch of units.

        Args:
            batch: Columns of equal length, arrays or lists: ``entry``, ``doc_id``, ``uri``,
                ``sha256`` ("" for any), ``pages`` such as "1-32"; ``password`` may be left out.

        Returns:
            The columns of :class:`~deepseek_ocr_rag.batch.PageRow`, one row for each page.

        Raises:
            BackendError: If the backend can read nothing, after several attempts.
        """
        rows = [row.to_dict() for row in self.read_units(units_of(batch))]
        return {name: [row[name] for row in rows] for name in PageRow.__slots__}

    def read_units(self, units: Sequence[PageUnit]) -> list[PageRow]:
        """Read several units, some of them at the same time; rows in the order of the units.

        Raises:
            BackendError: If the backend can read nothing, after several attempts.
        """
        if len(units) == 1 or self.settings.units_together == 1:
            return [row for unit in units for row in self.read_unit(unit)]
        with ThreadPoolExecutor(self.settings.units_together) as pool:
            return [row for rows in pool.map(self.read_unit, units) for row in rows]

    def read_unit(self, unit: PageUnit, drawn: DrawnUnit | None = None) -> list[PageRow]:
        """Read one unit; as many rows as it has pages, in their order.

        Args:
            unit: The unit.
            drawn: The drawn pages of the unit, perhaps among others, if another process drew them.

        Raises:
            BackendError: If the backend can read nothing, after several attempts.
        """
        done: dict[int, PageRow] = {}
        left = [unit.numbers]
        while left:
            numbers = left.pop(0)
            try:
                self._read_patiently(unit, numbers, done, drawn)
            except _PASSING:
                raise
            except Exception as error:  # noqa: BLE001 - becomes a row
                if not isinstance(error, DeepSeekOCRError):
                    _log.exception("%s could not be read", unit.name)
                missing = [number for number in numbers if number not in done]
                if len(missing) == 1:
                    done[missing[0]] = self.failed_row(unit, missing[0], error)
                elif _of_document(error):
                    done |= {number: self.failed_row(unit, number, error) for number in missing}
                else:
                    # One of these pages causes the error; the others must still be read.
                    left += [(number,) for number in missing]
        return [done.get(number) or self._unread(unit, number) for number in unit.numbers]

    def close(self) -> None:
        """Close the backend, unless it was passed in, and remove fetched files."""
        self._reader.close()
        self._fetched.close()
        if self._own:
            self._backend.close()

    def __del__(self) -> None:
        # An engine drops its actors without closing them.
        with suppress(Exception):
            self.close()

    def _read_patiently(
        self,
        unit: PageUnit,
        numbers: tuple[int, ...],
        done: dict[int, PageRow],
        drawn: DrawnUnit | None,
    ) -> None:
        for pause in (*RETRY_SECONDS, None):
            wanted = tuple(number for number in numbers if number not in done)
            try:
                with self._opened(unit, wanted, drawn) as stream:
                    return self._read(unit, stream, done)
            except _PASSING as error:
                if pause is None:
                    raise
                _log.warning("%s: %s; trying again in %g s", unit.name, error, pause)
                time.sleep(pause)
        return None

    @contextmanager
    def _opened(
        self, unit: PageUnit, numbers: tuple[int, ...], drawn: DrawnUnit | None
    ) -> Iterator[PageStream]:
        name = shown_uri(unit.uri)
        if drawn is not None:
            with drawn_stream(
                drawn,
                numbers,
                name=name,
                backend=lambda: self._reader.backend,
                task=task_named(self.settings.task),
                mode=mode_named(self.settings.resolution),
            ) as stream:
                yield stream
            return
        with (
            self._fetched.path(unit.uri) as path,
            self._reader.open(
                Path(path), pages=selection_text(numbers), password=unit.password, name=name
            ) as stream,
        ):
            yield stream

    def _read(self, unit: PageUnit, stream: PageStream, done: dict[int, PageRow]) -> None:
        if unit.sha256 and stream.sha256 != unit.sha256:
            raise CorruptSourceError(
                "the document changed after its pages had been counted",
                source=stream.source,
                remedy="Start a new run.",
            )
        for page in stream:
            row = row_of_page(page, self._row(unit, stream.sha256, stream.total_pages))
            row = self._with_cost(row, stream.source, stream.error_types.get(page.number))
            done[page.number] = row
            if self._on_page is not None:
                self._on_page(row)

    def _with_cost(self, row: PageRow, source: str, error_type: str | None) -> PageRow:
        cost = self._backend.take(source, row.page)
        if not row.ok:
            unknown = "SourceError" if cost is None else "BackendError"
            row = replace(row, error_type=error_type or unknown)
        row = replace(row, revision=self.revision)
        return row if cost is None else replace(row, tokens=cost.tokens, seconds=cost.seconds)

    def _row(self, unit: PageUnit, sha256: str, total_pages: int) -> PageRow:
        uri = shown_uri(unit.uri)
        return PageRow(unit.entry, unit.doc_id, uri, sha256, 0, total_pages)

    def failed_row(self, unit: PageUnit, number: int, error: Exception) -> PageRow:
        """The row of a page that could not be read."""
        return replace(
            self._row(unit, unit.sha256, 0),
            page=number,
            status="error",
            error_type=type(error).__name__,
            error=str(error),
            backend=self.names[0],
            model=self.names[1],
            revision=self.revision,
        )

    def _unread(self, unit: PageUnit, number: int) -> PageRow:
        return self.failed_row(
            unit,
            number,
            DeepSeekOCRError("the reader gave no such page", source=unit.doc_id, page=number),
        )


def _of_document(error: Exception) -> bool:
    """Whether an error concerns the whole document, so that each of its pages would fail with it."""
    return isinstance(error, SourceError) and error.page is None


def units_of(batch: Mapping[str, Sequence[Any]]) -> list[PageUnit]:
    """The units of a batch of columns; an engine may have turned a missing password into NaN."""
    names = [name for name in UNIT_COLUMNS if name in batch]
    return [
        _unit(dict(zip(names, values, strict=True)))
        for values in zip(*(batch[name] for name in names), strict=True)
    ]


def _unit(given: Mapping[str, Any]) -> PageUnit:
    password = given.get("password")
    return PageUnit(
        entry=int(given["entry"]),
        doc_id=str(given["doc_id"]),
        uri=str(given["uri"]),
        sha256=str(given["sha256"]),
        pages=str(given["pages"]),
        configuration=str(given.get("configuration", "")),
        password=password if isinstance(password, str) and password else None,
    )
