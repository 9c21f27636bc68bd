"""A lock on an open file, which the system frees when its process ends: :func:`lock_file`."""

from __future__ import annotations

import os
import sys

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

__all__ = ["lock_file"]


def lock_file(descriptor: int) -> None:
    """Lock an open file for this process alone, until it is closed.

    Raises:
        OSError: If another process holds it, or the file system has no locks.
    """
    if sys.platform == "win32":
        # Lock a byte far after the content, because others must be able to read the content.
        os.lseek(descriptor, 2**20, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
