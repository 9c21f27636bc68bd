"""Gets the bytes of a document, which the user passes as a path, bytes, a file object or a URL.

A file is copied once, and every page is read from the copy. So the pages are those of one
document even if another program replaces the file meanwhile or writes to it.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
import time
from collections.abc import Generator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from ..errors import (
    ConfigurationError,
    CorruptSourceError,
    SourceError,
    SourceNotAllowedError,
    SourceNotFoundError,
    UnsupportedSourceError,
)
from ..setting_names import near_name
from .allowed_paths import FileInside
from .fetch_policy import FetchPolicy
from .limits import Limits
from .renderers.content import Content, too_large
from .urls import is_url, public_name

__all__ = ["SourceInput", "read_input"]

SourceInput = str | os.PathLike[str] | bytes | BinaryIO | FileInside
"""Anything that can be opened as a document."""

_CHUNK = 1024 * 1024

_TICK_SECONDS = 0.02
"""Seconds. Two changes of a file that are closer together may get the same timestamp, because Linux
counts in steps of 1 to 10 milliseconds."""

_MOST_NAMES = 1000
"""Most names in a folder that are compared with a misspelled one."""

# If a pipe replaces the file, opening it must not wait for a writer.
_FILE = os.O_RDONLY | sum(
    getattr(os, name, 0) for name in ("O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC", "O_BINARY")
)

_REAL_FILES = (io.FileIO, io.BufferedReader, io.BufferedRandom)
"""File objects that can be asked for their descriptor without changing them."""


def read_input(
    source: SourceInput, limits: Limits, allow_urls: bool | FetchPolicy, name: str | None
) -> Content:
    """Get the bytes of a document; arguments and errors as for ``open_source``."""
    if isinstance(source, str) and is_url(source):
        return _from_url(source, limits, allow_urls, name)
    if isinstance(source, str | os.PathLike):
        return _from_path(Path(source), limits, name or os.fspath(source))
    if isinstance(source, FileInside):
        return _from_inside(source, limits, name or source.path)
    if isinstance(source, bytes | bytearray | memoryview):
        return _from_bytes(bytes(source), limits, name or "<bytes>")
    if hasattr(source, "read"):
        own = getattr(source, "name", None)
        label = name or (own if isinstance(own, str) else "<stream>")
        if isinstance(source, _REAL_FILES) and _is_regular(source):
            return _copied(source, limits, label)
        with closing(_pieces(source, label)) as pieces:
            return _nonempty(Content.from_stream(label, pieces, limits))
    raise ConfigurationError(
        f"cannot open a {type(source).__name__} as a document",
        remedy="Pass a path, bytes, a file opened in binary mode, or a URL.",
    )


def _from_path(path: Path, limits: Limits, name: str) -> Content:
    try:
        status = path.stat()
        # Opening a pipe or a device could wait forever.
        if not stat.S_ISREG(status.st_mode):
            raise _not_a_file(status, name)
        with os.fdopen(os.open(path, _FILE), "rb") as file:
            return _copied(file, limits, name)
    except PermissionError as error:
        raise _unreadable(name) from error
    except SourceError:
        raise
    except (OSError, ValueError) as error:
        raise SourceNotFoundError(
            "there is no such file", source=name, remedy=f"{_near_file(path)}Check the path."
        ) from error


def _near_file(path: Path) -> str:
    """Return "Did you mean ...? " with a similar name in the same folder; "" if there is none."""
    try:
        with os.scandir(path.parent) as entries:
            names = [entry.name for entry in islice(entries, _MOST_NAMES)]
    except (OSError, ValueError):
        return ""
    near = near_name(path.name, names)
    return f"Did you mean {os.fspath(path.with_name(near))!r}? " if near else ""


def _not_a_file(status: os.stat_result, name: str) -> SourceError:
    if stat.S_ISDIR(status.st_mode):
        return SourceNotFoundError(
            "it is a folder, not a file",
            source=name,
            remedy="Name a file in it, or use Reader.read_folder.",
        )
    return UnsupportedSourceError(
        "it is a pipe, a socket or a device, not a regular file",
        source=name,
        remedy="Save the document to a file first.",
    )


def _from_inside(source: FileInside, limits: Limits, name: str) -> Content:
    with source.open() as file:
        return _copied(file, limits, name)


def _copied(file: BinaryIO, limits: Limits, name: str) -> Content:
    """Copy an open file, and check that it did not change meanwhile."""
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode):
        raise _not_a_file(status, name)
    if status.st_size > limits.file_bytes:
        raise too_large(name, f"{status.st_size:,}", limits)
    with closing(_pieces(file, name)) as pieces:
        content = Content.from_stream(name, pieces, limits)
    try:
        _check_unchanged(file, status, content)
        return _nonempty(content)
    except BaseException:
        content.close()
        raise


def _check_unchanged(file: BinaryIO, before: os.stat_result, content: Content) -> None:
    """Raise CorruptSourceError if a file changed while it was copied."""
    after = os.fstat(file.fileno())
    changed = _written(after) != _written(before)
    recent = abs(time.time() - after.st_ctime) < _TICK_SECONDS
    if not changed and (recent or after.st_ctime_ns != before.st_ctime_ns):
        # Its name or permissions may have changed, or its bytes, with the time set back. Only the
        # bytes can tell, read again once any further change would get another timestamp.
        time.sleep(_TICK_SECONDS)
        digest = hashlib.sha256()
        for piece in _pieces(file, content.name):
            digest.update(piece)
        changed = digest.hexdigest() != content.sha256()
        changed = changed or _written(os.fstat(file.fileno())) != _written(before)
    if changed:
        raise CorruptSourceError(
            "another program changed the file while it was read",
            source=content.name,
            remedy="Wait until that program has finished, and read it again.",
        )


def _written(status: os.stat_result) -> tuple[int, int]:
    return status.st_size, status.st_mtime_ns


def _unreadable(name: str) -> SourceNotAllowedError:
    return SourceNotAllowedError(
        "you have no permission to read it", source=name, remedy="Change its permissions."
    )


def _from_bytes(data: bytes, limits: Limits, name: str) -> Content:
    if len(data) > limits.file_bytes:
        raise too_large(name, f"{len(data):,}", limits)
    return _nonempty(Content(name, len(data), data=data))


def _from_url(
    url: str, limits: Limits, allow_urls: bool | FetchPolicy, name: str | None
) -> Content:
    label = name or public_name(url)
    if not allow_urls:
        raise SourceNotAllowedError(
            "URLs are not allowed",
            source=label,
            remedy="Download the file first, or pass allow_urls=True.",
        )
    from .fetch import download  # it imports an HTTP client, which takes 0.1 s

    policy = allow_urls if isinstance(allow_urls, FetchPolicy) else FetchPolicy()
    with closing(download(url, policy)) as pieces:
        return _nonempty(Content.from_stream(label, pieces, limits))


def _pieces(stream: BinaryIO, name: str) -> Generator[bytes, None, None]:
    try:
        if stream.seekable():
            stream.seek(0)
        while piece := stream.read(_CHUNK):
            if not isinstance(piece, bytes):
                raise ConfigurationError(
                    "the file object returns text", source=name, remedy='Open it in mode "rb".'
                )
            yield piece
    except (OSError, ValueError) as error:
        if isinstance(error, ConfigurationError):
            raise
        raise CorruptSourceError(
            f"cannot read the file object ({error})", source=name, remedy="Open it again."
        ) from error


def _is_regular(stream: BinaryIO) -> bool:
    try:
        return stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    except (OSError, ValueError):
        return False


def _nonempty(content: Content) -> Content:
    if content.size == 0:
        raise CorruptSourceError(
            "the file is empty", source=content.name, remedy="Get an intact copy."
        )
    return content
