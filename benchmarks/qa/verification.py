"""Counts accepted true answers and rejected false or wrongly cited ones, for benchmarks/qa/qa.py."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from altered_answers import CHANGES, DATE, NAME, NUMBER
from calculated_answers import verify_calculated
from questions import CALCULATION, KINDS, Collection, Question
from rapidfuzz import fuzz

from deepseek_ocr_rag import Chunk, DocumentQA, Passage, chunk_document
from deepseek_ocr_rag.answering import TermFrequencies, Verifier
from deepseek_ocr_rag.retrieval import ChunkPiece
from deepseek_ocr_rag.text.plain_text import plain_text
from deepseek_ocr_rag.text.sentences import sentence_spans

WANTED = 0.95
"""Share of true ones accepted, and of altered and wrongly cited ones rejected."""
WANTED_CALCULATED = 0.8
"""The same for true answers that are calculated."""

CHANGES_EACH = 4
WRONG_PAGES = 3
SENTENCES_EACH = 12
"""Sentences of each document, and as many again with a date."""
PASSAGES = 400
"""Passages, drawn with a fixed seed, from which rows are taken to calculate with."""
FEWEST = 20
"""With fewer sentences a share is printed but decides nothing."""
CUT = 1500
"""Characters at which the set cuts off known evidence, wherever the answer is."""
DOCUMENTS = "sentences"
"""The column of sentences that are taken from the documents and answer no question."""
LEGIBLE = 90
"""Similarity, out of 100, of the known evidence and what we read."""


Judged = dict[str, dict[str, list[bool]]]
"""Whether each was judged right, by kind of sentence and by kind of question."""


def on_pages(passage: Passage, question: Question, pages: object) -> bool:
    return passage.source == question.pdf and any(p.page in pages for p in passage.pieces)


@dataclass(frozen=True)
class Case:
    """A known answer and the passages where it may be."""

    question: Question
    evidence: Passage | None  # None where the set has the figures instead of the text
    page: tuple[Passage, ...]
    elsewhere: tuple[Passage, ...]
    document: str

    @property
    def is_whole(self) -> bool:
        """Whether the set has the evidence to its end."""
        return all(len(text) < CUT for text in self.question.evidence_text)

    @property
    def is_legible(self) -> bool:
        """Whether our page has the evidence: some scans bring a poor text layer."""
        read = " ".join(" ".join(plain_text(passage.text).split()) for passage in self.page)
        if self.question.figures:
            return all(figure in read for figure in self.question.figures)
        texts = (" ".join(text.split()) for text in self.question.evidence_text)
        return all(fuzz.partial_ratio(text, read) >= LEGIBLE for text in texts)

    @property
    def sources(self) -> Iterator[tuple[str, tuple[Passage, ...], bool]]:
        """The evidence as the set has it and as we read it, and whether the answer is there."""
        if self.evidence is not None:
            yield "evidence", (self.evidence,), self.is_whole
        yield "page", self.page, self.is_legible

    def verifier(self, sources: Sequence[Passage], frequencies: TermFrequencies) -> Verifier:
        """Checks sentences that answer the question."""
        return Verifier(sources, self.question.question, frequencies)


def cases(asked: Sequence[Question], chunks: dict[str, tuple[Chunk, ...]]) -> Iterator[Case]:
    """Those whose evidence the set states, as text or as figures."""
    for question in asked:
        if not question.evidence_text and not question.figures:
            continue
        passages = [Passage.of(chunk) for chunk in chunks[question.pdf]]
        right = set(question.pages)
        yield Case(
            question,
            _evidence(question) if not question.figures else None,
            tuple(p for p in passages if right & {piece.page for piece in p.pieces}),
            tuple(
                p for p in passages if not question.right_pages & {piece.page for piece in p.pieces}
            ),
            "\n".join(p.text for p in passages),
        )


def _evidence(question: Question) -> Passage:
    text = "\n".join(question.evidence_text)
    piece = ChunkPiece(question.pages[0], "text", (0, len(text)), 0)
    return Passage(text, question.pdf, piece.page, (), 0.0, (), (0, len(text)), (piece,))


def verify(
    qa: Callable[[Question], DocumentQA],
    found: Sequence[Case],
    frequencies: TermFrequencies,
    details: bool,
) -> Judged:
    judged: Judged = {}
    for case in found:
        for name, right in _judged(qa, case, frequencies, details):
            judged.setdefault(name, {}).setdefault(case.question.kind, []).append(right)
    return judged


def _judged(
    qa: Callable[[Question], DocumentQA],
    case: Case,
    frequencies: TermFrequencies,
    details: bool,
) -> Iterator[tuple[str, bool]]:
    question = case.question
    rng = random.Random(question.id)
    for name, sources, is_there in case.sources:
        everything = range(len(sources))
        verifier = case.verifier(sources, frequencies)
        verdict = verifier.verify(question.answer, everything)
        if details and not verdict.supported:
            there = "" if is_there else ", not there"
            print(f"  {question.kind}, {name}{there}: {verdict.problem}")
            print(f"    {question.question} | {question.answer}")
        yield f"accepted, all answers, {name}", verdict.supported
        if is_there:
            yield f"accepted, {name} there", verdict.supported
        for change, make in CHANGES.items() if verdict.supported else ():
            made = (make(question.answer, case.document, rng) for _ in range(CHANGES_EACH))
            for changed in filter(None, made):
                found_out = not verifier.verify(changed, everything).supported
                yield f"{change}, {name}", found_out
    for passage in rng.sample(case.elsewhere, min(WRONG_PAGES, len(case.elsewhere))):
        verdict = case.verifier((passage,), frequencies).verify(question.answer, (0,))
        yield "wrong page, drawn", not verdict.supported
    asked = qa(question)
    retrieved = asked.retriever.search(question.question, asked.top_k)
    verifier = case.verifier(retrieved, frequencies)
    for index, passage in enumerate(retrieved):
        if not on_pages(passage, question, question.right_pages):
            verdict = verifier.verify(question.answer, (index,))
            yield "wrong page, found", not verdict.supported


def sentences(chunks: Sequence[Chunk]) -> list[tuple[str, Passage]]:
    """Those that state a number, a date or a name, with where they are; no list numbers."""
    return [
        (text, Passage.of(chunk))
        for chunk in chunks
        for span in sentence_spans(chunk.text)
        if re.match(r"[A-Z][a-z]", text := " ".join(chunk.text[slice(*span)].split()))
        and 7 <= len(text.split()) <= 60
        and (NUMBER.search(text) or NAME.search(text))
    ]


def verify_sentences(
    chunks: dict[str, tuple[Chunk, ...]], frequencies: TermFrequencies
) -> dict[str, list[bool]]:
    """As :func:`verify`, with sentences of the documents as they are and changed."""
    judged: dict[str, list[bool]] = {}
    for source, own in chunks.items():
        rng = random.Random(source)
        document = "\n".join(chunk.text for chunk in own)
        found = sentences(own)
        dated = [pair for pair in found if DATE.search(pair[0])]
        for text, passage in (
            *rng.sample(found, min(SENTENCES_EACH, len(found))),
            *rng.sample(dated, min(SENTENCES_EACH, len(dated))),
        ):
            verifier = Verifier((passage,), "", frequencies)
            supported = verifier.verify(text, (0,)).supported
            judged.setdefault("accepted, sentences", []).append(supported)
            for change, make in CHANGES.items() if supported else ():
                if changed := make(text, document, rng):
                    found_out = not verifier.verify(changed, (0,)).supported
                    judged.setdefault(f"{change}, sentences", []).append(found_out)
    return judged


def print_verification(
    qa: Callable[[Question], DocumentQA], collection: Collection, details: bool
) -> list[str]:
    chunks = {document.source: chunk_document(document) for document in collection.documents}
    frequencies = TermFrequencies((c.source, c.text) for group in chunks.values() for c in group)
    start = time.perf_counter()
    judged = verify(qa, list(cases(collection.asked, chunks)), frequencies, details)
    everything = [Passage.of(chunk) for group in chunks.values() for chunk in group]
    drawn = random.Random(collection.name).sample(everything, min(PASSAGES, len(everything)))
    for name, right in (
        verify_sentences(chunks, frequencies) | verify_calculated(drawn, frequencies)
    ).items():
        judged.setdefault(name, {})[DOCUMENTS] = right
    seconds = time.perf_counter() - start
    print(f"\nverification, {collection.name} ({seconds:.0f} s): share and number of sentences")
    return print_judged(judged)


def print_judged(judged: Mapping[str, Mapping[str, Sequence[bool]]]) -> list[str]:
    """Print a line for each kind of sentence, a column for each kind of question."""
    columns = [
        kind for kind in (*KINDS, DOCUMENTS) if any(kind in by_kind for by_kind in judged.values())
    ]
    print(f"{'':38}" + "".join(f"{column:>17}" for column in columns))
    missed = []
    for name, by_kind in sorted(judged.items()):
        cells = (
            (sum(right) / len(right), len(right)) if right else None
            for right in (by_kind.get(c) for c in columns)
        )
        print(
            f"{name:38}"
            + "".join(f"{'' if c is None else f'{c[0]:.3f} of {c[1]:5}':>17}" for c in cells)
        )
        if "same document" in name or "accepted, calculated" in name:
            continue
        for kind, right in by_kind.items():
            calculated = kind == CALCULATION and name.startswith("accepted")
            wanted = WANTED_CALCULATED if calculated else WANTED
            if len(right) >= FEWEST and sum(right) < wanted * len(right):
                missed.append(f"{name} ({kind})")
    return missed
