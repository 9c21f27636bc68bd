"""Reads manifests: JSON Lines, Parquet, a folder or a pattern, one document at a time."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, Final

from ...errors import ConfigurationError, SourceError, SourceNotFoundError
from ...sources.folder_files import DOCUMENT_SUFFIXES
from ...text.visible import storable
from ..page_units import ManifestEntry
from ..storage.locations import StoragePath, is_remote, is_web, located
from .matching import files_below, matching_files

__all__ = ["manifest_entries"]

LONGEST_LINE: Final = 2**20
"""Most bytes of a line, which names one document."""

ROWS_AT_ONCE: Final = 8192

_TEXTS: Final = ("uri", "id", "sha256", "pages", "password")
_NUMBERS: Final = ("id", "pages")
"""Those of these keys that may be whole numbers."""

_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")
_LINES: Final = (".jsonl", ".ndjson")


def manifest_entries(manifest: str) -> Iterator[ManifestEntry]:
    """The documents of a manifest, in its order; only the current one is in memory.

    Args:
        manifest: A file ``.jsonl`` with one object a line (``uri``, and optionally ``id``,
            ``sha256``, ``pages`` and ``password``), a file ``.parquet`` with these columns, a
            folder, or a pattern such as ``papers/**/*.pdf``; on this machine or an object store.
            Relative paths in a manifest start at the manifest's own folder.

    Yields:
        The documents.

    Raises:
        ConfigurationError: If a line does not name a document, or there are no documents.
        SourceError: If the manifest cannot be read.
    """
    empty = True
    try:
        for entry in _entries(manifest):
            empty = False
            yield entry
    except OSError as error:
        raise SourceError(
            f"the manifest cannot be read ({error.strerror or error})",
            source=manifest,
            remedy="Check the path and its permissions.",
        ) from error
    if empty:
        raise ConfigurationError(
            f"{manifest} names no document",
            remedy=f"Documents of a folder are {', '.join(sorted(DOCUMENT_SUFFIXES))};"
            " a manifest has one on each line.",
        )


def _entries(manifest: str) -> Iterator[ManifestEntry]:
    if _is_pattern(manifest):
        yield from (ManifestEntry(uri) for uri in matching_files(manifest))
        return
    location = located(manifest)
    suffix = PurePosixPath(location.path).suffix.lower()
    from pyarrow import fs

    kind = location.files.get_file_info(location.path).type
    if kind == fs.FileType.Directory:
        yield from (
            ManifestEntry(uri)
            for uri in files_below(manifest)
            if PurePosixPath(uri).suffix.lower() in DOCUMENT_SUFFIXES
        )
    elif kind == fs.FileType.NotFound:
        raise SourceNotFoundError(
            "there is no such manifest", source=manifest, remedy="Check the path."
        )
    elif suffix == ".parquet":
        yield from _of_table(location, manifest)
    elif suffix in _LINES:
        yield from _of_lines(location, manifest)
    elif suffix in DOCUMENT_SUFFIXES:
        yield ManifestEntry(str(Path(manifest).absolute()))
    else:
        raise ConfigurationError(
            f"{manifest} is not a manifest",
            remedy="Name a .jsonl or .parquet file, a folder, or a pattern such as 'papers/*.pdf'.",
        )


def _is_pattern(manifest: str) -> bool:
    """Whether it has wildcards, and is not the name of a file or folder on this machine."""
    if is_web(manifest) or not any(sign in manifest for sign in "*?["):
        return False
    return is_remote(manifest) or not Path(manifest).exists()


def _of_lines(location: StoragePath, manifest: str) -> Iterator[ManifestEntry]:
    import pyarrow

    with location.files.open_input_stream(location.path) as raw:
        lines = pyarrow.BufferedInputStream(raw, 2**20)
        for number, line in enumerate(_lines(lines, manifest), start=1):
            if line.strip():
                yield _entry(_object(line, manifest, number), manifest, f"line {number}")


def _lines(stream: Any, manifest: str) -> Iterator[bytes]:  # noqa: ANN401 - a pyarrow stream
    left = b""
    while piece := stream.read(2**20):
        if not left and piece.startswith(_UTF16):
            raise ConfigurationError(f"{manifest} is UTF-16", remedy="Save it as UTF-8.")
        *whole, left = (left + piece).split(b"\n")
        yield from whole
        if len(left) > LONGEST_LINE:
            raise ConfigurationError(
                f"a line of {manifest} is longer than {LONGEST_LINE:,} bytes",
                remedy="Write one JSON object a line.",
            )
    if left:
        yield left


def _object(line: bytes, manifest: str, number: int) -> Mapping[str, Any]:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _bad(manifest, f"line {number}", "it is not JSON") from error
    if not isinstance(values, dict):
        raise _bad(manifest, f"line {number}", "it is not a JSON object")
    return values


def _of_table(location: StoragePath, manifest: str) -> Iterator[ManifestEntry]:
    import pyarrow
    from pyarrow import parquet

    try:
        with location.files.open_input_file(location.path) as file:
            table = parquet.ParquetFile(file)
            names = [name for name in _TEXTS if name in table.schema_arrow.names]
            number = 0
            for batch in table.iter_batches(batch_size=ROWS_AT_ONCE, columns=names):
                for values in batch.to_pylist():
                    number += 1
                    yield _entry(values, manifest, f"row {number}")
    except pyarrow.ArrowInvalid as error:
        raise ConfigurationError(
            f"{manifest} is not a Parquet file ({error})", remedy="Write it again."
        ) from error


def _entry(values: Mapping[str, Any], manifest: str, location: str) -> ManifestEntry:
    given = {name: values[name] for name in _TEXTS if values.get(name) is not None}
    for name in _NUMBERS:
        if type(given.get(name)) is int:
            given[name] = str(given[name])
    wrong = [name for name, value in given.items() if not isinstance(value, str)]
    if wrong:
        raise _bad(manifest, location, f"{wrong[0]!r} is not a text")
    uri = storable(given.get("uri", "")).strip()
    if not uri:
        raise _bad(manifest, location, "it has no 'uri'")
    sha256 = given.get("sha256", "").lower()
    if sha256 and (len(sha256) != 64 or set(sha256) - set("0123456789abcdef")):
        raise _bad(manifest, location, "'sha256' is not 64 hex digits")
    return ManifestEntry(
        uri=_absolute(uri, manifest),
        id=storable(given.get("id", "")),
        sha256=sha256,
        pages=given.get("pages"),
        password=given.get("password"),
    )


def _absolute(uri: str, manifest: str) -> str:
    """Make a path absolute, relative to the manifest's folder, wherever the command was started."""
    # os.path, because pathlib would take most of the time of a million lines.
    if "://" in uri or os.path.isabs(uri):  # noqa: PTH117
        return uri
    return f"{_folder_of(manifest)}/{uri}"


@lru_cache(maxsize=8)
def _folder_of(manifest: str) -> str:
    if is_remote(manifest):
        return manifest.rpartition("/")[0]
    return str(Path(manifest).absolute().parent).rstrip("/")


def _bad(manifest: str, location: str, problem: str) -> ConfigurationError:
    return ConfigurationError(
        f"{manifest}, {location}: {problem}",
        remedy='Write one object a line, such as {"uri": "papers/1.pdf"}.',
    )
