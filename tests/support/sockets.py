"""Records the sockets that this process uses, from the interpreter's audit events."""

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


# An audit hook cannot be removed, so there is one, which usually does nothing.
sys.addaudithook(_hook)


@contextmanager
def recorded_sockets() -> Iterator[list[tuple[str, tuple[Any, ...]]]]:
    """Record socket events of all threads while the block runs."""
    global _recording
    _recorded.clear()
    _recording += 1
    try:
        yield _recorded
    finally:
        _recording -= 1


def connections(recorded: list[tuple[str, tuple[Any, ...]]]) -> list[Any]:
    """The addresses connected to or sent to."""
    events = {"socket.connect", "socket.sendto", "socket.sendmsg"}
    return [arguments[1:] for event, arguments in recorded if event in events]
