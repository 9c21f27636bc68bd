"""Stores units until their shard is complete: :class:`StagedUnits`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from ..page_units import PageUnit
from ..storage.run_folder import RunFolder
from ..stored_pages import PageRow
from .row_writer import write_rows
from .shard_columns import staged_columns

__all__ = ["StagedUnits", "part_folder"]

STAGED: Final = "staged"


def part_folder(part: int) -> str:
    """Where the units of a part wait."""
    return f"{STAGED}/part-{part:08d}"


class StagedUnits:
    """Stores the rows of each unit of a part in a file of its own, whole or not at all.

    Args:
        folder: The folder of the run.
        part_documents: Documents of a part, from which a unit's part follows.
    """

    def __init__(self, folder: RunFolder, part_documents: int) -> None:
        self._folder = folder
        self._part_documents = part_documents

    def file_of(self, unit: PageUnit) -> str:
        """The name of the unit's file."""
        return f"{part_folder(unit.entry // self._part_documents)}/{unit.file_name}.parquet"

    def has(self, unit: PageUnit) -> bool:
        """Whether the unit was read."""
        return self._folder.exists(self.file_of(unit))

    def store(self, unit: PageUnit, rows: Sequence[PageRow]) -> None:
        """Store the rows of a unit."""
        values = [row.to_dict() for row in rows]
        with self._folder.new_file(self.file_of(unit)) as file:
            write_rows(file, staged_columns(), values)

    def rows(self, unit: PageUnit) -> Iterator[PageRow]:
        """The rows of a unit, for the line of the manifest that asks now.

        Password and name come from the manifest; the rest comes from the stored unit.
        """
        with self._folder.open_table(self.file_of(unit)) as table:
            for batch in table.iter_batches(batch_size=64):
                for values in batch.to_pylist():
                    yield replace(PageRow.from_dict(values), doc_id=unit.doc_id)

    def names(self, part: int) -> frozenset[str]:
        """The names of the units of a part that were read, as :attr:`PageUnit.file_name`."""
        names = self._folder.names(part_folder(part))
        return frozenset(name.removesuffix(".parquet") for name in names)

    def clear(self, part: int) -> None:
        """Remove the units of a part, which are in its shard now."""
        self._folder.clear(part_folder(part))
        self._folder.remove_drafts(part_folder(part))
        self._folder.remove_folder(part_folder(part))
