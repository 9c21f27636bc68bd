"""What travels between a reading process and its owner: JSON and raw bytes, never pickles.

A frame is a header of twelve bytes (length of the JSON in four, length of the
body in eight, big-endian), one JSON object, and the body: a document, pixels,
or the numbers of a text layer.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from io import FileIO, RawIOBase
from itertools import chain
from typing import Any

from ..errors import BrokenFrameError

__all__ = ["Frame", "StreamedFrame", "receive", "send", "take_pipes"]

_HEADER = struct.Struct("!IQ")

LONGEST_MESSAGE = 64 * 2**20
"""Bytes of JSON: a text layer's words, at most 500,000 characters by default, each
at most 12 bytes of ASCII (an escaped pair of surrogates)."""

_PIECE = 2**20


@dataclass(frozen=True, slots=True)
class Frame:
    """One message.

    Attributes:
        message: The JSON object.
        body: The raw bytes, whose meaning the message tells.
    """

    message: dict[str, Any]
    body: bytes | bytearray | memoryview = b""


@dataclass(frozen=True, slots=True)
class StreamedFrame:
    """A message whose body is made while it is sent, and never there as a whole.

    Attributes:
        message: The JSON object.
        length: Bytes of the body.
        pieces: The body; can be sent once.
    """

    message: dict[str, Any]
    length: int
    pieces: Iterable[bytes | bytearray | memoryview]


def send(stream: RawIOBase, frame: Frame | StreamedFrame) -> None:
    """Write a frame.

    Raises:
        OSError: If the other side has gone.
    """
    message = json.dumps(frame.message).encode("ascii")
    if isinstance(frame, Frame):
        frame = StreamedFrame(frame.message, len(frame.body), [frame.body])
    for part in chain([_HEADER.pack(len(message), frame.length) + message], frame.pieces):
        left = memoryview(part)
        while left:
            left = left[stream.write(left) or 0 :]


def receive(
    stream: RawIOBase,
    *,
    longest: float,
    room: Callable[[int], bytearray | memoryview] = bytearray,
) -> Frame:
    """Read a frame.

    Args:
        stream: Where from; unbuffered, it may give less than it is asked for.
        longest: Bytes that its body may have.
        room: Gives the memory for a body of so many bytes.

    Raises:
        BrokenFrameError: If the stream ended, or this is no frame.
        OSError: If the stream cannot be read.
    """
    header = bytearray(_HEADER.size)
    _fill(stream, header)
    length, extent = _HEADER.unpack(header)
    if length > LONGEST_MESSAGE or extent > longest:
        raise BrokenFrameError(f"a message of {length} bytes with {extent} more")
    text = bytearray(length)
    _fill(stream, text)
    try:
        message = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BrokenFrameError("a message that is no JSON") from error
    if not isinstance(message, dict):
        raise BrokenFrameError("a message that is no object")
    body = room(extent)
    _fill(stream, body)
    return Frame(message, body)


def _fill(stream: RawIOBase, buffer: bytearray | memoryview) -> None:
    left = memoryview(buffer)
    while left:
        count = stream.readinto(left[:_PIECE])
        if not count:
            raise BrokenFrameError("the stream ended")
        left = left[count:]


def take_pipes() -> tuple[FileIO, FileIO]:
    """This process's standard input and output, for frames alone.

    What a library prints goes where errors go from now on.
    """
    incoming, outgoing = os.dup(0), os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(2, 1)
    os.close(nowhere)
    return FileIO(incoming, "rb"), FileIO(outgoing, "wb")
