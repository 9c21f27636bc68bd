"""Creates files in a folder, and never writes through a link that somebody put there."""

from __future__ import annotations

import os
import secrets
import stat
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

from ..errors import OutputError

__all__ = ["OutputFolder", "disk_errors"]

BY_DESCRIPTOR: Final = {os.open, os.mkdir, os.stat, os.rename, os.unlink} <= os.supports_dir_fd
"""Whether this system can name files relative to an open folder. Windows cannot."""

_FOLDER: Final = (
    getattr(os, "O_PATH", os.O_RDONLY) | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)
)
_LISTED: Final = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)
_NO_LINK: Final = getattr(os, "O_NOFOLLOW", 0)
_NEW: Final = (
    os.O_WRONLY
    | os.O_CREAT
    | os.O_EXCL
    | _NO_LINK
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)


class OutputFolder:
    """An open folder for results.

    Files are created under random names that did not exist (``O_EXCL``) and renamed when they
    are whole. A rename replaces a link instead of following it, so no planted link leads out.

    Args:
        path: As the user named it; it may itself be a link.
        make: Whether to create it if it is missing.

    Raises:
        OSError, ValueError: If it cannot be made or opened, or nothing can have this name.
    """

    def __init__(self, path: Path, *, make: bool = True) -> None:
        if make:
            path.mkdir(parents=True, exist_ok=True)
        self._hold(path, os.open(path, _FOLDER) if BY_DESCRIPTOR else None)

    def inside(self, name: str) -> OutputFolder:
        """A folder in this one, created if missing; OutputError if it is a link."""
        with suppress(FileExistsError):
            os.mkdir(self._named(name), dir_fd=self._descriptor)
        path = self.path / name
        found = os.stat(self._named(name), dir_fd=self._descriptor, follow_symlinks=False)
        if stat.S_ISLNK(found.st_mode) or (
            self._descriptor is None and path.resolve().parent != self.path.resolve()
        ):
            raise OutputError(
                "this folder is a link to another folder",
                source=str(path),
                remedy="Remove the link, or write into a new folder.",
            )
        folder = OutputFolder.__new__(OutputFolder)
        descriptor = self._descriptor
        if descriptor is not None:
            # If a link has replaced the folder by now, this fails.
            descriptor = os.open(name, _FOLDER | _NO_LINK, dir_fd=descriptor)
        folder._hold(path, descriptor)
        return folder

    def _hold(self, path: Path, descriptor: int | None) -> None:
        self.path = path
        self._descriptor = descriptor
        if descriptor is not None:
            self._close = weakref.finalize(self, os.close, descriptor)

    def close(self) -> None:
        """Close the folder; safe to call twice."""
        if self._descriptor is not None:
            self._close()

    def create(self, suffix: str) -> tuple[str, int]:
        """A new file under a random name: the name, and a descriptor open for writing."""
        name = f".writing-{secrets.token_hex(8)}{suffix}"
        return name, os.open(self._named(name), _NEW, 0o666, dir_fd=self._descriptor)

    def rename(self, old: str, new: str) -> None:
        """Give a file its final name, in place of a file or link that has it."""
        os.replace(
            self._named(old),
            self._named(new),
            src_dir_fd=self._descriptor,
            dst_dir_fd=self._descriptor,
        )

    def has(self, name: str) -> bool:
        """Whether something has this name, a link included."""
        try:
            os.stat(self._named(name), dir_fd=self._descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True

    def names(self) -> tuple[str, ...]:
        """List what is in the folder."""
        if self._descriptor is None:
            return tuple(path.name for path in self.path.iterdir())
        # The folder's own descriptor may only name files.
        descriptor = os.open(".", _LISTED, dir_fd=self._descriptor)
        try:
            return tuple(os.listdir(descriptor))  # noqa: PTH208 - of a descriptor
        finally:
            os.close(descriptor)

    def remove(self, name: str) -> None:
        """Remove a file if it is there."""
        with suppress(FileNotFoundError):
            os.unlink(self._named(name), dir_fd=self._descriptor)

    @contextmanager
    def new_file(self, name: str) -> Iterator[IO[bytes]]:
        """A file that gets its name at the end of the block; after an error nothing is left."""
        temporary, descriptor = self.create(Path(name).suffix)
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
            self.rename(temporary, name)
        except BaseException:
            self.remove(temporary)
            raise

    def _named(self, name: str) -> str:
        return name if self._descriptor is not None else str(self.path / name)


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turns an OSError into an OutputError with a remedy."""
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"cannot write to this folder ({error.strerror or error})",
            source=str(folder).replace("\0", "?"),
            remedy="Name a folder that you may write to, on a disk with free space.",
        ) from error
