"""Writes rows into a Parquet file whose bytes depend on the rows alone: :class:`RowWriter`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, Self

__all__ = ["GROUP_ROWS", "RowWriter", "write_rows"]

GROUP_ROWS: Final = 256
"""Rows of a row group, which is how many are in memory while a shard is written or read."""


class RowWriter:
    """Collects rows and writes a row group when it is full, however the rows arrive.

    Args:
        file: A binary file.
        columns: The Arrow schema.
    """

    def __init__(self, file: Any, columns: Any) -> None:  # noqa: ANN401 - pyarrow has no types
        from pyarrow import parquet

        self.rows = 0
        self._columns = columns
        self._left: list[dict[str, Any]] = []
        self._writer = parquet.ParquetWriter(file, columns, compression="zstd")

    def add(self, row: dict[str, Any]) -> None:
        """Add a row; other keys than the columns are left out."""
        self._left.append(row)
        self.rows += 1
        if len(self._left) >= GROUP_ROWS:
            self._write()

    def close(self) -> None:
        """Write what is left, and the footer; the file stays open."""
        if self._left:
            self._write()
        self._writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if exception[0] is None:
            self.close()

    def _write(self) -> None:
        import pyarrow as pa

        table = pa.Table.from_pylist(self._left, schema=self._columns)
        self._writer.write_table(table, row_group_size=GROUP_ROWS)
        self._left = []


def write_rows(file: Any, columns: Any, rows: Iterable[dict[str, Any]]) -> int:  # noqa: ANN401
    """Write all rows into a file; returns how many."""
    with RowWriter(file, columns) as writer:
        for row in rows:
            writer.add(row)
    return writer.rows
