"""In the engine's process: receives pages, generates them on the GPU, returns their tokens.

It is a process of its own (:mod:`.engine_entry`) so that the reading program, which draws pages
and parses texts, never makes the GPU wait, and so that a GPU failure takes nothing else down.
Requests and answers are frames (:mod:`deepseek_ocr_rag.concurrency.frames`)::

    {"folder": ..., "tokenizer": ..., "device": ..., "cache": ..., ...}  -> {"slots": 512, ...}
    {"do": "write", "key": 7, "ids": [...], ...} + pixels  -> {"key": 7, "reason": "stop", ...} + tokens
    {"do": "cancel", "key": 7}

Before it answers with a page, it sends ``{"key": 7, "begun": true, "memory": 9000000000}`` once
the picture is no longer needed; ``memory`` is how many bytes it has allocated on the GPU. Then it
sends the tokens: with ``"stream": true`` each at once as ``{"key": 7, "tokens": [...]}``, else
several together as ``{"key": 7, "piece": [...]}``. All frames reach the owner through
:mod:`.loop_watch_process`. The process ends when its standard input does.
"""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Callable
from functools import partial
from io import FileIO
from queue import SimpleQueue
from typing import Any, Final

import torch

from ...concurrency.frames import Frame, receive, send
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

__all__ = ["STUCK", "collect_garbage_seldom", "serve"]

STUCK: Final = 75
"""Exit code of a process whose GPU stopped responding."""

STUCK_SECONDS: Final = 120.0
"""Longest time between two iterations of the engine while there are pages. The slowest one
captures a CUDA graph for a new size of picture batch, which takes a few seconds."""

CHECK_SECONDS: Final = 5.0

TOKENS_PER_FRAME: Final = 128
"""Tokens of a page that are sent together: few enough to search them for loops while the next
ones are generated."""


NEW_OBJECTS: Final = 50_000
"""New objects after which Python collects garbage, instead of 700. Nearly all of them are gone by
then."""


def collect_garbage_seldom() -> None:
    """Exclude what the start has made from garbage collection, and collect the rest seldom.

    A collection holds up the engine's thread while the GPU has nothing to do: 0.2 s for all that a
    start makes, some milliseconds for the tokens of 512 pages.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS, *gc.get_threshold()[1:])
    gc.enable()


def serve(startup: dict[str, Any], requests: FileIO, answers: FileIO) -> None:
    """Start the engine and serve until the owner closes the pipe or ends.

    Args:
        startup: The first message.
        requests: The pipe of the others.
        answers: The pipe for what the owner gets.
    """
    # The imported modules stay, some 300,000 objects, which later garbage collections need not
    # visit.
    gc.freeze()
    try:
        checkpoint = find_checkpoint(
            startup["folder"], tokenizer=startup["tokenizer"], download=False
        )
        settings = EngineSettings(
            startup["device"],
            startup["cache"],
            startup["memory_limit"],
            startup["slots"],
            startup["weights"],
            startup["vision"],
        )
        engine = start_engine(checkpoint, settings)
    except DeepSeekOCRError as error:
        send(answers, Frame(_error_message(error)))
        return
    collect_garbage_seldom()
    send(answers, Frame({"slots": engine.slots, "max_positions": engine.max_positions}))
    _EngineServer(engine, checkpoint, answers).serve(requests)


class _EngineServer:
    """Gives requested pages to the engine, and sends the tokens that it generates."""

    def __init__(self, engine: Engine, checkpoint: Checkpoint, answers: FileIO) -> None:
        self._engine = engine
        self._family = checkpoint.family
        self._answers = answers
        self._handles: dict[int, GenerationHandle] = {}
        # A queue, so that the engine's thread never waits for the owner to read.
        self._outbox: SimpleQueue[Frame] = SimpleQueue()

    def serve(self, requests: FileIO) -> None:
        for work in (self._send, self._watch):
            threading.Thread(target=work, daemon=True).start()
        room: Callable[[int], bytearray | memoryview] = (
            _pinned if self._engine.device.type == "cuda" else bytearray
        )
        while True:
            try:
                request = receive(requests, longest=float("inf"), room=room)
            except (BrokenFrameError, OSError):
                self._engine.close()
                return
            key = request.message["key"]
            if request.message["do"] == "write":
                self._submit(key, request)
            elif handle := self._handles.get(key):
                handle.cancel()

    def _submit(self, key: int, request: Frame) -> None:
        try:
            handle = self._engine.submit(self._task(key, request))
        except DeepSeekOCRError as error:
            self._outbox.put(Frame({"key": key, **_error_message(error)}))
            return
        self._handles[key] = handle
        handle.on_done(partial(self._done, key))

    def _task(self, key: int, request: Frame) -> PageTask:
        told = request.message
        pixels = torch.frombuffer(request.body, dtype=torch.uint8)
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
            following=told["following"],
            on_prefill=partial(self._begun, key),
            should_stop=partial(self._pass_on, key, "tokens" if told["stream"] else "piece"),
            interval=1 if told["stream"] else TOKENS_PER_FRAME,
        )

    def _begun(self, key: int) -> None:
        message: dict[str, Any] = {"key": key, "begun": True}
        if self._engine.device.type == "cuda":
            message["memory"] = torch.cuda.memory_reserved(self._engine.device)
        self._outbox.put(Frame(message))

    def _pass_on(self, key: int, name: str, tokens: list[int]) -> bool:
        self._outbox.put(Frame({"key": key, name: tokens}))
        return False

    def _done(self, key: int, handle: GenerationHandle) -> None:
        del self._handles[key]
        try:
            frame = page_frame(key, handle.result())
        except DeepSeekOCRError as error:
            self._outbox.put(Frame({"key": key, **_error_message(error)}))
            if isinstance(error, BackendUnavailableError):
                self._outbox.put(Frame({"failed": error.problem}))
            return
        self._outbox.put(frame)

    def _send(self) -> None:
        while True:
            frame = self._outbox.get()
            try:
                send(self._answers, frame)
            except OSError:
                os._exit(0)
            if "failed" in frame.message:
                # Once a GPU has failed, even an orderly shutdown would hang.
                os._exit(1)

    def _watch(self) -> None:
        """End the process if the GPU hangs: a call into the driver cannot be interrupted."""
        iterations, since = -1, time.monotonic()
        while True:
            time.sleep(CHECK_SECONDS)
            if self._engine.iterations != iterations or not self._handles:
                iterations, since = self._engine.iterations, time.monotonic()
            elif time.monotonic() - since > STUCK_SECONDS:
                os._exit(STUCK)


def _pinned(length: int) -> memoryview:
    """Allocate page-locked memory, which a GPU reads without an intermediate copy."""
    # The body of a cancellation is empty, and empty memory cannot be pinned.
    pinned = torch.empty(length, dtype=torch.uint8, pin_memory=length > 0)
    return pinned.numpy().data


def _error_message(error: DeepSeekOCRError) -> dict[str, Any]:
    kind = "page"
    if isinstance(error, EngineUnsupportedError):
        kind = "unsupported"
    elif isinstance(error, PageTooLargeError):
        kind = "too large"
    elif isinstance(error, BackendUnavailableError):
        kind = "unavailable"
    return {"error": kind, "problem": error.problem, "remedy": error.remedy}
