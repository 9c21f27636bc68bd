"""The options that the commands of fine-tuning share."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib.util import find_spec

from ...errors import MissingExtraError
from ...installing import install_command
from ...model.prompts import MODES

__all__ = ["add_data", "check_extra"]


def add_data(parser: argparse.ArgumentParser, more: str = "") -> None:
    """Where the pages are, and how a model sees them; ``more`` are further forms of data."""
    parser.add_argument(
        "data",
        metavar="DATA",
        help="pages with their correct text: a JSONL file; a folder with train.jsonl or metadata.jsonl; "
        "a folder of documents, each with NAME.md or NAME.json beside it; or the folder of a run of "
        f"dsocr batch{more}",
    )
    parser.add_argument(
        "--resolution",
        "--mode",
        dest="mode",
        default="base",
        choices=list(MODES),
        help="resolution of pages that have none of their own (default: base, unlike dsocr read, "
        "which uses gundam)",
    )
    parser.add_argument("--revision", metavar="COMMIT", help="of a hub id")


def check_extra(needed: Sequence[str]) -> None:
    """Check that modules of the extra "train" are installed.

    Raises:
        MissingExtraError: If a module is missing; the message names all that are.
    """
    missing = [name for name in needed if find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed",
            remedy=f"Run: {install_command('train')}",
        )
