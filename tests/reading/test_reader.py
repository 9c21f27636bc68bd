"""The reader: whatever happens to a page, it stays a page, in order."""

from __future__ import annotations

import asyncio
import io
import struct
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, cast

import pytest
from PIL import Image, ImageDraw
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas
from thread_leaks import new_threads
from waiting import LONG

from deepseek_ocr_rag import LiteBackend, Reader, ReplayBackend, open_source
from deepseek_ocr_rag.backends import PageRequest, Reply
from deepseek_ocr_rag.backends.replay import RecordingBackend
from deepseek_ocr_rag.concurrency.cancellation import Cancellation
from deepseek_ocr_rag.document.types import Page
from deepseek_ocr_rag.errors import (
    BackendReplyError,
    BusyError,
    ConfigurationError,
    DeepSeekOCRError,
    PageRangeError,
    SourceNotFoundError,
)
from deepseek_ocr_rag.reading.preparation import READ_AHEAD, PreparedPage, read_ahead
from deepseek_ocr_rag.sources.ink import has_ink
from deepseek_ocr_rag.sources.source import Source

pytestmark = pytest.mark.minimum

STRIP_OFFSETS = 273


def pdf(pages: int) -> bytes:
    """A PDF whose page n says "Page n", apart from blank pages where n is a multiple of 10."""
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=A4)
    for number in range(1, pages + 1):
        if number % 10:
            canvas.drawString(72, 700, f"Page {number}")
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


class Scripted:
    """A backend that answers "Page n" for every page, in any order and with faults."""

    name = "scripted"
    model = "none"
    needs_image = True
    reads_text_layer = False

    def __init__(self, *, batch: int = 1, silent: tuple[int, ...] = ()) -> None:
        self.batch = batch
        self.silent = silent
        self.asked: list[int] = []
        self.closed = False

    def read(self, requests: Iterable[PageRequest]) -> Iterator[Reply]:
        held: list[PageRequest] = []
        for request in requests:
            self.asked.append(request.page)
            held.append(request)
            if len(held) == self.batch:
                yield from self._answer(held)
        yield from self._answer(held)

    def _answer(self, held: list[PageRequest]) -> Iterator[Reply]:
        while held:
            request = held.pop()
            if request.page not in self.silent:
                yield Reply(request.key, f"Page {request.page}")

    def close(self) -> None:
        self.closed = True


def test_pages_come_in_page_order_in_whatever_order_the_backend_answers() -> None:
    document = Reader(Scripted(batch=4)).read(pdf(9))
    assert [page.number for page in document] == list(range(1, 10))
    assert [page.markdown for page in document] == [f"Page {n}" for n in range(1, 10)]


def test_a_selection_keeps_the_numbers_of_the_file() -> None:
    document = Reader(Scripted()).read(pdf(9), pages="2-3,7")
    assert [(page.number, page.markdown) for page in document] == [
        (2, "Page 2"),
        (3, "Page 3"),
        (7, "Page 7"),
    ]
    assert document.total_pages == 9


class SendsFiles(Scripted):
    """Keeps the requests that it gets."""

    sends_png = True

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[PageRequest] = []

    def read(self, requests: Iterable[PageRequest]) -> Iterator[Reply]:
        for request in requests:
            self.requests.append(request)
            yield Reply(request.key, f"Page {request.page}")
            assert request.drawn().size == request.size


def test_a_request_tells_how_many_pages_may_follow() -> None:
    backend = SendsFiles()
    Reader(backend).read(pdf(9), pages="2-3,7")
    assert [(each.page, each.following) for each in backend.requests] == [(2, 2), (3, 1), (7, 0)]


def test_a_backend_that_sends_files_gets_files_with_the_same_pixels() -> None:
    backend = SendsFiles()
    document = Reader(backend).read(pdf(11))
    assert [page.finish_reason for page in document] == ["stop"] * 9 + ["blank", "stop"]
    with open_source(pdf(11)) as source:
        for request in backend.requests:
            assert request.image is None
            assert request.png is not None
            drawn = source.render(request.page, request.resolution.long_side)
            assert request.size == drawn.size
            with Image.open(io.BytesIO(request.png.data)) as sent:
                assert sent.convert("RGB").tobytes() == drawn.tobytes()


def test_a_backend_that_sends_pixels_gets_those_of_the_page() -> None:
    class SendsPixels(SendsFiles):
        sends_png = False
        sends_pixels = True

    backend = SendsPixels()
    document = Reader(backend).read(pdf(11))
    assert [page.finish_reason for page in document] == ["stop"] * 9 + ["blank", "stop"]
    with open_source(pdf(11)) as source:
        for request in backend.requests:
            assert (request.image, request.png) == (None, None)
            drawn = source.render(request.page, request.resolution.long_side)
            assert request.size == drawn.size
            assert request.drawn().tobytes() == drawn.tobytes()


def test_a_backend_that_looks_at_pixels_gets_an_image() -> None:
    class Looks(SendsFiles):
        sends_png = False

    backend = Looks()
    Reader(backend).read(pdf(1))
    assert [(request.image is None, request.png) for request in backend.requests] == [(False, None)]


def test_a_recording_passes_files_on_as_its_backend_wants_them(tmp_path) -> None:
    backend = SendsFiles()
    recording = RecordingBackend(backend, tmp_path / "kept.jsonl")
    Reader(recording).read(pdf(1))
    recording.close()
    assert backend.requests[0].png is not None


def test_a_page_without_ink_is_blank_and_never_reaches_the_backend() -> None:
    backend = Scripted()
    document = Reader(backend).read(pdf(11))
    assert document.page(10).finish_reason == "blank"
    assert document.page(10).ok
    assert 10 not in backend.asked
    assert document.page(11).markdown == "Page 11"


def test_a_page_that_the_backend_does_not_answer_is_a_failed_page() -> None:
    document = Reader(Scripted(silent=(3,))).read(pdf(5))
    assert len(document) == 5
    assert [page.number for page in document.failed_pages] == [3]
    assert "page 3" in (document.page(3).error or "")


def test_an_error_reply_keeps_the_text_that_came_before_it() -> None:
    class Cut(Scripted):
        def _answer(self, held: list[PageRequest]) -> Iterator[Reply]:
            while held:
                yield Reply(held.pop().key, "Half a", finish_reason="error", error="cut off")

    page = Reader(Cut()).read(pdf(1)).page(1)
    assert (page.markdown, page.finish_reason, page.error) == ("Half a", "error", "cut off")


def test_a_reply_to_a_page_that_was_not_asked_for_is_an_error() -> None:
    class Confused(Scripted):
        def _answer(self, held: list[PageRequest]) -> Iterator[Reply]:
            held.clear()
            yield Reply(99, "")

    with pytest.raises(BackendReplyError, match="not asked for"):
        Reader(Confused()).read(pdf(1))


def tiff_with_a_damaged_second_frame() -> bytes:
    frames = []
    for word in ("one", "two", "three"):
        frame = Image.new("L", (200, 100), 255)
        ImageDraw.Draw(frame).text((20, 40), word, fill=0)
        frames.append(frame)
    buffer = io.BytesIO()
    frames[0].save(buffer, "TIFF", save_all=True, append_images=frames[1:])
    with Image.open(buffer) as tiff:
        tiff.seek(1)
        (offset,) = tiff.tag_v2[STRIP_OFFSETS]
    # An entry of a TIFF directory: tag, type (4 = 32-bit), count, value.
    entry = struct.pack("<HHII", STRIP_OFFSETS, 4, 1, offset)
    data = buffer.getvalue()
    assert data.count(entry) == 1
    return data.replace(entry, struct.pack("<HHII", STRIP_OFFSETS, 4, 1, len(data) * 4))


def test_a_page_that_cannot_be_rendered_fails_alone() -> None:
    document = Reader(Scripted()).read(tiff_with_a_damaged_second_frame(), name="scan.tif")
    assert [page.number for page in document] == [1, 2, 3]
    assert [page.number for page in document.failed_pages] == [2]
    assert "scan.tif, page 2" in (document.page(2).error or "")


def test_headings_carry_over_to_the_next_page() -> None:
    box = "<|det|>[[0, 0, 999, 99]]<|/det|>"
    backend = ReplayBackend(
        {
            1: f"<|ref|>title<|/ref|>{box}\n# Report\n\n<|ref|>sub_title<|/ref|>{box}\n## Costs",
            2: f"<|ref|>text<|/ref|>{box}\nThey rose.",
        }
    )
    document = Reader(backend).read(pdf(2))
    assert document.page(2).blocks[0].section == ("Report", "Costs")


class Drawn:
    """Stands for a source whose pages eight processes could draw."""

    parallel_pages = 4

    def draw_for(self, cards: int) -> int:
        return 4 * cards

    def close(self) -> None:
        pass


@pytest.mark.parametrize(("cards", "at_once"), [(1, 4), (2, 8)])
def test_as_many_pages_are_drawn_at_once_as_the_cards_need(cards: int, at_once: int) -> None:
    together = threading.Barrier(at_once)

    def prepare(key: int) -> tuple[int, PreparedPage]:
        together.wait(30)  # for all of them, and no more
        return key, PreparedPage(Page(key))

    keys = range(1, 2 * at_once + 1)
    source = cast("Source", Drawn())
    found = [key for key, _ in read_ahead(prepare, keys, source, Cancellation(), lambda: cards)]
    assert found == list(keys)


def test_read_ahead_is_bounded() -> None:
    backend = Scripted()
    with Reader(backend).open(pdf(50)) as stream:
        rendered: list[int] = []
        render = stream._opened.render
        stream._opened.render = lambda number, side: rendered.append(number) or render(number, side)  # type: ignore[method-assign, func-returns-value]
        next(stream)
        assert max(rendered) <= 1 + READ_AHEAD
        for _ in range(4):
            next(stream)
        assert max(rendered) <= 5 + READ_AHEAD


def test_a_backend_that_dropped_an_image_can_have_it_rendered_again() -> None:
    class Forgetful(Scripted):
        def read(self, requests):
            for request in requests:
                again = replace(request, image=None).drawn()
                same.append(again is not None and again.tobytes() == request.image.tobytes())
                yield Reply(request.key, "text")

    same: list[bool] = []
    Reader(Forgetful()).read(pdf(3))
    assert same == [True] * 3


def test_stopping_early_stops_the_backend_and_leaves_no_thread() -> None:
    backend = Scripted()
    before = set(threading.enumerate())
    for page in (pages := Reader(backend).iter_pages(pdf(50))):
        if page.number == 3:
            break
    pages.close()
    assert backend.asked == [1, 2, 3]
    # The timeout thread of a rendering request ends a moment after it is cancelled.
    assert new_threads(before) == []


def test_progress_is_reported_after_every_page() -> None:
    seen: list[tuple[int, int, int]] = []
    Reader(Scripted()).read(
        pdf(3), on_page=lambda page, done, total: seen.append((page.number, done, total))
    )
    assert seen == [(1, 1, 3), (2, 2, 3), (3, 3, 3)]


async def test_async_reading_gives_the_same_document() -> None:
    reader, data = Reader(Scripted()), pdf(5)
    assert await reader.aread(data, name="x") == reader.read(data, name="x")


async def test_async_reading_leaves_the_event_loop_free() -> None:
    release = threading.Event()

    class Slow(Scripted):
        def read(self, requests: Iterable[PageRequest]) -> Iterator[Reply]:
            for reply in super().read(requests):
                assert release.wait(LONG)
                yield reply

    async def let_go() -> None:
        await asyncio.sleep(0.05)
        release.set()

    document, _ = await asyncio.gather(Reader(Slow()).aread(pdf(2)), let_go())
    assert len(document) == 2


async def test_cancelling_an_async_read_ends_it() -> None:
    backend = Scripted()
    pages = Reader(backend).aiter_pages(pdf(50))
    assert (await anext(pages)).number == 1
    await pages.aclose()  # type: ignore[attr-defined]
    assert len(backend.asked) < 50


def test_a_backend_that_was_passed_in_is_left_open() -> None:
    backend = Scripted()
    with Reader(backend) as reader:
        reader.read(pdf(1))
    assert not backend.closed


@pytest.mark.parametrize(
    "arguments",
    [
        {"resolution": "huge"},
        {"task": "guess"},
        {"task": "locate:"},
        {"backend": "psychic"},
        {"most_documents": 0},
    ],
)
def test_invalid_arguments_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        Reader(**arguments).read(pdf(1))


def test_locate_asks_for_a_location_and_returns_boxes_by_page() -> None:
    class Finder(Scripted):
        def read(self, requests: Iterable[PageRequest]) -> Iterator[Reply]:
            for request in requests:
                self.prompts.append(request.task.prompt)
                place = "[[100, 200, 300, 400]]" if request.page == 2 else "[]"
                tag = f"<|ref|>the total<|/ref|><|det|>{place}<|/det|>"
                yield Reply(request.key, tag)

        prompts: ClassVar[list[str]] = []

    backend = Finder()
    with Reader(backend, task="free") as reader:
        found = reader.locate("the total", pdf(3), pages="1-2")
    assert backend.prompts == ["Locate <|ref|>the total<|/ref|> in the image."] * 2
    assert {page.number: [box.to_grid() for box in page.boxes] for page in found} == {
        1: [],
        2: [(100, 200, 300, 400)],
    }
    assert not backend.closed


def test_locate_needs_to_know_what() -> None:
    with pytest.raises(ConfigurationError, match="locate"):
        Reader(Scripted()).locate(" ", pdf(1))


def test_locate_counts_as_an_open_document() -> None:
    reader = Reader(Scripted(), most_documents=1)
    with reader.open(pdf(1)), pytest.raises(BusyError, match="busy with 1 document"):
        reader.locate("the total", pdf(1))
    reader.locate("the total", pdf(1))
    reader.locate("the total", pdf(1))


def test_errors_of_the_source_come_before_any_page() -> None:
    reader = Reader(Scripted())
    with pytest.raises(SourceNotFoundError, match=r"missing\.pdf"):
        reader.open("missing.pdf")
    with pytest.raises(PageRangeError, match="9"):
        reader.open(pdf(3), pages="9")


@pytest.mark.parametrize(
    ("box", "grey", "ink"),
    [
        ((0, 0, 100, 1000), 255, False),
        ((40, 996, 44, 1000), 0, True),  # a dot at the very bottom
        ((40, 4, 44, 8), 248, False),  # too faint to read
        ((0, 512, 100, 1000), 246, True),  # one half of the page in another grey
    ],
)
def test_ink_is_anything_that_stands_out_from_the_background(box, grey, ink) -> None:
    image = Image.new("RGB", (100, 1000), "white")
    image.paste((grey, grey, grey), box)
    assert has_ink(image) is ink


def test_a_document_that_cannot_be_opened_gives_its_place_back(tmp_path: Path) -> None:
    """Without that, a reader would be locked after 128 missing files."""
    reader = Reader(Scripted(), most_documents=1)
    failing: list[Callable[[], object]] = [
        lambda: reader.open(tmp_path / "missing.pdf"),
        lambda: reader.open(b"no document"),
        lambda: reader.open(pdf(2), pages="7"),
        lambda: reader.open(pdf(2), pages="nonsense"),
        lambda: reader.read(b""),
        lambda: reader.locate("the total", tmp_path / "missing.pdf"),
        lambda: list(reader.iter_pages("https://example.org/a.pdf")),
    ]
    for fail in failing:
        with pytest.raises(DeepSeekOCRError) as caught:
            fail()
        assert not isinstance(caught.value, BusyError)
    assert len(reader.read(pdf(2))) == 2


def test_every_way_to_read_takes_a_place() -> None:
    reader = Reader(Scripted(), most_documents=1)
    ways: list[Callable[[], object]] = [
        lambda: reader.open(pdf(1)),
        lambda: reader.read(pdf(1)),
        lambda: list(reader.iter_pages(pdf(1))),
        lambda: asyncio.run(reader.aread(pdf(1))),
        lambda: reader.locate("the total", pdf(1)),
    ]
    with reader.open(pdf(1)):
        for way in ways:
            with pytest.raises(BusyError, match="busy with 1 document"):
                way()
    assert len(reader.locate("the total", pdf(1))) == 1


@pytest.mark.parametrize(("has", "reported", "side"), [(True, "tiny", 512), (False, "", 2304)])
def test_only_a_backend_with_resolutions_reports_one(has: bool, reported: str, side: int) -> None:
    class Seeing(Scripted):
        has_resolutions = has
        sizes: ClassVar[list[tuple[int, int]]] = []

        def read(self, requests: Iterable[PageRequest]) -> Iterator[Reply]:
            for request in requests:
                assert request.image is not None
                self.sizes.append(request.image.size)
                yield Reply(request.key, "text")

    page = Reader(Seeing(), resolution="tiny", cache=False).read(pdf(1)).pages[0]
    assert page.resolution == reported
    assert max(Seeing.sizes[0]) == side


def test_lite_reports_no_resolution() -> None:
    assert not LiteBackend.has_resolutions
