"""Logs, measures and traces every request: an ASGI middleware around the whole app."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..access.gatekeeper import OWNER
from .tracing import request_span

__all__ = ["RequestLog"]

Observe = Callable[[str, str, int, float], None]
"""Called with the method, the route, the status and the seconds of a request."""

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})

_LOG: Final = logging.getLogger(__name__)


class RequestLog:
    """Writes a line for each request once its reply has ended.

    A line has the route, not the path, because clients choose paths freely.

    Args:
        app: The app.
        observe: Counts the request.
    """

    def __init__(self, app: ASGIApp, observe: Observe) -> None:
        self._app = app
        self._observe = observe

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request, begun, status, sent = secrets.token_hex(8), time.monotonic(), 0, 0

        async def send_noting(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
                mark = (b"x-request-id", request.encode())
                message = {**message, "headers": [*message["headers"], mark]}
            else:
                sent += len(message.get("body", b""))
            await send(message)

        method = scope["method"] if scope["method"] in METHODS else "OTHER"
        headers = {
            key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]
        }
        with request_span(method, headers) as set_attribute:
            try:
                await self._app(scope, receive, send_noting)
            finally:
                seconds, route = time.monotonic() - begun, _route(scope)
                self._observe(method, route, status, seconds)
                set_attribute("http.route", route)
                set_attribute("http.response.status_code", status)
                _LOG.info(
                    "request",
                    extra={
                        "request": request,
                        "method": method,
                        "route": route,
                        "status": status,
                        "ms": round(1000 * seconds, 1),
                        "owner": scope.get(OWNER),
                        "bytes": sent,
                    },
                )


def _route(scope: Scope) -> str:
    """The pattern that a path fits, such as ``/v1/jobs/{job_id}``; "-" if it fits none."""
    return str(getattr(scope.get("route"), "path", "-"))
