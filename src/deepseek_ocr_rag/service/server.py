"""Runs the service: the queue, the app, and an end in time when it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import signal
import socket
from collections.abc import Iterator
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

from ..errors import ConfigurationError, MissingExtraError
from ..installing import install_command
from .queue import JobQueue

if TYPE_CHECKING:
    from fastapi import FastAPI

    from .api.api_settings import ApiSettings

__all__ = ["check_extra", "listening_socket", "serve"]

NEEDED: Final = ("fastapi", "uvicorn", "python_multipart", "prometheus_client")
"""What the extra [serve] brings."""

DRAIN_SECONDS: Final = 20.0
"""How long running pages may go on after the service was told to stop."""

CLOSE_SECONDS: Final = 5
"""How long replies may go on after that."""

MOST_CONNECTIONS: Final = 1000
"""Open at once; a further one is answered with 503."""

_LOG: Final = logging.getLogger(__name__)


def check_extra() -> None:
    """Checks that what the service needs is installed.

    Raises:
        MissingExtraError: If it is not.
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
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigurationError(
            f"cannot listen on {host}, port {port} ({reason})",
            remedy="Choose another with --port, or stop what uses it.",
        ) from error
    return listener


def serve(
    queue: JobQueue,
    settings: ApiSettings,
    listener: socket.socket,
    *,
    drain_seconds: float = DRAIN_SECONDS,
) -> None:
    """Serve until SIGTERM or SIGINT; then finish what runs, and return.

    While running pages finish, the service still answers, is not ready, and takes no new jobs.

    Args:
        queue: Has been started; it is drained, but not closed.
        settings: Of the app.
        listener: Where to listen; closed at the end.
        drain_seconds: How long running pages may go on.
    """
    from .api.app import create_app

    asyncio.run(_serve(create_app(queue, settings), queue, listener, drain_seconds))


async def _serve(
    app: FastAPI, queue: JobQueue, listener: socket.socket, drain_seconds: float
) -> None:
    import uvicorn

    from .connections import TimedProtocol

    config = uvicorn.Config(
        app,
        http=TimedProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_graceful_shutdown=CLOSE_SECONDS,
    )

    class DrainingServer(uvicorn.Server):
        """Ends after the queue has been drained, and not by the signal that told it to end."""

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            numbers = (signal.SIGINT, signal.SIGTERM)
            before = {number: signal.signal(number, self.handle_exit) for number in numbers}
            try:
                yield
            finally:
                for number, handler in before.items():
                    signal.signal(number, handler)

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            if self.should_exit:
                self.force_exit = True
            self.should_exit = True

        async def main_loop(self) -> None:
            await super().main_loop()
            _LOG.info("closing: no new jobs, running pages finish")
            draining = asyncio.get_running_loop().run_in_executor(
                None, partial(queue.drain, drain_seconds)
            )
            while not draining.done() and not self.force_exit:
                await asyncio.wait({draining}, timeout=0.1)
            app.state.watch.close()

    server: Any = DrainingServer(config)
    await server.serve(sockets=[listener])
