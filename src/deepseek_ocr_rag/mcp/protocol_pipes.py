"""Reserves standard input and output for the protocol, and keeps everything else off them.

One stray line on standard output ends a connection, and libraries print. So output is taken
before anything else is loaded, even the SDK, and this module imports only the standard
library. From then on, the descriptor of standard output leads to standard error, for this process
and its children, and the protocol uses a copy of its own.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

__all__ = ["ProtocolPipes", "taken_output"]


@dataclass(frozen=True, slots=True)
class ProtocolPipes:
    """Copies of standard input and output that only the protocol uses."""

    input: int
    output: int


@contextmanager
def taken_output() -> Iterator[ProtocolPipes]:
    """Reserve standard input and output for the protocol; other prints go to standard error."""
    with suppress(OSError, ValueError):
        sys.stdout.flush()
    pipes = ProtocolPipes(os.dup(0), os.dup(1))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    try:
        yield pipes
    finally:
        # Standard output stays redirected: libraries may still print at exit.
        with suppress(OSError, ValueError):
            sys.stdout.flush()
        with suppress(OSError):
            os.close(pipes.output)
