"""A job that is being read now: :class:`RunningJob`."""

from __future__ import annotations

import json
import sqlite3
import time
from dataclasses import dataclass, field
from typing import Any, Literal

from ...sources.source import parse_page_selection
from ..store.job_values import options_of

__all__ = ["RunningJob"]


@dataclass(slots=True)
class RunningJob:
    """What the dispatcher knows about a job that is being read.

    Attributes:
        key: Number of this turn, used only once.
        number: The job's row.
        id: The job's id.
        owner: Name of its key.
        done: Pages stored before this turn.
        total: Pages to read; None before the document was opened.
        alone: Whether it must be read alone, because one of its pages may have crashed the process
            before.
        pages: The selection that this turn asks for.
        suspects: How often the reading process ended while it read a page, by its number; 0 is
            the opening of the document.
        served: Pages stored in this turn.
        reading: The pages that are being read now.
        begun: For each page that is not stored yet, when it was begun.
        heard: When the last message about it came.
        stopping: Whether it was told to stop.
        deadline: When to end the reading process, unless the job has stopped by then.
    """

    key: int
    number: int
    id: str
    owner: str
    row: sqlite3.Row
    done: int
    total: int | None
    alone: bool
    pages: str | list[int] | None
    suspects: dict[str, int]
    served: int = 0
    opened: bool = False
    reading: tuple[int, ...] = ()
    begun: dict[int, float] = field(default_factory=dict)
    heard: float = field(default_factory=time.monotonic)
    stopping: Literal["pause", "cancel"] | None = None
    deadline: float | None = None

    @classmethod
    def of(cls, row: sqlite3.Row, key: int, page_deaths: int) -> RunningJob:
        """The next turn of a claimed job."""
        suspects: dict[str, int] = json.loads(row["suspects"])
        pages: str | list[int] | None = options_of(row["options"]).pages
        following = 0
        if row["document_pages"] is not None:
            numbers = list(parse_page_selection(pages, row["document_pages"]))
            # Pages are stored in their order, so that the missing ones are the last.
            pages = numbers[row["pages_done"] :]
            following = pages[0] if pages else 0
            if suspects:
                pages = pages[:1]
        return cls(
            key=key,
            number=row["number"],
            id=row["id"],
            owner=row["owner"],
            row=row,
            done=row["pages_done"],
            total=row["pages_total"],
            alone=suspects.get(str(following), 0) >= max(1, page_deaths - 1),
            pages=pages,
            suspects=suspects,
        )

    @property
    def rank(self) -> int:
        """The rank that it would get if it went back into the queue now."""
        return self.number + self.done + self.served

    def request(self, path: str) -> dict[str, Any]:
        """The frame that asks for it."""
        options = options_of(self.row["options"], self.row["secrets"])
        return {
            "do": "read",
            "job": self.key,
            "path": path,
            "name": self.row["name"],
            "pages": self.pages,
            "task": options.task,
            "resolution": options.resolution,
            "password": options.password,
            "headings": json.loads(self.row["headings"]),
        }

    def accused(self) -> dict[str, int]:
        """Its suspects, after the reading process ended while working on this job."""
        pages = [str(page) for page in self.reading]
        if not self.opened:
            pages = ["0"]
        elif not pages:
            numbers = self.pages if isinstance(self.pages, list) else []
            pages = [str(number) for number in numbers[self.served : self.served + 1]]
        return self.suspects | {page: self.suspects.get(page, 0) + 1 for page in pages}

    def hear(self, message: dict[str, Any], now: float) -> float | None:
        """Note a message; if it is a page, return the seconds that the page took."""
        self.heard = now
        if "opened" in message:
            self.opened = True
            if self.total is None:
                self.total = message["opened"][0]
        elif "reading" in message:
            self.reading = tuple(message["reading"])
            for page in self.reading:
                self.begun.setdefault(page, now)
        elif "page" in message:
            self.served += 1
            self.suspects.pop(str(message["page"]), None)
            begun = self.begun.pop(message["page"], None)
            return None if begun is None else now - begun
        return None
