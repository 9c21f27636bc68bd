"""Guards the whole app: checks hosts, origins, keys, rates and bodies, sets headers.

It is an ASGI middleware, so that it also applies to added routes and mounted apps.
"""

from __future__ import annotations

import ipaddress
import math
import re
from typing import Final
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..api_settings import ApiSettings
from ..problems import failure, problem
from .api_keys import LOCAL_OWNER
from .rate_limits import RateLimit
from .request_bodies import body_limit, guarded_body, header

__all__ = ["OWNER", "Gatekeeper"]

OWNER: Final = "dsocr.owner"
"""The key of the ASGI scope that has the name of the request's API key."""

OPEN_PATHS: Final = frozenset({"/livez", "/readyz"})
"""Paths that need no key, because health checks have none."""

SECURITY_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)
"""Headers of every reply that does not set them itself."""

FAILURES_PER_SECOND: Final = 1.0
MOST_FAILURES: Final = 20.0
"""How many wrong keys an address may send at once; after that, one a second."""

_HOST: Final = re.compile(r"(?:\[(?P<ip6>[0-9a-fA-F:.]+)\]|(?P<name>[A-Za-z0-9._-]+))(?::\d{1,5})?")


class Gatekeeper:
    """Lets a request through to an app, or answers it with a problem.

    Args:
        app: The app.
        settings: What is allowed.
        open_paths: More paths that need no key, because they hold no user's data.
    """

    def __init__(
        self, app: ASGIApp, settings: ApiSettings, open_paths: frozenset[str] = frozenset()
    ) -> None:
        self._app = app
        self._open_paths = OPEN_PATHS | open_paths
        self._settings = settings
        rate = settings.requests_per_second
        self._requests = RateLimit(rate, 2 * rate)
        self._failures = RateLimit(FAILURES_PER_SECOND, MOST_FAILURES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                present = {name.lower() for name, _ in message["headers"]}
                more = [pair for pair in SECURITY_HEADERS if pair[0] not in present]
                message = {**message, "headers": [*message["headers"], *more]}
            await send(message)

        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, send_with_headers)
            return
        try:
            body = guarded_body(
                scope,
                receive,
                limit=body_limit(
                    scope["path"],
                    upload_bytes=self._settings.upload_bytes,
                    json_bytes=self._settings.json_bytes,
                ),
                silence=self._settings.body_silence,
                rate=self._settings.body_rate,
            )
            await self._app(scope, body, send_with_headers)
        except Exception as error:
            if started:
                raise
            await _answer_to(error)(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> Response | None:
        """The reply that refuses a request; None if it may go on, and :data:`OWNER` is set."""
        if not self._is_allowed_host(header(scope, b"host") or ""):
            return problem(
                421,
                "the service is not known by this name",
                remedy="Call it by its address, or start it with --allow-host NAME.",
            )
        if not _is_own_origin(scope) and not _follows_link(scope, self._open_paths):
            return problem(
                403,
                "another web site may not use the service",
                remedy="Call it from a program, or from the pages of the service itself.",
            )
        if scope["path"] in self._open_paths:
            return None
        address = (scope.get("client") or ("",))[0]
        if self._settings.keys and self._failures.is_empty(address):
            return _too_many(1 / FAILURES_PER_SECOND, "too many wrong API keys were sent")
        owner = self._settings.keys.owner(_key(scope)) if self._settings.keys else LOCAL_OWNER
        if owner is None:
            self._failures.wait_for(address)
            return problem(
                401,
                "the API key is missing or wrong",
                remedy="Send it as 'Authorization: Bearer KEY' or 'X-Api-Key: KEY'.",
                headers={"WWW-Authenticate": 'Bearer realm="dsocr"'},
            )
        wait = self._requests.wait_for(owner)
        if wait:
            return _too_many(wait, "too many requests were sent")
        scope[OWNER] = owner
        return None

    def _is_allowed_host(self, host: str) -> bool:
        """Whether a ``Host`` is safe from DNS rebinding.

        Only names can be rebound, not addresses. A service on a loopback address accepts only
        loopback addresses.
        """
        parts = _HOST.fullmatch(host)
        if parts is None:
            return False
        name = (parts["ip6"] or parts["name"]).lower().rstrip(".")
        if name == "localhost" or name in self._settings.hosts:
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return address.is_loopback or not self._settings.is_local


def _answer_to(error: Exception) -> Response:
    if isinstance(
        error, HTTPException
    ):  # the client hung up while an app that does not expect this read the body
        return problem(error.status_code, str(error.detail), headers=error.headers)
    return failure(error)


def _is_own_origin(scope: Scope) -> bool:
    """Whether the request does not come from another site's page (CSRF works without CORS)."""
    if header(scope, b"sec-fetch-site") in ("cross-site", "same-site"):
        return False
    origin = header(scope, b"origin")
    if origin is None:
        return True
    try:
        return urlsplit(origin).netloc.lower() == (header(scope, b"host") or "").lower()
    except ValueError:
        return False


def _follows_link(scope: Scope, open_paths: frozenset[str]) -> bool:
    """Whether a person followed another site's link to a path that holds no user's data."""
    return (
        scope["method"] == "GET"
        and scope["path"] in open_paths
        and header(scope, b"sec-fetch-mode") == "navigate"
        and header(scope, b"sec-fetch-dest") == "document"
    )


def _key(scope: Scope) -> str:
    scheme, _, key = (header(scope, b"authorization") or "").partition(" ")
    if scheme.lower() == "bearer":
        return key.strip()
    return header(scope, b"x-api-key") or ""


def _too_many(wait: float, detail: str) -> Response:
    return problem(
        429,
        detail,
        remedy="Wait as long as Retry-After says.",
        headers={"Retry-After": str(max(1, math.ceil(wait)))},
    )
