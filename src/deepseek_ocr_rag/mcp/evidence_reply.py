"""Shows what citations point to: pages as pictures with the places marked, and their text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..agents.fencing import Fence, document_text
from ..agents.libraries.library import Library, OnPage, evidence_picture, text_in_boxes
from ..agents.replies import WARNING, FencedPart, framed, placeholder
from ..agents.reply_format import short_name
from ..agents.room import ReplySize
from ..errors import SourceError
from .answer_size import MOST_PICTURES, Answered, fitting
from .asked_reply import shown_id
from .citation_links import CitationLink, citation_link
from .tool_catalogue import EVIDENCE, READ
from .tool_results import EvidencePages, EvidencePicture, NextCall

__all__ = ["show_evidence"]


@dataclass(frozen=True, slots=True)
class _Evidence:
    """One page of the answer."""

    link: CitationLink
    text: str
    note: str
    picture: bytes

    @property
    def citation(self) -> str:
        return citation_link(self.link.id, self.link.page, self.link.boxes, self.link.sha)


def show_evidence(
    library: Library, links: Sequence[CitationLink], fence: Fence, on_page: OnPage
) -> Answered:
    """The reply of ``show_evidence``: at most four pages, each with everything that is cited from it.

    Raises:
        SourceError: If a document is missing, or has changed since it was cited.
    """
    pages = _by_page(links)
    now, rest = pages[:MOST_PICTURES], pages[MOST_PICTURES:]
    shown = [_evidence(library, link, on_page) for link in now]
    return fitting(lambda size: _reply(shown, rest, size, fence))


def _by_page(links: Sequence[CitationLink]) -> list[CitationLink]:
    """Merge the citations of each page: their boxes together, or the whole page if one cites it."""
    pages: dict[tuple[str, int, str], CitationLink] = {}
    for link in links:
        key = (link.id, link.page, link.sha)
        before = pages.get(key, link)
        whole = not link.boxes or not before.boxes
        boxes = () if whole else tuple(dict.fromkeys((*before.boxes, *link.boxes)))
        pages[key] = replace(link, boxes=boxes)
    return list(pages.values())


def _evidence(library: Library, link: CitationLink, on_page: OnPage) -> _Evidence:
    with library.opened(link.id, str(link.page), on_page) as opened:
        if not opened.sha256.startswith(link.sha):
            raise SourceError(
                "the document was changed since it was cited",
                source=opened.id,
                page=link.page,
                remedy="Ask or search again.",
            )
        page = next(opened.pages)
        found = replace(link, id=opened.id, sha=link.sha or opened.sha256[:12])
    text = document_text(text_in_boxes(page, link.boxes))
    note = "" if text.strip() else "(No text was read there.)" if page.ok else placeholder(page)
    picture = evidence_picture(library, link.id, link.page, link.boxes)
    return _Evidence(found, text if text.strip() else "", note, picture)


def _reply(
    shown: Sequence[_Evidence], rest: Sequence[CitationLink], size: ReplySize, fence: Fence
) -> Answered:
    pictures = "picture" if len(shown) == 1 else f"{len(shown)} pictures"
    first = f"The {pictures} in this answer and the text below show what the citations point to."
    following, last = None, "[End of the evidence.]"
    if rest:
        more = [citation_link(each.id, each.page, each.boxes, each.sha) for each in rest]
        following = NextCall(EVIDENCE.name, {"citation": " ".join(more)})
        last = f'[There is more. To go on, call again with citation="{" ".join(more)}".]'
    room = size.room(f"{first} {WARNING} {last}")
    parts = []
    for each in shown:
        mark = f"[page {each.link.page} of {short_name(each.link.id)}, citation {each.citation}]"
        part = FencedPart(mark, each.text, each.note)
        if not room.fits(part.written()):
            part = part.cut_to(room) if each.text else part
            page = {"id": shown_id(each.link.id), "pages": str(each.link.page)}
            following = following or NextCall(READ.name, page)
            last = f"{last}\n[The text of page {page['pages']} is cut: read_document has it.]"
        parts.append(part)
        room.take(part.written())
    text = framed(fence, first, parts, last)
    result = EvidencePages(
        pictures=tuple(
            EvidencePicture(shown_id(each.link.id), each.link.page, each.link.boxes, each.citation)
            for each in shown
        ),
        text=text,
        next_call=following,
    )
    return Answered(text, result, tuple(each.picture for each in shown))
