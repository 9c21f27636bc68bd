"""Search: the right passage first, the same order every time, and nothing where nothing fits."""

from __future__ import annotations

import pytest

from deepseek_ocr_rag.document import Block, Box, OcrDocument, Page
from deepseek_ocr_rag.errors import ConfigurationError
from deepseek_ocr_rag.retrieval import Retriever

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


def test_a_page_about_the_matter_comes_before_one_that_mentions_it() -> None:
    blocks, markdown = [], ""
    for text in ("Solar panels need sun. " * 30, "Clean panels twice a year. " * 30):
        span = (len(markdown), len(markdown) + len(text))
        blocks.append(Block("text", text, (BOX,), span))
        markdown += text
    about = OcrDocument("about.pdf", (Page(1, markdown, tuple(blocks)),), 1)
    aside = document("aside.pdf", "Clean the car twice a year. " * 12)
    found = Retriever.from_documents([aside, about]).search("How often to clean solar panels?")
    assert found[0].source == "about.pdf"


def test_a_chunk_is_found_by_the_heading_above_it() -> None:
    text = "Turn it clockwise until it clicks."
    block = Block("text", text, (BOX,), (0, len(text)), ("Replacing the filter",))
    manual = OcrDocument("m.pdf", (Page(1, text, (block,)),), 1)
    assert Retriever.from_documents([manual]).search("replace filter")[0].page == 1


def test_asking_for_no_passage_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="cannot give 0"):
        Retriever([]).search("lamp", k=0)
