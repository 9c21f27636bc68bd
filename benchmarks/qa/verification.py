"""Counts accepted true answers and rejected false or wrongly cited ones, for benchmarks/qa/qa.py."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from altered_answers import CHANGES, DATE, NAME, NUMBER
from calculated_answers import verify_calculated
from rapidfuzz import fuzz

from deepseek_ocr_rag import Chunk, DocumentQA, OcrDocument, Passage, chunk_document
from deepseek_ocr_rag.answering import TermFrequencies, Verdict, Verifier
from deepseek_ocr_rag.retrieval import ChunkPiece
from deepseek_ocr_rag.text.sentences import sentence_spans

WANTED = 0.95
"""Share of true ones accepted, and of altered and wrongly cited ones rejected."""

CHANGES_EACH = 4
WRONG_PAGES = 3
SENTENCES_EACH = 12
"""Sentences of each document, and as many again with a date."""
FEWEST = 20
"""With fewer sentences a share is printed but decides nothing."""
CUT = 1500
"""Characters at which the set cuts off known evidence, wherever the answer stands."""
LEGIBLE = 90
"""Similarity, out of 100, of the known evidence and what we read."""


def on_pages(passage: Passage, question: dict, pages: object) -> bool:
    return passage.source == question["pdf"] and any(p.page in pages for p in passage.pieces)


@dataclass(frozen=True)
class Case:
    """A known answer and the passages where it may stand."""

    question: dict
    evidence: Passage
    page: tuple[Passage, ...]
    elsewhere: tuple[Passage, ...]
    document: str

    @property
    def is_whole(self) -> bool:
        """Whether the set has the evidence to its end."""
        return all(len(text) < CUT for text in self.question["evidence_text"])

    @property
    def is_legible(self) -> bool:
        """Whether our page has the evidence: some scans bring a poor text layer."""
        read = " ".join(" ".join(passage.text.split()) for passage in self.page)
        texts = (" ".join(text.split()) for text in self.question["evidence_text"])
        return all(fuzz.partial_ratio(text, read) >= LEGIBLE for text in texts)

    def verdict(
        self,
        text: str,
        sources: Sequence[Passage],
        cited: Sequence[int],
        frequencies: TermFrequencies,
    ) -> Verdict:
        """The verdict on a sentence that cites some of the sources."""
        return Verifier(sources, self.question["question"], frequencies).verify(text, cited)


def cases(asked: Sequence[dict], chunks: dict[str, tuple[Chunk, ...]]) -> Iterator[Case]:
    for question in asked:
        if not question.get("evidence_text"):
            continue
        text = "\n".join(question["evidence_text"])
        piece = ChunkPiece(question["evidence_pages"][0], "text", (0, len(text)), 0)
        evidence = Passage(text, question["pdf"], piece.page, (), 0.0, (), (0, len(text)), (piece,))
        passages = [Passage.of(chunk) for chunk in chunks[question["pdf"]]]
        right = set(question["evidence_pages"])
        yield Case(
            question,
            evidence,
            tuple(p for p in passages if right & {piece.page for piece in p.pieces}),
            tuple(p for p in passages if not right & {piece.page for piece in p.pieces}),
            "\n".join(p.text for p in passages),
        )


def verify(
    qa: DocumentQA, found: Sequence[Case], frequencies: TermFrequencies, details: bool
) -> dict[str, list[bool]]:
    """By kind of sentence, whether each was judged right."""
    judged: dict[str, list[bool]] = {}

    def judge(name: str, right: bool) -> None:
        judged.setdefault(name, []).append(right)

    for case in found:
        answer = case.question["answer"]
        rng = random.Random(case.question["id"])
        for name, sources, is_there in (
            ("evidence", (case.evidence,), case.is_whole),
            ("page", case.page, case.is_legible),
        ):
            everything = range(len(sources))
            verdict = case.verdict(answer, sources, everything, frequencies)
            if details and not verdict.supported:
                print(f"  {name}: {verdict.problem} | {case.question['question']} | {answer}")
            judge(f"accepted, all answers, {name}", verdict.supported)
            if is_there:
                judge(f"accepted, {name} there", verdict.supported)
            for change, make in CHANGES.items() if verdict.supported else ():
                made = (make(answer, case.document, rng) for _ in range(CHANGES_EACH))
                for changed in filter(None, made):
                    found_out = not case.verdict(
                        changed, sources, everything, frequencies
                    ).supported
                    judge(f"{change}, {name}", found_out)
        for passage in rng.sample(case.elsewhere, min(WRONG_PAGES, len(case.elsewhere))):
            verdict = case.verdict(answer, (passage,), (0,), frequencies)
            judge("wrong page, drawn", not verdict.supported)
        retrieved = qa.retriever.search(case.question["question"], qa.top_k)
        for index, passage in enumerate(retrieved):
            if not on_pages(passage, case.question, case.question["evidence_pages"]):
                verdict = case.verdict(answer, retrieved, (index,), frequencies)
                judge("wrong page, found", not verdict.supported)
    return judged


def sentences(chunks: Sequence[Chunk]) -> list[tuple[str, Passage]]:
    """Those that state a number, a date or a name, with where they stand; no list numbers."""
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
    """As :func:`verify`, with sentences of the documents as they stand and changed."""
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
    qa: DocumentQA, asked: Sequence[dict], documents: Sequence[OcrDocument], details: bool
) -> list[str]:
    chunks = {document.source: chunk_document(document) for document in documents}
    frequencies = TermFrequencies((c.source, c.text) for group in chunks.values() for c in group)
    start = time.perf_counter()
    judged = verify(qa, list(cases(asked, chunks)), frequencies, details)
    judged |= verify_sentences(chunks, frequencies)
    everything = [Passage.of(chunk) for group in chunks.values() for chunk in group]
    judged |= verify_calculated(everything, frequencies)
    seconds = time.perf_counter() - start
    print(f"\nverification ({seconds:.0f} s): share and number of sentences")
    missed = []
    for name, right in judged.items():
        share = sum(right) / len(right)
        print(f"{name:38} {share:.3f} {len(right):5}")
        hard = "same document" in name or "accepted, calculated" in name or len(right) < FEWEST
        missed += [name] if share < WANTED and not hard else []
    return missed
