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
from io import FileIO

from ..isolation.frames import BrokenFrameError, Frame, receive, send, take_pipes
from ..model.tokenizer import ModelTokenizer
from .page_frames import LONGEST, page_from, text_frame
from .page_text import LoopWatch

__all__ = ["Desk", "main"]


def main() -> None:
    """Serve until the engine's process ends."""
    # Ctrl-C is for the owner, with whom the engine's process ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    told, answers = take_pipes()
    Desk(ModelTokenizer.from_file(sys.argv[1]), told, answers).serve()


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
        self._waiting: deque[Frame] = deque()

    def serve(self) -> None:
        """Pass on, and work on what waits while nothing comes."""
        while True:
            while self._waiting and not select.select([self._told], [], [], 0)[0]:
                self._work(self._waiting.popleft())
            try:
                frame = receive(self._told, longest=LONGEST)
            except (BrokenFrameError, OSError):
                break
            if {"begun", "tokens"} & frame.message.keys():
                send(self._answers, frame)
            else:
                self._waiting.append(frame)
        while self._waiting:
            self._work(self._waiting.popleft())

    def _work(self, frame: Frame) -> None:
        told = frame.message
        if "piece" in told:
            watch = self._watches.setdefault(told["key"], LoopWatch(self._tokenizer))
            if watch(told["piece"]):
                send(self._answers, Frame({"key": told["key"], "repeats": True}))
        elif "count" in told:
            watch = self._watches.pop(told["key"], LoopWatch(self._tokenizer))
            send(self._answers, text_frame(told["key"], watch.finish(page_from(frame))))
        else:
            self._watches.pop(told.get("key", -1), None)
            send(self._answers, frame)


if __name__ == "__main__":
    main()
