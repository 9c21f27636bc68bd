"""The entries of a manifest and the units of work: :class:`ManifestEntry`, :class:`PageUnit`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field

__all__ = ["ManifestEntry", "PageUnit", "PlannedDocument", "page_units", "selection_text"]


@dataclass(frozen=True, slots=True)
class ManifestEntry:
    """One document of a manifest.

    Attributes:
        uri: Where it is: an absolute path, or a URL (s3, gs, http, https, or any that fsspec knows).
        id: What to call it in the results; by default its ``uri``, without a password.
        sha256: Hash of its bytes, 64 hex digits, if the manifest gives it; a document with another
            hash is refused.
        pages: Which pages, such as "1-3,7"; None for all.
        password: The password of an encrypted PDF.
    """

    uri: str
    id: str = ""
    sha256: str = ""
    pages: str | None = None
    password: str | None = field(default=None, repr=False)

    def digest(self) -> str:
        """Hash of all its fields, to notice that a manifest has changed."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class PageUnit:
    """A range of pages of one document: what is read, stored and repeated as a whole.

    Attributes:
        entry: Position of the document in the manifest, from 0.
        doc_id: What the document is called.
        uri: Where it is.
        sha256: Hash of its bytes when its pages were counted.
        pages: The pages, ascending, as a selection such as "1-32" or "33-40,42".
        configuration: Hash of the settings of the run.
        password: Of an encrypted PDF.
    """

    entry: int
    doc_id: str
    uri: str
    sha256: str
    pages: str
    configuration: str
    password: str | None = field(default=None, repr=False)

    @property
    def numbers(self) -> tuple[int, ...]:
        """The 1-based numbers of its pages."""
        return tuple(_numbers(self.pages))

    @property
    def name(self) -> str:
        """``sha256(document):first-last:configuration``."""
        numbers = self.numbers
        return f"{self.sha256}:{numbers[0]}-{numbers[-1]}:{self.configuration}"

    @property
    def file_name(self) -> str:
        """The name of its stored rows, unique in a run.

        Another document in the same line, or other pages, get another name, so that rows stored
        earlier are not mistaken for theirs.
        """
        numbers = self.numbers
        key = hashlib.sha256(f"{self.sha256}:{self.pages}".encode()).hexdigest()[:8]
        return f"{self.entry:010d}-{numbers[0]:06d}-{numbers[-1]:06d}-{key}"


@dataclass(frozen=True, slots=True)
class PlannedDocument:
    """A document whose pages were counted, or that cannot be opened.

    Attributes:
        entry: Position in the manifest, from 0.
        doc_id: What it is called.
        uri: Where it is, without a password.
        sha256: Hash of its bytes; "" if they could not be read.
        total_pages: Pages of the file; 0 if it cannot be opened.
        numbers: The pages to read; empty if it cannot be opened.
        error_type: Class of the error, if it cannot be opened.
        error: What the error says.
    """

    entry: int
    doc_id: str
    uri: str
    sha256: str = ""
    total_pages: int = 0
    numbers: tuple[int, ...] = ()
    error_type: str | None = None
    error: str | None = None


def page_units(
    document: PlannedDocument, entry: ManifestEntry, size: int, configuration: str
) -> Iterator[PageUnit]:
    """Cut the pages to read into units of at most ``size`` pages.

    The cuts are the same for every selection: pages 1 to 32, 33 to 64, and so on.
    """
    ranges: dict[int, list[int]] = {}
    for number in document.numbers:
        ranges.setdefault((number - 1) // size, []).append(number)
    for numbers in ranges.values():
        yield PageUnit(
            entry=document.entry,
            doc_id=document.doc_id,
            uri=entry.uri,
            sha256=document.sha256,
            pages=selection_text(numbers),
            configuration=configuration,
            password=entry.password,
        )


def selection_text(numbers: Sequence[int]) -> str:
    """Ascending page numbers as a selection: "1-3,7"."""
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return ",".join(f"{first}-{last}" if first < last else f"{first}" for first, last in ranges)


def _numbers(selection: str) -> Iterator[int]:
    for item in selection.split(","):
        first, _, last = item.partition("-")
        yield from range(int(first), int(last or first) + 1)
