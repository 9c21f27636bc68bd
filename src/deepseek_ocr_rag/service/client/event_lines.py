"""Reads server-sent events: :func:`read_events`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from ...errors import BackendReplyError

__all__ = ["MOST_BYTES", "ServiceEvent", "read_events"]

MOST_BYTES: Final = 64 * 2**20
"""Longest event; the page with the most text that we know has 2 MiB."""


@dataclass(frozen=True, slots=True)
class ServiceEvent:
    """One event of a stream, or a comment, which is a sign of life.

    Attributes:
        kind: Its name; "" for a comment.
        data: Its lines, joined.
        number: Its id if that is a number, else None.
    """

    kind: str
    data: str
    number: int | None


def read_events(pieces: Iterable[bytes]) -> Iterator[ServiceEvent]:
    """The complete events in a stream of bytes (WHATWG HTML, 9.2.6); an event cut off is dropped.

    Yields:
        Events that have data, and comments; fields that we do not use are left out.

    Raises:
        BackendReplyError: If an event has more than :data:`MOST_BYTES` bytes.
    """
    kind, number, size = "", None, 0
    data: list[str] = []
    for line in _lines(pieces):
        size += len(line)
        if size > MOST_BYTES:
            raise _too_long()
        if not line:
            if data:
                yield ServiceEvent(kind or "message", "\n".join(data), number)
            kind, number, size = "", None, 0
            data.clear()
            continue
        if line.startswith(b":"):
            yield ServiceEvent("", "", None)
            continue
        name, _, value = line.decode("utf-8", "replace").partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            data.append(value)
        elif name == "event":
            kind = value
        elif name == "id" and value.isascii() and value.isdecimal() and len(value) < 16:
            number = int(value)


def _lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Lines without their ends. Our service ends them with a line feed, a proxy may add a CR."""
    parts: list[bytes] = []
    size = 0
    for piece in pieces:
        *whole, rest = piece.split(b"\n")
        for line in whole:
            yield b"".join([*parts, line]).removesuffix(b"\r")
            parts, size = [], 0
        if rest:
            parts.append(rest)
            size += len(rest)
            if size > MOST_BYTES:
                raise _too_long()


def _too_long() -> BackendReplyError:
    return BackendReplyError(
        f"the service sent an event of more than {MOST_BYTES // 2**20} MiB",
        remedy="Check that this is the right address.",
    )
