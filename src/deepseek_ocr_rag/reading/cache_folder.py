"""Where finished pages are kept, and that nobody else can read them there."""

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
    """``DSOCR_CACHE_DIR``, else the folder that the system has for caches.

    That is ``$XDG_CACHE_HOME`` or ``~/.cache`` (XDG Base Directory Specification),
    ``~/Library/Caches`` on macOS, and ``%LOCALAPPDATA%`` on Windows.

    Raises:
        ConfigurationError: If this user has no home.
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
    # The specification says that a relative path is to be ignored.
    return (Path(base) if base and Path(base).is_absolute() else _home() / ".cache") / NAME


def make_private(folder: Path) -> None:
    """Make a folder that only this user can open; an existing one becomes so.

    Raises:
        OSError: If it cannot be made, is a link or no folder, or belongs to
            somebody else.
    """
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.mkdir(exist_ok=True, mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise NotADirectoryError(20, "it is a link or no folder", str(folder))
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
