"""Drawn pages with their correct text, as samples: ordinary ones, and ones in faces that were never seen."""

from __future__ import annotations

import io
import math
import random
import sys
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "support"))

from drawn_pages import FACE, DrawnPage, drawn_page, image_of, width_of

from deepseek_ocr_rag.training import TrainingSample, read_samples, write_samples
from deepseek_ocr_rag.training.samples import DOCUMENT_PROMPT

FACES = {
    "ordinary": FACE,
    "times": ("Times-Roman", "Times-Bold"),
    "italic": ("Times-Italic", "Times-BoldItalic"),
    "courier": ("Courier", "Courier-Bold"),
    "greek": ("Symbol", "Symbol"),
    "outline": FACE,
    "hand": ("Times-Italic", "Times-BoldItalic"),
}
"""Regular and bold print. ``greek`` is an alphabet: each letter has the shape that the font Symbol
gives it. ``outline`` draws the edges of slanted letters, ``hand`` draws letters as :class:`HandPage`
does."""


class HandPage(DrawnPage):
    """A page as if written by hand: each letter leans, turns, rises and grows as it likes."""

    def content(self) -> bytes:
        parts = [DrawnPage.content(replace(self, inks=())).decode("latin-1")]
        dice = random.Random(repr(self.inks))
        for ink in self.inks:
            x = ink.x
            for letter in ink.text:
                turn, lean = dice.gauss(0, 0.09), 0.25 + dice.gauss(0, 0.12)
                size = ink.size * dice.uniform(0.9, 1.06)
                across, down = math.cos(turn), math.sin(turn)
                text = letter.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
                parts.append(
                    f"BT /{ink.font} {size:.2f} Tf {across:.3f} {down:.3f} {across * lean - down:.3f}"
                    f" {down * lean + across:.3f} {x:.2f}"
                    f" {self.height - ink.y + dice.gauss(0, 0.035) * ink.size:.2f} Tm ({text}) Tj ET"
                )
                x += width_of(letter, ink.font) * ink.size
        return "\n".join(parts).encode("latin-1")


def page_of(face: str, name: str, level: float) -> DrawnPage:
    """A page that ``name`` decides."""
    seed = name if face == "ordinary" else f"{face} {name}"  # no page's text in two faces
    page = drawn_page(random.Random(seed), level, FACES[face])
    if face == "hand":
        return HandPage(**{each.name: getattr(page, each.name) for each in fields(page)})
    return replace(page, hollow=0.7, slant=0.35) if face == "outline" else page


def pages(
    face: str, kind: str, count: int, most: float = 1.0, least: float = 0.0
) -> Iterator[tuple[DrawnPage, TrainingSample]]:
    """Pages of all levels from ``least`` to ``most``; ``kind`` names the set."""
    for number in range(count):
        name = f"{kind} {number}"
        page = page_of(face, name, least + (most - least) * (number + 0.5) / count)
        yield (
            page,
            TrainingSample(
                id=f"{face} {name}",
                image=Path(),
                prompt=DOCUMENT_PROMPT,
                answer=page.answer(),
                mode="tiny",
                split="train" if kind.startswith("learnt") else "validation",
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
