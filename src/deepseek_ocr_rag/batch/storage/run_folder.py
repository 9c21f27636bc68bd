"""Writes the files of a run whole or not at all: :class:`RunFolder`."""

from __future__ import annotations

import errno
import json
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any, Final

from ...concurrency.file_lock import lock_file
from ...errors import OutputError
from .locations import StoragePath, located

__all__ = ["RunFolder"]

_DRAFT: Final = re.compile(r"\..+\.\d+-[0-9a-f]{8}")
"""The name of a file that is being written; other hidden files are not ours."""


LOCK: Final = ".lock"

_TAKEN: Final = (errno.EAGAIN, errno.EACCES, errno.EDEADLK)
"""The error codes for a file that another process has locked; other codes mean that the file system
has no locks."""


class RunFolder:
    """Writes files under a temporary name, flushes them to the disk, and renames them.

    On an object store, an object appears only when its upload has ended, which has the same effect.

    Args:
        uri: A folder of this machine, or a URL such as ``s3://bucket/folder``.
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self._root: StoragePath | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return RunFolder, (self.uri,)

    @property
    def root(self) -> StoragePath:
        """Where it is."""
        if self._root is None:
            self._root = located(self.uri)
        return self._root

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes from running here; they would read every page again.

        An object store has no locks, so this does nothing there.

        Raises:
            OutputError: If another process runs here, or the folder cannot be made.
        """
        if not self.root.local:
            yield
            return
        path = self._local(LOCK)
        with self._told():
            path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            try:
                lock_file(file)
            except OSError as error:
                if error.errno in _TAKEN:
                    raise OutputError(
                        f"another process is writing to {self.uri}",
                        remedy="Wait for it or stop it, or choose another folder.",
                    ) from error
            yield
        finally:
            os.close(file)

    def exists(self, name: str) -> bool:
        """Whether there is such a file."""
        if self.root.local:
            return self._local(name).is_file()
        from pyarrow import fs

        info = self.root.files.get_file_info(self.root.inside(name).path)
        return bool(info.type == fs.FileType.File)

    def names(self, folder: str) -> list[str]:
        """The sorted names of the files in a subfolder; empty if there is no such folder."""
        from pyarrow import fs

        path = self.root.inside(folder).path
        selector = fs.FileSelector(path, allow_not_found=True)
        with self._told():
            found = self.root.files.get_file_info(selector)
        names = (PurePosixPath(each.path).name for each in found if each.type == fs.FileType.File)
        return sorted(name for name in names if not name.startswith("."))

    def size(self, name: str) -> int:
        """Bytes of a file."""
        with self._told():
            info = self.root.files.get_file_info(self.root.inside(name).path)
        return int(info.size or 0)

    def read(self, name: str) -> bytes:
        """The bytes of a file.

        Raises:
            OutputError: If it cannot be read.
        """
        with self._told(), self.root.files.open_input_stream(self.root.inside(name).path) as file:
            return bytes(file.read())

    def read_json(self, name: str) -> dict[str, Any]:
        """What :meth:`write_json` wrote.

        Raises:
            OutputError: If it cannot be read, or is not a JSON object.
        """
        try:
            value = json.loads(self.read(name))
        except ValueError as error:
            raise OutputError(
                f"{name} in {self.uri} is damaged ({error})", remedy="Remove it, and run again."
            ) from error
        if not isinstance(value, dict):
            raise OutputError(f"{name} in {self.uri} is not ours", remedy="Choose another folder.")
        return value

    @contextmanager
    def new_file(self, name: str) -> Iterator[Any]:
        """A binary file that gets its name when the context ends without an error.

        Raises:
            OutputError: If it cannot be written.
        """
        with self._told():
            if self.root.local:
                with _new_local_file(self._local(name)) as file:
                    yield file
            else:
                with self._upload(name) as file:
                    yield file

    def write_json(self, name: str, value: dict[str, Any]) -> None:
        """Write a JSON object, one key a line."""
        text = json.dumps(value, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
        data = text.encode("utf-8", "replace")
        with self.new_file(name) as file:
            file.write(data)

    def touch(self, name: str) -> None:
        """Make an empty file, which may be lost in a power cut."""
        with self._told():
            if self.root.local:
                path = self._local(name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
            else:
                self._upload(name).close()

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        with self._told():
            if self.root.local:
                self._local(name).unlink(missing_ok=True)
            else:
                with suppress(FileNotFoundError):
                    self.root.files.delete_file(self.root.inside(name).path)

    def clear(self, folder: str) -> None:
        """Remove all files of a subfolder."""
        for name in self.names(folder):
            self.remove(f"{folder}/{name}")

    def remove_drafts(self, folder: str) -> None:
        """Remove the unfinished files of killed processes in a subfolder."""
        if self.root.local:
            with self._told():
                for path in self._local(folder).glob(".*"):
                    if _DRAFT.fullmatch(path.name):
                        path.unlink(missing_ok=True)

    def remove_folder(self, folder: str) -> None:
        """Remove an empty subfolder."""
        if self.root.local:
            with suppress(OSError):
                self._local(folder).rmdir()

    @contextmanager
    def open_table(self, name: str) -> Iterator[Any]:
        """A Parquet file, to be read row group by row group."""
        from pyarrow import parquet

        with self._told(), self.root.files.open_input_file(self.root.inside(name).path) as file:
            yield parquet.ParquetFile(file)

    def _upload(self, name: str) -> Any:  # noqa: ANN401 - a pyarrow stream
        path = self.root.inside(name).path
        try:
            return self.root.files.open_output_stream(path)
        except FileNotFoundError:  # a store that has folders
            self.root.files.create_dir(path.rpartition("/")[0], recursive=True)
            return self.root.files.open_output_stream(path)

    def _local(self, name: str) -> Path:
        return Path(self.root.path) / name

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OutputError(
                f"{self.uri} cannot be used ({error.strerror or error})",
                remedy="Check its permissions and its space; the same command then goes on.",
            ) from error


@contextmanager
def _new_local_file(final: Path) -> Iterator[Any]:
    # The dot hides it from listings of the shards; the random part keeps two processes apart.
    draft = final.with_name(f".{final.name}.{os.getpid()}-{secrets.token_hex(4)}")
    try:
        file = draft.open("xb")
    except FileNotFoundError:
        final.parent.mkdir(parents=True, exist_ok=True)
        file = draft.open("xb")
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(final)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    _flush_folder(final.parent)


def _flush_folder(folder: Path) -> None:
    """Make a new name survive a power cut, if the system can."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
