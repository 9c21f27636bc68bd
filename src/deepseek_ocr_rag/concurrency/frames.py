"""Messages between our processes: JSON with raw bytes, never pickles.

A frame is a header of twelve bytes (length of the JSON in four, length of the
body in eight, big-endian), one JSON object, and the body: a document, pixels,
tokens, or the numbers of a text layer.
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

__all__ = [
    "Frame",
    "StreamedFrame",
    "discard_output",
    "receive",
    "send",
    "take_pipes",
    "write_all",
]

_HEADER = struct.Struct("!IQ")

LONGEST_MESSAGE = 64 * 2**20
"""Bytes of JSON. The longest are the words of a text layer: by default at most 500,000
characters, each at most 12 bytes of ASCII (an escaped pair of surrogates)."""

_PIECE = 2**20


@dataclass(frozen=True, slots=True)
class Frame:
    """A JSON message, and raw bytes that the message describes."""

    message: dict[str, Any]
    body: bytes | bytearray | memoryview = b""


@dataclass(frozen=True, slots=True)
class StreamedFrame:
    """A message whose body is produced while it is sent, and is never in memory as a whole."""

    message: dict[str, Any]
    length: int  # bytes
    pieces: Iterable[bytes | bytearray | memoryview]  # an iterator can be sent only once


def send(stream: RawIOBase, frame: Frame | StreamedFrame) -> None:
    """Write a frame; raises OSError if the other end is gone."""
    message = json.dumps(frame.message).encode("ascii")
    if isinstance(frame, Frame):
        frame = StreamedFrame(frame.message, len(frame.body), [frame.body])
    for part in chain([_HEADER.pack(len(message), frame.length) + message], frame.pieces):
        write_all(stream, part)


def write_all(stream: RawIOBase, data: bytes | bytearray | memoryview) -> None:
    """Write all bytes to an unbuffered stream, which may take only some of them at a time."""
    left = memoryview(data)
    while left:
        left = left[stream.write(left) or 0 :]


def receive(
    stream: RawIOBase, *, longest: float, room: Callable[[int], bytearray | memoryview] = bytearray
) -> Frame:
    """Read a frame from an unbuffered stream.

    ``longest`` limits the bytes of the body, and ``room`` allocates the memory for them. Raises a
    BrokenFrameError if the stream ended, or if it has something that is not a frame.
    """
    header = bytearray(_HEADER.size)
    _fill(stream, header)
    length, body_length = _HEADER.unpack(header)
    if length > LONGEST_MESSAGE or body_length > longest:
        raise BrokenFrameError(f"a message of {length} bytes with a body of {body_length}")
    text = bytearray(length)
    _fill(stream, text)
    try:
        message = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BrokenFrameError("a message that is not JSON") from error
    if not isinstance(message, dict):
        raise BrokenFrameError("a message that is not an object")
    body = room(body_length)
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
    """Take standard input and output for frames; what a library prints goes to standard error."""
    incoming, outgoing = os.dup(0), os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(2, 1)
    os.close(nowhere)
    return FileIO(incoming, "rb"), FileIO(outgoing, "wb")


def discard_output() -> None:
    """Discard from now on what this process prints."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    os.close(nowhere)
