"""The process between the engine's and the owner's, in this one: texts out of tokens, in the right order."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from io import FileIO
from pathlib import Path

import pytest

pytest.importorskip("tokenizers")

from deepseek_ocr_rag.backends.local_watch import Desk
from deepseek_ocr_rag.backends.page_frames import LONGEST, page_frame, text_from
from deepseek_ocr_rag.isolation.frames import BrokenFrameError, Frame, receive, send
from deepseek_ocr_rag.model.page_prompt import End, GeneratedPage
from deepseek_ocr_rag.model.repetition import find_loops
from deepseek_ocr_rag.model.tokenizer import ModelTokenizer

TOGETHER = 64
LOOP = "The total of all items is as follows. " + "Nothing else was found here. " * 80


@pytest.fixture(scope="module")
def tokenizer(shared: Path) -> ModelTokenizer:
    return ModelTokenizer.from_file(shared / "deepseek-ocr-files" / "tokenizer.json")


def pipe() -> tuple[FileIO, FileIO]:
    reading, writing = os.pipe()
    return FileIO(reading, "rb"), FileIO(writing, "wb")


def answers(tokenizer: ModelTokenizer, frames: list[Frame]) -> list[Frame]:
    """What comes out where these come in at once, and then the engine's process ends."""
    told, telling = pipe()
    answering, answer = pipe()

    def serve() -> None:
        with told, answer:
            Desk(tokenizer, told, answer).serve()

    for frame in frames:
        send(telling, frame)
    telling.close()
    serving = threading.Thread(target=serve)
    serving.start()
    with answering:
        found = list(_until_the_end(answering))
    serving.join()
    return found


def _until_the_end(pipe: FileIO) -> Iterator[Frame]:
    while True:
        try:
            yield receive(pipe, longest=LONGEST)
        except BrokenFrameError:
            return


def pieces(key: int, tokens: list[int]) -> list[Frame]:
    starts = range(0, len(tokens) - TOGETHER, TOGETHER)
    return [Frame({"key": key, "piece": tokens[start : start + TOGETHER]}) for start in starts]


def page(key: int, tokens: list[int]) -> tuple[GeneratedPage, Frame]:
    written = GeneratedPage(tuple(tokens), (-0.5,) * len(tokens), End(len(tokens), "stop"))
    return written, page_frame(key, written)


@pytest.mark.parametrize("text", ["Nothing here comes twice.", LOOP])
@pytest.mark.parametrize("watched", [True, False])
def test_a_page_comes_out_with_its_text_its_loops_and_its_ends(tokenizer, text, watched) -> None:
    tokens = tokenizer.encode(text)
    written, frame = page(7, tokens)
    *_, last = answers(tokenizer, [*(pieces(7, tokens) if watched else []), frame])
    found = text_from(last)
    assert last.message["key"] == 7
    assert (found.written, found.loops) == (written, find_loops(text))
    assert (found.text, found.ends) == tokenizer.decode_with_ends(tokens)


def test_a_page_that_repeats_itself_is_told_before_it_ends(tokenizer) -> None:
    tokens = tokenizer.encode(LOOP)
    told = [frame.message for frame in answers(tokenizer, [*pieces(7, tokens), page(7, tokens)[1]])]
    assert told[0] == {"key": 7, "repeats": True}
    assert "count" in told[-1]


def test_pages_are_watched_apart(tokenizer) -> None:
    """One after the other, these would be a loop."""
    tokens = tokenizer.encode(LOOP[: len(LOOP) // 12])
    frames = [frame for key in range(12) for frame in [*pieces(key, tokens), page(key, tokens)[1]]]
    found = answers(tokenizer, frames)
    assert [frame.message["key"] for frame in found] == list(range(12))
    assert all("repeats" not in frame.message for frame in found)


def test_what_somebody_waits_for_overtakes_what_is_worked_on(tokenizer) -> None:
    tokens = tokenizer.encode(LOOP)
    begun, streamed = Frame({"key": 8, "begun": True}), Frame({"key": 9, "tokens": [1, 2]})
    found = answers(tokenizer, [*pieces(7, tokens), page(7, tokens)[1], begun, streamed])
    assert [frame.message for frame in found[:2]] == [begun.message, streamed.message]
    assert "count" in found[-1].message


def test_errors_stay_behind_what_was_written_before_them(tokenizer) -> None:
    """Or pages that have ended would be lost with those that failed."""
    ended = page(7, tokenizer.encode("text"))[1]
    failures = [Frame({"key": 8, "error": "page", "problem": "?"}), Frame({"failed": "the GPU"})]
    found = [frame.message for frame in answers(tokenizer, [ended, *failures])]
    assert found[0]["key"] == 7
    assert found[1:] == [frame.message for frame in failures]
