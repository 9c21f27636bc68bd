"""AgentReader for tools: searching, locating and looking."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pypdfium2
import pytest
from PIL import Image

from deepseek_ocr_rag import Reader
from deepseek_ocr_rag.agents import AgentReader
from deepseek_ocr_rag.backends import PageRequest, Reply
from deepseek_ocr_rag.errors import (
    BackendUnavailableError,
    ConfigurationError,
    PageRangeError,
    SourceNotAllowedError,
)

WORDS = (
    ("The harbour", "The harbour was dredged in spring by two crews."),
    ("The lamp", "The lamp burns whale oil and is lit at dusk."),
    ("The crew", "Ada Holm keeps the lamp with two apprentices."),
)


def tagged(title: str, text: str) -> str:
    return (
        f"<|ref|>sub_title<|/ref|><|det|>[[100, 50, 900, 90]]<|/det|>\n## {title}\n\n"
        f"<|ref|>text<|/ref|><|det|>[[100, 100, 900, 200]]<|/det|>\n{text}"
    )


class Looking:
    """A backend that reads pages and, if it was given locations, locates things on them."""

    name = "looking"
    model = "none"
    needs_image = False
    reads_text_layer = False

    def __init__(self, texts: dict[int, str], locations: dict[int, str] | None = None) -> None:
        self.texts = texts
        self.locations = locations
        self.asked: list[tuple[str, int]] = []

    def read(self, requests: Iterable[PageRequest]) -> Iterator[Reply]:
        for request in requests:
            self.asked.append((request.task.name, request.page))
            locating = request.task.name.startswith("locate:")
            if locating and self.locations is None:
                raise BackendUnavailableError("it cannot see", remedy="Use another one.")
            found = (self.locations or {}) if locating else self.texts
            if request.page in found:
                yield Reply(request.key, found[request.page])
            elif locating:
                yield Reply(request.key, "None")
            else:
                yield Reply(request.key, "", finish_reason="error", error="the scan is torn")

    def close(self) -> None:
        pass


def write_pdf(path: Path, pages: int) -> Path:
    pdf = pypdfium2.PdfDocument.new()
    for _ in range(pages):
        pdf.new_page(595, 842)
    pdf.save(path)
    pdf.close()
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_pdf(tmp_path / "report.pdf", 3)
    return tmp_path


@pytest.fixture
def backend() -> Looking:
    return Looking({n: tagged(*words) for n, words in enumerate(WORDS, start=1)})


@pytest.fixture
def agent(root: Path, backend: Looking) -> AgentReader:
    return AgentReader(Reader(backend), root_dir=root)


class TestSearch:
    def test_the_best_passage_comes_first_with_page_and_boxes(self, agent: AgentReader) -> None:
        found = agent.search("report.pdf", "What does the lamp burn?")
        assert found.passages[0].page == 2
        assert found.text.startswith("report.pdf: pages 1-3 searched.")
        assert re.search(r"\n\[1\. page 2.*\[0\.100, 0\.100, 0\.901, 0\.200\]\]\n", found.text)
        assert "The lamp burns whale oil" in found.text

    def test_only_the_pages_asked_for_are_read_and_searched(
        self, agent: AgentReader, backend: Looking
    ) -> None:
        found = agent.search("report.pdf", "lamp", pages="3")
        assert {passage.page for passage in found.passages} == {3}
        assert backend.asked == [("document", 3)]

    def test_a_document_is_read_once_for_reading_and_searching(
        self, agent: AgentReader, backend: Looking
    ) -> None:
        agent.read("report.pdf")
        agent.search("report.pdf", "lamp")
        agent.search("report.pdf", "crew", pages="2-3")
        assert [page for _, page in backend.asked] == [1, 2, 3]

    def test_following_the_offsets_gives_every_passage_once(self, root: Path) -> None:
        write_pdf(root / "long.pdf", 13)
        texts = {n: tagged(f"Part {n}", f"Lamp number {n} was lit. " * 9) for n in range(1, 14)}
        agent = AgentReader(Reader(Looking(texts)), root_dir=root, max_chars=1500)
        pages: list[int] = []
        offset: int | None = 0
        while offset is not None:
            found = agent.search("long.pdf", "lamp lit", offset=offset)
            assert len(found.text) <= 1500
            assert (f"offset={found.next_offset}" in found.text) == (found.next_offset is not None)
            pages += [passage.page for passage in found.passages]
            offset = found.next_offset
        assert sorted(pages) == list(range(1, 14))

    def test_a_passage_longer_than_a_reply_is_cut(self, root: Path) -> None:
        texts = {n: tagged("Lamps", "lamp " * 350) for n in (1, 2, 3)}
        agent = AgentReader(Reader(Looking(texts)), root_dir=root, max_chars=1000)
        found = agent.search("report.pdf", "lamp")
        assert len(found.text) <= 1000
        assert "…" in found.text
        assert found.passages[0].text not in found.text

    def test_nothing_found_says_what_to_do(self, agent: AgentReader) -> None:
        found = agent.search("report.pdf", "quantum chromodynamics")
        assert (found.passages, found.next_offset) == ((), None)
        assert "other words" in found.text

    def test_pages_that_failed_are_named(self, agent: AgentReader, backend: Looking) -> None:
        del backend.texts[1]
        assert "Not read and not searched: page 1." in agent.search("report.pdf", "lamp").text

    def test_a_page_read_at_the_second_try_is_found(
        self, agent: AgentReader, backend: Looking
    ) -> None:
        text = backend.texts.pop(1)
        assert not agent.search("report.pdf", "dredged").passages
        backend.texts[1] = text
        assert agent.search("report.pdf", "dredged").passages[0].page == 1


class TestLocate:
    def test_a_model_that_can_locate_is_asked(self, agent: AgentReader, backend: Looking) -> None:
        backend.locations = {2: "<|ref|>the lamp<|/ref|><|det|>[[200, 300, 400, 500]]<|/det|>"}
        found = agent.locate("report.pdf", "the lamp")
        assert not found.by_words
        (location,) = found.locations
        assert location.page == 2
        assert location.boxes[0].to_grid() == (200, 300, 400, 500)
        assert "page 2, box [0.200, 0.300, 0.400, 0.501]" in found.text
        assert {task for task, _ in backend.asked} == {"locate: the lamp"}

    def test_a_few_of_many_pages_are_looked_at_and_the_rest_named(self, root: Path) -> None:
        write_pdf(root / "long.pdf", 11)
        tag = "<|ref|>seal<|/ref|><|det|>[[1, 2, 3, 4]]<|/det|>"
        backend = Looking({}, dict.fromkeys(range(1, 12), tag))
        agent = AgentReader(Reader(backend), root_dir=root)
        first = agent.locate("long.pdf", "the seal")
        assert (len(first.locations), first.next_pages) == (8, "9-11")
        assert 'call again with pages="9-11"' in first.text
        last = agent.locate("long.pdf", "the seal", pages=first.next_pages)
        assert ([location.page for location in last.locations], last.next_pages) == (
            [9, 10, 11],
            None,
        )

    def test_a_backend_that_cannot_locate_searches_words_and_says_so(
        self, agent: AgentReader
    ) -> None:
        found = agent.locate("report.pdf", "whale oil")
        assert found.by_words
        assert "found by the words of the text" in found.text
        assert "it cannot see" in found.text
        assert [(location.page, location.text) for location in found.locations] == [
            (2, WORDS[1][1])
        ]
        assert found.locations[0].boxes[0].to_grid() == (100, 100, 900, 200)

    def test_words_are_searched_if_looking_finds_nothing(
        self, agent: AgentReader, backend: Looking
    ) -> None:
        backend.locations = {}
        found = agent.locate("report.pdf", "whale oil")
        assert found.by_words
        assert "Looking at the pages found nothing" in found.text
        assert [location.page for location in found.locations] == [2]

    def test_something_absent_is_not_found(self, agent: AgentReader) -> None:
        found = agent.locate("report.pdf", "quantum chromodynamics")
        assert found.locations == ()
        assert "It was not found" in found.text

    def test_a_reply_is_bounded(self, root: Path) -> None:
        tag = "<|ref|>x<|/ref|><|det|>[[1, 2, 3, 4]]<|/det|>\n\n" * 400
        agent = AgentReader(Reader(Looking({}, {1: tag})), root_dir=root, max_chars=1000)
        assert len(agent.locate("report.pdf", "x" * 5000).text) <= 1000


class TestLookAt:
    def test_a_page_is_a_picture_of_bounded_size(self, root: Path, sample_pdf: Path) -> None:
        (root / "sample.pdf").write_bytes(sample_pdf.read_bytes())
        shown = AgentReader(Reader(Looking({})), root_dir=root).look_at("sample.pdf", 2)
        assert (shown.source, shown.page, shown.box) == ("sample.pdf", 2, None)
        with Image.open(io.BytesIO(shown.png)) as picture:
            assert (picture.format, max(picture.size)) == ("PNG", 1024)

    def test_a_part_is_shown_sharper_than_in_the_whole_page(
        self, root: Path, sample_pdf: Path
    ) -> None:
        (root / "sample.pdf").write_bytes(sample_pdf.read_bytes())
        agent = AgentReader(Reader(Looking({})), root_dir=root)
        shown = agent.look_at("sample.pdf", 3, [0.1, 0.2, 0.5, 0.3])
        with Image.open(io.BytesIO(shown.png)) as picture:
            assert picture.width > 0.4 * 1024 * 1.5
            assert max(picture.size) <= 1024
        assert "page 3, box [0.100, 0.200, 0.500, 0.300]" in shown.text

    def test_a_point_is_shown_with_its_surroundings(self, agent: AgentReader) -> None:
        shown = agent.look_at("report.pdf", 1, [1, 1, 1, 1])
        with Image.open(io.BytesIO(shown.png)) as picture:
            assert min(picture.size) > 10

    def test_looking_reads_nothing(self, agent: AgentReader, backend: Looking) -> None:
        agent.look_at("report.pdf", 1)
        assert backend.asked == []

    @pytest.mark.parametrize(
        "box", [[0, 0, 1], [0, 0, 999, 999], [float("nan"), 0, 1, 1], [-0.1, 0, 1, 1]]
    )
    def test_an_invalid_box_is_refused_with_an_explanation(
        self, agent: AgentReader, box: list[float]
    ) -> None:
        with pytest.raises(ConfigurationError, match="left, top, right, bottom"):
            agent.look_at("report.pdf", 1, box)


def test_all_calls_refuse_the_same_files(agent: AgentReader) -> None:
    for path in ("../report.pdf", "/etc/passwd", "https://example.com/a.pdf"):
        with pytest.raises(SourceNotAllowedError):
            agent.search(path, "lamp")
        with pytest.raises(SourceNotAllowedError):
            agent.locate(path, "lamp")
        with pytest.raises(SourceNotAllowedError):
            agent.look_at(path, 1)


def test_missing_pages_are_reported(agent: AgentReader) -> None:
    for call in (
        lambda: agent.search("report.pdf", "lamp", pages="9"),
        lambda: agent.locate("report.pdf", "lamp", pages="9"),
        lambda: agent.look_at("report.pdf", 9),
    ):
        with pytest.raises(PageRangeError) as caught:
            call()
        assert caught.value.remedy


@pytest.mark.parametrize("words", ["", "  \n"])
def test_there_must_be_something_to_look_for(agent: AgentReader, words: str) -> None:
    with pytest.raises(ConfigurationError):
        agent.search("report.pdf", words)
    with pytest.raises(ConfigurationError):
        agent.locate("report.pdf", words)
