"""The process between the engine's and the owner's, run in this one: turns tokens into texts, in order."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

import pytest

pytest.importorskip("tokenizers")

from deepseek_ocr_rag.backends.local.loop_watch_process import LoopWatchServer
from deepseek_ocr_rag.backends.local.page_frames import LONGEST, page_frame, text_from
from deepseek_ocr_rag.concurrency.frames import Frame, receive, send
from deepseek_ocr_rag.errors import BrokenFrameError
from deepseek_ocr_rag.model.loops.detector import find_loops
from deepseek_ocr_rag.model.page_prompt import End, GeneratedPage
from deepseek_ocr_rag.model.tokenizer import ModelTokenizer

TOGETHER = 64
LOOP = "The total of all items is as follows. " + "Nothing else was found here. " * 80


def pipe() -> tuple[FileIO, FileIO]:
    reading, writing = os.pipe()
    return FileIO(reading, "rb"), FileIO(writing, "wb")


@contextmanager
def watch_process(tokenizer: ModelTokenizer) -> Iterator[tuple[FileIO, FileIO]]:
    """Pipes to and from it; it ends once the first is closed."""
    told, telling = pipe()
    answering, answer = pipe()

    def serve() -> None:
        with told, answer:
            LoopWatchServer(tokenizer, told, answer).serve()

    serving = threading.Thread(target=serve)
    with answering, telling:
        serving.start()
        yield telling, answering
    serving.join()


def answers(tokenizer: ModelTokenizer, frames: list[Frame]) -> list[Frame]:
    """Return the frames that come out if these come in and the engine's process then ends."""
    with watch_process(tokenizer) as (telling, answering):
        for frame in frames:
            send(telling, frame)
        telling.close()
        return list(_until_the_end(answering))


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


def test_a_page_that_repeats_itself_is_reported_before_it_ends(tokenizer) -> None:
    tokens = tokenizer.encode(LOOP)
    with watch_process(tokenizer) as (telling, answering):
        for frame in pieces(7, tokens):
            send(telling, frame)
        assert receive(answering, longest=0).message == {"key": 7, "repeats": True}
        send(telling, page(7, tokens)[1])
        telling.close()
        *_, last = _until_the_end(answering)
    assert text_from(last).loops == find_loops(LOOP)


def test_pages_are_watched_apart(tokenizer) -> None:
    """One after the other, these would be a loop."""
    tokens = tokenizer.encode(LOOP[: len(LOOP) // 12])
    frames = [frame for key in range(12) for frame in [*pieces(key, tokens), page(key, tokens)[1]]]
    found = answers(tokenizer, frames)
    assert [frame.message["key"] for frame in found] == list(range(12))
    assert all("repeats" not in frame.message for frame in found)


def test_pages_that_have_begun_or_ended_do_not_wait_for_the_search_for_loops_in_others(
    tokenizer,
) -> None:
    """All frames come at once, while a first page is being decoded."""
    tokens = tokenizer.encode(LOOP)
    others = [frame for key in range(20) for frame in pieces(key, tokens)]
    ended = page(99, tokenizer.encode("text"))[1]
    begun, streamed = Frame({"key": 97, "begun": True}), Frame({"key": 98, "tokens": [1, 2]})
    with watch_process(tokenizer) as (telling, answering):
        for frame in [*others, ended, begun, streamed]:
            send(telling, frame)
        looped = 0
        waiting = {97, 98, 99}
        while waiting:
            told = receive(answering, longest=LONGEST).message
            waiting.discard(told["key"])
            looped += "repeats" in told
        telling.close()
        list(_until_the_end(answering))
    # The process may have begun before all frames had come.
    assert looped < 10


def test_errors_come_after_what_was_written_before_them(tokenizer) -> None:
    """Otherwise pages that have ended would be lost with those that failed."""
    ended = page(7, tokenizer.encode("text"))[1]
    failures = [Frame({"key": 8, "error": "page", "problem": "?"}), Frame({"failed": "the GPU"})]
    found = [frame.message for frame in answers(tokenizer, [ended, *failures])]
    assert found[0]["key"] == 7
    assert found[1:] == [frame.message for frame in failures]


@pytest.fixture
def tokenizer_file(shared: Path) -> Path:
    return shared / "deepseek-ocr-files" / "tokenizer.json"


SHARING = """
from deepseek_ocr_rag.backends.local import loop_watch_process
loop_watch_process.useful_copies = lambda: 3
loop_watch_process.main()
"""


@contextmanager
def sharing_process(tokenizer_file: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The process, with three copies on any machine."""
    command = [sys.executable, "-c", SHARING, str(tokenizer_file)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, bufsize=0, **pipes) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.skipif(sys.platform != "linux", reason="no copies are made")
def test_copies_that_share_the_pages_answer_like_a_single_process(
    tokenizer, tokenizer_file
) -> None:
    frames = [Frame({"slots": 4})]
    failed = Frame({"failed": "the GPU"})
    for key in range(8):
        tokens = tokenizer.encode(LOOP if key % 3 else f"Page {key} says little.")
        frames += [Frame({"key": key, "begun": True}), *pieces(key, tokens)]
        frames.append(page(key, tokens)[1])
    alone = answers(tokenizer, frames)
    with sharing_process(tokenizer_file) as process:
        for frame in frames:
            send(process.stdin, frame)
        send(process.stdin, failed)
        process.stdin.close()
        shared = list(_until_the_end(process.stdout))
        assert (process.wait(30), process.stderr.read()) == (0, b"")
    assert shared.pop().message == failed.message
    ends = [
        {frame.message["key"]: text_from(frame) for frame in some if "count" in frame.message}
        for some in (alone, shared)
    ]
    assert ends[0] == ends[1]
    assert set(ends[0]) == set(range(8))
    assert {"slots": 4} in [frame.message for frame in shared]
    begun = [frame.message["key"] for frame in shared if "begun" in frame.message]
    assert begun == list(range(8))
    for key in range(8):
        order = [frame.message for frame in shared if frame.message.get("key") == key]
        assert "count" in order[-1]


@pytest.mark.skipif(sys.platform != "linux", reason="no copies are made")
def test_the_process_ends_once_a_copy_has_ended(tokenizer_file) -> None:
    with sharing_process(tokenizer_file) as process:
        send(process.stdin, Frame({"slots": 4}))
        assert receive(process.stdout, longest=LONGEST).message == {"slots": 4}
        copies = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        assert len(copies) == 3
        os.kill(int(copies[1]), signal.SIGKILL)
        assert list(_until_the_end(process.stdout)) == []
        assert process.wait(30) == 1
