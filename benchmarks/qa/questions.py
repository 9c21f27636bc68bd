"""The questions of ``../shared/corpus`` by kind, and the documents that they are about.

Two collections, each with its own documents: ``qa`` (16 documents, nearly all questions on
text) and ``tables`` (14 documents, nearly all on tables: look-ups, and calculations from
several cells). A question of ``tables`` that does not name its company, product or paper is
asked of its own document alone; all others of the whole collection.

What was read is kept in a folder named after the backend's fingerprint, so that a second run
is quick and a reader whose layout has changed reads again.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deepseek_ocr_rag import OcrDocument, Reader
from deepseek_ocr_rag.backends import LiteBackendWarning
from deepseek_ocr_rag.backends.base import fingerprint_of

ROOT = Path(__file__).resolve().parents[2]
CORPUS = ROOT.parent / "shared" / "corpus"
CACHE = ROOT / "build" / "benchmark-pages"
COLLECTIONS = ("qa", "tables")
TEXT, TABLE, LOOK_UP, CALCULATION = "text", "table", "look-up", "calculation"
KINDS = (TEXT, TABLE, LOOK_UP, CALCULATION)
"""``table``: on a table of ``qa``, which does not say whether anything is calculated."""
_NEEDS = {"text": TEXT, "lookup": LOOK_UP, "calculated": CALCULATION}


@dataclass(frozen=True)
class Question:
    """A question with what is known of its answer.

    Attributes:
        pdf: Its document, relative to the corpus.
        pages: The pages that the set names, 1-based.
        right_pages: These, and other pages that state the same figures.
        boxes: Page and box in points, of each piece of evidence.
        evidence_text: The evidence as the set has it.
        figures: What is in the cells: the answer, or the operands of a calculation.
        alone: Whether only its own document is searched, because it does not name it.
    """

    id: str
    dataset: str
    kind: str
    pdf: str
    question: str
    answer: str
    pages: tuple[int, ...]
    right_pages: frozenset[int]
    boxes: tuple[tuple[int, tuple[float, float, float, float]], ...]
    evidence_text: tuple[str, ...]
    figures: tuple[str, ...]
    alone: bool
    unanswerable: bool


@dataclass(frozen=True)
class Collection:
    """Documents that are searched together, and the questions about them."""

    name: str
    documents: tuple[OcrDocument, ...]
    asked: tuple[Question, ...]  # with known evidence pages
    unanswerable: tuple[Question, ...] = field(default=())

    @property
    def pdfs(self) -> list[str]:
        return [document.source for document in self.documents]


def collections(names: Sequence[str], backend: str, cache: Path) -> Iterator[Collection]:
    """Read the documents of some collections, from the cache if possible."""
    # The first line of the output names the backend.
    warnings.simplefilter("ignore", LiteBackendWarning)
    with Reader(backend) as reader:
        folder = cache / re.sub(r"\W+", "-", f"{fingerprint_of(reader.backend)}")
        for name in names:
            questions = load(name)
            asked = tuple(q for q in questions if q.pages and not q.unanswerable)
            pdfs = sorted({question.pdf for question in asked})
            documents = tuple(read(reader, pdf, folder) for pdf in pdfs)
            unanswerable = tuple(q for q in questions if q.unanswerable)
            yield Collection(name, documents, asked, unanswerable)


def load(name: str) -> list[Question]:
    """All questions of a collection."""
    lines = (CORPUS / name / "qa.jsonl").read_text("utf-8").splitlines()
    return [_question(name, json.loads(line)) for line in lines]


def read(reader: Reader, pdf: str, folder: Path) -> OcrDocument:
    stored = folder / f"{Path(pdf).stem}.json"
    if stored.exists():
        return OcrDocument.from_dict(json.loads(stored.read_text("utf-8")))
    document = reader.read(CORPUS / pdf, name=pdf)
    stored.parent.mkdir(parents=True, exist_ok=True)
    stored.write_text(json.dumps(document.to_dict()), "utf-8")
    return document


def _question(collection: str, entry: dict) -> Question:
    sources = " ".join(entry.get("evidence_sources") or ()).casefold()
    known = _NEEDS.get(entry.get("needs", ""))
    pages = tuple(entry["evidence_pages"])
    return Question(
        id=entry["id"],
        dataset=entry["dataset"],
        kind=known or (TABLE if "table" in sources else TEXT),
        # The paths of the first set begin with its folder, those of the others do not.
        pdf=entry["pdf"] if collection == "qa" else f"{collection}/{entry['pdf']}",
        question=entry["question"],
        answer=entry["answer"],
        pages=pages,
        right_pages=frozenset((*pages, *entry.get("alt_pages", ()))),
        boxes=tuple((box["page"], tuple(box["bbox_pt"])) for box in entry["evidence_boxes"]),
        evidence_text=tuple(entry.get("evidence_text") or ()),
        figures=tuple(entry.get("operands") or entry.get("key_strings") or ()),
        alone=not entry.get("names_document", True),
        unanswerable=entry["unanswerable"],
    )
