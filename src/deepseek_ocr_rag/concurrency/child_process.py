"""Child processes: start one, end it for certain, and say how it ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from io import RawIOBase
from pathlib import Path
from typing import IO, Final

__all__ = [
    "ChildProcess",
    "OutputTail",
    "describe_exit",
    "finalize_in_owner",
    "module_command",
    "python_path",
]

KILL_SECONDS: Final = 10.0
"""How long to wait until the system has removed a killed process."""

PIPE_BYTES: Final = 2**20
"""With a pipe this large, a page arrives in a few pieces instead of a hundred, each with a wait."""

TAIL_BYTES: Final = 8 * 1024

_PACKAGES: Final = Path(__file__).parents[2]
"""The folder that this package is imported from."""


def module_command(module: str, *arguments: str, flags: Sequence[str] = ()) -> list[str]:
    """The command that runs one of our modules in a new process of this interpreter.

    Raises FileNotFoundError if there is no interpreter, as in a frozen program.
    """
    if not sys.executable or getattr(sys, "frozen", False):
        raise FileNotFoundError(2, "there is no Python interpreter to run")
    # -P: no module of the working folder may replace another of the same name.
    return [sys.executable, "-P", *flags, "-m", module, *arguments]


def python_path() -> str:
    """PYTHONPATH for a process that must import what this one can import.

    In the same order, because OpenCV cannot be imported if a folder of linked packages comes first.
    """
    folders = [str(Path(folder).absolute()) for folder in filter(None, sys.path)]
    if str(_PACKAGES.absolute()) not in folders:
        folders.insert(0, str(_PACKAGES.absolute()))
    return os.pathsep.join(dict.fromkeys(folders))


def describe_exit(code: int) -> str:
    """An exit code in words: "was terminated by signal SIGSEGV", "ended with exit code 3"."""
    if code >= 0:
        return f"ended with exit code {code}"
    names = {each.value: each.name for each in signal.Signals}
    return f"was terminated by signal {names.get(-code, -code)}"


class ChildProcess:
    """A child process in a session of its own, so that Ctrl-C does not reach it.

    It is ended together with everything that it starts. Standard input is a pipe unless a
    descriptor is given; standard error is discarded by default. Pipes are unbuffered.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        folder: Path | None = None,
        stdin: int = subprocess.PIPE,
        stderr: int = subprocess.DEVNULL,
    ) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own program in each case
            command,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=stderr,
            bufsize=0,
            pipesize=PIPE_BYTES,
            cwd=folder,
            env=environment,
            start_new_session=True,
        )
        self._owner = os.getpid()
        self._group_ended = False

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def stdin(self) -> RawIOBase:
        """The pipe to it. Raises BrokenPipeError if it is closed; so do the next two."""
        return _open_pipe(self._process.stdin)

    @property
    def stdout(self) -> RawIOBase:
        """The pipe from it."""
        return _open_pipe(self._process.stdout)

    @property
    def stderr(self) -> RawIOBase:
        """The pipe from its standard error."""
        return _open_pipe(self._process.stderr)

    def wait(self, seconds: float) -> int | None:
        """Wait for its exit code (negative: a signal); None if it still runs after ``seconds``."""
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        # At once, because its id is free now and may become that of another group.
        self._kill_group()
        return code

    def kill(self) -> None:
        """Kill it and all that it started, without waiting; does nothing after its end."""
        if self._process.returncode is None:
            self._kill_group()

    def end(self, *, after: float = 0.0) -> None:
        """Give it ``after`` seconds to end by itself, then kill it and wait until it is gone."""
        if self.wait(after) is None:
            self.kill()
            self.wait(KILL_SECONDS)

    def close_pipes(self) -> None:
        """Close the pipes to and from it; no other thread may use them any more."""
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()

    def disown(self) -> None:
        """Forget the process, in a forked copy of its owner."""
        self.close_pipes()
        # Otherwise its destructor would wait for, or warn about, a process that is not our child.
        self._process.returncode = 0

    def _kill_group(self) -> None:
        # A forked copy of its owner must not end it.
        if self._group_ended or os.getpid() != self._owner:
            return
        if os.name != "posix":
            self._process.kill()
            return
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self._group_ended = self._process.returncode is not None


class OutputTail:
    """The end of what a process prints, read by a thread that ends with the pipe and closes it."""

    def __init__(self, pipe: RawIOBase, name: str) -> None:
        self._tail = bytearray()
        self.thread = threading.Thread(target=self._read, args=(pipe,), name=name, daemon=True)
        self.thread.start()

    @property
    def text(self) -> str:
        """The last 8 KiB."""
        return bytes(self._tail).decode("utf-8", "replace")

    def _read(self, pipe: RawIOBase) -> None:
        with pipe, suppress(OSError):
            while chunk := pipe.read(2**16):
                self._tail += chunk
                del self._tail[:-TAIL_BYTES]


def finalize_in_owner(
    owner: object, end: Callable[..., object], *arguments: object
) -> weakref.finalize[..., object]:
    """A :class:`weakref.finalize` that does nothing in a forked copy of this process.

    The copy has the same objects, and must not end processes that are not its own.
    """
    pid = os.getpid()

    def end_in_owner() -> None:
        if os.getpid() == pid:
            end(*arguments)

    return weakref.finalize(owner, end_in_owner)


def _open_pipe(pipe: IO[bytes] | None) -> RawIOBase:
    if not isinstance(pipe, RawIOBase) or pipe.closed:
        raise BrokenPipeError("the process has ended")
    return pipe
