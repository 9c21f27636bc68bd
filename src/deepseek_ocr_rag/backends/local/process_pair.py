"""The two processes of the local engine: started, and ended for certain."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import FileIO, RawIOBase
from pathlib import Path
from typing import IO, Final

from ...concurrency.offline import OFFLINE

__all__ = ["END_SECONDS", "ProcessPair", "start_pair"]

ENGINE: Final = "deepseek_ocr_rag.backends.local.engine_worker"
WATCH: Final = "deepseek_ocr_rag.backends.local.loop_watch_process"

PACKAGES: Final = Path(__file__).parents[3]
"""Where this package is imported from."""

END_SECONDS: Final = 10.0
"""For a process that was asked to end, and then for one that was killed."""

PIPE_BYTES: Final = 2**20


@dataclass(frozen=True, slots=True)
class ProcessPair:
    """The engine's process, and the one that makes texts of what it writes.

    Attributes:
        engine: Takes orders.
        watch: Gives answers.
        orders: Pipe to the engine.
        answers: Pipe from the watch.
        said: What either printed.
    """

    engine: subprocess.Popen[bytes]
    watch: subprocess.Popen[bytes]
    orders: RawIOBase
    answers: RawIOBase
    said: RawIOBase

    def end(self) -> None:
        """Wait for both, whose orders are closed, and kill what does not end."""
        # The watch ends after the engine.
        for process in (self.engine, self.watch):
            with suppress(subprocess.TimeoutExpired):
                process.wait(END_SECONDS)
            process.kill()
            with suppress(subprocess.TimeoutExpired):
                process.wait(END_SECONDS)

    def how_they_ended(self) -> str:
        """The signal or exit code of the one that failed."""
        code: int | None = None
        # With the one the other has nothing to do any more.
        for process in (self.watch, self.engine):
            with suppress(subprocess.TimeoutExpired):
                code = process.wait(END_SECONDS)
            if code:
                break
        if code is not None and code < 0:
            return {each.value: each.name for each in signal.Signals}.get(-code, str(-code))
        return f"exit code {code}"


def start_pair(tokenizer: str) -> ProcessPair:
    """Start both.

    Args:
        tokenizer: Path of the model's ``tokenizer.json``.

    Raises:
        OSError: If one cannot be started.
    """
    said, saying = os.pipe()
    try:
        engine = _process([ENGINE], subprocess.PIPE, saying)
        try:
            watch = _process([WATCH, tokenizer], engine.stdout, saying)
        except BaseException:
            engine.kill()
            engine.communicate()
            raise
    except BaseException:
        os.close(said)
        raise
    finally:
        os.close(saying)
    # Only the watch reads it.
    _pipe(engine.stdout).close()
    return ProcessPair(engine, watch, _pipe(engine.stdin), _pipe(watch.stdout), FileIO(said, "rb"))


def _process(
    program: Sequence[str], stdin: int | IO[bytes] | None, stderr: int
) -> subprocess.Popen[bytes]:
    paths = [str(path.absolute()) for path in (PACKAGES, *map(Path, filter(None, sys.path)))]
    return subprocess.Popen(  # noqa: S603 - our own interpreter and our own programs
        [sys.executable, "-P", "-m", *program],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=stderr,
        bufsize=0,
        pipesize=PIPE_BYTES,
        env={**os.environ, **OFFLINE, "PYTHONPATH": os.pathsep.join(paths)},
        # Ctrl-C is for us alone.
        start_new_session=True,
    )


def _pipe(pipe: object) -> RawIOBase:
    if not isinstance(pipe, RawIOBase):
        raise TypeError("a pipe that is buffered")
    return pipe
