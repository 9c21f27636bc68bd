"""``dsocr ollama-model``: makes a copy of Ollama's model that sends boxes and table cells."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..backends.layout_model.layout_model import make_layout_model
from ..model.ollama_names import LAYOUT_MODEL
from .output import print_note, print_output

__all__ = ["make_ollama_model"]


def make_ollama_model(options: argparse.Namespace) -> int:
    """Run the command."""
    result = make_layout_model(
        source=options.source,
        name=options.name,
        file=Path(options.file) if options.file else None,
        say=print_note,
    )
    print_output(result.reason)
    if result.made and not result.name.startswith(LAYOUT_MODEL):
        print_output(f"Read with it: dsocr read FILE --backend ollama/{result.name}")
    elif result.made:
        print_output("Read with it: dsocr read FILE --backend ollama")
    return 0
