"""Sends requests to another process: in order, pictures whole, nothing after the end."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from io import FileIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from waiting import until

from deepseek_ocr_rag.backends.local.request_sender import BUFFERS, RequestSender
from deepseek_ocr_rag.concurrency.frames import Frame, StreamedFrame, receive
from deepseek_ocr_rag.errors import BrokenFrameError

BLOCKED = 10 * 2**20
"""More than a pipe holds."""


@pytest.fixture
def pipes() -> Iterator[tuple[FileIO, FileIO]]:
    reading, writing = os.pipe()
    with FileIO(reading, "rb") as incoming, FileIO(writing, "wb") as outgoing:
        yield incoming, outgoing


def picture(number: int, length: int) -> StreamedFrame:
    piece = bytes([number])
    return StreamedFrame(
        {"key": number}, length, iter([piece * (length // 2), piece * (length - length // 2)])
    )


def everything(pipe: FileIO) -> list[Frame]:
    found = []
    while True:
        try:
            found.append(receive(pipe, longest=float("inf")))
        except BrokenFrameError:
            return found


@given(lengths=st.lists(st.none() | st.integers(0, 300), max_size=12))
def test_requests_arrive_in_order_and_pictures_whole(lengths: list[int | None]) -> None:
    reading, writing = os.pipe()
    sender = RequestSender(FileIO(writing, "wb"))
    with FileIO(reading, "rb") as incoming:
        for number, length in enumerate(lengths):
            sender.send(Frame({"key": number}) if length is None else picture(number, length))
        sender.close()
        found = everything(incoming)
    sender.thread.join()
    assert [frame.message["key"] for frame in found] == list(range(len(lengths)))
    assert [bytes(frame.body) for frame in found] == [
        bytes([number]) * (length or 0) for number, length in enumerate(lengths)
    ]


def test_pixels_in_one_piece_wait_like_pictures_and_arrive_whole(pipes) -> None:
    incoming, outgoing = pipes
    sender = RequestSender(outgoing)
    pixels = [bytearray([number]) * BLOCKED for number in range(BUFFERS)]
    for number, body in enumerate(pixels):
        assert sender.has_room
        sender.send(Frame({"key": number}, body))
    assert not sender.has_room
    found = [receive(incoming, longest=BLOCKED).body for _ in pixels]
    assert found == pixels
    sender.send(Frame({"key": BUFFERS}, b"there is room again"))
    assert receive(incoming, longest=BLOCKED).body == b"there is room again"
    sender.close()
    sender.thread.join()


def test_only_one_picture_is_prepared_while_another_is_being_sent(pipes) -> None:
    incoming, outgoing = pipes
    sender = RequestSender(outgoing)
    made: list[int] = []

    def send() -> None:
        for number in range(BUFFERS + 1):
            sender.send(picture(number, BLOCKED) if number < BUFFERS else picture(number, 1))
            made.append(number)

    sending = threading.Thread(target=send)
    sending.start()
    until(lambda: len(made) == BUFFERS)
    sending.join(0.2)  # for one more, which must not be made ready
    assert sending.is_alive()
    assert made == list(range(BUFFERS))
    sender.close()
    found = [receive(incoming, longest=BLOCKED).message["key"] for _ in range(BUFFERS)]
    sending.join()
    sender.thread.join()
    assert found == list(range(BUFFERS))


def test_sending_does_not_wait_for_a_process_that_is_gone(pipes) -> None:
    incoming, outgoing = pipes
    incoming.close()
    sender = RequestSender(outgoing)
    for number in range(3 * BUFFERS):
        sender.send(picture(number, 10))
    sender.close()
    sender.thread.join()
    for number in range(3 * BUFFERS):
        sender.send(picture(number, 10))
    assert outgoing.closed


def test_a_picture_that_cannot_be_made_gives_its_buffer_back(pipes) -> None:
    def broken() -> Iterator[bytes]:
        yield b"x"
        raise ValueError("no picture")

    incoming, outgoing = pipes
    sender = RequestSender(outgoing)
    for _ in range(2 * BUFFERS):
        with pytest.raises(ValueError, match="no picture"):
            sender.send(StreamedFrame({}, 2, broken()))
    sender.send(picture(7, 2))
    sender.close()
    sender.thread.join()
    assert [bytes(frame.body) for frame in everything(incoming)] == [b"\7\7"]
