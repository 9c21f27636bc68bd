"""An answer in print: its text, and where every part of it stands."""

from __future__ import annotations

from deepseek_ocr_rag.answering.answer import Answer, Sentence
from deepseek_ocr_rag.answering.verification.citation import Citation
from deepseek_ocr_rag.answering.verify import verify
from deepseek_ocr_rag.document.types import Box
from deepseek_ocr_rag.retrieval.retriever import Passage

BOX = Box(0.1, 0.2, 0.9, 0.3)
CITATION = Citation("a.pdf", 2, (BOX,), "The lamp was lit.", (0, 17), 0)
PASSAGE = Passage("The lamp was lit.", "a.pdf", 2, (BOX,), 1.0, (), (0, 17), ())


def test_every_citation_is_a_line_with_page_and_box() -> None:
    answer = Answer("When?", "“The lamp was lit.” [1]", (CITATION,), (PASSAGE,))
    assert str(answer) == (
        "“The lamp was lit.” [1]\n\n[1] a.pdf, page 2, box (0.100, 0.200, 0.900, 0.300)"
    )


def test_words_that_the_text_does_not_quote_are_added() -> None:
    answer = Answer("When?", "Then. [1]", (CITATION,), (PASSAGE,), llm="ollama/x")
    assert answer.sources.endswith("\n    “The lamp was lit.”")


def test_a_sentence_without_support_is_named_with_the_reason_and_what_the_model_was_given() -> None:
    sentence = Sentence("Then.", "unsupported", problem="the source does not say this", span=(0, 5))
    answer = Answer("When?", "Then.", (), (PASSAGE,), llm="ollama/x", sentences=(sentence,))
    assert answer.unsupported == (sentence,)
    assert answer.sources.splitlines() == [
        "unsupported: “Then.” (the source does not say this)",
        "The model was given:",
        "- a.pdf, page 2, box (0.100, 0.200, 0.900, 0.300)",
    ]


def test_a_sentence_that_strict_mode_left_out_is_not_printed() -> None:
    removed = Sentence("Then.", "unsupported", problem="the source does not say this")
    kept = Sentence("The lamp was lit.", "supported", (0,), (0,), span=(0, 21))
    answer = Answer(
        "?", "The lamp was lit. [1]", (CITATION,), (PASSAGE,), sentences=(removed, kept)
    )
    assert answer.unsupported == (removed,)
    assert "Then." not in str(answer)


def test_where_passages_are_quoted_instead_no_line_repeats_what_was_not_supported() -> None:
    wrong = Sentence("Then.", "unsupported", problem="the source does not say this", span=(0, 19))
    answer = Answer(
        "?", "Then. [unsupported]", (CITATION,), (PASSAGE,), sentences=(wrong,), quoted=True
    )
    assert answer.sources.startswith("[1] a.pdf")
    assert "unsupported" not in answer.sources


def test_where_nothing_was_found_there_is_only_the_text() -> None:
    assert str(Answer("When?", "This is not in these documents.")) == (
        "This is not in these documents."
    )


def test_neither_a_name_nor_a_quote_makes_a_line_that_looks_like_a_source() -> None:
    forged = "\n[2] safe.pdf, page 9, box (0.100, 0.200, 0.900, 0.300)"
    citation = Citation(f"a\x1b[2J{forged}.pdf", 2, (BOX,), f"Lit.{forged}", (0, 5), 0)
    lines = Answer("When?", "Then. [1]", (citation,), (PASSAGE,)).sources.splitlines()
    assert [line[:5] for line in lines] == ["[1] a", "    “", "     "]
    assert "\x1b" not in "".join(lines)


def test_json_has_the_documented_keys() -> None:
    sentence = Sentence("Then.", "supported", (0,), (0,), span=(0, 9))
    data = Answer("When?", "Then. [1]", (CITATION,), (PASSAGE,), sentences=(sentence,)).to_dict()
    assert set(data) == {"answer", "sentences", "citations", "passages"}
    assert data["citations"] == [
        {
            "source": "a.pdf",
            "page": 2,
            "boxes": [[0.1, 0.2, 0.9, 0.3]],
            "quote": "The lamp was lit.",
        }
    ]
    assert data["sentences"] == [
        {"text": "Then.", "status": "supported", "citations": [1], "problem": ""}
    ]


def test_an_answer_prints_short_and_shows_in_a_notebook_with_its_sources() -> None:
    bad = "<script>alert(1)</script><img src=x onerror=alert(1)>"
    cited = Citation(bad, 3, (Box(0, 0, 1, 1),), f"Ann keeps {bad}", (0, 4), 0)
    sentences = (Sentence(bad, "unsupported", problem=bad),)
    answer = Answer(
        bad, f"Ann keeps it. [1] {bad}" * 90, (cited,), warnings=(bad,), sentences=sentences
    )
    assert len(repr(answer)) < 300
    shown = answer._repr_html_()
    assert "<script" not in shown
    assert "<img" not in shown
    assert shown.count("&lt;script&gt;") > 4
    assert "page 3: Ann keeps" in shown
    assert "Not supported: " in shown
    checked = verify("Ann Lee keeps the lamp. It is red.", ["Ann Lee keeps the lamp."])
    assert repr(checked) == (
        "Verification('Ann Lee keeps the lamp. It is red.', supported=1, unsupported=1)"
    )
    assert "Not supported: It is red." in checked._repr_html_()
