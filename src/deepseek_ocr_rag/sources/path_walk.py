"""From a folder to a file below it, component by component, never out of the folder."""

from __future__ import annotations

import os
import stat
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Final

from ..errors import NotARegularFileError, PathEscapesError

__all__ = ["walk_inside"]

LONGEST_WAY: Final = 40
"""Symbolic links that are followed, as many as Linux follows."""

BY_DESCRIPTOR: Final = {os.open, os.stat, os.readlink} <= os.supports_dir_fd and hasattr(
    os, "O_NOFOLLOW"
)
"""Whether this system opens relative to an opened folder. Windows does not."""

_FOLDER: Final = (
    getattr(os, "O_PATH", os.O_RDONLY)
    | getattr(os, "O_DIRECTORY", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_CLOEXEC", 0)
)
# Should a pipe take the file's place, opening it must not wait for a writer.
_FILE: Final = (
    os.O_RDONLY
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)
_KERNEL_SYSTEMS: Final = frozenset(
    {"proc", "sysfs", "cgroup", "cgroup2", "debugfs", "tracefs", "securityfs", "devtmpfs", "devpts"}
    | {"configfs", "pstore", "bpf", "efivarfs", "mqueue", "binfmt_misc", "fusectl", "selinuxfs"}
)


def walk_inside(base: Path, path: str) -> tuple[int, tuple[str, ...]]:
    """Open a file below a folder.

    Args:
        base: The folder, absolute; links in this path itself are followed.
        path: Relative to it, or absolute, with forward slashes and without "..".

    Returns:
        A descriptor, open for reading, and the way to the file from the folder,
        without links.

    Raises:
        LeadsOutError: If the path, or a link on it, leads out of the folder.
        NoRegularFileError: If it is a folder, a pipe, a socket, a device or
            something that the kernel makes up.
        OSError: If there is no such file, or it cannot be opened.
        ValueError: If no file can have this name.
    """
    wanted = _below(base, path) if path.startswith("/") else _components(path)
    if not BY_DESCRIPTOR:
        return _opened_by_name(base, wanted)
    with _Way(base) as way:
        return way.follow(wanted)


class _Way:
    """The opened folders from the base down to where we stand; a context that closes them."""

    def __init__(self, base: Path) -> None:
        self._base = base
        # The base is the user's own word: it may be a link.
        self._folders = [os.open(base.resolve(strict=True), _FOLDER)]
        self._names: list[str] = []
        self._links = 0

    def __enter__(self) -> _Way:
        return self

    def __exit__(self, *exception: object) -> None:
        for folder in self._folders:
            os.close(folder)

    def follow(self, wanted: Sequence[str]) -> tuple[int, tuple[str, ...]]:
        ahead = deque(wanted)
        while ahead:
            name = ahead.popleft()
            if name == "..":  # of a link's target: our way back, not the system's
                self._back()
                continue
            found = os.stat(name, dir_fd=self._folders[-1], follow_symlinks=False)
            if stat.S_ISLNK(found.st_mode):
                ahead.extendleft(reversed(self._target(name)))
            elif ahead or stat.S_ISDIR(found.st_mode):
                self._folders.append(os.open(name, _FOLDER, dir_fd=self._folders[-1]))
                self._names.append(name)
            else:
                return self._opened(name, found), (*self._names, name)
        raise NotARegularFileError

    def _back(self) -> None:
        if not self._names:
            raise PathEscapesError
        self._names.pop()
        os.close(self._folders.pop())

    def _target(self, name: str) -> list[str]:
        """Where a link leads, from the folder where we then stand."""
        self._links += 1
        if self._links > LONGEST_WAY:
            raise PathEscapesError
        target = os.readlink(name, dir_fd=self._folders[-1])
        if not target.startswith("/"):
            return _components(target)
        wanted = _below(self._base, target)
        while self._names:
            self._back()
        return wanted

    def _opened(self, name: str, found: os.stat_result) -> int:
        _check_regular(found)
        opened = os.open(name, _FILE, dir_fd=self._folders[-1])
        try:
            # What was found may have been exchanged since; what is open may not.
            _check_regular(os.fstat(opened), opened=True)
        except BaseException:
            os.close(opened)
            raise
        return opened


def _opened_by_name(base: Path, wanted: Sequence[str]) -> tuple[int, tuple[str, ...]]:
    """Where there are no descriptors of folders: what was opened must be what was found."""
    target, way = _resolved(base, wanted)
    _check_regular(target.stat())
    opened = os.open(target, _FILE)
    try:
        again, way = _resolved(base, wanted)
        if not os.path.samestat(os.fstat(opened), again.stat()):
            raise PathEscapesError
    except BaseException:
        os.close(opened)
        raise
    return opened, way


def _resolved(base: Path, wanted: Sequence[str]) -> tuple[Path, tuple[str, ...]]:
    root = base.resolve(strict=True)
    target = root.joinpath(*wanted).resolve()
    if not target.is_relative_to(root):
        raise PathEscapesError
    if not target.is_file() and target.exists():
        raise NotARegularFileError
    return target.resolve(strict=True), target.relative_to(root).parts


def _below(base: Path, path: str) -> list[str]:
    """The components of an absolute path behind those of the folder."""
    ahead = _components(path)
    for root in dict.fromkeys((base.resolve(strict=True), base)):
        own = _components(root.as_posix())
        if ahead[: len(own)] == own:
            return ahead[len(own) :]
    raise PathEscapesError


def _components(path: str) -> list[str]:
    return [name for name in path.split("/") if name not in ("", ".")]


def _check_regular(found: os.stat_result, *, opened: bool = False) -> None:
    if not stat.S_ISREG(found.st_mode) or (opened and _made_by_kernel(found.st_dev)):
        raise NotARegularFileError


@lru_cache(maxsize=256)
def _made_by_kernel(device: int) -> bool:
    """Whether the kernel makes up the files of a file system; known on Linux."""
    with suppress(OSError, ValueError), Path("/proc/self/mountinfo").open(encoding="utf-8") as file:
        for line in file:
            mount, _, system = line.partition(" - ")
            major, _, minor = mount.split(" ")[2].partition(":")
            if os.makedev(int(major), int(minor)) == device:
                return system.split(" ", 1)[0] in _KERNEL_SYSTEMS
    return False
