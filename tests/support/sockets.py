"""Which sockets this process uses, seen by the interpreter's own audit events."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_EVENTS = {
    "socket.__new__", "socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg",
    "socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "urllib.Request",
}  # fmt: skip
_recorded: list[tuple[str, tuple[Any, ...]]] = []
_recording = 0


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _recording and event in _EVENTS:
        _recorded.append((event, arguments))


# A hook can never be taken away again: there is one, and it does nothing most of the time.
sys.addaudithook(_hook)


@contextmanager
def recorded_sockets() -> Iterator[list[tuple[str, tuple[Any, ...]]]]:
    """What happens with sockets while the block runs, in all threads of this process."""
    global _recording
    _recorded.clear()
    _recording += 1
    try:
        yield _recorded
    finally:
        _recording -= 1


def connections(recorded: list[tuple[str, tuple[Any, ...]]]) -> list[Any]:
    """The addresses that were connected to, or sent to."""
    events = {"socket.connect", "socket.sendto", "socket.sendmsg"}
    return [arguments[1:] for event, arguments in recorded if event in events]
