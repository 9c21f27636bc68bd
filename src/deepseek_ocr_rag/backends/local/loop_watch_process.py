"""The process between the engine's and the owner's: decodes tokens to text, and detects loops.

That takes 10 to 15 ms of Python for each page, which would hold up either of the others.
Frames come from the engine's process (:mod:`.engine_worker`) and go on to the owner::

    {"key": 7, "piece": [...]}                    -> {"key": 7, "repeats": true} if the page loops
    {"key": 7, "reason": "stop", ...} + tokens    -> the same with "text" and "loops" + ends of tokens

Frames with ``begun`` or ``tokens`` are passed on at once, ahead of those that wait to be
decoded. All others are passed on unchanged, in order.

One process decodes about 70 pages a second, but pages that began together also end together. If
the machine has enough cores, a few forked copies share the pages (:mod:`.watch_copies`).
"""

from __future__ import annotations

import select
import signal
import sys
from collections import deque
from contextlib import AbstractContextManager, nullcontext, suppress
from io import FileIO

from ...concurrency.frames import Frame, receive, send, take_pipes
from ...errors import BrokenFrameError
from ...model.tokenizer import ModelTokenizer
from ..page_text import LoopWatch
from .page_frames import LONGEST, page_from, text_frame
from .watch_copies import share, useful_copies

__all__ = ["LoopWatchServer", "main"]


def main() -> None:
    """Serve until the engine's process ends."""
    # Ctrl-C is meant for the owner; this process ends with the engine's.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    incoming, outgoing = take_pipes()
    tokenizer = ModelTokenizer.from_file(sys.argv[1])

    def serve(source: FileIO, turn: AbstractContextManager[object]) -> None:
        # The owner may have ended.
        with suppress(BrokenPipeError):
            LoopWatchServer(tokenizer, source, outgoing, turn).serve()

    copies = useful_copies()
    if copies > 1:
        share(incoming, outgoing, copies, serve)
    else:
        serve(incoming, nullcontext())


class LoopWatchServer:
    """Decodes the pages that are being generated, and watches them for loops.

    ``turn`` is held while a frame is written, for an outgoing pipe that other processes also use.
    """

    def __init__(
        self,
        tokenizer: ModelTokenizer,
        incoming: FileIO,
        outgoing: FileIO,
        turn: AbstractContextManager[object] | None = None,
    ) -> None:
        self._tokenizer = tokenizer
        self._incoming = incoming
        self._outgoing = outgoing
        self._turn = turn or nullcontext()
        self._watches: dict[int, LoopWatch] = {}
        self._unwatched: dict[int, list[int]] = {}
        self._ended: deque[Frame] = deque()

    def serve(self) -> None:
        """Pass frames on, and decode pages while no frame arrives."""
        while True:
            while (self._ended or self._unwatched) and not self._has_input():
                self._work()
            try:
                self._take(receive(self._incoming, longest=LONGEST))
            except (BrokenFrameError, OSError):
                break
        while self._ended:
            self._end(self._ended.popleft())

    def _send(self, frame: Frame) -> None:
        with self._turn:
            send(self._outgoing, frame)

    def _has_input(self) -> bool:
        return bool(select.select([self._incoming], [], [], 0)[0])

    def _take(self, frame: Frame) -> None:
        message = frame.message
        if "begun" in message or "tokens" in message:
            self._send(frame)
        elif "piece" in message:
            self._unwatched.setdefault(message["key"], []).extend(message["piece"])
        else:
            self._ended.append(frame)

    def _work(self) -> None:
        # Pages that have ended come first: a reader may be waiting for them.
        if self._ended:
            self._end(self._ended.popleft())
            return
        key = next(iter(self._unwatched))
        watch = self._watches.setdefault(key, LoopWatch(self._tokenizer))
        if watch(self._unwatched.pop(key)):
            self._send(Frame({"key": key, "repeats": True}))

    def _end(self, frame: Frame) -> None:
        key = frame.message.get("key", -1)
        self._unwatched.pop(key, None)
        watch = self._watches.pop(key, LoopWatch(self._tokenizer))
        if "count" in frame.message:
            frame = text_frame(key, watch.finish(page_from(frame)))
        self._send(frame)


if __name__ == "__main__":
    main()
