"""Search: the right passage first, the same order every time, and nothing where nothing fits."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from deepseek_ocr_rag import Reader
from deepseek_ocr_rag.backends import LiteBackendWarning
from deepseek_ocr_rag.document.captions import CAPTION_KINDS
from deepseek_ocr_rag.document.grammar.parser import parse_document
from deepseek_ocr_rag.document.types import Block, Box, OcrDocument, Page
from deepseek_ocr_rag.errors import ConfigurationError
from deepseek_ocr_rag.records import Record, page_records
from deepseek_ocr_rag.retrieval import EmbeddingModel
from deepseek_ocr_rag.retrieval.references import caption_reference
from deepseek_ocr_rag.retrieval.retriever import Passage, Retriever

pytestmark = pytest.mark.minimum

BOX = Box(0.1, 0.2, 0.8, 0.3)


def document(source: str, *pages: str) -> OcrDocument:
    """One paragraph a page, all with the same box."""
    return OcrDocument(
        source,
        tuple(
            Page(n, text, (Block("text", text, (BOX,), (0, len(text))),))
            for n, text in enumerate(pages, start=1)
        ),
        len(pages),
    )


LIGHTHOUSE = document(
    "lighthouse.pdf",
    "The lighthouse was built in 1871 on the northern cliff.",
    "The keeper Ann Lee lights the lamp every evening. The lamp burns oil.",
    "Ships pass the cliff at a distance of four miles.",
)
WATCH = document("watch.pdf", "Press the button to measure.", "The watch has a lamp symbol.")


def test_the_best_passage_says_where_it_stands() -> None:
    best = Retriever.from_documents([LIGHTHOUSE, WATCH]).search("Who lights the lamp?")[0]
    assert (best.source, best.page) == ("lighthouse.pdf", 2)
    assert best.boxes == (BOX,)
    assert LIGHTHOUSE.page(2).markdown[slice(*best.span)] == best.text
    assert best.to_dict() == {
        "source": "lighthouse.pdf",
        "page": 2,
        "boxes": [[0.1, 0.2, 0.8, 0.3]],
        "text": best.text,
        "score": round(best.score, 6),
    }


def test_passages_come_best_first_and_only_those_that_share_a_word() -> None:
    passages = Retriever.from_documents([LIGHTHOUSE, WATCH]).search("lamp", k=10)
    assert [p.page for p in passages] == [2, 2]
    assert [p.score for p in passages] == sorted((p.score for p in passages), reverse=True)


@pytest.mark.parametrize("query", ["xylophone", "", "?!", "的"])
def test_a_query_without_a_known_word_finds_nothing(query: str) -> None:
    assert Retriever.from_documents([LIGHTHOUSE]).search(query) == ()


@pytest.mark.parametrize(
    "documents", [[], [OcrDocument("empty.pdf")], [document("b.pdf", " ", "")]]
)
def test_nothing_is_found_in_nothing(documents: list[OcrDocument]) -> None:
    assert Retriever.from_documents(documents).search("lamp") == ()


def test_a_corpus_of_one_chunk_can_be_searched_for_more() -> None:
    assert len(Retriever.from_documents([document("a.pdf", "One lamp.")]).search("lamp", k=9)) == 1


def test_a_text_of_marks_alone_does_no_harm() -> None:
    retriever = Retriever.from_documents([document("a.pdf", "--- *** ---", "One lamp.")])
    assert [p.page for p in retriever.search("lamp")] == [2]


def test_equal_passages_keep_the_order_of_the_documents() -> None:
    twins = [document(name, "The same lamp.") for name in ("c.pdf", "a.pdf", "b.pdf")]
    found = Retriever.from_documents(twins).search("lamp")
    assert [p.source for p in found] == ["c.pdf", "a.pdf", "b.pdf"]
    assert found == Retriever.from_documents(twins).search("lamp")


def test_a_chunk_is_found_by_the_heading_above_it() -> None:
    text = "Turn it clockwise until it clicks."
    block = Block("text", text, (BOX,), (0, len(text)), ("Replacing the filter",))
    manual = OcrDocument("m.pdf", (Page(1, text, (block,)),), 1)
    assert Retriever.from_documents([manual]).search("replace filter")[0].page == 1


@pytest.mark.parametrize(("k", "neighbours"), [(0, 0), (-1, 0), (1, -1)])
def test_what_cannot_be_given_is_refused(k: int, neighbours: int) -> None:
    with pytest.raises(ConfigurationError, match="cannot give"):
        Retriever([]).search("lamp", k=k, neighbours=neighbours)


def test_a_printed_page_number_is_known() -> None:
    pages = tuple(
        Page(n, text, (Block("text", text, (BOX,), (0, len(text))),), label=label)
        for n, text, label in [(1, "A preface.", "i"), (2, "The thanks.", "ii"), (3, "Text.", "1")]
    )
    found = Retriever.from_documents([OcrDocument("b.pdf", pages, 3)]).search("the page ii")
    assert [p.page for p in found] == [2]


# --- figures and tables ---------------------------------------------------------------------


def test_a_figure_is_found_by_its_caption_and_its_box_is_known(sample_pdf: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LiteBackendWarning)
        document = Reader("lite").read(sample_pdf, pages="3")
    pictures = [(page.number, b) for page in document for b in page.blocks if b.kind == "image"]
    assert pictures
    best = Retriever.from_documents([document]).search("What does figure 1 show?")[0]
    number, picture = pictures[0]
    assert best.page == number
    assert picture.boxes[0] in best.boxes


def test_a_table_is_found_by_its_caption_with_all_its_rows() -> None:
    caption, rows = "Table 4: Losses by year", "| 2019 | 4 |\n| --- | --- |\n| 2020 | 7 |"
    markdown = f"{caption}\n\n{rows}"
    blocks = (
        Block("table_caption", caption, (Box(0.1, 0.1, 0.9, 0.12),), (0, len(caption))),
        Block("table", rows, (Box(0.1, 0.15, 0.9, 0.4),), (len(caption) + 2, len(markdown))),
    )
    report = OcrDocument("r.pdf", (Page(1, markdown, blocks),), 1)
    best = Retriever.from_documents([report, LIGHTHOUSE]).search("What were the losses?")[0]
    assert best.text == markdown
    assert best.boxes == (*blocks[0].boxes, *blocks[1].boxes)


def test_every_numbered_figure_and_table_of_a_real_paper_is_found(shared: Path) -> None:
    """As DeepSeek-OCR has read it: each is asked for by its number and comes with its box."""
    file = shared / "model-outputs" / "11_deepseek_OCR_paper_PR" / "DeepSeek_OCR_paper_det.mmd"
    paper = parse_document(file.read_text("utf-8"), source="paper.pdf")
    retriever = Retriever.from_documents([paper])
    captions = [
        (page.number, block, reference)
        for page in paper
        for block in page.blocks
        if block.kind in CAPTION_KINDS and (reference := caption_reference(block.text))
    ]
    assert len(captions) > 12
    for number, caption, reference in captions:
        (best,) = retriever.search(f"What does {reference.kind} {reference.label} show?", k=1)
        assert best.page == number
        assert caption.text in best.text
        shown = "table" if reference.kind == "table" else "image"
        assert [piece.boxes for piece in best.pieces if piece.kind == shown]


# --- neighbours -----------------------------------------------------------------------------


def places(passages: tuple[Passage, ...]) -> list[tuple[str, int]]:
    return [(passage.source, passage.page) for passage in passages]


def test_a_hit_comes_with_what_stands_around_it() -> None:
    retriever = Retriever.from_documents([WATCH, LIGHTHOUSE])
    found = retriever.search("keeper", k=1, neighbours=1)
    assert places(found) == [("lighthouse.pdf", 1), ("lighthouse.pdf", 2), ("lighthouse.pdf", 3)]
    assert [p.score > 0 for p in found] == [False, True, False]
    assert found[0].boxes == (BOX,)


def test_neighbours_end_with_the_document() -> None:
    found = Retriever.from_documents([WATCH, LIGHTHOUSE]).search("1871", k=1, neighbours=9)
    assert places(found) == [("lighthouse.pdf", n) for n in (1, 2, 3)]


def test_neighbours_of_each_other_come_once_with_their_scores() -> None:
    found = Retriever.from_documents([LIGHTHOUSE]).search("cliff", k=2, neighbours=1)
    assert sorted(places(found)) == [("lighthouse.pdf", n) for n in (1, 2, 3)]
    assert [p.page for p in found if p.score > 0] == [1, 3]


def test_ranks_are_places_among_the_chunks() -> None:
    retriever = Retriever.from_documents([WATCH, LIGHTHOUSE])
    assert [
        (retriever.chunks[place].text, score) for place, score in retriever.rank("lamp", 2)
    ] == [(p.text, p.score) for p in retriever.search("lamp", 2)]


# --- records --------------------------------------------------------------------------------


@pytest.mark.parametrize("flat", [False, True])
def test_records_are_found_by_their_place(flat: bool) -> None:
    records = [
        record.flat() if flat else record
        for page in LIGHTHOUSE
        for record in page_records(page, source="lighthouse.pdf", total_pages=3)
    ]
    retriever = Retriever.from_records(records)
    ((place, _),) = retriever.rank("Who lights the lamp?", k=1)
    assert records[place].metadata["page"] == 1
    (best,) = retriever.search("Who lights the lamp?", k=1)
    assert (best.page, best.boxes, best.text) == (2, (BOX,), records[place].text)


def test_records_of_others_are_found_by_their_text() -> None:
    records = [Record("", "A lamp."), Record("", "An oar.", {"source": "x", "boxes": "no boxes"})]
    assert [place for place, _ in Retriever.from_records(records).rank("oar")] == [1]


def test_records_know_their_printed_page_numbers() -> None:
    records = [
        Record(label, f"Some words on {label}.", {"source": "a", "page": n, "page_label": label})
        for n, label in enumerate(("iii", "iv", "1"))
    ]
    ((place, _),) = Retriever.from_records(records).rank("What words are on page iv?", k=1)
    assert place == 1


# --- Chinese and Japanese -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "page"),
    [("灯塔是什么时候建造的？", 1), ("猫", 2), ("船の名前は何ですか", 3)],
)
def test_texts_without_spaces_are_searched(question: str, page: int) -> None:
    pages = document(
        "多.pdf", "灯塔于1871年在北崖建造。", "守塔人养了一只猫。", "船の名前は北星です。"
    )
    assert Retriever.from_documents([pages]).search(question)[0].page == page


# --- with embeddings ------------------------------------------------------------------------


def test_with_embeddings_a_passage_is_found_that_shares_no_word(minilm: EmbeddingModel) -> None:
    question = "Which vessels sail by?"
    assert Retriever.from_documents([LIGHTHOUSE, WATCH]).search(question) == ()
    by_meaning = Retriever.from_documents([LIGHTHOUSE, WATCH], embeddings=minilm)
    assert (by_meaning.search(question)[0].source, by_meaning.search(question)[0].page) == (
        "lighthouse.pdf",
        3,
    )


def test_with_embeddings_words_still_count(minilm: EmbeddingModel) -> None:
    codes = document(
        "codes.pdf", "Error E17: no oil.", "Error E18: no water.", "Error E19: no air."
    )
    found = Retriever.from_documents([codes], embeddings=minilm).search("E18", k=1)
    assert [p.page for p in found] == [2]


def test_with_embeddings_there_are_always_as_many_as_asked_for(minilm: EmbeddingModel) -> None:
    retriever = Retriever.from_documents([LIGHTHOUSE, WATCH], embeddings=minilm)
    found = retriever.search("xylophone", k=4)
    assert len(found) == 4
    assert [p.score for p in found] == sorted((p.score for p in found), reverse=True)


@pytest.mark.parametrize("weight", [0, -1, float("nan"), float("inf")])
def test_an_invalid_weight_is_refused(weight: float) -> None:
    with pytest.raises(ConfigurationError, match="embedding_weight"):
        Retriever([], embedding_weight=weight)


@pytest.mark.parametrize(
    ("question", "named"),
    [("What is on page 2?", True), ("What is on page 9?", False), ("Who lights the lamp?", False)],
)
def test_a_question_may_name_a_place_that_there_is(question: str, named: bool) -> None:
    assert Retriever.from_documents([LIGHTHOUSE]).names(question) is named
    assert not Retriever([]).names(question)
