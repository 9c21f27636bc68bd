"""Questions over what the model really wrote: recorded pages in, checked citations out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pypdfium2
import pytest

from deepseek_ocr_rag import Answer, Citation, DocumentQA, OcrDocument, Reader, ReplayBackend
from deepseek_ocr_rag.answering import Message
from deepseek_ocr_rag.answering.fixed_texts import quoted_line
from deepseek_ocr_rag.document.grammar.runtime_noise import split_pages

PAPER = "11_deepseek_OCR_paper_PR/DeepSeek_OCR_paper_det.mmd"
SHEET = "01_thukiy_R-G/md"


def replayed(texts: list[str], folder: Path) -> OcrDocument:
    """Texts of the model as a document, read through the whole pipeline."""
    pdf = pypdfium2.PdfDocument.new()
    for _ in texts:
        pdf.new_page(595, 842)
    pdf.save(folder / "pages.pdf")
    pdf.close()
    return Reader(ReplayBackend(texts)).read(folder / "pages.pdf", name="pages.pdf")


@pytest.fixture(scope="module")
def outputs(shared: Path) -> Path:
    folder = shared / "model-outputs"
    if not folder.is_dir():
        pytest.skip("no ../shared/model-outputs")
    return folder


@pytest.fixture(scope="module")
def paper(outputs: Path, tmp_path_factory: pytest.TempPathFactory) -> OcrDocument:
    """The DeepSeek-OCR paper, 22 pages."""
    text = (outputs / PAPER).read_text("utf-8")
    return replayed(list(split_pages(text)), tmp_path_factory.mktemp("paper"))


@pytest.fixture(scope="module")
def sheet(outputs: Path, tmp_path_factory: pytest.TempPathFactory) -> OcrDocument:
    """A German exercise sheet with solutions, 17 pages, half of it formulas."""
    pages = sorted((outputs / SHEET).glob("ANA_e__3__*_DGL13_L*.md"))
    assert len(pages) == 17
    return replayed([page.read_text("utf-8") for page in pages], tmp_path_factory.mktemp("sheet"))


def is_traced(citation: Citation, document: OcrDocument) -> bool:
    """Whether the quote stands where the citation says, word for word and box for box."""
    page = document.page(citation.page)
    start, end = citation.span
    there = {box for block in page.blocks_in(start, end) for box in block.boxes}
    return page.markdown[start:end] == citation.quote and set(citation.boxes) <= there


@pytest.mark.parametrize(
    ("question", "page", "words"),
    [
        ("How many pages per day can be generated with a single A100-40G?", 1, "200k"),
        ("Which components does DeepSeek-OCR consist of?", 5, "DeepEncoder"),
        ("How many vision tokens per page does GOT-OCR2.0 use?", 1, "256 tokens/page"),
    ],
)
def test_the_paper_is_quoted_with_page_and_box(
    paper: OcrDocument, question: str, page: int, words: str
) -> None:
    answer = DocumentQA(paper).ask(question)
    best = answer.citations[0]
    assert (best.source, best.page) == ("pages.pdf", page)
    assert words in best.quote
    assert all(citation.boxes and is_traced(citation, paper) for citation in answer.citations)


@pytest.mark.parametrize(
    ("question", "page", "words"),
    [
        ("Was bedeutet die Methode der Charakteristiken?", 1, "Methode der Charakteristiken"),
        ("Welche Identität wird nur erfüllt, wenn beide Seiten konstant sind?", 1, "konstant sind"),
    ],
)
def test_german_pages_are_quoted_with_page_and_box(
    sheet: OcrDocument, question: str, page: int, words: str
) -> None:
    answer = DocumentQA(sheet).ask(question)
    best = answer.citations[0]
    assert best.page == page
    assert words in best.quote
    assert all(citation.boxes and is_traced(citation, sheet) for citation in answer.citations)


def test_what_neither_has_is_not_called_an_answer(paper: OcrDocument, sheet: OcrDocument) -> None:
    for question in ("What is the recipe for apple pie?", "Wer gewann die Weltmeisterschaft?"):
        answer = DocumentQA((paper, sheet)).ask(question)
        assert not answer.found
        assert not answer.text.startswith(quoted_line((), all_read=True).split(" (")[0])


class Writing:
    """A language model that writes a given answer, with the number of the source that has a text."""

    name = "scripted"
    context_length = 8192

    def __init__(self, write: Callable[[int], str], source: str) -> None:
        self._write = write
        self._source = source

    def stream(self, messages: Sequence[Message], *, max_tokens: int) -> Iterator[str]:
        prompt = "\n".join(message.content for message in messages)
        before = prompt[: prompt.index(self._source)]
        yield self._write(int(re.findall(r"^\[(\d+)\]$", before, re.M)[-1]))


def ask_paper(paper: OcrDocument, sentence: str) -> Answer:
    llm = Writing(lambda number: f"{sentence} [{number}]", "a single A100")
    return DocumentQA(paper, llm=llm).ask("How many pages a day does a single A100-40G make?")


def test_a_written_answer_is_checked_against_the_page(paper: OcrDocument) -> None:
    true = ask_paper(
        paper, "DeepSeek-OCR can generate training data at a scale of 200k+ pages per day."
    )
    assert [sentence.status for sentence in true.sentences] == ["supported"]
    (citation,) = true.citations
    assert citation.page == 1
    assert "200k" in citation.quote
    assert is_traced(citation, paper)


def test_a_wrong_number_is_found_out(paper: OcrDocument) -> None:
    wrong = ask_paper(
        paper, "DeepSeek-OCR can generate training data at a scale of 900k+ pages per day."
    )
    assert [sentence.text for sentence in wrong.unsupported] == [wrong.sentences[0].text]
    # In its place the page is quoted.
    assert wrong.quoted
    assert all(is_traced(citation, paper) for citation in wrong.citations)
