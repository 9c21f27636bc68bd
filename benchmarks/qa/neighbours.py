"""Measures how answers on tables are checked: true ones, and those with a neighbouring cell's figure.

    python benchmarks/qa/neighbours.py [--backend lite] [--cache FOLDER] [--half 0] [--details]

Three groups of questions, each page read by the backend:

* ``transcribed``: the tables of ICDAR 2013 as people transcribed them. Labels, heads and figures of
  the questions are those of the transcript, and the answers are checked against the page as read.
* ``read``: made in the same way of tables in the documents of ``tables``, as they were read.
* ``known``: the questions of ``qa`` and ``tables`` whose figures are in tables of their page once,
  in the words of those who asked them.

``accepted`` is the share of true answers that the check supports, by kind of question. ``next row``
and ``next column`` are the shares of false answers that it refuses: the figure above or below, that
to the left or the right, or what follows from these cells. All false answers count, also where the
true one is not supported. Documents are halved by their number in the alphabet: settings are chosen
on the even ones (``chosen on``), the others are ``held out``; --details prints only the former.
"""

from __future__ import annotations

import argparse
import random
import re
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree import ElementTree

from neighbouring_answers import asked_again
from questions import CACHE, COLLECTIONS, CORPUS, load, read
from table_questions import COLUMN, ROW, Asked, Grid, questions_on

from deepseek_ocr_rag import OcrDocument, Passage, Reader, chunk_document
from deepseek_ocr_rag.answering import TermFrequencies, Verifier
from deepseek_ocr_rag.backends import LiteBackendWarning
from deepseek_ocr_rag.backends.base import fingerprint_of

TRANSCRIBED, AS_READ, KNOWN = "transcribed", "read", "known"
HALVES = ("chosen on", "held out")
TABLES_EACH = 6
"""Most tables of a document that questions are asked about."""

Counts = dict[tuple[str, str, str, str], list[bool]]
"""Whether each answer was judged right, by group, half, kind and by what it was taken from."""


def transcribed(structure: Path) -> Iterator[tuple[int, Grid]]:
    """The tables of a document of ICDAR 2013, each with its page."""
    for region in ElementTree.parse(structure).getroot().iter("region"):
        grid: dict[tuple[int, int], str] = {}
        for cell in region.iter("cell"):
            text = " ".join("".join(cell.find("content").itertext()).split())
            rows, columns = (
                range(
                    int(cell.get(f"start-{way}")),
                    1 + int(cell.get(f"end-{way}") or cell.get(f"start-{way}")),
                )
                for way in ("row", "col")
            )
            grid.update({(row, column): text for row in rows for column in columns})
        if grid:
            height, width = (1 + max(slot[i] for slot in grid) for i in (0, 1))
            yield (
                int(region.get("page")),
                [[grid.get((r, c), "") for c in range(width)] for r in range(height)],
            )


def as_read(document: OcrDocument) -> Iterator[tuple[int, Grid]]:
    """The tables of a document as the backend read them, each with its page."""
    for page in document.pages:
        for block in page.blocks:
            if block.table is not None and block.table.rows:
                yield page.number, block.table.to_rows()


def ask(tables: Sequence[tuple[int, Grid]], rng: random.Random) -> Iterator[tuple[int, Asked]]:
    """Questions on some of the tables that questions can be made of, each with its page."""
    made: list[tuple[int, list[Asked]]] = []
    for page, grid in tables:
        beside = [other for number, other in tables if number == page and other is not grid]
        made.append((page, list(questions_on(grid, beside, rng))))
    made = [(page, asked) for page, asked in made if asked]
    for page, asked in rng.sample(made, min(TABLES_EACH, len(made))):
        yield from ((page, one) for one in asked)


def judge(
    document: OcrDocument,
    asked: list[tuple[int, Asked]],
    where: tuple[str, str],
    counts: Counts,
    details: bool,
) -> None:
    chunks = chunk_document(document)
    frequencies = TermFrequencies((chunk.source, chunk.text) for chunk in chunks)
    for page, one in asked:
        passages = [Passage.of(c) for c in chunks if any(piece.page == page for piece in c.pieces)]
        verifier = Verifier(passages, one.question, frequencies)
        verdict = verifier.verify(one.answer, range(len(passages)))
        counts.setdefault((*where, one.kind, "accepted"), []).append(verdict.supported)
        if details and not verdict.supported:
            print(
                f"  {document.source} {page} {one.kind}: {verdict.problem}\n    {one.question} | {one.answer}"
            )
        for taken_from, answer in one.neighbours:
            refused = not verifier.verify(answer, range(len(passages))).supported
            counts.setdefault((*where, one.kind, taken_from), []).append(refused)
            if details and not refused:
                print(
                    f"  {document.source} {page} {one.kind}, {taken_from} accepted\n    {one.question} | {answer} | true: {one.answer}"
                )


def print_counts(counts: Counts) -> None:
    columns = ("accepted", ROW, COLUMN)
    print(f"{'':44}" + "".join(f"{column:>18}" for column in columns))
    for row in sorted({key[:3] for key in counts}):
        cells = (counts.get((*row, column), ()) for column in columns)
        shown = (f"{sum(c) / len(c):.3f} of {len(c):5}" if c else "" for c in cells)
        print(f"{', '.join(row):44}" + "".join(f"{text:>18}" for text in shown))


def documents() -> dict[str, list[str]]:
    """The paths of the documents of each group, relative to the corpus."""
    folder = CORPUS / "ocr" / "icdar2013"
    asked = [question for name in COLLECTIONS for question in load(name)]
    return {
        TRANSCRIBED: sorted(str(pdf.relative_to(CORPUS)) for pdf in folder.glob("*.pdf")),
        AS_READ: sorted({question.pdf for question in load("tables")}),
        KNOWN: sorted({question.pdf for question in asked}),
    }


def questions_about(group: str, document: OcrDocument) -> Iterator[tuple[int, Asked]]:
    """What is asked about a document, each question with its page."""
    rng = random.Random(document.source)
    tables = list(as_read(document))
    if group == TRANSCRIBED:
        structure = (CORPUS / document.source).with_suffix("")
        tables = list(transcribed(structure.with_name(f"{structure.name}-str.xml")))
    if group != KNOWN:
        yield from ask(tables, rng)
        return
    for question in (question for name in COLLECTIONS for question in load(name)):
        if question.pdf == document.source and not question.unanswerable and question.pages:
            grids = [grid for page, grid in tables if page in question.pages]
            # Operands on several pages have no common neighbours.
            yield from ((question.pages[0], one) for one in asked_again(question, grids))


def main() -> None:
    parser = argparse.ArgumentParser(description="Answers on tables with figures of other cells.")
    parser.add_argument("--backend", default="lite")
    parser.add_argument("--cache", type=Path, default=CACHE, help="folder for what was read")
    parser.add_argument("--details", action="store_true", help="what was judged wrong, first half")
    parser.add_argument("--half", type=int, choices=(0, 1), help="only the documents of one half")
    options = parser.parse_args()
    counts: Counts = {}
    warnings.simplefilter("ignore", LiteBackendWarning)
    with Reader(options.backend) as reader:
        folder = options.cache / re.sub(r"\W+", "-", f"{fingerprint_of(reader.backend)}")
        for group, pdfs in documents().items():
            for number, pdf in enumerate(pdfs):
                half = number % 2
                if options.half in (None, half):
                    document = read(reader, pdf, folder)
                    asked = list(questions_about(group, document))
                    details = options.details and not half
                    judge(document, asked, (group, HALVES[half]), counts, details)
    print_counts(counts)


if __name__ == "__main__":
    main()
