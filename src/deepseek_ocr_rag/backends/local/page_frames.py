"""Turns generated pages into frames, and back."""

from __future__ import annotations

import array
from dataclasses import astuple
from typing import Final

from ...concurrency.frames import Frame
from ...model.loops.detector import Loop
from ...model.page_prompt import End, GeneratedPage
from ..page_text import PageText

__all__ = ["LONGEST", "page_frame", "page_from", "text_frame", "text_from"]

LONGEST: Final = 12 * 2**20
"""Most bytes of a body: three numbers of four bytes for each of a million tokens."""


def page_frame(key: int, page: GeneratedPage) -> Frame:
    """Make a frame of a page's tokens and their log-probabilities."""
    body = array.array("i", page.tokens).tobytes() + array.array("f", page.logprobs).tobytes()
    return Frame({"key": key, "reason": page.end.reason, "count": len(page.tokens)}, body)


def page_from(frame: Frame) -> GeneratedPage:
    """Read the page in a frame of :func:`page_frame` or :func:`text_frame`."""
    count, body = int(frame.message["count"]), bytes(frame.body)
    tokens, logprobs = array.array("i"), array.array("f")
    tokens.frombytes(body[: 4 * count])
    logprobs.frombytes(body[4 * count : 8 * count])
    return GeneratedPage(tuple(tokens), tuple(logprobs), End(count, frame.message["reason"]))


def text_frame(key: int, page: PageText) -> Frame:
    """Make a :func:`page_frame` with the text, its loops, and where each token ends in it."""
    frame = page_frame(key, page.written)
    message = {**frame.message, "text": page.text, "loops": [astuple(loop) for loop in page.loops]}
    return Frame(message, bytes(frame.body) + array.array("i", page.ends).tobytes())


def text_from(frame: Frame) -> PageText:
    """Read the text in a :func:`text_frame`."""
    written = page_from(frame)
    ends = array.array("i")
    ends.frombytes(bytes(frame.body)[8 * len(written.tokens) :])
    loops = tuple(Loop(*loop) for loop in frame.message["loops"])
    return PageText(written, frame.message["text"], tuple(ends), loops)
