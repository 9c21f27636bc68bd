"""Routes for questions and searches over documents that were read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, field
from typing import TYPE_CHECKING, Annotated, Final

import anyio
from fastapi import APIRouter, Response
from pydantic import Field
from pydantic.dataclasses import dataclass
from starlette.requests import Request

from ....errors import BusyError, DeepSeekOCRError
from ...answer_models import AnswerModels
from ...asking import Asking, ReadDocuments
from ..asker import Owner, in_worker, while_connected
from ..openapi import problems
from ..problems import problem_members
from ..streamed_events import EVENT_STREAM, HEARTBEAT, event, event_content, event_reply
from .answer_replies import AnswerReply, SearchReply, answer_reply, search_reply
from .conversation import History, answers_of

if TYPE_CHECKING:
    from ....answering.stream import AnswerStream

__all__ = ["ROUTER"]

ROUTER: Final = APIRouter(tags=["questions"])

SLOT_SECONDS: Final = 20.0
"""Seconds for which a question waits for a free slot."""

JobIds = Annotated[list[str], Field(min_length=1, max_length=50)]


@dataclass(frozen=True)
class Question:
    """A question over documents.

    Attributes:
        question: What to answer.
        jobs: Ids of the jobs of the documents.
        model: What answers: one of those that /v1/language-models lists; null for the default.
        history: The conversation so far, oldest first; the question may refer to it.
    """

    question: Annotated[str, Field(min_length=1, max_length=4000)]
    jobs: JobIds
    model: Annotated[str | None, Field(max_length=300)] = None
    history: History = field(default_factory=list)


@dataclass(frozen=True)
class SearchRequest:
    """A search in documents.

    Attributes:
        query: What to search for.
        jobs: Ids of the jobs of the documents.
        limit: Most passages.
    """

    query: Annotated[str, Field(min_length=1, max_length=4000)]
    jobs: JobIds
    limit: Annotated[int, Field(ge=1, le=50)] = 5


@ROUTER.post("/v1/search", responses=problems(404, 410, 422, 502, 504))
async def search(wanted: SearchRequest, request: Request, owner: Owner) -> SearchReply:
    """Find passages in documents that were read."""
    asking: Asking = request.app.state.asking
    async with _slot(request):
        read = await in_worker(asking.over, owner, wanted.jobs)
        return await in_worker(search_reply, read, wanted.query, wanted.limit)


@ROUTER.post(
    "/v1/ask",
    response_model=AnswerReply,
    responses={
        200: {
            "description": "The whole answer, or events: text pieces, then sentences, citations "
            "and the answer.",
            "content": event_content("text", "sentence", "citation", "answer", "problem"),
        },
        **problems(404, 410, 422, 502, 504),
    },
)
async def ask(question: Question, request: Request, owner: Owner) -> Response | AnswerReply:
    """Answer a question over documents; every sentence is checked, and cites pages and boxes.

    Sends events, or one JSON object if the header Accept asks for application/json alone.
    """
    accept = request.headers.get("accept", "")
    if "application/json" in accept and EVENT_STREAM not in accept:
        async with _slot(request):
            read = await in_worker(_over, request, owner, question)
            answer = await while_connected(request, _answer_stream(read, question).whole())
            return await in_worker(answer_reply, answer, read)
    read = await in_worker(_over, request, owner, question)
    return event_reply(_answer_events(request, read, question))


def _over(request: Request, owner: str, question: Question) -> ReadDocuments:
    """The documents of a question, with the model that it may name."""
    asking: Asking = request.app.state.asking
    models: AnswerModels = request.app.state.answer_models
    return asking.over(owner, question.jobs, models.chosen(question.model))


def _answer_stream(read: ReadDocuments, question: Question) -> AnswerStream:
    from ....answering.stream import AnswerStream

    return AnswerStream(read.qa.write(question.question, answers_of(question.history)))


async def _answer_events(
    request: Request, read: ReadDocuments, question: Question
) -> AsyncIterator[str]:
    heartbeat: float = request.app.state.settings.heartbeat
    try:
        async with _slot(request), _answer_stream(read, question) as stream:
            while True:
                following = asyncio.ensure_future(anext(stream, None))
                try:
                    while not (await asyncio.wait({following}, timeout=heartbeat))[0]:
                        yield HEARTBEAT
                finally:
                    following.cancel()
                if (piece := following.result()) is None:
                    break
                yield event("text", {"text": piece})
            reply = asdict(await in_worker(answer_reply, stream.answer, read))
    except DeepSeekOCRError as error:
        yield event("problem", problem_members(error))
        return
    for sentence in reply["sentences"]:
        yield event("sentence", sentence)
    for citation in reply["citations"]:
        yield event("citation", citation)
    yield event("answer", reply)


@asynccontextmanager
async def _slot(request: Request) -> AsyncIterator[None]:
    """Hold one of the slots for answers.

    Raises:
        BusyError: If none becomes free in time.
    """
    slots: anyio.CapacityLimiter = request.app.state.answer_slots
    holder = object()
    with anyio.move_on_after(SLOT_SECONDS) as waiting:
        await slots.acquire_on_behalf_of(holder)
    if waiting.cancelled_caught:
        raise BusyError("too many questions are being answered", remedy="Ask again in a moment.")
    try:
        yield
    finally:
        slots.release_on_behalf_of(holder)
