"""Is the page with the answer found? Our search beside plain BM25 over whole pages.

Run from the repository root::

    python benchmarks/qa/retrieval.py [--backend lite] [--cache FOLDER]
                                   [--embeddings minilm|none|ollama/<model>] [--sensitivity]

All documents of ``../shared/corpus/qa`` stand in one index. A question counts
as hit@k where one of its evidence pages is among the first k distinct pages.
Questions without evidence pages, and those marked unanswerable, are left out.

The baseline, in the same run, is bm25s with its own tokenizer over the text
that pypdfium2 takes from each page: whole pages, no OCR. Scanned pages take
seconds each to read; ``--cache`` keeps what was read for the next run.

Embeddings are those of ``tests/support/minilm.py`` where its package is
installed; on two cores they take two minutes.

The weights in ``lexical.py``, ``page_index.py`` and ``bm25.py`` were chosen on
OHR-Bench and MMLongBench-Doc, from a coarse grid, by the mean over chunks of 300,
400, 500 and 700 tokens; FinanceBench, too small to choose by, was looked at.
``--sensitivity`` shows what half and double of each would give.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import bm25s
import numpy as np
import pypdfium2 as pdfium

from deepseek_ocr_rag import OcrDocument, Reader, Retriever
from deepseek_ocr_rag.backends import LiteBackendWarning
from deepseek_ocr_rag.retrieval import lexical

ROOT = Path(__file__).resolve().parents[2]
CORPUS = ROOT.parent / "shared" / "corpus"
LEAD = 0.05
"""Required lead of hit@1 over the baseline, in every set."""

PageKey = tuple[str, int]
Rank = Callable[[str], Sequence[PageKey]]


@dataclass(frozen=True)
class Hits:
    """Shares of the questions with an evidence page first, or among the first five."""

    at_1: float
    at_5: float


def questions(*, answerable: bool = True) -> list[dict]:
    """Questions with known evidence pages, or those that the set calls unanswerable."""
    lines = (CORPUS / "qa" / "qa.jsonl").read_text("utf-8").splitlines()
    asked = list(map(json.loads, lines))
    if not answerable:
        return [q for q in asked if q["unanswerable"]]
    return [q for q in asked if q["evidence_pages"] and not q["unanswerable"]]


def read_all(backend: str, pdfs: Sequence[str], cache: Path | None) -> list[OcrDocument]:
    """Read the documents, from the cache if possible."""
    # The first line of the output names the backend.
    warnings.simplefilter("ignore", LiteBackendWarning)
    with Reader(backend) as reader:
        return [read(reader, pdf, cache) for pdf in pdfs]


def read(reader: Reader, pdf: str, cache: Path | None) -> OcrDocument:
    stored = cache / f"{Path(pdf).stem}.json" if cache else None
    if stored and stored.exists():
        return OcrDocument.from_dict(json.loads(stored.read_text("utf-8")))
    document = reader.read(CORPUS / pdf, name=pdf)
    if stored:
        stored.parent.mkdir(parents=True, exist_ok=True)
        stored.write_text(json.dumps(document.to_dict()), "utf-8")
    return document


def ours(documents: Sequence[OcrDocument], embeddings: object | None = None) -> Rank:
    """Rank pages in the order in which our search finds their chunks."""
    retriever = Retriever.from_documents(documents, embeddings=embeddings)

    def rank(question: str) -> list[PageKey]:
        found = retriever.search(question, k=max(1, len(retriever.chunks)))
        return list(dict.fromkeys((p.source, p.page) for p in found))

    return rank


def plain_bm25(pdfs: Sequence[str]) -> Rank:
    """The baseline."""
    keys: list[PageKey] = []
    texts: list[str] = []
    for name in pdfs:
        with pdfium.PdfDocument(CORPUS / name) as pdf:
            for number in range(1, len(pdf) + 1):
                page = pdf[number - 1]
                layer = page.get_textpage()
                keys.append((name, number))
                texts.append(layer.get_text_range())
                layer.close()
                page.close()
    index = bm25s.BM25(backend="numpy")
    index.index(bm25s.tokenize(texts, show_progress=False), show_progress=False)

    def rank(question: str) -> list[PageKey]:
        (words,) = bm25s.tokenize([question], return_ids=False, show_progress=False)
        ids = index.get_tokens_ids(words)
        scores = index.get_scores_from_ids(ids) if ids else np.zeros(len(keys))
        return [keys[i] for i in np.argsort(-scores, kind="stable") if scores[i] > 0]

    return rank


def hits(rank: Rank, asked: Sequence[dict]) -> dict[str, Hits]:
    """By data set."""
    ranks: dict[str, list[float]] = {}
    for question in asked:
        wanted = {(question["pdf"], page) for page in question["evidence_pages"]}
        found = rank(question["question"])
        rank_of_page = next((n for n, page in enumerate(found) if page in wanted), float("inf"))
        ranks.setdefault(question["dataset"], []).append(rank_of_page)
    return {
        name: Hits(float(np.mean(np.array(r) < 1)), float(np.mean(np.array(r) < 5)))
        for name, r in sorted(ranks.items())
    }


def print_hits(rows: Sequence[tuple[str, dict[str, Hits]]]) -> None:
    """Print a line for each search and a column for each set."""
    names = list(rows[0][1])
    print(f"{'page hit@1 / hit@5':28}" + "".join(f"{name:>18}" for name in names))
    for label, found in rows:
        cells = (f"{found[name].at_1:.3f} / {found[name].at_5:.3f}" for name in names)
        print(f"{label:28}" + "".join(f"{cell:>18}" for cell in cells))


def leads(found: dict[str, Hits], baseline: dict[str, Hits]) -> dict[str, float]:
    """The lead of hit@1 over the baseline, by set."""
    return {name: round(hit.at_1 - baseline[name].at_1, 3) for name, hit in found.items()}


def sensitivity(rank: Rank, asked: Sequence[dict]) -> list[tuple[str, dict[str, Hits]]]:
    """Hits with half and with double each weight."""
    rows = []
    for name in ("CHUNK_WEIGHT", "PHRASE_WEIGHT", "DOCUMENT_WEIGHT", "REFERENCE_WEIGHT"):
        chosen = getattr(lexical, name)
        for factor in (0.5, 2.0):
            setattr(lexical, name, factor * chosen)
            rows.append((f"{name} = {factor * chosen}", hits(rank, asked)))
        setattr(lexical, name, chosen)
    return rows


def embedding_model(name: str) -> object | None:
    """The model that ``--embeddings`` names; None for "none" or if MiniLM is not installed."""
    if name != "minilm":
        return None if name == "none" else name
    sys.path.append(str(ROOT / "tests" / "support"))
    import minilm

    return minilm.minilm() if minilm.model_folder() else None


def report(
    documents: Sequence[OcrDocument], *, embeddings: str = "minilm", other_weights: bool = False
) -> bool:
    """Measure, print, and say whether the lead is reached.

    Args:
        documents: Of :func:`read_all`, named as in the corpus.
        embeddings: See :func:`embedding_model`.
        other_weights: Whether to show :func:`sensitivity` too.
    """
    pdfs = [document.source for document in documents]
    asked = [question for question in questions() if question["pdf"] in pdfs]
    start = time.perf_counter()
    rank = ours(documents)
    indexing = time.perf_counter() - start
    start = time.perf_counter()
    found = hits(rank, asked)
    asking = 1000 * (time.perf_counter() - start) / len(asked)
    baseline = hits(plain_bm25(pdfs), asked)
    rows = [("plain BM25, whole pages", baseline), ("ours, without embeddings", found)]
    if other_weights:
        rows += sensitivity(rank, asked)
    if model := embedding_model(embeddings):
        rows.append((f"ours, with {embeddings}", hits(ours(documents, model), asked)))
    pages = sum(map(len, documents))
    print(f"{len(pdfs)} documents, {pages} pages, {len(asked)} questions, one index")
    print(f"indexed in {indexing:.1f} s, {asking:.1f} ms a question")
    print_hits(rows)
    ahead = leads(found, baseline)
    reached = all(lead >= LEAD for lead in ahead.values())
    verdict = "reached" if reached else "MISSED"
    print(f"hit@1 without embeddings, lead >= {LEAD} in each set: {verdict} {ahead}")
    return reached


def main() -> int:
    parser = argparse.ArgumentParser(description="Page hit@1 and hit@5 on the question sets.")
    parser.add_argument("--backend", default="lite")
    parser.add_argument("--cache", type=Path, help="folder for what was read")
    parser.add_argument("--embeddings", default="minilm", help="minilm, none, or ollama/<model>")
    parser.add_argument("--sensitivity", action="store_true", help="also with other weights")
    options = parser.parse_args()
    if not CORPUS.is_dir():
        print("no ../shared/corpus: nothing to measure")
        return 0
    pdfs = sorted({question["pdf"] for question in questions()})
    documents = read_all(options.backend, pdfs, options.cache)
    print(f"backend {options.backend}")
    reached = report(documents, embeddings=options.embeddings, other_weights=options.sensitivity)
    return 0 if reached else 1


if __name__ == "__main__":
    raise SystemExit(main())
