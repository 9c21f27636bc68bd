"""What the API says of corrections: frozen dataclasses, from which OpenAPI is made."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ....document.types import Page
from ....reading.cached_pages import page_from_json
from ...correcting.block_corrections import BlockCorrection
from ...jobs import StoredPage
from ..job_replies import job_path, utc_time

__all__ = ["BlockReply", "CorrectionListReply", "CorrectionReply", "block_reply", "correction_list"]


@dataclass(frozen=True, slots=True)
class BlockReply:
    """A block of a page, as it is now.

    Attributes:
        page: 1-based page.
        block: Index in the page's list of blocks, from 0.
        kind: Of the block: text, title, table, ...
        text: As Markdown, corrected if a person has corrected it.
        html: For a table, its HTML.
        original: What was read, if it was corrected since; else null.
    """

    page: int
    block: int
    kind: str
    text: str
    html: str | None
    original: str | None


@dataclass(frozen=True, slots=True)
class CorrectionReply:
    """A correction.

    Attributes:
        page: 1-based page.
        block: Index in the page's list of blocks, from 0.
        text: What is there now.
        made: When it was stored, ISO 8601 in UTC.
        link: Where the block is.
    """

    page: int
    block: int
    text: str
    made: str
    link: str


@dataclass(frozen=True, slots=True)
class CorrectionListReply:
    """The corrections of a job, by page and block."""

    corrections: list[CorrectionReply]


def block_reply(stored: StoredPage, index: int) -> BlockReply | None:
    """What the API says of a block; None if the page has no such block."""
    page: Page = page_from_json(stored.json)
    if index >= len(page.blocks):
        return None
    block = page.blocks[index]
    return BlockReply(page.number, index, block.kind, block.text, block.html, block.original)


def correction_list(job_id: str, corrections: Iterable[BlockCorrection]) -> CorrectionListReply:
    """What the API says of corrections."""
    return CorrectionListReply(
        [
            CorrectionReply(
                page=each.page,
                block=each.block,
                text=each.text,
                made=utc_time(each.made) or "",
                link=f"{job_path(job_id)}/pages/{each.page}/blocks/{each.block}",
            )
            for each in corrections
        ]
    )
