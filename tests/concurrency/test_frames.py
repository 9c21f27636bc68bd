"""Frames: what was sent comes out, and nothing else is believed."""

from __future__ import annotations

import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepseek_ocr_rag.concurrency.frames import Frame, StreamedFrame, receive, send
from deepseek_ocr_rag.errors import BrokenFrameError


class Slow(io.RawIOBase):
    """A pipe that takes and gives three bytes at once."""

    def __init__(self, data: bytes = b"") -> None:
        self.data = bytearray(data)

    def write(self, piece):
        self.data += bytes(piece[:3])
        return min(3, len(piece))

    def readinto(self, buffer):
        count = min(3, len(buffer), len(self.data))
        buffer[:count] = self.data[:count]
        del self.data[:count]
        return count


values = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()


@given(st.dictionaries(st.text(), values | st.lists(values, max_size=3), max_size=4), st.binary())
def test_a_frame_comes_out_as_it_went_in(message, body):
    pipe = Slow()
    send(pipe, Frame(message, body))
    assert receive(pipe, longest=len(body)) == Frame(message, body)
    assert not pipe.data


@given(st.lists(st.binary()))
def test_a_body_in_pieces_comes_out_whole(pieces):
    pipe, whole = Slow(), b"".join(pieces)
    send(pipe, StreamedFrame({"a": 1}, len(whole), iter(pieces)))
    assert receive(pipe, longest=len(whole)) == Frame({"a": 1}, whole)
    assert not pipe.data


def test_lone_surrogates_travel():
    pipe = Slow()
    send(pipe, Frame({"password": "a\ud800"}))
    assert receive(pipe, longest=0).message == {"password": "a\ud800"}


@given(st.binary())
def test_other_bytes_are_no_frame(data):
    with pytest.raises(BrokenFrameError):
        receive(Slow(struct.pack("!IQ", len(data), 1) + data), longest=1)


@pytest.mark.parametrize("length", [0, 5, 11, 13, 20])
def test_a_stream_that_ends_inside_a_frame_is_broken(length):
    pipe = Slow()
    send(pipe, Frame({"a": 1}, b"body"))
    with pytest.raises(BrokenFrameError, match="ended"):
        receive(Slow(bytes(pipe.data[:length])), longest=10)


def test_a_body_longer_than_expected_is_not_read():
    pipe = Slow(struct.pack("!IQ", 2, 2**60) + b"{}")
    with pytest.raises(BrokenFrameError, match="bytes"):
        receive(pipe, longest=100)


def test_a_message_of_gigabytes_is_not_read():
    with pytest.raises(BrokenFrameError, match="bytes"):
        receive(Slow(struct.pack("!IQ", 2**32 - 1, 0)), longest=100)


def test_a_message_that_nests_without_end_is_broken():
    deep = b"[" * 200_000
    with pytest.raises(BrokenFrameError, match="not JSON"):
        receive(io.BytesIO(struct.pack("!IQ", len(deep), 0) + deep), longest=0)
