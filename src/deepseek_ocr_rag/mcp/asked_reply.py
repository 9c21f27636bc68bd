"""Writes the answer to a question: its text, its checked citations, and what is unsupported."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ..agents.fencing import Fence, document_text, own_words
from ..agents.replies import WARNING, FencedPart, framed
from ..agents.reply_format import MOST_RANGES, cut, short_name
from ..agents.room import ReplySize
from ..answering.answer import Answer
from .answer_size import MOST_PICTURES, Answered
from .citation_links import Four, citation_link
from .tool_catalogue import EVIDENCE
from .tool_results import AskedDocument, NextCall, NumberedSource

__all__ = ["LocatedText", "asked_reply", "fours", "shown_id"]

MOST_WARNINGS: int = 3
QUOTE_CHARS: int = 600


class Edges(Protocol):
    """A box."""

    def as_tuple(self) -> Four:
        """Left, top, right, bottom."""


class LocatedText(Protocol):
    """A passage or a citation: something with a document, a page and boxes."""

    @property
    def source(self) -> str:
        """The document's id."""

    @property
    def page(self) -> int:
        """1-based."""

    @property
    def boxes(self) -> Sequence[Edges]:
        """Where on the page."""


def shown_id(id: str) -> str:
    """The id of a document as the text shows it; tools accept this form too."""
    return document_text(" ".join(id.split()))


def fours(located: LocatedText) -> tuple[Four, ...]:
    """The first boxes of a place, rounded."""
    boxes = (box.as_tuple() for box in located.boxes[:MOST_RANGES])
    return tuple((round(a, 4), round(b, 4), round(c, 4), round(d, 4)) for a, b, c, d in boxes)


def asked_reply(answer: Answer, id: str, sha256: str, size: ReplySize, fence: Fence) -> Answered:
    """The reply of ``ask_document``: the answer, then as many of its sources as fit."""
    links = [
        citation_link(id, each.page, (box.as_tuple() for box in each.boxes), sha256)
        for each in answer.citations
    ]
    supported = sum(sentence.status == "supported" for sentence in answer.sentences)
    first = f"{short_name(id)}: {_origin(answer)} {_checked(answer, supported)}"
    notes = [cut(own_words(each), 300) for each in answer.warnings[:MOST_WARNINGS]]
    room = size.room(f"{first} {WARNING} {' '.join(notes)} {links[0] if links else ''}")
    parts = [FencedPart("[answer]", document_text(answer.text))]
    if not room.fits(parts[0].written()):
        parts = [parts[0].cut_to(room)]
        notes.append("The answer was cut: ask about less at once.")
    room.take(parts[0].written())
    for number, (each, link) in enumerate(zip(answer.citations, links, strict=True), start=1):
        quote = document_text(cut(each.quote, QUOTE_CHARS))
        part = FencedPart(f"[{number}. page {each.page}, citation {link}]", quote)
        if not room.fits(part.written()):
            break
        parts.append(part)
        room.take(part.written())
    shown = len(parts) - 1
    last, following = "[End of the answer.]", None
    if shown < len(links):
        rest = " ".join(links[shown : shown + MOST_PICTURES])
        following = NextCall(EVIDENCE.name, {"citation": rest})
        last = (
            f"[There are {len(links) - shown} more sources. To go on, call show_evidence with "
            f'citation="{links[shown]}".]'
        )
    text = framed(fence, first, parts, "\n".join([*(f"({note})" for note in notes), last]))
    result = AskedDocument(
        found=answer.found,
        supported=supported,
        unsupported=len(answer.unsupported),
        written_by=answer.llm,
        citations=tuple(
            NumberedSource(number, shown_id(id), each.page, fours(each), link)
            for number, (each, link) in enumerate(
                zip(answer.citations[:shown], links, strict=False), start=1
            )
        ),
        text=text,
        next_call=following,
    )
    return Answered(text, result)


def _origin(answer: Answer) -> str:
    if answer.llm is not None and not answer.quoted:
        return f"answered by {own_words(answer.llm)}."
    return "the nearest passages." if answer.nearest else "quoted from the pages."


def _checked(answer: Answer, supported: int) -> str:
    if not answer.found:
        return "No page was found that answers the question."
    unsupported = len(answer.unsupported)
    also = f" {unsupported} not, and marked." if unsupported else ""
    return f"Sentences that a cited page supports: {supported}.{also}"
