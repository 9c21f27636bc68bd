from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepseek_ocr_rag.errors import BackendReplyError
from deepseek_ocr_rag.service.client import event_lines
from deepseek_ocr_rag.service.client.event_lines import ServiceEvent, read_events

STREAM = 'id: 7\nevent: page\ndata: {"number": 3}\n\n: still here\n\nevent: end\ndata: {}\n\n'
"""As the service writes it: service/api/streamed_events.py."""

EVENTS = [
    ServiceEvent("page", '{"number": 3}', 7),
    ServiceEvent("", "", None),
    ServiceEvent("end", "{}", None),
]


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_events_do_not_depend_on_how_the_bytes_come(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(STREAM)]
    pieces = [STREAM[a:b].encode("utf-8") for a, b in pairwise(edges)]
    assert list(read_events(pieces)) == EVENTS


def test_a_carriage_return_of_a_proxy_is_no_part_of_an_event() -> None:
    assert list(read_events([STREAM.replace("\n", "\r\n").encode()])) == EVENTS


def test_an_event_that_breaks_off_is_dropped() -> None:
    assert list(read_events([STREAM.encode()[:-1]])) == EVENTS[:-1]


def test_text_in_any_script_stays_whole_where_a_piece_ends_inside_a_letter() -> None:
    text = json.dumps({"markdown": "Übersicht 测试"}, ensure_ascii=False)
    data = f"event: page\ndata: {text}\n\n".encode()
    pieces = [data[i : i + 1] for i in range(len(data))]
    assert [event.data for event in read_events(pieces)] == [text]


@pytest.mark.parametrize("number", ["-1", "1.5", "x", "9" * 30, "٣", ""])
def test_an_id_that_is_not_a_plain_number_is_none(number: str) -> None:
    (event,) = read_events([f"id: {number}\ndata: a\n\n".encode()])
    assert event.number is None


@pytest.mark.parametrize("body", [b"data: " + b"x" * 999, b"data: x\n" * 100, b"x" * 999])
def test_an_event_without_end_is_refused_before_it_fills_the_memory(
    monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    monkeypatch.setattr(event_lines, "MOST_BYTES", 500)
    with pytest.raises(BackendReplyError, match="more than"):
        list(read_events(body[i : i + 50] for i in range(0, len(body), 50)))
