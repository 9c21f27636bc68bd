"""Finds the folder for cached pages, and makes it private to this user."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import Final

from ..errors import ConfigurationError

__all__ = ["default_cache_folder", "make_private"]

NAME: Final = "deepseek-ocr-rag"


def default_cache_folder() -> Path:
    """``DSOCR_CACHE_DIR``, or else the system's folder for caches.

    The latter is ``$XDG_CACHE_HOME`` or ``~/.cache`` (XDG Base Directory Specification),
    ``~/Library/Caches`` on macOS, and ``%LOCALAPPDATA%`` on Windows.
    """
    named = os.environ.get("DSOCR_CACHE_DIR")
    if named:
        return Path(named).expanduser().absolute()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA")
        return Path(base) / NAME / "cache" if base else _home() / "AppData" / "Local" / NAME
    if sys.platform == "darwin":
        return _home() / "Library" / "Caches" / NAME
    base = os.environ.get("XDG_CACHE_HOME")
    # The specification says to ignore a relative path.
    return (Path(base) if base and Path(base).is_absolute() else _home() / ".cache") / NAME


def make_private(folder: Path) -> None:
    """Create a folder that only this user can open, or restrict an existing one.

    Also raises OSError if it is a link, is not a folder, or belongs to another user.
    """
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.mkdir(exist_ok=True, mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise NotADirectoryError(20, "it is a link or not a folder", str(folder))
    if hasattr(os, "geteuid"):
        if found.st_uid != os.geteuid():
            raise PermissionError(13, "it belongs to another user", str(folder))
        if stat.S_IMODE(found.st_mode) != 0o700:
            folder.chmod(0o700)


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError as error:
        raise ConfigurationError(
            "this user has no home folder", remedy="Set DSOCR_CACHE_DIR, or read with cache=False."
        ) from error
