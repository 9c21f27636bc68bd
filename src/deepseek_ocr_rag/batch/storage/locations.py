"""Finds the file system of a location: this machine's, S3, GCS, or any that fsspec knows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ...errors import ConfigurationError, MissingExtraError
from ...installing import install_command
from ...sources.urls import public_name

__all__ = ["StoragePath", "is_remote", "is_web", "located", "shown_uri"]

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


@dataclass(frozen=True, slots=True)
class StoragePath:
    """A path on a file system of pyarrow.

    Attributes:
        files: A ``pyarrow.fs.FileSystem``.
        path: The path there, with slashes and without one at the end.
        local: Whether it is on this machine.
    """

    files: Any
    path: str
    local: bool

    def inside(self, *names: str) -> StoragePath:
        """The path of something below this one."""
        return StoragePath(self.files, "/".join((self.path, *names)), self.local)


def is_web(uri: str) -> bool:
    """Whether it is an http or https URL."""
    return uri.lower().startswith(("http://", "https://"))


def is_remote(uri: str) -> bool:
    """Whether it is on another machine: a URL that is not ``file://``."""
    found = _SCHEME.match(uri)
    return found is not None and found[1].lower() != "file"


def shown_uri(uri: str) -> str:
    """A path unchanged, or a URL without any password or signature."""
    return public_name(uri) if "://" in uri else uri


def located(uri: str) -> StoragePath:
    """Find the file system of a path or URL; credentials come from the environment.

    Raises:
        ConfigurationError: If there is no such file system, or it cannot be used.
        MissingExtraError: If fsspec, or a package that it needs here, is not installed.
    """
    from pyarrow import fs

    found = _SCHEME.match(uri)
    if found is None:
        return StoragePath(fs.LocalFileSystem(), str(Path(uri).absolute()), local=True)
    scheme = found[1].lower()
    if is_web(uri):
        raise ConfigurationError(
            f"{public_name(uri)} is a web address, which can be neither listed nor written",
            remedy="Name a folder, or an object store such as s3://bucket/folder.",
        )
    try:
        if scheme in ("file", "s3", "gs", "gcs"):
            files, path = fs.FileSystem.from_uri(uri)
            return StoragePath(files, path.rstrip("/"), local=scheme == "file")
        return _by_fsspec(uri)
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"{public_name(uri)} cannot be used ({error})",
            remedy="Check the address, and the credentials in the environment.",
        ) from error


def _by_fsspec(uri: str) -> StoragePath:
    from pyarrow import fs

    if "::" in uri:
        # A chained address, for example of a web page, would be fetched without the policy.
        raise ConfigurationError(
            f"{public_name(uri)} chains several file systems, which is not allowed",
            remedy="Name the document itself, or unpack it first.",
        )
    try:
        import fsspec

        files, path = fsspec.core.url_to_fs(uri)
    except ImportError as error:
        raise MissingExtraError(
            f"{public_name(uri)} needs a package that is not installed ({error})",
            remedy=install_command("batch"),
        ) from error
    handler = fs.FSSpecHandler(files)
    return StoragePath(fs.PyFileSystem(handler), path.rstrip("/"), local=False)
