"""The browser of the tests, as Debian has it."""

from __future__ import annotations

import shutil
from typing import Final

__all__ = ["CHROMIUM"]

CHROMIUM: Final = next(
    filter(None, map(shutil.which, ("chromium-headless-shell", "chromium", "chromium-browser"))),
    None,
)
"""The path of Chromium, preferably the headless one, which takes a third less CPU time."""
