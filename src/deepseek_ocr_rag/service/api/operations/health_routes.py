"""Routes for operators: liveness, readiness, metrics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..asker import Queue, look
from ..openapi import problems, replies_with
from ..problems import problem

__all__ = ["ROUTER"]

ROUTER: Final = APIRouter(tags=["operations"])


@dataclass(frozen=True, slots=True)
class LifeReply:
    """The process answers."""

    status: str = "alive"


@dataclass(frozen=True, slots=True)
class ReadinessReply:
    """The service can read pages."""

    status: str = "ready"


@ROUTER.get("/livez")
async def say_alive() -> LifeReply:
    """Whether the process answers at all. Needs no key."""
    return LifeReply()


@ROUTER.get("/readyz", responses=problems(503), response_model=ReadinessReply)
async def say_ready(queue: Queue) -> ReadinessReply | JSONResponse:
    """Whether jobs can be sent: the reader has read a page, and the service is not closing."""
    readiness = await look(queue.ready)
    if readiness.ready:
        return ReadinessReply()
    return problem(
        503,
        readiness.reason or "the service is not ready",
        remedy="Wait; if it stays so, look at the service's log.",
        headers={"Retry-After": "2"},
    )


@ROUTER.get(
    "/metrics", response_class=Response, responses=replies_with(CONTENT_TYPE_LATEST.split(";")[0])
)
async def show_metrics(request: Request) -> Response:
    """Measurements in the text format of Prometheus."""
    text = await look(request.app.state.metrics.text)
    return Response(text, media_type=CONTENT_TYPE_LATEST)
