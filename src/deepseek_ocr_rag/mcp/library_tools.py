"""Implements the five tools, as functions that run in a thread and take canonical arguments."""

from __future__ import annotations

import threading
from collections import OrderedDict
from functools import partial
from typing import Any, Final

from ..agents.fencing import Fence
from ..agents.folder_replies import listing_reply, searched_documents
from ..agents.libraries.folder_library import FolderLibrary
from ..agents.libraries.library import Library, OnPage
from ..agents.replies import PASSAGES, ReplyBuilder, search_reply, searched_pages
from ..agents.reply_format import cut
from ..agents.room import ReplySize
from ..answering.qa import DocumentQA
from ..concurrency.cancellation import current_cancellation
from ..errors import DeepSeekOCRError
from .answer_size import Answered, fitting
from .asked_reply import LocatedText, asked_reply, fours, shown_id
from .citation_links import citation_link, parse_citations
from .evidence_reply import show_evidence
from .tool_catalogue import ASK, EVIDENCE, LIST, READ, SEARCH
from .tool_results import (
    DocumentList,
    FoundPassages,
    ListedDocument,
    NextCall,
    NumberedSource,
    ReadPages,
)

__all__ = ["FolderLibrary", "LibraryTools"]

LISTED_TOKENS: Final = 1500
"""Most tokens of a list of documents, in which each id appears three times."""

LONGEST_ERROR: Final = 2000

INDEXES_KEPT: Final = 4
"""How many documents keep their index for questions, which needs some 10 kB a page."""


class LibraryTools:
    """The tools over one library. Threads may share an instance.

    Args:
        library: The documents.
        llm: Writes the answers, as in :class:`DocumentQA`; None quotes only.
        strict: Whether to remove sentences that no page supports.
        embeddings: Also search by meaning for a question, as in :class:`DocumentQA`.
        allow_remote: Whether text may go to a model on another machine.
    """

    def __init__(
        self,
        library: Library,
        llm: object | None = None,
        *,
        strict: bool = False,
        embeddings: object | None = None,
        allow_remote: bool = False,
    ) -> None:
        self.library = library
        self._answers = partial(
            DocumentQA, llm=llm, strict=strict, embeddings=embeddings, allow_remote=allow_remote
        )
        self._fence = Fence()
        self._lock = threading.Lock()
        self._asked: OrderedDict[tuple[str, str, tuple[int, ...]], DocumentQA] = OrderedDict()

    def explain(self, error: DeepSeekOCRError) -> str:
        """Tell a model what happened and what to do, briefly and without paths of this machine."""
        return cut(self.library.explain(error), LONGEST_ERROR)

    def call(self, tool: str, arguments: dict[str, Any], on_page: OnPage) -> Answered:
        """Call a tool with arguments in canonical form.

        Raises:
            DeepSeekOCRError: If the tool cannot answer.
        """
        tools = {
            LIST.name: self._list,
            READ.name: self._read,
            SEARCH.name: self._search,
            ASK.name: self._ask,
            EVIDENCE.name: self._show_evidence,
        }
        return tools[tool](arguments, on_page)

    def _list(self, arguments: dict[str, Any], on_page: OnPage) -> Answered:
        folder, offset = arguments["folder"], arguments["offset"]
        listing = self.library.listing(folder)
        sizes = {file.path: file.size for file in listing.files}

        def build(size: ReplySize) -> Answered:
            small = ReplySize(size.chars, min(size.tokens or LISTED_TOKENS, LISTED_TOKENS))
            reply = listing_reply(listing, folder, offset, small, self._fence)
            shown = tuple(ListedDocument(shown_id(path), sizes[path]) for path in reply.paths)
            following = None
            if reply.next_offset is not None:
                following = NextCall(LIST.name, {"folder": folder, "offset": reply.next_offset})
            result = DocumentList(documents=shown, total=len(listing.files), next_call=following)
            return Answered(reply.text, result)

        return fitting(build)

    def _read(self, arguments: dict[str, Any], on_page: OnPage) -> Answered:
        id, pages, start = arguments["id"], arguments["pages"] or None, arguments["start"]

        def build(size: ReplySize) -> Answered:
            with self.library.opened(id, pages, on_page) as opened:
                builder = ReplyBuilder(opened.id, size, self._fence, start)
                for page in opened.pages:
                    if not builder.add(page):
                        break
                shown = opened.document(builder.pages)
            reply = builder.build(shown, opened.numbers)
            again = {"pages": reply.next_pages, "start": reply.next_start}
            result = ReadPages(
                id=shown_id(opened.id),
                total_pages=opened.total_pages,
                pages=tuple(page.number for page in shown.pages),
                failed_pages=tuple(page.number for page in shown.failed_pages),
                text=reply.text,
                next_call=NextCall(READ.name, {"id": shown_id(opened.id), **again})
                if reply.next_pages
                else None,
            )
            return Answered(reply.text, result)

        return fitting(build)

    def _search(self, arguments: dict[str, Any], on_page: OnPage) -> Answered:
        id, query, offset = arguments["id"], arguments["query"], arguments["offset"]
        note, sha = "", ""
        if id:
            document, retriever = self.library.index(id, None, on_page)
            first, sha = searched_pages(document), document.sha256
        else:
            found, files = self.library.search("", on_page)
            (first, note), retriever = searched_documents(found, files), found.retriever
        passages = retriever.search(query, k=offset + PASSAGES + 1)

        def cite(each: LocatedText) -> str:
            return citation_link(each.source, each.page, (b.as_tuple() for b in each.boxes), sha)

        def build(size: ReplySize) -> Answered:
            reply = search_reply(
                first,
                passages,
                offset,
                size,
                self._fence,
                name_files=not id,
                advice="Search again with other words, or read with read_document.",
                note=note,
                cite=cite,
            )
            shown = tuple(
                NumberedSource(number, shown_id(each.source), each.page, fours(each), cite(each))
                for number, each in enumerate(reply.passages, start=offset + 1)
            )
            following = None
            if reply.next_offset is not None:
                following = NextCall(SEARCH.name, {**arguments, "offset": reply.next_offset})
            result = FoundPassages(passages=shown, text=reply.text, next_call=following)
            return Answered(reply.text, result)

        return fitting(build)

    def _ask(self, arguments: dict[str, Any], on_page: OnPage) -> Answered:
        id, question = arguments["id"], arguments["question"]
        document, _ = self.library.index(id, None, on_page)
        numbers = tuple(page.number for page in document.pages if page.ok)
        key = (document.source, document.sha256, numbers)
        with self._lock:
            qa = self._asked.get(key)
        if qa is None:
            qa = self._answers(document)
            with self._lock:
                self._asked[key] = qa
                while len(self._asked) > INDEXES_KEPT:
                    self._asked.popitem(last=False)
        with qa.stream(question) as stream, current_cancellation().on_cancel(stream.close):
            answer = stream.answer

        return fitting(
            lambda size: asked_reply(answer, document.source, document.sha256, size, self._fence)
        )

    def _show_evidence(self, arguments: dict[str, Any], on_page: OnPage) -> Answered:
        links = parse_citations(arguments["citation"])
        return show_evidence(self.library, links, self._fence, on_page)
