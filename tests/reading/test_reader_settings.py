"""What a reader was told reaches what it starts: the backend, the renderer, every document it opens."""

from __future__ import annotations

import asyncio
import importlib
import io
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any

import pytest
from reportlab.pdfgen.canvas import Canvas
from waiting import LONG, until_async

from deepseek_ocr_rag import FetchPolicy, PageCache, Reader
from deepseek_ocr_rag.backends import PageRequest, Reply
from deepseek_ocr_rag.errors import BusyError, ConfigurationError, PageRangeError
from deepseek_ocr_rag.sources.limits import Limits

reader_module = importlib.import_module("deepseek_ocr_rag.reading.reader")


def pdf(pages: int) -> bytes:
    buffer = io.BytesIO()
    canvas = Canvas(buffer)
    for number in range(1, pages + 1):
        canvas.drawString(72, 700, f"Page {number}")
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


class Told:
    """Answers with the task, mode and number of each page."""

    name, model = "told", "none"
    needs_image, reads_text_layer = True, False

    def __init__(self) -> None:
        self.closed = False

    def read(self, requests: Iterable[PageRequest]) -> Iterator[Reply]:
        for request in requests:
            request.redraw()
            yield Reply(
                request.key, f"{request.page} {request.task.name} {request.resolution.name}"
            )

    def close(self) -> None:
        self.closed = True


class OpenedError(Exception):
    """Raised in place of opening a document."""


async def _first(pages: AsyncIterator[Any]) -> Any:
    return await anext(pages)


WAYS: dict[str, Callable[..., Any]] = {
    "open": lambda reader, source, **given: reader.open(source, **given),
    "iter_pages": lambda reader, source, **given: list(reader.iter_pages(source, **given)),
    "read": lambda reader, source, **given: reader.read(source, **given),
    "locate": lambda reader, source, **given: reader.locate("the seal", source, **given),
    "aread": lambda reader, source, **given: reader.aread(source, **given),
    "aiter_pages": lambda reader, source, **given: _first(reader.aiter_pages(source, **given)),
}


async def _done(way: str, reader: Reader, source: object, **given: object) -> Any:
    result = WAYS[way](reader, source, **given)
    return await result if way.startswith("a") else result


@pytest.mark.parametrize("way", WAYS)
async def test_each_way_opens_what_was_named_with_the_readers_settings(
    way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[tuple[object, dict[str, Any]]] = []

    def open_copied(source: object, on_copied: object, **given: Any) -> None:
        opened.append((source, given))
        raise OpenedError

    monkeypatch.setattr(reader_module, "open_copied", open_copied)
    limits, policy = Limits(pages=7), FetchPolicy(hosts=("example.org",))
    settings: dict[str, Any] = {"renderer": "pymupdf", "limits": limits, "isolated": False}
    reader = Reader(Told(), allow_urls=policy, cache=False, **settings)
    with pytest.raises(OpenedError):
        await _done(way, reader, b"x", password="secret", name="called")
    named = {"password": "secret", "name": "called", "allow_urls": policy}
    assert opened == [(b"x", {**named, **settings})]
    with pytest.raises(OpenedError):
        await _done(way, Reader(Told(), cache=False), b"x")
    usual = {"renderer": "pdfium", "limits": Limits(), "isolated": True, "allow_urls": False}
    assert opened[1:] == [(b"x", {**usual, "password": None, "name": None})]


@pytest.mark.parametrize("way", WAYS)
async def test_each_way_reads_the_pages_that_were_named(way: str) -> None:
    with pytest.raises(PageRangeError, match=r"called\.pdf.*no page 9"):
        await _done(way, Reader(Told(), cache=False), pdf(1), pages="9", name="called.pdf")


@pytest.mark.parametrize("way", ["aread", "aiter_pages"])
async def test_a_task_that_is_cancelled_while_its_document_opens_keeps_no_place(
    way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opening, go_on = threading.Event(), threading.Event()
    open_copied = reader_module.open_copied

    def slow(*args: Any, **given: Any) -> Any:
        opening.set()
        assert go_on.wait(LONG)
        return open_copied(*args, **given)

    reader = Reader(Told(), most_documents=1, cache=False)
    with monkeypatch.context() as patched:
        patched.setattr(reader_module, "open_copied", slow)
        task = asyncio.create_task(_done(way, reader, pdf(1)))
        assert await asyncio.to_thread(opening.wait, LONG)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        go_on.set()
        await until_async(lambda: reader._free_documents._value)
    reader.open(pdf(1)).close()


async def test_task_and_resolution_reach_the_backend() -> None:
    reader = Reader(Told(), resolution="small", task="free", cache=False)
    assert [page.markdown for page in reader.read(pdf(1))] == ["1 free small"]
    assert [page.markdown for page in reader.locate("the seal", pdf(1))] == [
        "1 locate: the seal small"
    ]
    usual = Reader(Told(), cache=False)
    assert [page.markdown for page in usual.read(pdf(1))] == ["1 document gundam"]
    assert [page.markdown async for page in usual.aiter_pages(pdf(1))] == ["1 document gundam"]


def test_a_reader_is_shown_with_what_it_was_told() -> None:
    assert repr(Reader()) == "Reader('auto', resolution='gundam', task='document')"
    shown = repr(Reader(Told(), resolution="tiny", task="free"))
    assert shown == "Reader('told', resolution='tiny', task='free')"


@pytest.mark.parametrize("allowed", [False, True])
def test_a_backend_is_made_once_with_the_permission_that_was_given(
    allowed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[str, bool]] = []

    def backend_named(name: str, *, allow_remote_code: bool) -> Told:
        made.append((name, allow_remote_code))
        return Told()

    monkeypatch.setattr(reader_module, "backend_named", backend_named)
    given = {"allow_remote_code": True} if allowed else {}
    with Reader("told:x", cache=False, **given) as reader:
        backend = reader.backend
        assert reader.backend is backend
        assert not backend.closed  # type: ignore[attr-defined]
    assert made == [("told:x", allowed)]
    assert backend.closed  # type: ignore[attr-defined]
    assert reader.backend is not backend


def test_the_cache_is_closed_with_the_reader(tmp_path) -> None:
    with PageCache(tmp_path) as cache, Reader(Told(), cache=cache):
        cache.put("a", "text")
        connection = cache._connection
    assert connection is not None
    assert cache._connection is None


def test_urls_are_not_allowed_unless_they_are() -> None:
    policy = FetchPolicy(hosts=("example.org",))
    assert Reader().url_policy is None
    assert Reader(allow_urls=True).url_policy == FetchPolicy()
    assert Reader(allow_urls=policy).url_policy is policy


@pytest.mark.parametrize(("most", "shown"), [(1, "1 document"), (2, "2 documents")])
def test_a_busy_reader_says_with_how_many_documents(most: int, shown: str) -> None:
    reader = Reader(Told(), most_documents=most, cache=False)
    streams = [reader.open(pdf(1)) for _ in range(most)]
    with pytest.raises(BusyError) as caught:
        reader.open(pdf(1))
    assert caught.value.problem == f"the reader is busy with {shown}"
    for stream in streams:
        stream.close()
    reader.open(pdf(1)).close()


def test_a_reader_needs_room_for_one_document() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Reader(most_documents=0)
    assert str(caught.value) == "most_documents=0 is too small. Give 1 or more."


def test_a_page_is_rendered_as_large_as_was_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader(Told(), cache=False)
    assert max(reader.render_page(pdf(2), 2, long_side=300).size) == 300
    assert max(reader.render_page(pdf(1), 1).size) == 1280
    seen: list[tuple[object, ...]] = []

    def opened(*given: object) -> Any:
        seen.append(given)
        raise OpenedError

    monkeypatch.setattr(reader, "_open_source", opened)
    with pytest.raises(OpenedError):
        reader.render_page(b"x", 1, password="secret", name="called")
    assert seen == [(b"x", "secret", "called")]


@pytest.mark.parametrize("shown", [False, True])
@pytest.mark.parametrize("way", ["read", "aread"])
async def test_a_bar_is_shown_on_request_and_follows_the_pages(
    way: str, shown: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    bars: list[Any] = []

    class Bar:
        def __init__(self, *, show: bool) -> None:
            self.show, self.followed = show, []
            bars.append(self)

        def __enter__(self) -> Bar:
            return self

        def __exit__(self, *exception: object) -> None:
            pass

        def follow(self, stream: Any) -> None:
            self.followed.append(stream.page_numbers)

    monkeypatch.setattr(reader_module, "ProgressBar", Bar)
    seen: list[tuple[int, int, int]] = []
    given: dict[str, Any] = {"show_progress": True} if shown else {}
    document = await _done(
        way,
        Reader(Told(), cache=False),
        pdf(3),
        pages="2-3",
        on_page=lambda page, done, total: seen.append((page.number, done, total)),
        **given,
    )
    assert [page.number for page in document] == [2, 3]
    assert seen == [(2, 1, 2), (3, 2, 2)]
    ((bar,),) = [bars]
    assert (bar.show, [tuple(each) for each in bar.followed]) == (shown, [(2, 3)])
