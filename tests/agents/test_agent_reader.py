"""AgentReader: documents in portions for a language model."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pypdfium2
import pytest
from recorded_pages import RecordedBackend

from deepseek_ocr_rag import DeepSeekOCRError, Reader
from deepseek_ocr_rag.agents.agent_reader import AgentReader
from deepseek_ocr_rag.errors import (
    BackendUnavailableError,
    ConfigurationError,
    CorruptSourceError,
    PageRangeError,
    SourceNotAllowedError,
    SourceNotFoundError,
)

pytestmark = pytest.mark.minimum


def tagged(text: str) -> str:
    return f"<|ref|>text<|/ref|><|det|>[[10, 10, 900, 900]]<|/det|>\n{text}"


def write_pdf(path: Path, pages: int) -> Path:
    pdf = pypdfium2.PdfDocument.new()
    for _ in range(pages):
        pdf.new_page(595, 842)
    pdf.save(path)
    pdf.close()
    return path


def fenced(text: str) -> list[str]:
    """What stands between two equal lines that cannot be guessed."""
    pieces = re.findall(r"\n(===[0-9a-f]{16}===)\n(.*?)\n\1(?:\n|$)", text, re.DOTALL)
    return [piece for _, piece in pieces]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_pdf(tmp_path / "report.pdf", 9)
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.7 nothing more")
    return tmp_path


@pytest.fixture
def backend() -> RecordedBackend:
    return RecordedBackend({n: tagged(f"Words of page {n}. " * 20) for n in range(1, 10)})


def test_a_reply_begins_with_its_pages_and_ends_with_how_to_continue(
    root: Path, backend: RecordedBackend
) -> None:
    reply = AgentReader(Reader(backend), root_dir=root, max_chars=1500).read("report.pdf")
    first, *_, last = reply.text.split("\n\n")
    assert first.startswith("report.pdf: pages 1-2 of 9.")
    assert last == '[There is more. To go on, call again with pages="3-9".]'
    assert fenced(reply.text)[1].startswith("Words of page 2.")
    assert len(reply.text) <= 1500
    assert [page.number for page in reply.document] == [1, 2]


def test_following_the_replies_reads_every_page_once_and_loses_no_text(
    root: Path, backend: RecordedBackend
) -> None:
    agent = AgentReader(Reader(backend), root_dir=root, max_chars=1500)
    seen: list[int] = []
    pages: str | None = None
    while True:
        reply = agent.read("report.pdf", pages)
        seen += [page.number for page in reply.document]
        pages = reply.next_pages
        if pages is None:
            break
    assert seen == list(range(1, 10))
    assert reply.text.endswith("[End of the document.]")
    assert len(backend.asked) == len(set(backend.asked)) == 9


def test_pages_that_were_shown_are_not_read_again(root: Path, backend: RecordedBackend) -> None:
    agent = AgentReader(Reader(backend), root_dir=root)
    agent.read("report.pdf", "2-3")
    backend.asked.clear()
    again = agent.read("report.pdf", "2-3")
    assert backend.asked == []
    assert [page.number for page in again.document] == [2, 3]


def test_a_file_that_was_replaced_is_read_again(root: Path, backend: RecordedBackend) -> None:
    agent = AgentReader(Reader(backend), root_dir=root)
    agent.read("report.pdf", "1")
    write_pdf(root / "report.pdf", 4)
    assert "page 1 of 4" in agent.read("report.pdf", "1").text
    assert backend.asked.count(1) == 2


def test_the_number_of_remembered_documents_is_limited(
    root: Path, backend: RecordedBackend
) -> None:
    write_pdf(root / "other.pdf", 1)
    agent = AgentReader(Reader(backend), root_dir=root, keep=1)
    for name in ("report.pdf", "other.pdf", "report.pdf"):
        agent.read(name, "1")
    assert backend.asked.count(1) == 3


def test_a_long_document_is_read_only_as_far_as_the_reply_shows(
    tmp_path: Path, backend: RecordedBackend
) -> None:
    write_pdf(tmp_path / "long.pdf", 300)
    backend.replies = {n: tagged("word " * 300) for n in range(1, 301)}
    AgentReader(Reader(backend), root_dir=tmp_path, max_chars=4000).read("long.pdf")
    assert len(backend.asked) < 10


def test_a_page_longer_than_a_reply_comes_in_parts_that_join_without_a_gap(root: Path) -> None:
    text = " ".join(f"word{n}" for n in range(900))
    backend = RecordedBackend({1: tagged(text), 2: tagged("The second page.")})
    agent = AgentReader(Reader(backend), root_dir=root, max_chars=2000)
    parts: list[str] = []
    start = 0
    while True:
        reply = agent.read("report.pdf", "1-2", start)
        assert len(reply.text) <= 2000
        parts.append(fenced(reply.text)[0])
        if reply.next_start == 0:
            break
        assert f'pages="1-2" and start={reply.next_start}' in reply.text
        start = reply.next_start
    assert "".join(parts) == text
    assert backend.asked.count(1) == 1


def test_a_start_past_the_end_of_the_page_says_what_to_do(
    root: Path, backend: RecordedBackend
) -> None:
    with pytest.raises(ConfigurationError, match="without start"):
        AgentReader(Reader(backend), root_dir=root).read("report.pdf", "1", start=100_000)


def test_a_failed_page_is_reported_and_read_again_in_the_next_call(root: Path) -> None:
    backend = RecordedBackend({1: tagged("Good.")})
    agent = AgentReader(Reader(backend), root_dir=root)
    assert "[page 2]\n(This page could not be read: the scan is torn)" in (
        agent.read("report.pdf", "1-2").text
    )
    backend.replies[2] = tagged("Mended.")
    assert fenced(agent.read("report.pdf", "1-2").text) == ["Good.", "Mended."]
    assert backend.asked == [1, 2, 2]


@pytest.mark.parametrize(
    ("pages", "numbers"),
    [("2", [2]), (2, [2]), ([1, 3], [1, 3]), ("1,3-4", [1, 3, 4]), ("", None), ("all", None)],
)
def test_pages_are_accepted_as_models_write_them(
    root: Path, backend: RecordedBackend, pages: str | int | list[int], numbers: list[int] | None
) -> None:
    reply = AgentReader(Reader(backend), root_dir=root, max_chars=20_000).read("report.pdf", pages)
    assert [page.number for page in reply.document] == (numbers or list(range(1, 10)))


def test_a_scattered_selection_still_fits_and_says_that_more_follows(
    tmp_path: Path, backend: RecordedBackend
) -> None:
    write_pdf(tmp_path / "long.pdf", 99)
    backend.replies = {n: tagged("word " * 60) for n in range(1, 100)}
    odd = ",".join(map(str, range(1, 100, 2)))
    reply = AgentReader(Reader(backend), root_dir=tmp_path, max_chars=1000).read("long.pdf", odd)
    assert len(reply.text) <= 1000
    assert reply.next_pages == "3,5,7,9,11,13,15,17"
    assert "The rest of your selection comes after those." in reply.text


def test_the_document_is_named_by_its_path_under_root_dir(
    root: Path, backend: RecordedBackend
) -> None:
    (root / "2024").mkdir()
    write_pdf(root / "2024" / "a.pdf", 1)
    reply = AgentReader(Reader(backend), root_dir=root).read(str(root / "2024" / "a.pdf"))
    assert reply.document.source == "2024/a.pdf"
    assert reply.text.startswith("2024/a.pdf: page 1 of 1.")
    assert str(root) not in reply.text


@pytest.mark.parametrize(
    ("path", "pages", "kind"),
    [
        ("../report.pdf", None, SourceNotAllowedError),
        ("http://example.com/report.pdf", None, SourceNotAllowedError),
        ("missing.pdf", None, SourceNotFoundError),
        ("broken.pdf", None, CorruptSourceError),
        ("report.pdf", "99", PageRangeError),
    ],
)
def test_explanations_of_failures_do_not_contain_root_dir(
    root: Path, backend: RecordedBackend, path: str, pages: str | None, kind: type[DeepSeekOCRError]
) -> None:
    agent = AgentReader(Reader(backend), root_dir=root)
    with pytest.raises(kind) as caught:
        agent.read(path, pages)
    text = agent.explain(caught.value)
    assert text.startswith("The document was not read.")
    assert str(root) not in text
    assert caught.value.remedy
    assert caught.value.remedy in text


def test_an_absolute_path_inside_an_error_does_not_reach_the_model(root: Path) -> None:
    agent = AgentReader(Reader(RecordedBackend({})), root_dir=root)
    error = BackendUnavailableError(f"cannot open {root}/report.pdf")
    assert agent.explain(error) == "The document was not read. cannot open ./report.pdf"


def test_the_length_of_an_explanation_is_bounded(root: Path) -> None:
    agent = AgentReader(Reader(RecordedBackend({})), root_dir=root, max_chars=1000)
    assert len(agent.explain(DeepSeekOCRError("x" * 5000))) == 1000


def test_without_root_dir_it_is_the_current_directory(
    root: Path, backend: RecordedBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)
    agent = AgentReader(Reader(backend))
    monkeypatch.chdir(os.sep)
    assert "page 1 of 9" in agent.read("report.pdf", "1").text


def test_the_root_of_the_file_system_must_be_named_explicitly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(os.sep)
    with pytest.raises(ConfigurationError, match="root_dir"):
        AgentReader(Reader(RecordedBackend({})))
    assert AgentReader(Reader(RecordedBackend({})), root_dir=os.sep).root_dir == Path(os.sep)


@pytest.mark.parametrize("values", [{"max_chars": 10}, {"keep": 0}, {"root_dir": "no such folder"}])
def test_invalid_arguments_are_refused_at_once(values: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError):
        AgentReader(Reader(RecordedBackend({})), **values)  # type: ignore[arg-type]
