"""The process that holds the GPU: takes pages, writes them with the engine, gives their tokens back.

It has an interpreter of its own so that nothing of the reading program (pages
being drawn, texts being parsed) makes the GPU wait, and so that a GPU that
fails takes down nobody else. Orders and answers are frames
(:mod:`deepseek_ocr_rag.concurrency.frames`)::

    {"folder": ..., "tokenizer": ..., "device": ..., "cache": ..., ...}  -> {"slots": 512, ...}
    {"do": "write", "key": 7, "ids": [...], ...} + pixels  -> {"key": 7, "reason": "stop", ...} + tokens
    {"do": "cancel", "key": 7}

Before the answer come ``{"key": 7, "begun": true}``, when the picture is not needed
any more, and its tokens: each at once, ``{"key": 7, "tokens": [...]}``, with
``"stream": true``, else some together, ``{"key": 7, "piece": [...]}``. They go to the
owner through :mod:`.local_watch`. It ends when its standard input does.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from io import FileIO
from queue import SimpleQueue
from typing import Any, Final

import torch

from ...concurrency.frames import Frame, receive, send, take_pipes
from ...engine.engine import Engine, GenerationHandle
from ...engine.runner import PageImage
from ...engine.sequence import PageTask
from ...engine.startup import EngineSettings, start_engine
from ...errors import (
    BackendUnavailableError,
    BrokenFrameError,
    DeepSeekOCRError,
    EngineUnsupportedError,
    PageTooLargeError,
)
from ...model.checkpoint import Checkpoint, find_checkpoint
from ...model.ngrams import NoRepeat
from ...model.prompts import Mode
from .page_frames import page_frame

__all__ = ["STUCK", "main"]

STUCK: Final = 75
"""Exit code of a process whose GPU gave no answer any more."""

STUCK_SECONDS: Final = 120.0
"""Without a turn of the engine while there are pages. The longest turn records a
new size of picture batch, which takes a few seconds."""

LOOK_SECONDS: Final = 5.0

TOKENS_TOLD: Final = 128
"""Tokens of a page that are told of together, so that loops can be looked for in them while
the next are written."""


def main() -> None:
    """Serve until the owner closes the pipe or is gone."""
    # Ctrl-C is for the owner, who ends us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A picture comes in a dozen pieces, and each would wait 5 ms for the engine's thread.
    sys.setswitchinterval(0.0005)
    orders, answers = take_pipes()
    told = receive(orders, longest=0).message
    try:
        checkpoint = find_checkpoint(told["folder"], tokenizer=told["tokenizer"], download=False)
        settings = EngineSettings(
            told["device"],
            told["cache"],
            told["memory_limit"],
            told["slots"],
            told["weights"],
        )
        engine = start_engine(checkpoint, settings)
    except DeepSeekOCRError as error:
        send(answers, Frame(_told(error)))
        return
    send(answers, Frame({"slots": engine.slots, "max_positions": engine.max_positions}))
    _Desk(engine, checkpoint, answers).serve(orders)


class _Desk:
    """The pages that are being written here."""

    def __init__(self, engine: Engine, checkpoint: Checkpoint, answers: FileIO) -> None:
        self._engine = engine
        self._family = checkpoint.family
        self._answers = answers
        self._writings: dict[int, GenerationHandle] = {}
        # The engine's thread must not wait for the owner to read.
        self._leaving: SimpleQueue[Frame] = SimpleQueue()

    def serve(self, orders: FileIO) -> None:
        for work in (self._send, self._watch):
            threading.Thread(target=work, daemon=True).start()
        room: Callable[[int], bytearray | memoryview] = (
            _pinned if self._engine.device.type == "cuda" else bytearray
        )
        while True:
            try:
                order = receive(orders, longest=float("inf"), room=room)
            except (BrokenFrameError, OSError):
                self._engine.close()
                return
            key = order.message["key"]
            if order.message["do"] == "write":
                self._write(key, order)
            elif writing := self._writings.get(key):
                writing.cancel()

    def _write(self, key: int, order: Frame) -> None:
        try:
            writing = self._engine.submit(self._task(key, order))
        except DeepSeekOCRError as error:
            self._leaving.put(Frame({"key": key, **_told(error)}))
            return
        self._writings[key] = writing
        writing.on_done(partial(self._done, key))

    def _task(self, key: int, order: Frame) -> PageTask:
        told = order.message
        pixels = torch.frombuffer(order.body, dtype=torch.uint8)
        pixels = pixels.view(told["height"], told["width"], 4)
        rule = told["rule"]
        return PageTask(
            ids=told["ids"],
            picture=PageImage(pixels, Mode(**told["mode"]), self._family, told["max_tiles"]),
            rule=NoRepeat(rule["size"], rule["window"], frozenset(rule["exempt"])),
            max_new_tokens=told["max_new_tokens"],
            temperature=told["temperature"],
            source=told["source"],
            priority=told["priority"],
            on_prefill=partial(self._leaving.put, Frame({"key": key, "begun": True})),
            should_stop=partial(self._pass_on, key, "tokens" if told["stream"] else "piece"),
            interval=1 if told["stream"] else TOKENS_TOLD,
        )

    def _pass_on(self, key: int, name: str, tokens: list[int]) -> bool:
        self._leaving.put(Frame({"key": key, name: tokens}))
        return False

    def _done(self, key: int, writing: GenerationHandle) -> None:
        del self._writings[key]
        try:
            written = writing.result()
        except BackendUnavailableError as error:
            self._leaving.put(Frame({"key": key, **_told(error)}))
            self._leaving.put(Frame({"failed": error.problem}))
            return
        except DeepSeekOCRError as error:
            self._leaving.put(Frame({"key": key, **_told(error)}))
            return
        self._leaving.put(page_frame(key, written))

    def _send(self) -> None:
        while True:
            frame = self._leaving.get()
            try:
                send(self._answers, frame)
            except OSError:
                os._exit(0)
            if "failed" in frame.message:
                # A GPU that failed once answers nothing any more, not even to an orderly end.
                os._exit(1)

    def _watch(self) -> None:
        """End the process if the GPU hangs: a call into the driver cannot be broken off."""
        turns, since = -1, time.monotonic()
        while True:
            time.sleep(LOOK_SECONDS)
            if self._engine.iterations != turns or not self._writings:
                turns, since = self._engine.iterations, time.monotonic()
            elif time.monotonic() - since > STUCK_SECONDS:
                os._exit(STUCK)


def _pinned(length: int) -> memoryview:
    """Memory that a GPU reads without a copy in between, and that is used again."""
    # Not for the empty body of a cancellation.
    pinned = torch.empty(length, dtype=torch.uint8, pin_memory=length > 0)
    return pinned.numpy().data


def _told(error: DeepSeekOCRError) -> dict[str, Any]:
    kind = "page"
    if isinstance(error, EngineUnsupportedError):
        kind = "unsupported"
    elif isinstance(error, PageTooLargeError):
        kind = "too large"
    elif isinstance(error, BackendUnavailableError):
        kind = "unavailable"
    return {"error": kind, "problem": error.problem, "remedy": error.remedy}


if __name__ == "__main__":
    main()
