"""Starts the service: checks what it needs, listens, serves, ends."""

from __future__ import annotations

import importlib
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from ..errors import ConfigurationError, MissingExtraError
from ..installing import install_command
from .queue import JobQueue

if TYPE_CHECKING:
    from fastapi import FastAPI

    from .api.api_settings import ApiSettings

__all__ = ["check_extra", "listening_socket", "serve"]

NEEDED: Final = ("fastapi", "uvicorn", "python_multipart", "prometheus_client")
"""The modules that the extra [serve] installs."""


def check_extra() -> None:
    """Checks that the packages of the service are installed.

    Raises:
        MissingExtraError: If one is missing.
    """
    try:
        for name in NEEDED:
            importlib.import_module(name)
    except ImportError as error:
        raise MissingExtraError(
            f"the service needs {error.name}, which is not installed",
            remedy=install_command("serve"),
        ) from error


def listening_socket(host: str, port: int) -> socket.socket:
    """A socket that listens on an address; port 0 chooses a free one.

    Raises:
        ConfigurationError: If the address cannot be listened on.
    """
    if not 0 <= port <= 65535:  # getaddrinfo accepts any number, and would listen on another port
        raise ConfigurationError(
            f"cannot listen on port {port}", remedy="Choose one from 1 to 65535, or 0 for any."
        )
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(2048)
        except OSError:
            listener.close()
            raise
    except (OSError, OverflowError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigurationError(
            f"cannot listen on {host!r}, port {port} ({reason})",
            remedy="Choose another with --host and --port, or stop what uses it.",
        ) from error
    return listener


def serve(
    queue: JobQueue,
    settings: ApiSettings,
    listener: socket.socket,
    *,
    drain_seconds: float,
    extend: Callable[[FastAPI], object] = lambda app: None,
) -> None:
    """Serve until SIGTERM or SIGINT; then let running pages finish, and return.

    While running pages finish, the service still answers, but is not ready and accepts no new jobs.

    Args:
        queue: The queue, already started; it is drained, but not closed.
        settings: The settings of the app.
        listener: Where to listen; closed at the end.
        drain_seconds: How long running pages may go on.
        extend: Adds further routes to its app.
    """
    from .api.app import create_app
    from .http_server import HttpServer

    app = create_app(queue, settings)
    extend(app)
    HttpServer(app, queue, drain_seconds).run(sockets=[listener])
