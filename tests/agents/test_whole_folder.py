"""list_documents and search_documents over the whole root, and near names for one that is not there."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

import pypdfium2
import pytest

from deepseek_ocr_rag import Reader
from deepseek_ocr_rag.agents import AgentReader
from deepseek_ocr_rag.agents.folder_listing import documents_below
from deepseek_ocr_rag.agents.folder_pages import FolderPages
from deepseek_ocr_rag.backends import PageRequest, Reply
from deepseek_ocr_rag.errors import (
    BackendUnavailableError,
    ConfigurationError,
    DeepSeekOCRError,
    SourceNotAllowedError,
    SourceNotFoundError,
)

pytestmark = pytest.mark.filterwarnings("error")


class ByHeight:
    """A backend that knows each document by the height of its pages, and notes what it read."""

    name = model = "by-height"
    needs_image = False
    reads_text_layer = False

    def __init__(self, texts: dict[int, str]) -> None:
        self.texts = texts
        self.asked: list[tuple[int, int]] = []

    def read(self, requests: Iterable[PageRequest]) -> Iterator[Reply]:
        for request in requests:
            height = round(request.height / 3)
            self.asked.append((height, request.page))
            text = self.texts.get(height, "")
            box = "<|ref|>text<|/ref|><|det|>[[10, 10, 900, 900]]<|/det|>\n"
            yield Reply(request.key, f"{box}{text} It is page {request.page}." if text else box)

    def close(self) -> None:
        pass


def write_pdf(path: Path, height: int, pages: int = 1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pdf = pypdfium2.PdfDocument.new()
    for _ in range(pages):
        pdf.new_page(300, 3 * height)
    pdf.save(path)
    pdf.close()


TEXTS = {
    100: "The lamp burns whale oil.",
    120: "The harbour was dredged by two crews.",
    140: "Ada Holm keeps the lamp with two apprentices.",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_pdf(tmp_path / "lamp.pdf", 100)
    write_pdf(tmp_path / "2024" / "harbour 10.pdf", 120, pages=2)
    write_pdf(tmp_path / "2024" / "harbour 9.pdf", 120)
    write_pdf(tmp_path / "people" / "crew.pdf", 140)
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.7 and nothing more")
    (tmp_path / "notes.txt").write_text("not a document")
    (tmp_path / ".hidden.pdf").write_bytes(b"%PDF")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "a.pdf").write_bytes(b"%PDF")
    return tmp_path


@pytest.fixture
def backend() -> ByHeight:
    return ByHeight(TEXTS)


@pytest.fixture
def agent(root: Path, backend: ByHeight) -> AgentReader:
    return AgentReader(Reader(backend, cache=False), root_dir=root)


ALL = ("2024/harbour 9.pdf", "2024/harbour 10.pdf", "broken.pdf", "lamp.pdf", "people/crew.pdf")


class TestListing:
    def test_all_documents_are_listed_in_natural_order_and_nothing_else(
        self, agent: AgentReader, root: Path
    ) -> None:
        listed = agent.list_documents()
        assert listed.paths == ALL
        assert listed.text.startswith("5 documents in the allowed folder.")
        assert "2024/harbour 9.pdf (" in listed.text
        assert str(root) not in listed.text

    def test_one_folder_can_be_listed(self, agent: AgentReader) -> None:
        assert agent.list_documents("2024/").paths == ALL[:2]
        assert agent.list_documents("./people").paths == ALL[4:]

    @pytest.mark.parametrize("folder", ["..", "/etc", "2024/../..", "C:\\", "nothing"])
    def test_a_folder_that_is_not_inside_has_no_documents(
        self, agent: AgentReader, folder: str
    ) -> None:
        with pytest.raises(ConfigurationError, match="folder"):
            agent.list_documents(folder)

    def test_a_misspelled_folder_names_the_near_one(self, agent: AgentReader) -> None:
        with pytest.raises(ConfigurationError) as caught:
            agent.list_documents("peple")
        assert "Did you mean 'people'?" in str(caught.value)

    def test_links_out_of_the_root_are_not_followed(
        self, agent: AgentReader, root: Path, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        outside = tmp_path_factory.mktemp("outside")
        write_pdf(outside / "secret.pdf", 100)
        (root / "link").symlink_to(outside)
        (root / "link.pdf").symlink_to(outside / "secret.pdf")
        assert agent.list_documents().paths == ALL

    def test_a_pipe_is_no_document(self, agent: AgentReader, root: Path) -> None:
        os.mkfifo(root / "pipe.pdf")
        assert agent.list_documents().paths == ALL

    def test_a_long_list_comes_in_portions_without_a_gap(self, tmp_path: Path) -> None:
        for number in range(250):
            (tmp_path / f"a document with a long name, number {number}.pdf").touch()
        agent = AgentReader(Reader(ByHeight({})), root_dir=tmp_path, max_chars=2000)
        paths: list[str] = []
        offset: int | None = 0
        while offset is not None:
            listed = agent.list_documents(offset=offset)
            assert len(listed.text) <= 2000
            assert (f"offset={listed.next_offset}" in listed.text) == bool(listed.next_offset)
            paths += listed.paths
            offset = listed.next_offset
        assert len(paths) == len(set(paths)) == 250

    def test_an_empty_folder_says_so(self, tmp_path: Path) -> None:
        agent = AgentReader(Reader(ByHeight({})), root_dir=tmp_path)
        assert agent.list_documents().text == "0 documents in the allowed folder."
        with pytest.raises(SourceNotFoundError, match="no documents in the allowed folder"):
            agent.read("a.pdf")


class TestSearch:
    def test_passages_of_all_documents_are_found_with_file_page_and_box(
        self, agent: AgentReader
    ) -> None:
        found = agent.search_documents("lamp")
        assert {passage.source for passage in found.passages} == {"lamp.pdf", "people/crew.pdf"}
        assert "[1. " in found.text
        assert "lamp.pdf, page 1, boxes [0.010, 0.010, 0.901, 0.901]]" in found.text
        assert found.text.startswith("4 of 5 documents searched.")
        assert "Cannot be read: broken.pdf (" in found.text

    def test_a_folder_limits_the_search(self, agent: AgentReader, backend: ByHeight) -> None:
        assert agent.search_documents("lamp", "2024").passages == ()
        assert {height for height, _ in backend.asked} == {120}

    def test_nothing_is_read_twice(self, agent: AgentReader, backend: ByHeight) -> None:
        agent.read("lamp.pdf")
        agent.search_documents("lamp")
        agent.search_documents("harbour")
        assert len(backend.asked) == len(set(backend.asked)) + 1  # two files of one height
        backend.asked.clear()
        agent.search_documents("crews", "2024")
        assert backend.asked == []

    def test_a_file_that_was_changed_is_read_again(
        self, agent: AgentReader, root: Path, backend: ByHeight
    ) -> None:
        agent.search_documents("lamp")
        write_pdf(root / "lamp.pdf", 120, pages=3)
        found = agent.search_documents("lamp")
        assert {passage.source for passage in found.passages} == {"people/crew.pdf"}
        (root / "people" / "crew.pdf").unlink()
        assert agent.search_documents("lamp").passages == ()

    def test_a_new_file_is_found(self, agent: AgentReader, root: Path) -> None:
        agent.search_documents("lamp")
        write_pdf(root / "new.pdf", 100)
        assert "new.pdf" in {p.source for p in agent.search_documents("lamp").passages}

    def test_following_the_offsets_gives_every_passage_once(self, root: Path) -> None:
        for number in range(9):
            write_pdf(root / f"more {number}.pdf", 100)
        agent = AgentReader(Reader(ByHeight(TEXTS), cache=False), root_dir=root)
        seen: list[str] = []
        offset: int | None = 0
        while offset is not None:
            found = agent.search_documents("lamp", offset=offset)
            seen += [passage.source for passage in found.passages]
            offset = found.next_offset
        assert len(seen) == len(set(seen)) == 11

    def test_a_large_folder_is_read_by_several_calls_which_say_so(
        self, agent: AgentReader, root: Path, backend: ByHeight
    ) -> None:
        write_pdf(root / "long.pdf", 100, pages=7)
        pages = FolderPages(agent._documents.open_file, pages_a_call=3)
        files = documents_below(root).files
        counts = []
        for _ in range(5):
            found = pages.read(files)
            counts.append((found.documents, len(found.waiting), len(backend.asked)))
        read = [asked for _, _, asked in counts]
        assert all(later - before <= 3 for before, later in pairwise([0, *read]))
        assert read[-2:] == [12, 12]
        assert [waiting for _, waiting, _ in counts] == sorted(
            (w for _, w, _ in counts), reverse=True
        )
        assert counts[-1][:2] == (5, 0)
        assert found.problems[0][0] == "broken.pdf"

    def test_time_is_bounded_and_the_rest_named(self, agent: AgentReader, root: Path) -> None:
        pages = FolderPages(agent._documents.open_file, seconds_a_call=0)
        found = pages.read(documents_below(root).files)
        assert found.documents <= 1
        assert len(found.waiting) >= 3

    def test_a_backend_that_is_not_there_is_an_error_and_no_empty_result(self, root: Path) -> None:
        class Missing(ByHeight):
            def read(self, requests: Iterable[PageRequest]) -> Iterator[Reply]:
                raise BackendUnavailableError("no server", remedy="Start it.")

        agent = AgentReader(Reader(Missing(TEXTS), cache=False), root_dir=root)
        with pytest.raises(BackendUnavailableError):
            agent.search_documents("lamp")

    def test_pages_that_failed_are_counted_and_tried_again(self, root: Path) -> None:
        class Torn(ByHeight):
            torn = True

            def read(self, requests: Iterable[PageRequest]) -> Iterator[Reply]:
                for reply in super().read(requests):
                    if self.torn:
                        yield Reply(reply.key, "", finish_reason="error", error="torn")
                    else:
                        yield reply

        backend = Torn(TEXTS)
        agent = AgentReader(Reader(backend, cache=False), root_dir=root)
        assert "5 pages could not be read" in agent.search_documents("lamp").text
        backend.torn = False
        assert len(agent.search_documents("lamp").passages) == 2


@pytest.mark.parametrize(
    ("path", "near"),
    [
        ("lmap.pdf", "lamp.pdf"),
        ("lamp", "lamp.pdf"),
        ("LAMP.PDF", "lamp.pdf"),
        ("lamp.docx", "lamp.pdf"),
        ("crew.pdf", "people/crew.pdf"),
        ("people/crews.pdf", "people/crew.pdf"),
        ("harbour_9.pdf", "2024/harbour 9.pdf"),
        ("2023/harbour 10.pdf", "2024/harbour 10.pdf"),
        ("2024", "2024/harbour 9.pdf"),
        ("people/", "people/crew.pdf"),
    ],
)
def test_a_path_that_names_no_file_names_near_ones(
    agent: AgentReader, path: str, near: str
) -> None:
    for call in (agent.read, lambda path: agent.look_at(path, 1)):
        with pytest.raises(SourceNotFoundError) as caught:
            call(path)
        assert f"'{near}'" in agent.explain(caught.value)


def test_a_path_like_no_file_says_what_there_is(agent: AgentReader, root: Path) -> None:
    with pytest.raises(SourceNotFoundError) as caught:
        agent.read("zzz")
    assert "There is only" in str(caught.value)
    write_pdf(root / "one more.pdf", 100)
    with pytest.raises(SourceNotFoundError) as caught:
        agent.read("zzz")
    assert "list_documents shows the 6 documents" in str(caught.value)


def test_what_is_not_allowed_names_nothing(agent: AgentReader) -> None:
    for path in ("../lamp.pdf", "/etc/lamp.pdf"):
        with pytest.raises(SourceNotAllowedError) as caught:
            agent.read(path)
        assert "Did you mean" not in str(caught.value)


def test_a_name_in_another_form_of_its_letters_opens(agent: AgentReader, root: Path) -> None:
    write_pdf(root / "Cafe\u0301.pdf", 100)
    assert "whale oil" in agent.read("Caf\u00e9.pdf").text


def test_thousands_of_like_names_are_compared_in_time(tmp_path: Path) -> None:
    for number in range(3000):
        (tmp_path / f"{'x' * 60} {number}.pdf").touch()
    agent = AgentReader(Reader(ByHeight({})), root_dir=tmp_path)
    started = time.thread_time()
    with pytest.raises(DeepSeekOCRError, match="Did you mean"):
        agent.read("x" * 60 + " 17")
    assert time.thread_time() - started < 2
