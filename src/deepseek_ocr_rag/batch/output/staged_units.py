"""Stores units until their shard is complete: :class:`StagedUnits`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from ..page_units import PageUnit
from ..storage.run_folder import RunFolder
from ..stored_pages import PageRow

__all__ = ["StagedUnits", "part_folder"]

STAGED: Final = "staged"

SUFFIX: Final = ".rows"
"""Units are compressed lines of JSON, which take a twentieth of the time of a table; the GPU waits
for this. The standard library's encoder took four times as long as orjson."""


def part_folder(part: int) -> str:
    """The folder in which the units of a part wait."""
    return f"{STAGED}/part-{part:08d}"


class StagedUnits:
    """Stores the rows of each unit of a part in a file of its own, whole or not at all.

    Args:
        folder: The folder of the run.
        part_documents: How many documents a part has; tells which part a unit belongs to.
    """

    def __init__(self, folder: RunFolder, part_documents: int) -> None:
        self._folder = folder
        self._part_documents = part_documents

    def file_of(self, unit: PageUnit) -> str:
        """The name of the unit's file."""
        return f"{part_folder(unit.entry // self._part_documents)}/{unit.file_name}{SUFFIX}"

    def has(self, unit: PageUnit) -> bool:
        """Whether the unit is stored."""
        return self._folder.exists(self.file_of(unit))

    def store(self, unit: PageUnit, rows: Sequence[PageRow]) -> None:
        """Store the rows of a unit."""
        import pyarrow as pa

        lines = b"\n".join(map(_line, rows))
        data = pa.BufferOutputStream()
        with pa.CompressedOutputStream(data, "zstd") as packed:
            packed.write(lines)
        with self._folder.new_file(self.file_of(unit)) as file:
            file.write(data.getvalue())

    def rows(self, unit: PageUnit) -> Iterator[PageRow]:
        """The rows of a unit, for its current line in the manifest.

        The document's name comes from the manifest, the rest from the stored unit.
        """
        import orjson
        import pyarrow as pa

        with pa.input_stream(
            pa.BufferReader(self._folder.read(self.file_of(unit))), compression="zstd"
        ) as unpacked:
            lines = unpacked.read().split(b"\n")
        for line in lines:
            yield replace(PageRow.from_dict(orjson.loads(line)), doc_id=unit.doc_id)

    def names(self, part: int) -> frozenset[str]:
        """The names of the units of a part that were read, as :attr:`PageUnit.file_name`."""
        names = self._folder.names(part_folder(part))
        return frozenset(name.removesuffix(SUFFIX) for name in names)

    def clear(self, part: int) -> None:
        """Remove the units of a part, which are now in its shard."""
        self._folder.clear(part_folder(part))
        self._folder.remove_drafts(part_folder(part))
        self._folder.remove_folder(part_folder(part))


def _line(row: PageRow) -> bytes:
    import orjson

    values = row.to_dict()
    try:
        return bytes(orjson.dumps(values))
    except TypeError:
        # A message may contain lone surrogates, for example from a file name, which no shard can store.
        return json.dumps(values, ensure_ascii=False).encode("utf-8", "replace")
