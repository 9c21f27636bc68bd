"""Speaks HTTP with one service, which may be hostile, unreachable or busy: :class:`ServiceExchange`."""

from __future__ import annotations

import math
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, BinaryIO, Final, Self

import httpx

from ...certificates import trusted_certificates
from ...concurrency.cancellation import Cancellation
from ...errors import (
    BackendReplyError,
    BackendUnavailableError,
    ReadCancelledError,
    RetryableError,
)
from ...hosts import is_this_machine
from ...http_replies import UNCOMPRESSED, parse_json, refuse_compressed
from ...text.excerpt import excerpt
from ...version import __version__
from .rebuilt_errors import rebuilt_error
from .service_address import ServiceAddress

__all__ = ["ServiceExchange", "ServiceReply"]

MOST_BYTES: Final = 4 * 2**20
"""Longest reply about a job."""

CONNECT_SECONDS: Final = 5.0
SILENCE_SECONDS: Final = 60.0
"""Most seconds between two bytes; a stream of events has a heartbeat every 15 seconds."""

LONGEST_RETRY_AFTER: Final = 30.0

_PASSING: Final = frozenset(
    {
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,  # of a proxy, while the service starts again
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)


@dataclass(frozen=True, slots=True)
class ServiceReply:
    """A service's reply: HTTP status and decoded JSON, an object or {}."""

    status: int
    data: Mapping[str, Any]


class ServiceExchange:
    """Sends requests to one service, only to its own address; follows no redirect.

    Args:
        address: Where it is.
        source: The document that the requests are about, for messages.
        cancellation: Cuts the connections, so that no request outlives the read.
        silence: Most seconds between two bytes, and for a short answer.

    Raises:
        ReadCancelledError: From every method, if it was cancelled.
        RetryableError: From every method, if the service is unreachable or refuses work for now.
        DeepSeekOCRError: From every method: what the service says went wrong.
    """

    def __init__(
        self,
        address: ServiceAddress,
        source: str | None,
        cancellation: Cancellation,
        *,
        silence: float = SILENCE_SECONDS,
    ) -> None:
        self._address = address
        self._source = source
        self._cancellation = cancellation
        self._silence = silence
        self._socket: socket.socket | None = None  # of the only connection at a time
        self._lock = threading.Lock()
        self._open = ExitStack()
        self._open.callback(self._forget_socket)
        self._client = self._open.enter_context(
            httpx.Client(
                timeout=httpx.Timeout(silence, connect=min(silence, CONNECT_SECONDS)),
                trust_env=not is_this_machine(address.url),
                verify=trusted_certificates(trust_env=not is_this_machine(address.url)),
                follow_redirects=False,
                headers=self._headers(),
            )
        )
        self._open.enter_context(cancellation.on_cancel(self._cut))

    def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        fields: Mapping[str, str] | None = None,
        file: tuple[str, BinaryIO] | None = None,
        params: Mapping[str, str] | None = None,
        longest: int = MOST_BYTES,
    ) -> ServiceReply:
        """Ask for one JSON object.

        Args:
            method: GET, POST, DELETE.
            path: Below the service's own URL.
            headers: Further headers.
            fields: Fields of a form, sent before the file.
            file: Name and content of the form's field ``file``; read as it is sent.
            params: The query.
            longest: Most bytes of the answer.
        """
        form: dict[str, Any] = {} if file is None else {"data": fields, "files": {"file": file}}
        with self._answered(method, path, headers=headers, params=params, **form) as response:
            return ServiceReply(response.status_code, self._json(response, longest))

    @contextmanager
    def streamed(self, path: str, headers: Mapping[str, str]) -> Iterator[Iterator[bytes]]:
        """The body of a long reply, piece by piece."""
        with self._answered("GET", path, headers=headers) as response:
            kind = response.headers.get("content-type", "").partition(";")[0].strip()
            if kind != "text/event-stream":
                raise self._reply_error(f"it sent {excerpt(kind) or 'nothing'} in place of events")
            yield self._pieces(response)

    def close(self) -> None:
        """Close the connections."""
        self._open.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _headers(self) -> dict[str, str]:
        key = self._address.key
        own = {**UNCOMPRESSED, "user-agent": f"deepseek-ocr-rag/{__version__}"}
        return {**own, "authorization": f"Bearer {key}"} if key else own

    @contextmanager
    def _answered(self, method: str, path: str, **options: Any) -> Iterator[httpx.Response]:  # noqa: ANN401
        """A successful reply, its body not yet read."""
        with self._transport_errors():
            request = self._client.build_request(method, self._address.url + path, **options)
            request.extensions["trace"] = self._traced
            self._check_cancelled()
            response = self._client.send(request, stream=True)
            try:
                refuse_compressed(response.headers)
                if not response.is_success:
                    self._refuse(response)
                yield response
            finally:
                response.close()

    def _refuse(self, response: httpx.Response) -> None:
        status = response.status_code
        if response.has_redirect_location:
            raise self._reply_error(
                "it redirects to another address, and redirects are not followed"
            )
        try:
            data = self._json(response, MOST_BYTES)
        except BackendReplyError:
            data = {}  # of a proxy
        if status == HTTPStatus.UNAUTHORIZED:
            given = "does not accept the key" if self._address.key else "wants a key"
            raise BackendUnavailableError(
                f"the service at {self._address.url} {given}",
                source=self._source,
                remedy="Set DSOCR_SERVICE_KEY to one of its keys.",
            )
        detail = data.get("detail") or f"it answered {status} {response.reason_phrase}"
        error = rebuilt_error(
            data.get("error"),
            f"the service at {self._address.url}: {excerpt(str(detail), longest=1000)}"
            if data.get("error") is None
            else detail,
            data.get("remedy"),
            data.get("page"),
            source=self._source,
        )
        if status in _PASSING:
            raise RetryableError(error, _retry_after(response.headers))
        raise error

    def _json(self, response: httpx.Response, longest: int) -> Mapping[str, Any]:
        data = bytearray()
        end = time.monotonic() + self._silence
        for piece in self._pieces(response):
            data += piece
            if len(data) > longest:
                raise self._reply_error(f"its answer has more than {longest / 2**20:g} MiB")
            if time.monotonic() > end:
                raise self._reply_error(f"its answer took longer than {self._silence:g} s")
        if not data.strip():
            return {}
        try:
            value = parse_json(data)
        except ValueError as error:
            raise self._reply_error("its answer is not JSON") from error
        return value if isinstance(value, dict) else {}

    def _pieces(self, response: httpx.Response) -> Iterator[bytes]:
        for piece in response.iter_raw():
            self._check_cancelled()
            yield piece

    def _reply_error(self, problem: str) -> BackendReplyError:
        return BackendReplyError(
            f"the service at {self._address.url} broke the protocol: {problem}",
            source=self._source,
            remedy="Check the address: dsocr doctor --service URL.",
        )

    @contextmanager
    def _transport_errors(self) -> Iterator[None]:
        try:
            yield
        except httpx.DecodingError as error:
            raise self._reply_error(str(error)) from error
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            self._check_cancelled()
            away = BackendUnavailableError(
                f"no response from the service at {self._address.url} ({excerpt(str(error))})",
                source=self._source,
                remedy="Start it (dsocr serve), or check the address.",
            )
            raise RetryableError(away) from error

    def _check_cancelled(self) -> None:
        if self._cancellation.cancelled:
            raise ReadCancelledError("the reading was cancelled", source=self._source)

    def _traced(self, event: str, info: Mapping[str, Any]) -> None:
        """Keep the connection, to be able to cut it; httpcore calls this for every event."""
        if event == "connection.connect_tcp.complete":
            self._forget_socket()
            with self._lock:
                # A second handle on the same socket, because TLS takes over the first one.
                self._socket = info["return_value"].get_extra_info("socket").dup()
            if self._cancellation.cancelled:
                self._cut()

    def _cut(self) -> None:
        with self._lock, suppress(OSError):
            if self._socket is not None:
                self._socket.shutdown(socket.SHUT_RDWR)

    def _forget_socket(self) -> None:
        with self._lock:
            if self._socket is not None:
                self._socket.close()
            self._socket = None


def _retry_after(headers: httpx.Headers) -> float | None:
    try:
        seconds = float(headers.get("retry-after", ""))
    except ValueError:
        return None
    return min(LONGEST_RETRY_AFTER, seconds) if math.isfinite(seconds) and seconds >= 0 else None
