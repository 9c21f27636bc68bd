"""The process between the engine's and the owner's: makes texts of tokens, and looks for loops.

That takes 10 to 15 ms of Python a page, during which neither of the others could do
anything else. What the engine's process tells (:mod:`.local_worker`) comes in, and goes
out to the owner::

    {"key": 7, "piece": [...]}                    -> {"key": 7, "repeats": true} since it does
    {"key": 7, "reason": "stop", ...} + tokens    -> the same with "text" and "loops" + where tokens end

All else is passed on as it is. What somebody waits for overtakes what waits here.
"""

from __future__ import annotations

import select
import signal
import sys
from collections import deque
from contextlib import suppress
from io import FileIO

from ...concurrency.frames import Frame, receive, send, take_pipes
from ...errors import BrokenFrameError
from ...model.tokenizer import ModelTokenizer
from ..page_text import LoopWatch
from .page_frames import LONGEST, page_from, text_frame

__all__ = ["Desk", "main"]


def main() -> None:
    """Serve until the engine's process ends."""
    # Ctrl-C is for the owner, with whom the engine's process ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    told, answers = take_pipes()
    desk = Desk(ModelTokenizer.from_file(sys.argv[1]), told, answers)
    # The owner may be gone.
    with suppress(BrokenPipeError):
        desk.serve()


class Desk:
    """The pages that are being watched.

    Args:
        tokenizer: Of the model.
        told: What the engine's process tells.
        answers: Where it goes.
    """

    def __init__(self, tokenizer: ModelTokenizer, told: FileIO, answers: FileIO) -> None:
        self._tokenizer = tokenizer
        self._told = told
        self._answers = answers
        self._watches: dict[int, LoopWatch] = {}
        self._unwatched: dict[int, list[int]] = {}
        self._ended: deque[Frame] = deque()

    def serve(self) -> None:
        """Pass on, and work on what waits while nothing comes."""
        while True:
            while (self._ended or self._unwatched) and not select.select([self._told], [], [], 0)[
                0
            ]:
                self._work()
            try:
                self._take(receive(self._told, longest=LONGEST))
            except (BrokenFrameError, OSError):
                break
        while self._ended:
            self._end(self._ended.popleft())

    def _take(self, frame: Frame) -> None:
        told = frame.message
        if "begun" in told or "tokens" in told:
            send(self._answers, frame)
        elif "piece" in told:
            self._unwatched.setdefault(told["key"], []).extend(told["piece"])
        else:
            self._ended.append(frame)

    def _work(self) -> None:
        # Somebody may wait for a page that has ended.
        if self._ended:
            self._end(self._ended.popleft())
            return
        key = next(iter(self._unwatched))
        watch = self._watches.setdefault(key, LoopWatch(self._tokenizer))
        if watch(self._unwatched.pop(key)):
            send(self._answers, Frame({"key": key, "repeats": True}))

    def _end(self, frame: Frame) -> None:
        key = frame.message.get("key", -1)
        self._unwatched.pop(key, None)
        watch = self._watches.pop(key, LoopWatch(self._tokenizer))
        if "count" in frame.message:
            frame = text_frame(key, watch.finish(page_from(frame)))
        send(self._answers, frame)


if __name__ == "__main__":
    main()
