"""Long sources are compared in parts, and no part is left out that supports a sentence."""

from __future__ import annotations

import random

from deepseek_ocr_rag.answering.verification.citable_units import years_above
from deepseek_ocr_rag.answering.verification.indexes.source_parts import (
    MOST_UNITS,
    PartIndex,
    parts_of,
)
from deepseek_ocr_rag.answering.verification.statements import CitedSource, Statement
from deepseek_ocr_rag.answering.verification.verifier import ENOUGH_WORDS, Verifier
from deepseek_ocr_rag.retrieval.chunking import Chunk, ChunkPiece
from deepseek_ocr_rag.retrieval.retriever import Passage

KEEPERS = ("Ann Lee", "Ivo Kappel", "Helen Strand", "Ruth Almeida")
THINGS = ("lamp", "fog horn", "ladder", "oil store", "north window")
DEEDS = ("repaired", "painted", "inspected", "replaced", "measured")


def passage(text: str, source: str = "log.pdf") -> Passage:
    return Passage.of(Chunk(text, source, (ChunkPiece(1, "", (0, len(text)), 0),)))


def sentence(generator: random.Random) -> str:
    who, what, deed = (generator.choice(each) for each in (KEEPERS, THINGS, DEEDS))
    return f"{who} {deed} the {what} of tower {generator.randint(1, 9)} in {generator.randint(1901, 1960)}."


def source(text: str) -> CitedSource:
    return CitedSource.of(passage(text), 0)


def test_a_page_is_one_part_and_a_long_source_has_each_sentence_in_one() -> None:
    generator = random.Random(1)
    lines = [f"{sentence(generator)} Entry {n} ends." for n in range(500)]
    whole = source("\n\n".join(lines[:90]))
    assert parts_of(whole) == (whole,)
    long = source("\n\n".join(lines))
    parts = parts_of(long)
    assert len(parts) > 1
    assert all(len(part.units) <= MOST_UNITS for part in parts)
    assert {unit.citable.index for part in parts for unit in part.units} == {
        unit.citable.index for unit in long.units
    }


def test_a_table_stays_whole_and_each_row_keeps_its_head() -> None:
    text = " ".join(f"The log of week {n} is lost." for n in range(150))
    rows = "\n".join(f"| Hive {n} | {n + 3} |" for n in range(120))
    long = source(f"{text}\n\n| Hive | Honey |\n| --- | --- |\n{rows}\n\n{text}")
    parts = parts_of(long)
    (whole,) = [part for part in parts if any(unit.is_row for unit in part.units)]
    found = [unit for unit in whole.units if unit.is_row]
    assert len(found) == 120
    assert all("Honey" in "".join(unit.citable.heads) for unit in found)


def test_no_part_is_left_out_that_supports_a_sentence() -> None:
    generator = random.Random(14)
    sentences = [sentence(generator) for _ in range(40)]
    texts = [" ".join(sentences[at : at + 4]) for at in range(0, 40, 4)]
    texts.append("| Year | Oil |\n| --- | --- |\n| 1911 | 30 |\n| 1912 | 42 |")
    passages = [passage(text) for text in texts]
    years = years_above(passages)
    parts = [CitedSource.of(each, at, years[at]) for at, each in enumerate(passages)]
    index = PartIndex(parts)
    claims = [
        *sentences[:12],
        "Oil rose by 12 from 1911 to 1912.",
        "The lamp was painted.",
        "1933.",
    ]
    for claim in sentences[20:28]:
        words = claim[:-1].split()
        words[generator.randrange(len(words))] = generator.choice(words)
        claims += [f"{' '.join(words)}.", f"{' '.join(words[: len(words) // 2])}."]
    supported = skipped = 0
    for claim in claims:
        for question in ("", "Who painted the lamp?"):
            statement, asked = Statement.of(claim), Statement.of(question)
            possible = index.possible(statement, asked, ENOUGH_WORDS)
            for at, each in enumerate(passages):
                # What is cited is compared, whatever the index says.
                said = Verifier([each], question).verify(claim, [0]).supported
                assert at in possible or not said, (claim, each.text)
                skipped += at not in possible
                supported += said
    assert supported > 20
    assert skipped > 100


def test_the_nearest_parts_share_most_with_a_claim() -> None:
    texts = ("Ann Lee painted it.", "The lamp was painted in 1911.", "Oil is dear.")
    index = PartIndex([source(text) for text in texts])
    claim = Statement.of("The lamp was painted in 1911.")
    assert index.nearest(claim, Statement.of(""), range(3)) == [1, 0, 2]
