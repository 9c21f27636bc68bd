"""Walks from a folder to a file below it, component by component, and never leaves the folder."""

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

MOST_LINKS: Final = 40
"""Most symbolic links to follow, as on Linux."""

BY_DESCRIPTOR: Final = {os.open, os.stat, os.readlink} <= os.supports_dir_fd and hasattr(
    os, "O_NOFOLLOW"
)
"""Whether this system can open files relative to an open folder. Windows cannot."""

_FOLDER: Final = (
    getattr(os, "O_PATH", os.O_RDONLY)
    | getattr(os, "O_DIRECTORY", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_CLOEXEC", 0)
)
# If a pipe replaces the file, opening it must not wait for a writer.
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
        base: The absolute path of the folder; links on it are followed.
        path: The file, relative or absolute, with forward slashes and without "..".

    Returns:
        A descriptor, open for reading, and the components of the path from the folder, without
        links.

    Raises:
        PathEscapesError: If the path or a link on it leads out of the folder.
        NotARegularFileError: If it is not a regular file on disk.
        OSError: If it cannot be opened.
        ValueError: If no file can have this name.
    """
    parts = _below(base, path) if path.startswith("/") else _components(path)
    if not BY_DESCRIPTOR:
        return _open_by_name(base, parts)
    with _Walk(base) as walk:
        return walk.follow(parts)


class _Walk:
    """The open folders from the base to the current one; a context that closes them."""

    def __init__(self, base: Path) -> None:
        self._base = base
        # The user named the base: it may be a link.
        self._folders = [os.open(base.resolve(strict=True), _FOLDER)]
        self._names: list[str] = []
        self._links = 0

    def __enter__(self) -> _Walk:
        return self

    def __exit__(self, *exception: object) -> None:
        for folder in self._folders:
            os.close(folder)

    def follow(self, parts: Sequence[str]) -> tuple[int, tuple[str, ...]]:
        ahead = deque(parts)
        while ahead:
            name = ahead.popleft()
            if name == "..":  # only from a link's target; goes back the way it came
                self._back()
                continue
            found = os.stat(name, dir_fd=self._folders[-1], follow_symlinks=False)
            if stat.S_ISLNK(found.st_mode):
                ahead.extendleft(reversed(self._target(name)))
            elif ahead or stat.S_ISDIR(found.st_mode):
                self._folders.append(os.open(name, _FOLDER, dir_fd=self._folders[-1]))
                self._names.append(name)
            else:
                return self._open(name, found), (*self._names, name)
        raise NotARegularFileError

    def _back(self) -> None:
        if not self._names:
            raise PathEscapesError
        self._names.pop()
        os.close(self._folders.pop())

    def _target(self, name: str) -> list[str]:
        """Return the components of a link's target, relative to the folder that is then current."""
        self._links += 1
        if self._links > MOST_LINKS:
            raise PathEscapesError
        target = os.readlink(name, dir_fd=self._folders[-1])
        if not target.startswith("/"):
            return _components(target)
        parts = _below(self._base, target)
        while self._names:
            self._back()
        return parts

    def _open(self, name: str, found: os.stat_result) -> int:
        _check_regular(found)
        descriptor = os.open(name, _FILE, dir_fd=self._folders[-1])
        try:
            # By now the name may lead to another file, but the descriptor cannot.
            _check_regular(os.fstat(descriptor), opened=True)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor


def _open_by_name(base: Path, parts: Sequence[str]) -> tuple[int, tuple[str, ...]]:
    """Open a file without folder descriptors, and check that the path still leads to it."""
    target, _ = _resolved(base, parts)
    _check_regular(target.stat())
    descriptor = os.open(target, _FILE)
    try:
        again, resolved = _resolved(base, parts)
        if not os.path.samestat(os.fstat(descriptor), again.stat()):
            raise PathEscapesError
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor, resolved


def _resolved(base: Path, parts: Sequence[str]) -> tuple[Path, tuple[str, ...]]:
    root = base.resolve(strict=True)
    target = root.joinpath(*parts).resolve()
    if not target.is_relative_to(root):
        raise PathEscapesError
    if not target.is_file() and target.exists():
        raise NotARegularFileError
    return target.resolve(strict=True), target.relative_to(root).parts


def _below(base: Path, path: str) -> list[str]:
    """Return the components of an absolute path after those of the folder."""
    ahead = _components(path)
    for root in dict.fromkeys((base.resolve(strict=True), base)):
        own = _components(root.as_posix())
        if ahead[: len(own)] == own:
            return ahead[len(own) :]
    raise PathEscapesError


def _components(path: str) -> list[str]:
    return [name for name in path.split("/") if name not in ("", ".")]


def _check_regular(found: os.stat_result, *, opened: bool = False) -> None:
    if not stat.S_ISREG(found.st_mode) or (opened and _generated_by_kernel(found.st_dev)):
        raise NotARegularFileError


@lru_cache(maxsize=256)
def _generated_by_kernel(device: int) -> bool:
    """Whether the kernel generates the files on a device; known only on Linux."""
    with suppress(OSError, ValueError), Path("/proc/self/mountinfo").open(encoding="utf-8") as file:
        for line in file:
            mount, _, system = line.partition(" - ")
            major, _, minor = mount.split(" ")[2].partition(":")
            if os.makedev(int(major), int(minor)) == device:
                return system.split(" ", 1)[0] in _KERNEL_SYSTEMS
    return False
