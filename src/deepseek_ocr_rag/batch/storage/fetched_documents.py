"""Makes documents available as local files, wherever they are: :class:`FetchedDocuments`."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from ...errors import (
    ConfigurationError,
    CorruptSourceError,
    LimitExceededError,
    OutputError,
    SourceNotAllowedError,
    SourceNotFoundError,
)
from ...sources.fetch_policy import FetchPolicy
from ...sources.limits import Limits
from ...sources.source import Source, open_source
from ...sources.urls import public_name
from .locations import is_remote, is_web, located, shown_uri

__all__ = ["FetchedDocuments"]

KEPT: Final = 8
"""How many fetched documents are kept, so that the next unit does not fetch them again."""

_PIECE: Final = 2**20


class FetchedDocuments:
    """Fetches documents from other machines once, and keeps the latest ones. Thread-safe.

    Args:
        limits: How large a document may be.
        urls: Which http and https URLs may be fetched; None for none.
    """

    def __init__(self, limits: Limits, urls: FetchPolicy | None) -> None:
        self._limits = limits
        self._urls = urls
        self._folder: Path | None = None
        self._files: OrderedDict[str, Path] = OrderedDict()
        self._used: dict[str, int] = {}
        self._lock = threading.Lock()
        self._fetching: dict[str, threading.Lock] = {}

    @contextmanager
    def path(self, uri: str) -> Iterator[Path]:
        """The document as a file, which exists while the context lasts.

        Raises:
            SourceError: If it cannot be fetched.
        """
        if not is_remote(uri):
            yield _local_path(uri)
            return
        with self._lock:
            self._used[uri] = self._used.get(uri, 0) + 1
            fetching = self._fetching.setdefault(uri, threading.Lock())
        try:
            with fetching:
                path = self._found(uri) or self._fetched(uri)
            yield path
        finally:
            with self._lock:
                self._used[uri] -= 1
                self._forget()

    @contextmanager
    def source(self, uri: str, *, password: str | None, renderer: str) -> Iterator[Source]:
        """The opened document.

        Raises:
            SourceError: If it cannot be fetched or opened.
        """
        with (
            self.path(uri) as path,
            open_source(
                path,
                password=password,
                renderer=renderer,
                limits=self._limits,
                name=shown_uri(uri),
            ) as source,
        ):
            yield source

    def close(self) -> None:
        """Remove all that was fetched."""
        with self._lock:
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)

    def _found(self, uri: str) -> Path | None:
        with self._lock:
            if uri in self._files:
                self._files.move_to_end(uri)
            return self._files.get(uri)

    def _fetched(self, uri: str) -> Path:
        path = self._kept_in() / hashlib.sha256(uri.encode("utf-8", "replace")).hexdigest()
        try:
            with path.open("wb") as file:
                self._copy(uri, file.write)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        with self._lock:
            self._files[uri] = path
        return path

    def _kept_in(self) -> Path:
        """The folder, made when it is first needed. A killed process cannot remove its folder."""
        with self._lock:
            if self._folder is None:
                self._folder = Path(tempfile.mkdtemp(prefix="dsocr-batch-"))
                # Engines drop their readers without closing them, which a TemporaryDirectory warns of.
                weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
            return self._folder

    def _copy(self, uri: str, write: Callable[[bytes], object]) -> None:
        size = 0
        with closing(self._pieces(uri)) as pieces:
            for piece in pieces:
                size += len(piece)
                if size > self._limits.file_bytes:
                    raise LimitExceededError(
                        f"it has more than {self._limits.file_bytes:,} bytes",
                        source=public_name(uri),
                        remedy="Split it, or raise Limits(file_bytes=...).",
                    )
                write(piece)

    def _pieces(self, uri: str) -> Any:  # noqa: ANN401 - generators of two kinds
        if not is_web(uri):
            return _stored_pieces(uri)
        if self._urls is None:
            raise SourceNotAllowedError(
                "URLs are not allowed",
                source=public_name(uri),
                remedy="Download the file first, or pass allow_urls=True.",
            )
        from ...sources.fetch import download

        return download(uri, self._urls)

    def _forget(self) -> None:
        """Remove the oldest unused files; the caller holds the lock."""
        for uri in list(self._files):
            if len(self._files) <= KEPT:
                break
            if not self._used.get(uri):
                self._files.pop(uri).unlink(missing_ok=True)
        for uri in [uri for uri, count in self._used.items() if not count]:
            if uri not in self._files:
                del self._used[uri]
                self._fetching.pop(uri, None)


def _local_path(uri: str) -> Path:
    if uri.lower().startswith("file://"):
        return Path(unquote(urlsplit(uri).path))
    return Path(uri)


def _stored_pieces(uri: str) -> Iterator[bytes]:
    name = public_name(uri)
    try:
        location = located(uri)
        with location.files.open_input_stream(location.path) as file:
            while piece := file.read(_PIECE):
                yield piece
    except FileNotFoundError as error:
        raise SourceNotFoundError(
            "there is no such file", source=name, remedy="Check the address."
        ) from error
    except PermissionError as error:
        raise SourceNotAllowedError(
            "you have no permission to read it", source=name, remedy="Check the credentials."
        ) from error
    except ConfigurationError as error:
        raise CorruptSourceError(error.problem, source=name, remedy=error.remedy) from error
    except (OSError, OutputError) as error:
        raise CorruptSourceError(
            f"it cannot be fetched ({error})", source=name, remedy="Check the address."
        ) from error
