"""Orders on their way to another process: in their order, pictures whole, nothing after the end."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from io import FileIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepseek_ocr_rag.backends.order_sender import PICTURES, OrderSender
from deepseek_ocr_rag.isolation.frames import BrokenFrameError, Frame, receive

BLOCKED = 10 * 2**20
"""More than a pipe holds."""


@pytest.fixture
def pipes() -> Iterator[tuple[FileIO, FileIO]]:
    reading, writing = os.pipe()
    with FileIO(reading, "rb") as incoming, FileIO(writing, "wb") as outgoing:
        yield incoming, outgoing


def picture(number: int, length: int) -> Frame:
    return Frame({"key": number}, bytes([number]) * length)


def everything(pipe: FileIO) -> list[Frame]:
    found = []
    while True:
        try:
            found.append(receive(pipe, longest=float("inf")))
        except BrokenFrameError:
            return found


@given(lengths=st.lists(st.none() | st.integers(0, 300), max_size=12))
def test_orders_arrive_in_their_order_and_pictures_whole(lengths: list[int | None]) -> None:
    reading, writing = os.pipe()
    sender = OrderSender(FileIO(writing, "wb"))
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


def test_no_more_pictures_wait_than_one_behind_the_one_on_its_way(pipes) -> None:
    incoming, outgoing = pipes
    sender = OrderSender(outgoing)
    given: list[int] = []

    def send() -> None:
        for number in range(PICTURES + 1):
            sender.send(picture(number, BLOCKED))
            given.append(number)

    sending = threading.Thread(target=send)
    sending.start()
    sending.join(2)
    assert sending.is_alive()
    assert given == list(range(PICTURES))
    found = [receive(incoming, longest=BLOCKED).message["key"] for _ in range(PICTURES + 1)]
    sending.join()
    sender.close()
    sender.thread.join()
    assert found == list(range(PICTURES + 1))


def test_orders_without_a_picture_never_wait(pipes) -> None:
    incoming, outgoing = pipes
    sender = OrderSender(outgoing)
    for number in range(PICTURES):
        sender.send(picture(number, BLOCKED))
    for number in range(100):
        sender.send(Frame({"key": PICTURES + number}))
    sender.close()
    assert [f.message["key"] for f in everything(incoming)] == list(range(PICTURES + 100))
    sender.thread.join()


def test_who_waits_goes_on_when_the_other_process_is_gone(pipes) -> None:
    incoming, outgoing = pipes
    sender = OrderSender(outgoing)
    sending = [
        threading.Thread(target=sender.send, args=(picture(number, BLOCKED),))
        for number in range(3 * PICTURES)
    ]
    for thread in sending:
        thread.start()
    sender.close()
    incoming.close()
    for thread in [*sending, sender.thread]:
        thread.join(10)
        assert not thread.is_alive()


def test_nothing_waits_for_a_process_that_is_gone(pipes) -> None:
    incoming, outgoing = pipes
    incoming.close()
    sender = OrderSender(outgoing)
    for number in range(3 * PICTURES):
        sender.send(picture(number, 10))
    sender.close()
    sender.thread.join()
    for number in range(3 * PICTURES):
        sender.send(picture(number, 10))
    assert outgoing.closed
