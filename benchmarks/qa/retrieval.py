"""Is the page with the answer found? Our search beside plain BM25 over whole pages.

Run from the repository root::

    python benchmarks/qa/retrieval.py [--collections qa,tables] [--backend lite] [--cache FOLDER]
                                   [--embeddings minilm|none|ollama/<model>] [--sensitivity]

The documents of a collection are in one index; ``benchmarks/qa/questions.py`` says which
questions are asked of it and which of their own document. A question counts as hit@k where one
of its right pages is among the first k distinct pages. Questions without evidence pages, and
those marked unanswerable, are left out.

The baseline, in the same run, is bm25s with its own tokenizer over the text
that pypdfium2 takes from each page: whole pages, no OCR. What was read is kept, so that only
the first run takes minutes.

Embeddings are those of ``tests/support/minilm.py`` where its package is
installed; on two cores they take two minutes.

The weights in ``lexical.py``, ``page_index.py`` and ``bm25.py`` were chosen on
OHR-Bench and MMLongBench-Doc, from a coarse grid, by the mean over chunks of 300,
400, 500 and 700 tokens; FinanceBench, too small to choose by, was looked at.
``--sensitivity`` shows what half and double of each would give.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import bm25s
import numpy as np
import pypdfium2 as pdfium
from questions import CACHE, COLLECTIONS, CORPUS, KINDS, ROOT, TEXT, Collection, Question
from questions import collections as read_collections

from deepseek_ocr_rag import Retriever
from deepseek_ocr_rag.retrieval import lexical

LEAD = 0.05
FEWEST = 10
"""Required lead of hit@1 over the baseline, in every group of this many questions."""

PageKey = tuple[str, int]
Rank = Callable[[Question], Sequence[PageKey]]


@dataclass(frozen=True)
class Hits:
    """Shares of the questions with an evidence page first, or among the first five."""

    at_1: float
    at_5: float
    number: int  # of questions

    @classmethod
    def of(cls, ranks: Sequence[float]) -> Hits:
        array = np.array(ranks)
        return cls(float(np.mean(array < 1)), float(np.mean(array < 5)), len(ranks))


def ours(collection: Collection, embeddings: object | None = None) -> Rank:
    """Rank pages in the order in which our search finds their chunks."""

    @lru_cache
    def retriever(pdf: str | None) -> Retriever:
        documents = [d for d in collection.documents if pdf in (None, d.source)]
        return Retriever.from_documents(documents, embeddings=embeddings)

    def rank(question: Question) -> list[PageKey]:
        index = retriever(question.pdf if question.alone else None)
        found = index.search(question.question, k=max(1, len(index.chunks)))
        return list(dict.fromkeys((p.source, p.page) for p in found))

    return rank


def plain_bm25(collection: Collection) -> Rank:
    """The baseline."""

    @lru_cache
    def index(pdf: str | None) -> tuple[bm25s.BM25, list[PageKey]]:
        pdfs = collection.pdfs if pdf is None else [pdf]
        pages = [((p, n), text) for p in pdfs for n, text in enumerate(page_texts(p), 1)]
        made = bm25s.BM25(backend="numpy")
        texts = [text for _, text in pages]
        made.index(bm25s.tokenize(texts, show_progress=False), show_progress=False)
        return made, [key for key, _ in pages]

    def rank(question: Question) -> list[PageKey]:
        made, keys = index(question.pdf if question.alone else None)
        (words,) = bm25s.tokenize([question.question], return_ids=False, show_progress=False)
        ids = made.get_tokens_ids(words)
        scores = made.get_scores_from_ids(ids) if ids else np.zeros(len(keys))
        return [keys[i] for i in np.argsort(-scores, kind="stable") if scores[i] > 0]

    return rank


@lru_cache
def page_texts(pdf: str) -> list[str]:
    """The text layer of each page."""
    texts = []
    with pdfium.PdfDocument(CORPUS / pdf) as opened:
        for page in opened:
            layer = page.get_textpage()
            texts.append(layer.get_text_range())
            layer.close()
            page.close()
    return texts


def groups(question: Question, collection: str) -> tuple[str, ...]:
    """The columns in which a question counts: its kind, and in ``qa`` its data set too."""
    kind = f"{question.kind} questions" if question.kind == TEXT else question.kind
    tables = () if question.kind == TEXT else ("all on tables",)
    return (*((question.dataset,) if collection == "qa" else ()), kind, *tables)


def rank_of_page(rank: Rank, question: Question) -> float:
    """How many pages are ranked above the first right one; infinite if none is found."""
    wanted = {(question.pdf, page) for page in question.right_pages}
    return next((n for n, page in enumerate(rank(question)) if page in wanted), float("inf"))


def hits(rank: Rank, collection: Collection) -> dict[str, Hits]:
    """By group."""
    ranks: dict[str, list[float]] = {}
    for question in collection.asked:
        found = rank_of_page(rank, question)
        for group in groups(question, collection.name):
            ranks.setdefault(group, []).append(found)
    return {name: Hits.of(r) for name, r in sorted(ranks.items(), key=_order)}


def _order(item: tuple[str, object]) -> tuple[int, str]:
    name = item[0].removesuffix(" questions")
    return (KINDS.index(name) if name in KINDS else len(KINDS) if name[0].islower() else -1, name)


def print_hits(rows: Sequence[tuple[str, dict[str, Hits]]]) -> None:
    """Print a line for each search and a column for each group."""
    columns = {name: f"{name} ({hit.number})" for name, hit in rows[0][1].items()}
    print(f"{'page hit@1 / hit@5':28}" + "".join(f"{c:>22}" for c in columns.values()))
    for label, found in rows:
        cells = (f"{found[name].at_1:.3f} / {found[name].at_5:.3f}" for name in columns)
        print(f"{label:28}" + "".join(f"{cell:>22}" for cell in cells))


def leads(found: dict[str, Hits], baseline: dict[str, Hits]) -> dict[str, float]:
    """The lead of hit@1 over the baseline, by group."""
    return {name: round(hit.at_1 - baseline[name].at_1, 3) for name, hit in found.items()}


def sensitivity(rank: Rank, collection: Collection) -> list[tuple[str, dict[str, Hits]]]:
    """Hits with half and with double each weight."""
    rows = []
    for name in ("CHUNK_WEIGHT", "PHRASE_WEIGHT", "DOCUMENT_WEIGHT", "REFERENCE_WEIGHT"):
        chosen = getattr(lexical, name)
        for factor in (0.5, 2.0):
            setattr(lexical, name, factor * chosen)
            rows.append((f"{name} = {factor * chosen}", hits(rank, collection)))
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
    collection: Collection, *, embeddings: str = "minilm", other_weights: bool = False
) -> list[str]:
    """Measure, print, and name the groups in which the lead is not reached.

    Args:
        collection: Its documents and questions.
        embeddings: See :func:`embedding_model`.
        other_weights: Whether to show :func:`sensitivity` too.
    """
    pages = sum(map(len, collection.documents))
    asked = f"{len(collection.asked)} questions, {sum(q.alone for q in collection.asked)} of them"
    print(f"\n{collection.name}: {len(collection.documents)} documents, {pages} pages")
    print(f"{asked} asked of their own document alone")
    rank = ours(collection)
    start = time.perf_counter()
    Retriever.from_documents(collection.documents)
    print(f"indexed in {time.perf_counter() - start:.1f} s")
    baseline, found = hits(plain_bm25(collection), collection), hits(rank, collection)
    rows = [("plain BM25, whole pages", baseline), ("ours, without embeddings", found)]
    if other_weights:
        rows += sensitivity(rank, collection)
    if model := embedding_model(embeddings):
        rows.append((f"ours, with {embeddings}", hits(ours(collection, model), collection)))
    print_hits(rows)
    ahead = leads(found, baseline)
    print(f"lead of hit@1 without embeddings, at least {LEAD}: {ahead}")
    return [
        f"hit@1 on {name}"
        for name, lead in ahead.items()
        if lead < LEAD and found[name].number >= FEWEST
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description="Page hit@1 and hit@5 on the question sets.")
    parser.add_argument("--collections", default=",".join(COLLECTIONS))
    parser.add_argument("--backend", default="lite")
    parser.add_argument("--cache", type=Path, default=CACHE, help="folder for what was read")
    parser.add_argument("--embeddings", default="minilm", help="minilm, none, or ollama/<model>")
    parser.add_argument("--sensitivity", action="store_true", help="also with other weights")
    options = parser.parse_args()
    if not CORPUS.is_dir():
        print("no ../shared/corpus: nothing to measure")
        return 0
    print(f"backend {options.backend}")
    missed = []
    names = options.collections.split(",")
    for collection in read_collections(names, options.backend, options.cache):
        missed += report(
            collection, embeddings=options.embeddings, other_weights=options.sensitivity
        )
    print(f"\nmissed: {', '.join(missed) or 'nothing'}")
    return bool(missed)


if __name__ == "__main__":
    raise SystemExit(main())
