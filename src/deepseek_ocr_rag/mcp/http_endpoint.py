"""Makes the MCP server a part of a web application: streamable HTTP at one path.

The application that mounts it checks hosts and keys before a request comes here. If it does
not, the SDK's own check of the Host header is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

from mcp.server.streamable_http_manager import StreamableHTTPASGIApp, StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from starlette.routing import Route

from .protocol_server import DocumentServer

__all__ = ["HttpEndpoint"]

LARGEST_REQUEST: Final = 1024 * 1024
"""Most bytes of a request: it has the arguments of a call, never a document."""


class HttpEndpoint:
    """One MCP server over streamable HTTP, to be mounted in a Starlette or FastAPI application.

    Requests are stateless: nothing is kept for a client that vanishes, and no session can be used
    with another client's key.

    Args:
        server: The server.
        hosts: Values of the Host header that are accepted, such as ``"127.0.0.1:8765"``; None
            if the application checks it.

    Example:
        >>> endpoint = HttpEndpoint(document_server(tools))  # doctest: +SKIP
        >>> app.router.routes.append(endpoint.route("/mcp"))  # doctest: +SKIP
        >>> async with endpoint.running():  # in the application's lifespan  # doctest: +SKIP
    """

    def __init__(self, server: DocumentServer, *, hosts: Sequence[str] | None = None) -> None:
        security = TransportSecuritySettings(
            enable_dns_rebinding_protection=hosts is not None,
            allowed_hosts=list(hosts or ()),
            allowed_origins=[f"http://{host}" for host in hosts or ()],
        )
        self._manager = StreamableHTTPSessionManager(
            app=server,
            stateless=True,
            security_settings=security,
            max_request_body_size=LARGEST_REQUEST,
        )

    def route(self, path: str) -> Route:
        """The route to add to the application."""
        return Route(path, endpoint=StreamableHTTPASGIApp(self._manager))

    def running(self) -> AbstractAsyncContextManager[Any]:
        """A context in which requests are answered; enter it once, for as long as the server runs."""
        return self._manager.run()
