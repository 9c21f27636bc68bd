"""Starts and ends the two processes of the local engine together."""

from __future__ import annotations

import os
from dataclasses import dataclass
from io import FileIO, RawIOBase
from typing import Final

from ...concurrency.child_process import ChildProcess, describe_exit, module_command, python_path
from ...concurrency.offline import OFFLINE

__all__ = ["END_SECONDS", "ProcessPair", "start_pair"]

ENGINE: Final = "deepseek_ocr_rag.backends.local.engine_entry"
WATCH: Final = "deepseek_ocr_rag.backends.local.loop_watch_process"

END_SECONDS: Final = 10.0
"""How long to wait for a process that was asked to end before it is killed."""


@dataclass(frozen=True, slots=True)
class ProcessPair:
    """The engine process, and the process that turns its tokens into text."""

    engine: ChildProcess
    watch: ChildProcess  # reads what the engine writes, and gives replies
    requests: RawIOBase
    replies: RawIOBase
    messages: RawIOBase  # what either of them prints

    def kill(self) -> None:
        """Kill both without waiting, when their start is cancelled."""
        self.engine.kill()
        self.watch.kill()

    def end(self) -> None:
        """Wait for both to end once their requests are closed, and kill those that do not."""
        # The watch ends after the engine.
        self.engine.end(after=END_SECONDS)
        self.watch.end(after=END_SECONDS)

    def describe_exit(self) -> str:
        """Describe how the process that failed ended, as a verb phrase."""
        code: int | None = None
        # When one is gone, the other has nothing left to do and exits with 0.
        for process in (self.watch, self.engine):
            code = process.wait(END_SECONDS)
            if code:
                break
        return "no longer responds" if code is None else describe_exit(code)


def start_pair(tokenizer: str) -> ProcessPair:
    """Start both processes; raises an OSError if one of them cannot be started."""
    environment = {**os.environ, **OFFLINE, "PYTHONPATH": python_path()}
    reading, writing = os.pipe()
    try:
        engine = ChildProcess(module_command(ENGINE), environment, stderr=writing)
        try:
            command = module_command(WATCH, tokenizer)
            watch = ChildProcess(command, environment, stdin=engine.stdout.fileno(), stderr=writing)
        except BaseException:
            engine.end()
            engine.close_pipes()
            raise
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    # Only the watch reads it.
    engine.stdout.close()
    return ProcessPair(engine, watch, engine.stdin, watch.stdout, FileIO(reading, "rb"))
