"""Measures answers: search, cited boxes, verification, real outputs, planted instructions.

Run from the repository root::

    python benchmarks/qa/qa.py [--backend lite] [--cache FOLDER] [--embeddings minilm|none]
                            [--details]

The questions, known answers and known evidence are those of ``../shared/corpus/qa``.

* Search: as in ``benchmarks/qa/retrieval.py``.
* Boxes: of the questions with known evidence boxes, those where an answer cites
  their page; in how many of them a cited box there overlaps an evidence box. Once
  with sentences quoted without a model, once with a stand-in for a model that
  writes the known answer and cites the first passage of an evidence page.
* Nothing found: how often an answer without a model is "not in these documents",
  for questions that the documents answer, for those that the set calls unanswerable
  (their words are on the pages), and for questions whose document is left out.
* Verification: the known answers as sentences of an answer. Accepted: cited to
  the known evidence, as the set has it and as we read the page; once all of them,
  once those whose evidence is there, which the set does not cut off and our page
  has legibly. Rejected: the accepted ones with a number, date or name changed; and
  all of them cited to a chunk of another page, drawn at random or found by search
  for the question. Few answers have a date, so sentences of the documents themselves
  are changed in the same ways; and few a calculated number, so that some are
  calculated from table rows of the documents. How many of these are accepted decides
  nothing: where many results are possible, the verifier takes none.
* Real outputs: recorded DeepSeek-OCR replies through the replay backend.
* Planted instructions: twenty pages, and a stand-in for a model that obeys them.
"""

from __future__ import annotations

import argparse
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pypdfium2 as pdfium
from injected_pages import injected_pages
from markdown_it import MarkdownIt
from retrieval import (
    CORPUS,
    LEAD,
    embedding_model,
    hits,
    leads,
    ours,
    plain_bm25,
    print_hits,
    questions,
    read_all,
)
from verification import on_pages, print_verification

from deepseek_ocr_rag import Box, DocumentQA, OcrDocument, Reader, ReplayBackend
from deepseek_ocr_rag.answering import Message

OUTPUTS = CORPUS.parent / "model-outputs"
WANTED = 0.85
"""Required share of right pages on which a cited box overlaps a known one."""
EVERY = 3
"""Every third question is asked without its document; each document needs an index."""


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


# --- boxes ------------------------------------------------------------------------------


def evidence_boxes(question: dict, document: OcrDocument) -> dict[int, list[Box]]:
    """By page, in fractions of it."""
    boxes: dict[int, list[Box]] = {}
    for entry in question["evidence_boxes"]:
        page = document.page(entry["page"])
        x0, y0, x1, y1 = entry["bbox_pt"]
        width, height = page.width, page.height
        clipped = (
            max(0.0, x0 / width),
            max(0.0, y0 / height),
            min(1.0, x1 / width),
            min(1.0, y1 / height),
        )
        boxes.setdefault(entry["page"], []).append(Box(*clipped))
    return boxes


def box_overlap(
    qa: DocumentQA, asked: Sequence[dict], sources: dict, *, written: bool
) -> tuple[int, int]:
    """Questions whose evidence page is cited, and those of them where a box overlaps."""
    right = overlapping = 0
    for question in asked:
        wanted = evidence_boxes(question, sources[question["pdf"]])
        qa.llm = None
        if written:
            found = qa.retriever.search(question["question"], qa.top_k)
            number = next(
                (n for n, p in enumerate(found, 1) if on_pages(p, question, wanted)), None
            )
            if number is None:
                continue
            qa.llm = StandIn(f"{question['answer'].strip()} [{number}]")
        answer = qa.ask(question["question"])
        shown = answer.citations if answer.found else ()  # the nearest passages are not an answer
        cited = [c for c in shown if c.source == question["pdf"] and c.page in wanted]
        if cited:
            right += 1
            overlapping += any(
                (shared := box.intersection(evidence)) is not None and shared.area > 0
                for c in cited
                for box in c.boxes
                for evidence in wanted[c.page]
            )
    return right, overlapping


# --- nothing found ----------------------------------------------------------------------


def print_absent(qa: DocumentQA, asked: Sequence[dict], documents: Sequence[OcrDocument]) -> None:
    left_out = []
    for missing in documents:
        rest = DocumentQA([document for document in documents if document is not missing])
        about = [q for q in asked if q["pdf"] == missing.source][::EVERY]
        left_out += [rest.ask(q["question"]).found for q in about]
    groups = {
        "the documents answer": [qa.ask(q["question"]).found for q in asked],
        "called unanswerable": [qa.ask(q["question"]).found for q in questions(answerable=False)],
        "document left out": left_out,
    }
    print("\nsaid to be not in these documents, without a model: share and number of questions")
    for name, found in groups.items():
        print(f"{name:38} {1 - sum(found) / len(found):.3f} {len(found):5}")


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
    parser.add_argument("--backend", default="lite")
    parser.add_argument("--cache", type=Path, help="folder for what was read")
    parser.add_argument("--embeddings", default="minilm", help="minilm, none, or ollama/<model>")
    parser.add_argument("--details", action="store_true", help="every answer that was not accepted")
    options = parser.parse_args()
    if not CORPUS.is_dir():
        print("no ../shared/corpus: nothing to measure")
        return 0
    asked = questions()
    pdfs = sorted({question["pdf"] for question in asked})
    documents = read_all(options.backend, pdfs, options.cache)
    print(f"{len(pdfs)} documents, {sum(map(len, documents))} pages, backend {options.backend}")
    qa = DocumentQA(documents)
    print_absent(qa, asked, documents)
    missed = [
        *print_search(documents, asked, pdfs, options.embeddings),
        *print_boxes(qa, asked, {d.source: d for d in documents}),
        *print_verification(qa, asked, documents, options.details),
        *print_real_outputs(),
        *print_planted(),
    ]
    print(f"\nmissed: {', '.join(missed) or 'nothing'}")
    return bool(missed)


def print_search(
    documents: Sequence[OcrDocument], asked: Sequence[dict], pdfs: Sequence[str], embeddings: str
) -> list[str]:
    baseline, found = hits(plain_bm25(pdfs), asked), hits(ours(documents), asked)
    rows = [("plain BM25, whole pages", baseline), ("ours, without embeddings", found)]
    if model := embedding_model(embeddings):
        rows.append((f"ours, with {embeddings}", hits(ours(documents, model), asked)))
    print()
    print_hits(rows)
    return [f"hit@1 on {name}" for name, lead in leads(found, baseline).items() if lead < LEAD]


def print_boxes(qa: DocumentQA, asked: Sequence[dict], sources: dict) -> list[str]:
    boxed = [question for question in asked if question["evidence_boxes"]]
    missed = []
    print(f"\n{len(boxed)} questions with evidence boxes: right page cited, box overlaps")
    for label, written in (("quoted without a model", False), ("written by the stand-in", True)):
        right, overlapping = box_overlap(qa, boxed, sources, written=written)
        share = overlapping / right
        print(f"{label:28} {right:4} {overlapping:4}  {share:.3f}")
        missed += [f"boxes, {label}"] if share < WANTED else []
    return missed


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
