"""Combines the units of a part into its shards: :class:`ShardWriter`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from ...document.headings import Headings, with_sections
from ...errors import OutputError
from ..page_units import PageUnit, PlannedDocument
from ..planning import ManifestPart, PlannedPart
from ..run_account import PartAccount
from ..storage.run_folder import RunFolder
from ..stored_pages import DOCUMENT_ERROR, PageRow
from .record_rows import RecordRows
from .row_writer import RowWriter
from .shard_columns import file_columns, page_columns, record_columns, timing_columns
from .staged_units import StagedUnits

__all__ = ["KINDS", "MARKS", "ShardWriter", "mark_of", "shard_of"]

KINDS: Final = {
    "pages": page_columns,
    "errors": page_columns,
    "documents": record_columns,
    "files": file_columns,
    "timings": timing_columns,
}
"""The folders of the shards, and the functions that make their columns."""

MARKS: Final = "done"
"""The folder of the marks: a part is finished if its mark is there."""


def shard_of(kind: str, part: int) -> str:
    """The name of a shard."""
    return f"{kind}/part-{part:08d}.parquet"


def mark_of(part: int) -> str:
    """The name of a part's mark."""
    return f"{MARKS}/part-{part:08d}.json"


@dataclass(slots=True)
class _Counts:
    pages: int = 0
    errors: int = 0
    attempts: int = 0
    tokens: int = 0
    seconds: float = 0.0
    statuses: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    def add(self, row: PageRow) -> None:
        self.attempts += row.attempts if row.page != DOCUMENT_ERROR else 0
        self.tokens += row.tokens or 0
        self.seconds += row.seconds or 0.0
        if row.ok:
            self.pages += 1
            self.statuses[row.status] += 1
        else:
            self.errors += 1
            self.kinds[row.error_kind] += 1
            self.examples.setdefault(row.error_kind, row.error or "")


class ShardWriter:
    """Writes the shards of a part, and then its mark.

    The bytes of all but ``timings/`` depend only on what was read, not on when, in which order,
    or how often the run was interrupted.

    Args:
        folder: The folder of the run.
        staged: The units that wait for their shard.
        chunk_tokens: As in :class:`~deepseek_ocr_rag.batch.BatchSettings`.
    """

    def __init__(
        self, folder: RunFolder, staged: StagedUnits, chunk_tokens: int | None = None
    ) -> None:
        self._folder = folder
        self._staged = staged
        self._chunk_tokens = chunk_tokens

    def write(self, planned: PlannedPart) -> PartAccount:
        """Write everything of a part, mark it, and remove its units.

        Raises:
            OutputError: If a page is missing, or the folder cannot be written.
        """
        number = planned.part.number
        counts = _Counts()
        with ExitStack() as stack:
            writers = {
                kind: stack.enter_context(
                    RowWriter(
                        stack.enter_context(self._folder.new_file(shard_of(kind, number))),
                        columns(),
                    )
                )
                for kind, columns in KINDS.items()
            }
            for document in planned.documents:
                writers["files"].add(_file(document))
            records = RecordRows(self._chunk_tokens)
            for row in self._rows(planned):
                counts.add(row)
                values = row.to_dict()
                writers["timings"].add(values)
                writers["pages" if row.ok else "errors"].add(values)
                for record in records.add(row):
                    writers["documents"].add(record)
            for record in records.end():
                writers["documents"].add(record)
        account = PartAccount(
            part=number,
            digest=planned.part.digest(),
            documents=len(planned.documents),
            expected=sum(len(each.numbers) or 1 for each in planned.documents),
            pages=counts.pages,
            errors=counts.errors,
            attempts=counts.attempts,
            tokens=counts.tokens,
            statuses=dict(counts.statuses),
            kinds=dict(counts.kinds),
            examples=counts.examples,
            seconds=counts.seconds,
            files={kind: self._folder.size(shard_of(kind, number)) for kind in KINDS},
        )
        if account.expected != account.pages + account.errors:
            raise OutputError(
                f"{planned.part.name} has {account.pages + account.errors} of"
                f" {account.expected} pages",
                remedy="Run the same command again.",
            )
        self._folder.write_json(mark_of(number), account.to_dict())
        self._staged.clear(number)
        return account

    def finished(self, part: ManifestPart) -> PartAccount | None:
        """The contents of a part's mark; None if the part is not finished.

        Raises:
            OutputError: If the part had other documents when the mark was written.
        """
        if not self._folder.exists(mark_of(part.number)):
            return None
        account = PartAccount.from_dict(self._folder.read_json(mark_of(part.number)))
        if account.digest != part.digest():
            raise OutputError(
                f"the manifest has changed: {part.name} of {self._folder.uri} holds other documents",
                remedy="Choose an empty folder.",
            )
        # The run may have been killed after the mark and before this.
        with suppress(OutputError):
            self._staged.clear(part.number)
        return account

    def remove_drafts(self) -> None:
        """Remove the unfinished files of killed processes; call it at the end, when nothing is written."""
        for folder in (*KINDS, MARKS):
            with suppress(OutputError):
                self._folder.remove_drafts(folder)

    def _rows(self, planned: PlannedPart) -> Iterator[PageRow]:
        """All rows of a part in order; sections continue from unit to unit."""
        units: dict[int, list[PageUnit]] = {}
        for unit in planned.units:
            units.setdefault(unit.entry, []).append(unit)
        for document in planned.documents:
            headings: Headings = ()
            if document.error is not None:
                yield _of_document(document)
            for unit in units.get(document.entry, ()):
                for row in self._staged.rows(unit):
                    blocks, headings = with_sections(row.blocks, headings)
                    yield row.with_blocks(blocks)


def _of_document(document: PlannedDocument) -> PageRow:
    return PageRow(
        document.entry,
        document.doc_id,
        document.uri,
        document.sha256,
        DOCUMENT_ERROR,
        document.total_pages,
        status="error",
        error_type=document.error_type,
        error=document.error,
    )


def _file(document: PlannedDocument) -> dict[str, Any]:
    values = asdict(document)
    return {**values, "pages": list(values.pop("numbers"))}
