"""The documents that a command names, checked before anything is read."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, BinaryIO, Final

from ..errors import ConfigurationError, LimitExceededError, SourceError
from ..sources.fetch_policy import FetchPolicy
from ..sources.folder_files import documents_in
from ..sources.limits import Limits
from ..sources.source import SourceInput, open_source, parse_page_selection
from ..sources.urls import is_url, public_name
from .exit_codes import report_error

__all__ = ["Documents", "NamedDocument", "given_limits", "limits_of"]

STANDARD_INPUT: Final = "-"
_PIECE: Final = 2**20


@dataclass(frozen=True, slots=True)
class NamedDocument:
    """A document that a command reads."""

    source: SourceInput
    name: str  # in results and messages
    path: str  # what its results are named after: relative to the folder that was given
    pages: int | None  # pages to read; None in folders, whose files are opened when they are read


class Documents:
    """The documents that a command names; a context that keeps them until the command is done.

    All of them are checked on entry, before anything is read: a file that is missing, damaged or
    encrypted, or a page that does not exist, is reported then.

    Args:
        options: The command's options.
        exit_code: The exit code of the first refused document; 0 if there is none.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self.exit_code = 0
        self._options = options
        self._limits = limits_of(options)
        self._documents: tuple[NamedDocument, ...] = ()
        self._open = ExitStack()

    def __enter__(self) -> Documents:
        try:
            self._documents = tuple(self._found())
        except BaseException:
            self._open.close()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self._open.close()

    def __iter__(self) -> Iterator[NamedDocument]:
        return iter(self._documents)

    def __len__(self) -> int:
        return len(self._documents)

    @property
    def total_pages(self) -> int | None:
        """Pages to read from all documents; None if some are counted only when they are read."""
        counts = [each.pages for each in self._documents]
        return None if None in counts else sum(count or 0 for count in counts)

    def refuse(self, error: SourceError) -> None:
        """Report that a document cannot be read, and keep the exit code."""
        code = report_error(error)
        self.exit_code = self.exit_code or code

    def _found(self) -> Iterator[NamedDocument]:
        names: Sequence[str] = self._options.files
        if names.count(STANDARD_INPUT) > 1:
            raise ConfigurationError("standard input can be read once", remedy="Write '-' once.")
        for name in names:
            try:
                yield from self._named(name)
            except SourceError as error:
                self.refuse(error)

    def _named(self, name: str) -> Iterable[NamedDocument]:
        if name == STANDARD_INPUT:
            return [
                self._looked_at(self._copied(_standard_input(), "standard input"), "-", "stdin")
            ]
        if is_url(name) and self._options.allow_url:
            from ..sources.fetch import download

            label = public_name(name)
            with closing(download(name, FetchPolicy())) as pieces:
                file = self._copied(pieces, label)
            return [self._looked_at(file, label, label)]
        if Path(name).is_dir():
            found = documents_in(name, match=self._options.match, recursive=not self._options.flat)
            return [
                NamedDocument(each, str(Path(name) / each.path), each.path, None) for each in found
            ]
        return [self._looked_at(name, name, name)]

    def _looked_at(self, source: SourceInput, name: str, path: str) -> NamedDocument:
        options = self._options
        with open_source(
            source,
            password=options.password,
            renderer=options.renderer,
            limits=self._limits,
            name=name,
        ) as opened:
            pages = parse_page_selection(options.pages, opened.page_count, source=opened.name)
        return NamedDocument(source, name, path, len(pages))

    def _copied(self, pieces: Iterable[bytes], name: str) -> BinaryIO:
        """Copy an input that can be read only once into a file."""
        file: IO[bytes] = self._open.enter_context(TemporaryFile())  # noqa: SIM115
        for piece in pieces:
            file.write(piece)
            if file.tell() > self._limits.file_bytes:
                raise LimitExceededError(
                    f"it has more than {self._limits.file_bytes:,} bytes",
                    source=name,
                    remedy="Split it, or raise Limits(file_bytes=...).",
                )
        file.flush()
        return file  # type: ignore[return-value]


def limits_of(options: argparse.Namespace) -> Limits:
    """The limits that ``--limit`` changes.

    Raises:
        ConfigurationError: If there is no such limit, or it is not a positive number.
    """
    return Limits(**given_limits(options))  # type: ignore[arg-type]


def given_limits(options: argparse.Namespace) -> dict[str, float]:
    """The values of ``--limit`` by their names.

    Raises:
        ConfigurationError: If one is not a name and a number.
    """
    given: dict[str, float] = {}
    for text in options.limit or ():
        name, _, value = text.partition("=")
        try:
            number = float(value)
        except ValueError:
            raise ConfigurationError(
                f"{text!r} is not a limit", remedy="Write it like --limit pages=20000."
            ) from None
        given[name] = int(number) if number.is_integer() else number
    return given


def _standard_input() -> Iterator[bytes]:
    stream = getattr(sys.stdin, "buffer", None)
    if stream is None:
        raise SourceError(
            "standard input is closed", source="-", remedy="Name a file, or pipe one in."
        )
    while piece := stream.read(_PIECE):
        yield piece
