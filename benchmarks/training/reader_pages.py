"""Drawn pages with their right text, as samples: ordinary ones, and ones in faces that were never seen."""

from __future__ import annotations

import io
import random
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "support"))

from drawn_pages import FACE, DrawnPage, drawn_page, image_of

from deepseek_ocr_rag.training import TrainingSample, read_samples, write_samples
from deepseek_ocr_rag.training.samples import DOCUMENT_PROMPT

FACES = {
    "ordinary": FACE,
    "times": ("Times-Roman", "Times-Bold"),
    "italic": ("Times-Italic", "Times-BoldItalic"),
    "courier": ("Courier", "Courier-Bold"),
    "greek": ("Symbol", "Symbol"),
    "outline": FACE,
}
"""Regular and bold print. ``greek`` is an alphabet: each letter has the shape that the font Symbol
gives it. ``outline`` draws the edges of slanted letters."""


def page_of(face: str, name: str, level: float) -> DrawnPage:
    """A page that ``name`` decides."""
    page = drawn_page(random.Random(name), level, FACES[face])
    return replace(page, hollow=0.7, slant=0.35) if face == "outline" else page


def pages(
    face: str, kind: str, count: int, most: float = 1.0
) -> Iterator[tuple[DrawnPage, TrainingSample]]:
    """Pages of all levels from 0 to ``most``; ``kind`` names the set."""
    for number in range(count):
        name = f"{kind} {number}"
        page = page_of(face, name, most * (number + 0.5) / count)
        yield (
            page,
            TrainingSample(
                id=f"{face} {name}",
                image=Path(),
                prompt=DOCUMENT_PROMPT,
                answer=page.answer(),
                mode="tiny",
                split="validation" if kind.startswith("unseen") else "train",
            ),
        )


def write_pages(folder: Path, *sets: Iterator[tuple[DrawnPage, TrainingSample]]) -> Path:
    """Write sets of pages as one folder that ``dsocr train`` and ``dsocr eval`` read."""

    def drawn() -> Iterator[tuple[TrainingSample, bytes]]:
        for each in sets:
            for page, sample in each:
                buffer = io.BytesIO()
                image_of(page).save(buffer, "PNG")
                yield sample, buffer.getvalue()

    return write_samples(folder, drawn())


def samples(folder: Path, face: str, kind: str, count: int, most: float = 1.0):
    """Write a set, and read it as it was written."""
    write_pages(folder, pages(face, kind, count, most))
    return read_samples(folder).checked()
