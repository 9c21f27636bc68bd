"""The app of the service: :func:`create_app`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import anyio
from fastapi import APIRouter, FastAPI

from ...version import __version__
from ..answer_models import AnswerModels
from ..asking import Asking
from ..callbacks.callback_sender import CallbackSender
from ..doors import docling_serve, mistral_ocr, open_webui
from ..page import page_views, static_files
from ..queue import JobQueue
from . import (
    job_events,
    job_routes,
    new_jobs,
    openapi,
    page_routes,
    upload_routes,
)
from .access.gatekeeper import Gatekeeper
from .api_settings import ApiSettings
from .asker import in_worker
from .corrections import correction_routes
from .job_watch import JobWatch
from .operations import health_routes
from .operations.metrics import ServiceMetrics
from .operations.request_log import RequestLog
from .problems import add_problem_handlers
from .questions import model_routes, question_routes
from .upload_turns import UploadTurns

__all__ = ["create_app"]

PICTURES_AT_ONCE: Final = 2
"""How many pictures of pages are drawn at once."""

NATIVE: Final = (
    upload_routes.ROUTER,
    new_jobs.ROUTER,
    job_routes.ROUTER,
    job_events.ROUTER,
    page_routes.ROUTER,
    question_routes.ROUTER,
    model_routes.ROUTER,
    correction_routes.ROUTER,
    health_routes.ROUTER,
    openapi.ROUTER,
)

DOORS: Final = (open_webui.ROUTER, docling_serve.ROUTER, mistral_ocr.ROUTER)

PAGE: Final = (static_files.ROUTER, page_views.ROUTER)


def create_app(
    queue: JobQueue, settings: ApiSettings | None = None, *, routers: tuple[APIRouter, ...] = ()
) -> FastAPI:
    """The app over a job queue; more routes are added with ``routers`` or ``app.include_router``.

    Routes find the queue with :func:`.asker.queue_of`, and the owner with :func:`.asker.owner_of`.
    Keys, hosts, rates and limits on bodies apply to every route, even of mounted apps.

    Args:
        queue: The queue, already started; the app neither starts nor closes it.
        settings: What is allowed; by default, only requests from this machine.
        routers: More routes.

    Returns:
        The app, for any ASGI server.
    """
    settings = settings or ApiSettings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        sender = settings.callbacks and CallbackSender(queue, settings.callbacks)
        app.state.watch = JobWatch(queue)
        app.state.upload_turns = UploadTurns()
        app.state.answer_slots = anyio.CapacityLimiter(settings.answers_at_once)
        app.state.picture_slots = anyio.CapacityLimiter(PICTURES_AT_ONCE)
        try:
            if sender:
                sender.start()
            yield
        finally:
            app.state.watch.close()
            if sender:
                await in_worker(sender.close)

    app = FastAPI(
        title="deepseek-ocr-rag",
        version=__version__,
        description="Reads documents with DeepSeek-OCR, and answers questions over them.",
        docs_url=None,  # FastAPI's pages load scripts from elsewhere
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.queue = queue
    app.state.settings = settings
    app.state.metrics = ServiceMetrics(queue)
    app.state.asking = Asking(
        queue,
        llm=settings.llm,
        embeddings=settings.embeddings,
        allow_remote=settings.allow_remote,
    )
    app.state.answer_models = AnswerModels(
        settings.llm, only_default=settings.only_llm, allow_remote=settings.allow_remote
    )
    app.openapi = lambda: openapi.describe(app)  # type: ignore[method-assign]
    for router in (*NATIVE, *DOORS, *PAGE, *routers):
        app.include_router(router)
    add_problem_handlers(app)
    app.add_middleware(Gatekeeper, settings=settings, open_paths=frozenset(static_files.PAGE_PATHS))
    app.add_middleware(RequestLog, observe=app.state.metrics.observe)
    return app
