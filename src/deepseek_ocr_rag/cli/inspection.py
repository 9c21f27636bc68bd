"""``dsocr parse`` and ``dsocr cache``: look at a model's text, and at finished pages."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..document.grammar.parser import parse_document
from ..errors import SourceError
from ..reading.cache import PageCache
from ..text.counted import counted
from ..text.visible import json_line, visible_line
from .output import print_output

__all__ = ["parse_files", "show_cache"]


def parse_files(options: argparse.Namespace) -> int:
    """``dsocr parse``: turn raw model text into JSON."""
    for file in options.files:
        try:
            text = sys.stdin.read() if file == "-" else Path(file).read_text("utf-8", "replace")
        except OSError as error:
            raise SourceError(
                f"cannot be read ({error.strerror})", source=file, remedy="Check the path."
            ) from error
        document = parse_document(text, source=file)
        data = document.to_dict()
        if len(document.pages) == 1:
            # The fields of a single page are also at the top level.
            data = {**document.pages[0].to_dict(), **data}
        print_output(json_line(data))
    return 0


def show_cache(options: argparse.Namespace) -> int:
    """``dsocr cache``: show the cache, or clear it."""
    with PageCache(options.folder) as cache:
        if options.action == "clear":
            removed = cache.clear()
            data: dict[str, Any] = {"folder": str(cache.folder), "removed": removed}
            lines = [f"{counted(removed, 'page')} removed from {cache.folder}"]
        else:
            status = cache.status()
            aside = [str(path) for path in status.set_aside]
            data = {**asdict(status), "folder": str(status.folder), "set_aside": aside}
            lines = [
                f"{counted(status.pages, 'page')} in {status.folder}",
                f"{status.size / 1e6:.1f} MB of at most {status.max_bytes / 1e6:,.0f} MB",
                *(f"set aside, damaged or not ours: {path}" for path in aside),
            ]
    print_output(json_line(data) if options.json else "\n".join(map(visible_line, lines)))
    return 0
