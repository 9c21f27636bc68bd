"""Which files of a folder this process has open: those of other threads come and go elsewhere."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

__all__ = ["open_below"]


def open_below(folder: Path) -> list[str]:
    """Open files and folders in a folder, and itself; also those that were deleted since."""
    listed = Path("/proc/self/fd")
    if not listed.is_dir():
        pytest.skip("this system does not list a process's open files")
    found = []
    for each in listed.iterdir():
        with suppress(FileNotFoundError):  # another thread has closed it meanwhile
            found.append(each.readlink())
    return sorted(str(path) for path in found if path.is_relative_to(folder.resolve()))
