"""What each kind of evidence counts: words at three scales, phrases, and named places."""

from __future__ import annotations

import subprocess
import sys

import pytest

from deepseek_ocr_rag.retrieval.chunking import Chunk, ChunkPiece
from deepseek_ocr_rag.retrieval.lexical import LexicalIndex, LexicalScores
from deepseek_ocr_rag.retrieval.query import parse_query


def chunk(text: str, page: int = 1, source: str = "a.pdf", section: tuple[str, ...] = ()) -> Chunk:
    return Chunk(text, source, (ChunkPiece(page, "text", (0, len(text)), 0),), section)


def scores(chunks: list[Chunk], question: str) -> LexicalScores:
    return LexicalIndex(chunks).scores(parse_query(question))


def best(chunks: list[Chunk], question: str) -> int:
    return int(scores(chunks, question).total.argmax())


def test_a_page_about_the_matter_comes_before_one_that_mentions_it() -> None:
    chunks = [
        chunk("Clean the car twice a year.", page=1),
        chunk("Solar panels need sun. Panels age.", page=2),
        chunk("Clean the panels twice a year.", page=2),
    ]
    assert best(chunks, "How often to clean solar panels?") != 0


def test_a_document_about_the_matter_comes_before_another() -> None:
    chunks = [
        chunk("The warranty lasts two years.", 1, "kettle.pdf"),
        chunk("The kettle boils water.", 2, "kettle.pdf"),
        chunk("The warranty lasts three years.", 1, "pump.pdf"),
        chunk("The pump moves water.", 2, "pump.pdf"),
    ]
    assert best(chunks, "How many years of warranty has the pump?") == 2
    assert best(chunks, "How many years of warranty has the kettle?") == 0


def test_a_document_that_is_the_only_one_has_no_score() -> None:
    assert not scores([chunk("a lamp"), chunk("a lamp", 2)], "lamp").document.any()


def test_words_that_stand_together_count_more_than_apart() -> None:
    chunks = [
        chunk("Pressure at work, young blood.", 1),
        chunk("Young work at blood pressure.", 2),
    ]
    found = scores(chunks, "blood pressure")
    assert found.chunk[0] == pytest.approx(found.chunk[1])
    assert found.phrases[0] == 0 < found.phrases[1]


def test_the_same_form_of_a_word_counts_more_than_another() -> None:
    found = scores([chunk("They measured it.", 1), chunk("They measure it.", 2)], "measure")
    assert found.chunk[1] > found.chunk[0] > 0


def test_a_title_page_of_three_words_does_not_beat_the_page_that_tells() -> None:
    telling = "This guide tells how to start the pump, how to clean it, and what its sounds mean. "
    filler = "Other pages speak of other matters at much greater length than that one does. "
    chunks = [
        chunk("Pump Guide", 1),
        chunk(telling + "The pump guide names all parts of a pump.", 2),
        *(chunk(filler, page) for page in range(3, 8)),
    ]
    assert best(chunks, "What does the pump guide tell?") == 1


# --- places that the question names ----------------------------------------------------------

PAGES = [chunk(f"Some words of sheet {number}.", number) for number in range(1, 6)]


@pytest.mark.parametrize(
    ("question", "page"),
    [
        ("What words are on page 4?", 4),
        ("the words on the first page", 1),
        ("words of the last page", 5),
    ],
)
def test_a_page_that_is_named_comes_first(question: str, page: int) -> None:
    assert best(PAGES, question) == page - 1


def test_a_page_is_also_found_by_its_printed_label() -> None:
    index = LexicalIndex(PAGES, {("a.pdf", 2): "iv", ("a.pdf", 3): "1"})
    assert index.scores(parse_query("words on page iv")).total.argmax() == 1
    named = index.scores(parse_query("words on page 1")).references
    assert named.nonzero()[0].tolist() == [0, 2]


def test_a_named_page_is_found_though_it_shares_no_word() -> None:
    found = scores(PAGES, "How many cats are on page 3?")
    assert found.found.tolist() == [False, False, True, False, False]


def test_a_table_is_found_by_the_number_in_its_caption() -> None:
    def table(number: int) -> Chunk:
        caption, body = f"Table {number}: Prices of oil", "| oil | 3 |"
        pieces = (
            ChunkPiece(number, "table_caption", (0, len(caption)), 0),
            ChunkPiece(number, "table", (20, 31), len(caption) + 2),
        )
        return Chunk(f"{caption}\n\n{body}", "a.pdf", pieces)

    tables = [table(number) for number in (1, 2, 3)]
    assert best(tables, "What does tab. 2 say on oil?") == 1
    assert not scores(tables, "What does figure 2 say on oil?").references.any()


# --- chunks over pages ----------------------------------------------------------------------

RUNNING = Chunk(
    "The keeper was born in Bergen and learned his trade from his father the smith.",
    "a.pdf",
    (ChunkPiece(1, "text", (0, 30), 0), ChunkPiece(2, "text", (0, 48), 30)),
)


def test_the_page_of_a_chunk_over_two_is_the_one_that_has_the_words() -> None:
    index = LexicalIndex([RUNNING, chunk("Something else.", 3)])
    assert index.page_of(0, parse_query("Was the keeper from Bergen?")) == 1
    assert index.page_of(0, parse_query("Was his father a smith?")) == 2
    # Nothing speaks for either: most of it is on the second.
    assert index.page_of(0, parse_query("zebra")) == 2


def test_what_a_chunk_repeats_counts_for_no_page() -> None:
    head, row = "| item | price |", "| oil | 3 |"
    part = Chunk(
        f"{head}\n{row}",
        "a.pdf",
        (
            ChunkPiece(1, "table", (0, len(head)), 0, repeated=True),
            ChunkPiece(2, "table", (0, len(row)), len(head) + 1),
        ),
    )
    index = LexicalIndex([part, chunk("A page on weather.", 1)])
    assert index.scores(parse_query("weather")).page[0] == 0
    assert index.page_of(0, parse_query("item price")) == 2


def test_nothing_is_found_in_nothing() -> None:
    assert len(scores([], "lamp on page 3").total) == 0
    assert not scores([chunk("--- *** ---")], "lamp").found.any()


# --- tables of contents ---------------------------------------------------------------------

CONTENTS = "\n".join(
    f"{what} the pump {n}" for n, what in enumerate(("Fill", "Start", "Stop", "Clean", "Mend"), 1)
)
MANUAL = [
    chunk(CONTENTS, 1),
    chunk("Clean the pump with cold water. Never use soap.", 2),
    chunk("Start it with the switch.", 3),
]


def test_a_table_of_contents_stands_back() -> None:
    assert best(MANUAL, "How to clean the pump?") == 1


def test_a_table_of_contents_is_what_a_question_for_a_page_wants() -> None:
    assert best(MANUAL, "On which page does it say how to clean the pump?") == 0


def test_the_word_index_leaves_the_log_and_the_warnings_of_the_application_alone() -> None:
    code = """
import logging, sys, warnings
class Importer:
    def find_spec(self, name, path=None, target=None):
        if name == "bm25s":  # as tqdm does in a notebook without widgets
            warnings.warn("IProgress not found. Please update jupyter and ipywidgets.")
sys.meta_path.insert(0, Importer())
logging.basicConfig(level=logging.DEBUG)
from deepseek_ocr_rag.retrieval.bm25 import Bm25
print(Bm25([["lamp"], ["oil"]], min_length=0.5).scores(["lamp"]).argmax())
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (ran.stdout, ran.stderr) == ("0\n", "")


def test_a_document_is_found_by_the_words_of_its_name() -> None:
    chunks = [
        chunk("Net sales rose.", 1, "reports/BEST_LAMPS_2022.pdf"),
        chunk("Net sales rose.", 1, "reports/GOOD_WICKS_2023.pdf"),
    ]
    assert best(chunks, "Did net sales of Good Wicks rise?") == 1
    assert best(chunks, "Did net sales rise in 2022?") == 0


def test_a_folder_does_not_name_a_document() -> None:
    chunks = [chunk("Net sales rose.", 1, "wicks/a.pdf"), chunk("Net sales rose.", 1, "b.pdf")]
    found = scores(chunks, "Did net sales of wicks rise?")
    assert found.document[0] == pytest.approx(found.document[1])


@pytest.mark.parametrize(
    ("question", "factor"),
    [("When does the lease end?", 0.8), ("In which exhibit is the lease?", 1.0)],
)
def test_a_list_of_exhibits_counts_less_unless_it_is_asked_for(
    question: str, factor: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    listing = "Lease, incorporated by reference to Exhibit 4. " * 6
    chunks = [chunk(listing, 1), chunk("The lease of the lamp ends.", 2)]
    found = scores(chunks, question)
    monkeypatch.setattr("deepseek_ocr_rag.retrieval.page_index.LISTING_FACTOR", 1.0)
    plain = scores(chunks, question)
    assert found.page[0] == pytest.approx(factor * plain.page[0])
    assert found.chunk[0] == pytest.approx(factor * plain.chunk[0])
    assert found.page[1] == pytest.approx(plain.page[1])
