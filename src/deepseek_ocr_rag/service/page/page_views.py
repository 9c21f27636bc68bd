"""Routes for the web page: find a text in a document, and show the cells of a page's tables."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Query

from ...document.tables import Cell
from ...document.types import Page
from ..api.asker import Owner, Queue, in_worker
from ..api.openapi import problems
from ..api.page_routes import Number
from ..queue import JobQueue
from .text_hits import TextHit, find_hits

__all__ = ["ROUTER"]

ROUTER: Final = APIRouter(tags=["pages"])

MOST_HITS: Final = 1000


@dataclass(frozen=True, slots=True)
class HitsReply:
    """Where in a document a text is.

    Attributes:
        hits: In the order of the pages.
        complete: Whether these are all; false if there are more, or pages are still to come.
    """

    hits: list[TextHit]
    complete: bool


@dataclass(frozen=True, slots=True)
class TableReply:
    """A table of a page.

    Attributes:
        block: Which of the page's blocks it is, from 0.
        rows: Its cells, a spanning one once.
        csv: Comma-separated values that no spreadsheet takes for formulas.
    """

    block: int
    rows: list[list[Cell]]
    csv: str


@dataclass(frozen=True, slots=True)
class TablesReply:
    """The tables of a page."""

    tables: list[TableReply]


@ROUTER.get("/v1/jobs/{job_id}/find", responses=problems(404, 410, 422))
async def find_text(
    job_id: str,
    owner: Owner,
    queue: Queue,
    text: Annotated[str, Query(min_length=1, max_length=400)],
) -> HitsReply:
    """Find a text in the pages that were read so far, ignoring case and line ends."""
    job = await in_worker(queue.get, owner, job_id)
    hits = await in_worker(_hits, queue, owner, job_id, text)
    return HitsReply(hits[:MOST_HITS], job.state.ended and len(hits) <= MOST_HITS)


@ROUTER.get("/v1/jobs/{job_id}/pages/{number}/tables", responses=problems(404, 410, 422))
async def show_tables(job_id: str, number: Number, owner: Owner, queue: Queue) -> TablesReply:
    """Show the cells of a page's tables, and each table as CSV."""
    stored = await in_worker(queue.page, owner, job_id, number)
    return TablesReply(await in_worker(_tables, stored.json))


def _hits(queue: JobQueue, owner: str, job_id: str, text: str) -> list[TextHit]:
    """Find one more hit than is shown, to know whether there are more."""
    found: list[TextHit] = []
    for stored in queue.pages_in_order(owner, job_id):
        found += find_hits(json.loads(stored.json), text)
        if len(found) > MOST_HITS:
            break
    return found[: MOST_HITS + 1]


def _tables(page_json: str) -> list[TableReply]:
    page = Page.from_dict(json.loads(page_json))
    return [
        TableReply(index, [list(row) for row in table.rows], table.to_csv())
        for index, block in enumerate(page.blocks)
        if (table := block.table) is not None
    ]
