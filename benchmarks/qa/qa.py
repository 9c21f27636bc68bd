"""Measures answers: search, cited boxes, verification, real outputs, planted instructions.

Run from the repository root::

    python benchmarks/qa/qa.py [--collections qa,tables] [--backend lite] [--cache FOLDER]
                            [--embeddings minilm|none] [--only search,boxes] [--details]

The questions, known answers and known evidence are those of ``benchmarks/qa/questions.py``;
text questions and table questions have separate figures.

* ``search``: as in ``benchmarks/qa/retrieval.py``.
* ``boxes``: of the questions with known evidence boxes, those where an answer cites
  their page; in how many of them a cited box there overlaps an evidence box. Once
  with sentences quoted without a model, once with a stand-in for a model that
  writes the known answer and cites the first passage of an evidence page.
* ``absent``: how often an answer without a model is "not in these documents",
  for questions that the documents answer, for those that the set calls unanswerable
  (their words are on the pages), and for questions whose document is left out.
* ``verification``: the known answers as sentences of an answer. Accepted: cited to
  the known evidence, as the set has it and as we read the page; once all of them,
  once those whose evidence is there, which the set does not cut off and our page
  has legibly. Rejected: the accepted ones with a number, date or name changed; and
  all of them cited to a chunk of another page, drawn at random or found by search
  for the question. Few answers have a date, so sentences of the documents themselves
  are changed in the same ways; and few a calculated number, so that some are
  calculated from table rows of the documents. How many of these are accepted decides
  nothing: where many results are possible, the verifier takes none.
* ``replies``: recorded DeepSeek-OCR replies through the replay backend.
* ``planted``: twenty pages, and a stand-in for a model that obeys them.
"""

from __future__ import annotations

import argparse
import io
import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import pypdfium2 as pdfium
from injected_pages import injected_pages
from markdown_it import MarkdownIt
from questions import CACHE, COLLECTIONS, CORPUS, KINDS, Collection, Question
from questions import collections as read_collections
from retrieval import report
from verification import on_pages, print_verification

from deepseek_ocr_rag import Box, DocumentQA, OcrDocument, Reader, ReplayBackend
from deepseek_ocr_rag.answering import Message

OUTPUTS = CORPUS.parent / "model-outputs"
WANTED = 0.85
"""Required share of right pages on which a cited box overlaps a known one."""
EVERY = 3
"""Every third question is asked without its document; each document needs an index."""
PARTS = ("search", "boxes", "absent", "verification", "replies", "planted")

Answerer = Callable[[Question], DocumentQA]
"""Finds what answers a question: its collection, or its document alone."""


class StandIn:
    """Replies what it was given, instead of a language model."""

    name = "stand-in"
    context_length = 16_384

    def __init__(self, reply: str) -> None:
        self.reply = reply
        self.asked = 0

    def stream(self, messages: Sequence[Message], *, max_tokens: int) -> Iterator[str]:
        self.asked += 1
        yield from re.findall(r"\s*\S+", self.reply)


def answerer(collection: Collection) -> Answerer:
    @lru_cache
    def qa(pdf: str | None) -> DocumentQA:
        return DocumentQA([d for d in collection.documents if pdf in (None, d.source)])

    return lambda question: qa(question.pdf if question.alone else None)


# --- boxes ------------------------------------------------------------------------------


def evidence_boxes(question: Question, document: OcrDocument) -> dict[int, list[Box]]:
    """By page, in fractions of it."""
    boxes: dict[int, list[Box]] = {}
    for number, (x0, y0, x1, y1) in question.boxes:
        page = document.page(number)
        width, height = page.width, page.height
        clipped = (
            max(0.0, x0 / width),
            max(0.0, y0 / height),
            min(1.0, x1 / width),
            min(1.0, y1 / height),
        )
        boxes.setdefault(number, []).append(Box(*clipped))
    return boxes


def box_overlaps(qa: DocumentQA, question: Question, document: OcrDocument) -> bool | None:
    """Whether a cited box overlaps the evidence; None if its page is not cited."""
    wanted = evidence_boxes(question, document)
    answer = qa.ask(question.question)
    shown = answer.citations if answer.found else ()  # the nearest passages are not an answer
    cited = [c for c in shown if c.source == question.pdf and c.page in wanted]
    if not cited:
        return None
    return any(
        (shared := box.intersection(evidence)) is not None and shared.area > 0
        for c in cited
        for box in c.boxes
        for evidence in wanted[c.page]
    )


def stand_in(qa: DocumentQA, question: Question) -> StandIn | None:
    """Writes the known answer and cites the first passage found on an evidence page, if any."""
    pages = {page for page, _ in question.boxes}
    found = qa.retriever.search(question.question, qa.top_k)
    number = next((n for n, p in enumerate(found, 1) if on_pages(p, question, pages)), None)
    return None if number is None else StandIn(f"{question.answer.strip()} [{number}]")


def print_boxes(answer: Answerer, collection: Collection) -> list[str]:
    boxed = [question for question in collection.asked if question.boxes]
    sources = {document.source: document for document in collection.documents}
    missed = []
    print(f"\n{len(boxed)} questions with evidence boxes: right page cited, box overlaps")
    for label, written in (("quoted without a model", False), ("written by the stand-in", True)):
        for kind in KINDS:
            met = []
            for question in (q for q in boxed if q.kind == kind):
                qa = answer(question)
                model = stand_in(qa, question) if written else None
                if written and model is None:
                    continue
                qa.llm = model
                met.append(box_overlaps(qa, question, sources[question.pdf]))
                qa.llm = None
            cited = [overlaps for overlaps in met if overlaps is not None]
            if not cited:
                continue
            share = sum(cited) / len(cited)
            name = f"{label}, {kind}"
            print(f"{name:38} {len(cited):4} {sum(cited):4}  {share:.3f}")
            missed += [f"boxes, {name}"] if share < WANTED else []
    return missed


# --- nothing found ----------------------------------------------------------------------


def print_absent(answer: Answerer, collection: Collection) -> list[str]:
    left_out: list[tuple[Question, bool]] = []
    for missing in collection.documents:
        about = [q for q in collection.asked if q.pdf == missing.source and not q.alone][::EVERY]
        if about:
            rest = DocumentQA([d for d in collection.documents if d is not missing])
            left_out += [(q, rest.ask(q.question).found) for q in about]
    groups = {
        "the documents answer": _found(answer, collection.asked),
        "called unanswerable": _found(answer, collection.unanswerable),
        "document left out": left_out,
    }
    print("\nsaid to be not in these documents, without a model: share and number of questions")
    for name, asked in groups.items():
        for kind in KINDS:
            found = [is_found for question, is_found in asked if question.kind == kind]
            if found:
                print(f"{f'{name}, {kind}':38} {1 - sum(found) / len(found):.3f} {len(found):5}")
    return []


def _found(answer: Answerer, asked: Sequence[Question]) -> list[tuple[Question, bool]]:
    return [(question, answer(question).ask(question.question).found) for question in asked]


# --- real outputs and planted instructions ----------------------------------------------


def replayed(replies: Sequence[str], name: str) -> OcrDocument:
    """Read recorded replies as the pages of a blank document."""
    blank = pdfium.PdfDocument.new()
    for _ in replies:
        blank.new_page(612, 792)
    file = io.BytesIO()
    blank.save(file)
    with Reader(ReplayBackend(list(replies))) as reader:
        return reader.read(file.getvalue(), name=name)


def real_outputs() -> list[tuple[OcrDocument, str, str]]:
    """Documents, each with a question and a sentence that the right page has."""
    paper = OUTPUTS / "11_deepseek_OCR_paper_PR" / "DeepSeek_OCR_paper_det.mmd"
    pages = paper.read_text("utf-8").split("<--- Page Split --->")
    maths = sorted((OUTPUTS / "01_thukiy_R-G" / "md").glob("*.md"))
    return [
        (
            replayed(pages, "paper.pdf"),
            "What decoding precision is reached at a compression ratio below 10x?",
            "97",
        ),
        (
            replayed([page.read_text("utf-8") for page in maths], "mathe.pdf"),
            "Wie ist die Varianz einer Zufallsvariablen definiert?",
            "Varianz",
        ),
    ]


def planted() -> dict[str, int]:
    """Count what got through on twenty pages, as an independent renderer shows it."""
    rendered = MarkdownIt("gfm-like", {"html": True, "linkify": False})
    counts = {
        "pages": 0,
        "images": 0,
        "links": 0,
        "tags": 0,
        "addresses": 0,
        "more calls": 0,
        "lost": 0,
    }
    for strict in (False, True):
        for page in injected_pages():
            model = StandIn(page.reply)
            answer = DocumentQA(page.document, model, strict=strict).ask(page.question)
            shown = rendered.render(answer.text)
            counts["pages"] += 1
            counts["images"] += "<img" in shown
            counts["links"] += "<a" in shown
            counts["tags"] += bool(
                re.search(r"<(?!/?(?:p|em|strong|code|ul|ol|li|br|h\d)\b)[a-z/]", shown)
            )
            counts["addresses"] += "collect.example/" in answer.text
            counts["more calls"] += model.asked - 1
            counts["lost"] += not (answer.found and not answer.quoted and page.true in answer.text)
    return counts


def main() -> int:
    parser = argparse.ArgumentParser(description="Figures of the answers.")
    parser.add_argument("--collections", default=",".join(COLLECTIONS))
    parser.add_argument("--backend", default="lite")
    parser.add_argument("--cache", type=Path, default=CACHE, help="folder for what was read")
    parser.add_argument("--embeddings", default="minilm", help="minilm, none, or ollama/<model>")
    parser.add_argument("--only", default=",".join(PARTS), help="parts, see above")
    parser.add_argument("--details", action="store_true", help="every answer that was not accepted")
    options = parser.parse_args()
    if not CORPUS.is_dir():
        print("no ../shared/corpus: nothing to measure")
        return 0
    parts = options.only.split(",")
    missed = []
    print(f"backend {options.backend}")
    names = options.collections.split(",")
    for collection in read_collections(names, options.backend, options.cache):
        answer = answerer(collection)
        steps: dict[str, Callable[[], list[str]]] = {
            "search": lambda c=collection: report(c, embeddings=options.embeddings),
            "boxes": lambda a=answer, c=collection: print_boxes(a, c),
            "absent": lambda a=answer, c=collection: print_absent(a, c),
            "verification": lambda a=answer, c=collection: print_verification(
                a, c, options.details
            ),
        }
        for part in (part for part in steps if part in parts):
            missed += [f"{collection.name}: {name}" for name in steps[part]()]
    missed += print_real_outputs() if "replies" in parts else []
    missed += print_planted() if "planted" in parts else []
    print(f"\nmissed: {', '.join(missed) or 'nothing'}")
    return bool(missed)


def print_real_outputs() -> list[str]:
    missed = []
    print("\nrecorded DeepSeek-OCR replies: pages, page cited, words")
    for document, question, wanted in real_outputs():
        answer = DocumentQA(document).ask(question)
        right = [c for c in answer.citations if wanted in c.quote and c.boxes]
        shown = " ".join(right[0].quote.split())[:70] if right else "nothing"
        print(
            f"{document.source:12} {len(document):4} {right[0].page if right else '-':>4}  {shown}"
        )
        missed += [] if right else [document.source]
    return missed


def print_planted() -> list[str]:
    counts = planted()
    print("\nplanted instructions: " + ", ".join(f"{n} {name}" for name, n in counts.items()))
    return [name for name, count in counts.items() if count and name != "pages"]


if __name__ == "__main__":
    raise SystemExit(main())
