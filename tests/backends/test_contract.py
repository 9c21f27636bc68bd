"""Checks what every backend promises."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import psutil
import pytest
from thread_leaks import new_threads
from waiting import LONG, soon

from deepseek_ocr_rag.backends.base import Backend, PageRequest
from deepseek_ocr_rag.backends.official.backend import OfficialBackend
from deepseek_ocr_rag.backends.remote.ollama import OllamaBackend
from deepseek_ocr_rag.backends.remote.server import ServerBackend
from deepseek_ocr_rag.backends.replay import RecordingBackend, ReplayBackend
from deepseek_ocr_rag.document.text_layer import TextLayer, Word
from deepseek_ocr_rag.document.types import Box

MakeRequest = Callable[..., PageRequest]

# Lite says once that it is not DeepSeek-OCR.
pytestmark = pytest.mark.filterwarnings("ignore:pages are read by the built-in")


@dataclass
class Case:
    """A backend, how many pages it may hold at once, and whether it tells pages apart."""

    backend: Backend
    ahead: int
    reads_layers: bool = False

    def request(self, make: MakeRequest, page: int, **changes: Any) -> PageRequest:
        """Make the request for page n, which shows "Page n ß"."""
        if self.reads_layers:
            layer = TextLayer(
                words=tuple(
                    Word(word, Box(0.1 + 0.1 * i, 0.1, 0.18 + 0.1 * i, 0.12), size=12.0)
                    for i, word in enumerate(("Page", str(page), "ß"))
                ),
                rules=(),
                pictures=(),
                width=595.0,
                height=842.0,
            )
            changes = {
                "image": None,
                "text_layer": layer,
                "width": 595.0,
                "height": 842.0,
            } | changes
        return make(page, **changes)


@pytest.fixture(params=["replay", "recording", "server", "ollama", "lite", "official"])
def case(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[Case]:
    kind = request.param
    if kind == "replay":
        made = Case(ReplayBackend({n: f"Page {n} ß" for n in range(1, 100)}), 1)
    elif kind == "recording":
        inner = ReplayBackend({n: f"Page {n} ß" for n in range(1, 100)})
        made = Case(RecordingBackend(inner, tmp_path / "recording.jsonl"), 1)
    elif kind == "server":
        url = request.getfixturevalue("openai_server").url
        made = Case(ServerBackend(url, concurrency=3, stall_timeout=LONG), 3)
    elif kind == "ollama":
        host = request.getfixturevalue("ollama_server").url
        made = Case(OllamaBackend(host=host, concurrency=2, stall_timeout=LONG), 2)
    elif kind == "official":
        folder = request.getfixturevalue("light_transformers")()
        made = Case(OfficialBackend(folder, allow_remote_code=True, device="cpu"), 1)
    else:
        lite = pytest.importorskip("deepseek_ocr_rag.backends.lite.backend")
        made = Case(lite.LiteBackend(), 1, reads_layers=True)
    yield made
    made.backend.close()


def test_it_is_a_backend_and_says_what_it_is(case: Case) -> None:
    assert isinstance(case.backend, Backend)
    assert case.backend.name
    assert case.backend.model
    assert isinstance(case.backend.needs_image, bool)
    assert isinstance(case.backend.reads_text_layer, bool)


def test_every_request_gets_one_reply_with_its_key(case: Case, page_request: MakeRequest) -> None:
    pages = range(1, 8)
    replies = list(case.backend.read(case.request(page_request, n, key=1000 + n) for n in pages))
    assert sorted(reply.key for reply in replies) == [1000 + n for n in pages]
    for reply in replies:
        assert f"Page {reply.key - 1000} ß" in reply.text
        assert reply.finish_reason == "stop"


def test_no_requests_give_no_replies(case: Case) -> None:
    assert list(case.backend.read(iter(()))) == []


def test_it_takes_no_more_requests_than_it_has_slots(case: Case, page_request: MakeRequest) -> None:
    taken = 0

    def requests() -> Iterator[PageRequest]:
        nonlocal taken
        for n in range(1, 12):
            taken += 1
            yield case.request(page_request, n)

    given = 0
    for _ in case.backend.read(requests()):
        assert taken - given <= case.ahead
        given += 1
    assert given == taken == 11


def test_closing_early_ends_the_work(case: Case, page_request: MakeRequest) -> None:
    taken: list[int] = []

    def requests() -> Iterator[PageRequest]:
        for n in range(1, 100):
            taken.append(n)
            yield case.request(page_request, n)

    replies = case.backend.read(requests())
    next(replies)
    before = len(taken)
    replies.close()  # type: ignore[attr-defined]
    assert len(taken) == before <= case.ahead
    assert next(replies, None) is None


def test_an_iterator_that_is_never_started_does_nothing(
    case: Case, page_request: MakeRequest
) -> None:
    threads = set(threading.enumerate())
    replies = case.backend.read([case.request(page_request, 1)])
    assert set(threading.enumerate()) <= threads
    del replies


def test_it_reads_a_second_document_after_the_first(case: Case, page_request: MakeRequest) -> None:
    for _ in range(2):
        assert (
            len(
                list(
                    case.backend.read(
                        [case.request(page_request, 1), case.request(page_request, 2)]
                    )
                )
            )
            == 2
        )


def test_an_error_of_the_requests_comes_out_unchanged(
    case: Case, page_request: MakeRequest
) -> None:
    def requests() -> Iterator[PageRequest]:
        yield case.request(page_request, 1)
        raise ZeroDivisionError("the renderer failed")

    with pytest.raises(ZeroDivisionError, match="renderer"):
        list(case.backend.read(requests()))


def test_closing_twice_is_fine(case: Case, page_request: MakeRequest) -> None:
    list(case.backend.read([case.request(page_request, 1)]))
    case.backend.close()
    case.backend.close()


def test_no_sockets_and_threads_are_left(case: Case, page_request: MakeRequest) -> None:
    list(case.backend.read([case.request(page_request, 1)]))  # whatever is loaded once is loaded
    connections = _connections()
    threads = threading.enumerate()
    replies = case.backend.read(case.request(page_request, n) for n in range(2, 6))
    next(replies)
    replies.close()  # type: ignore[attr-defined]
    assert new_threads(threads, ours=True) == []
    assert soon(lambda: _connections() <= connections)


def _connections() -> int:
    """Return the connections of this process that are in use."""
    connections = psutil.Process().net_connections("tcp")
    return sum(1 for connection in connections if connection.status == "ESTABLISHED")
