"""Gets the bytes of what a user passes as a document: path, bytes, file object or URL."""

from __future__ import annotations

import os
import stat
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

from ..errors import (
    ConfigurationError,
    CorruptSourceError,
    SourceNotAllowedError,
    SourceNotFoundError,
    UnsupportedSourceError,
)
from .allowed_paths import FileInside
from .fetch import download, is_url, public_name
from .fetch_policy import FetchPolicy
from .limits import Limits
from .renderers.content import Content, too_large

__all__ = ["SourceInput", "read_input"]

SourceInput = str | os.PathLike[str] | bytes | BinaryIO | FileInside
"""Anything that can be opened as a document."""

_CHUNK = 1024 * 1024


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
        with closing(_pieces(source, label)) as pieces:
            return _nonempty(Content.from_stream(label, pieces, limits))
    raise ConfigurationError(
        f"cannot open a {type(source).__name__} as a document",
        remedy="Pass a path, bytes, a file opened in binary mode, or a URL.",
    )


def _from_path(path: Path, limits: Limits, name: str) -> Content:
    try:
        status = path.stat()
    except PermissionError as error:
        raise _unreadable(name) from error
    except (OSError, ValueError) as error:
        raise SourceNotFoundError(
            "there is no such file", source=name, remedy="Check the path."
        ) from error
    if stat.S_ISDIR(status.st_mode):
        raise SourceNotFoundError(
            "it is a folder, not a file", source=name, remedy="Name the files in it."
        )
    # Opening a pipe or a device could wait forever.
    if not stat.S_ISREG(status.st_mode):
        raise UnsupportedSourceError(
            "it is a pipe, a socket or a device, not a regular file",
            source=name,
            remedy="Save the document to a file first.",
        )
    if not os.access(path, os.R_OK):
        raise _unreadable(name)
    if status.st_size > limits.file_bytes:
        raise too_large(name, f"{status.st_size:,}", limits)
    return _nonempty(Content(name, status.st_size, path=path))


def _from_inside(source: FileInside, limits: Limits, name: str) -> Content:
    # Copied, because its name may lead to another file later.
    with source.open() as file, closing(_pieces(file, name)) as pieces:
        size = os.fstat(file.fileno()).st_size
        if size > limits.file_bytes:
            raise too_large(name, f"{size:,}", limits)
        return _nonempty(Content.from_stream(name, pieces, limits))


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
            f"the file object cannot be read ({error})", source=name, remedy="Open it again."
        ) from error


def _nonempty(content: Content) -> Content:
    if content.size == 0:
        raise CorruptSourceError(
            "the file is empty", source=content.name, remedy="Get an intact copy."
        )
    return content
