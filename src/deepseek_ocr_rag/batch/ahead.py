"""Prepares items in a thread, a few ahead of their use: :func:`made_ahead`."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterator
from typing import Any, TypeVar

__all__ = ["made_ahead"]

Item = TypeVar("Item")

_LOOK_SECONDS = 0.1


def made_ahead(items: Iterator[Item], most: int) -> Generator[Item]:
    """Yield items that a thread makes, up to ``most`` of them ahead.

    If making an item fails, its error is raised in its place. Closing the generator ends the thread
    after its current item.
    """
    made: queue.Queue[Any] = queue.Queue(most)
    ended = threading.Event()

    def put(kind: str, value: object) -> bool:
        while not ended.is_set():
            try:
                made.put((kind, value), timeout=_LOOK_SECONDS)
            except queue.Full:
                continue
            return True
        return False

    def make() -> None:
        try:
            for item in items:
                if not put("item", item):
                    return
            put("end", None)
        except BaseException as error:  # noqa: BLE001 - raised by the other thread
            put("error", error)

    thread = threading.Thread(target=make, name="dsocr-ahead", daemon=True)
    thread.start()
    try:
        while True:
            kind, value = made.get()
            if kind == "end":
                return
            if kind == "error":
                raise value
            yield value
    finally:
        ended.set()
        thread.join()
