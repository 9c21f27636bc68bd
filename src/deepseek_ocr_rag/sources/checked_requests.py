"""Checks and limits requests to URLs that a stranger may have chosen.

The scheme, the host and every address that the host name resolves to are checked against a
:class:`~.fetch_policy.FetchPolicy`. The connection is then made to one of the checked addresses,
not to the name, which might resolve to another address the next time. Proxies set in the
environment are not used, and redirects are left to the caller.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Self

import httpx

from ..errors import LimitExceededError, SourceNotAllowedError, SourceNotFoundError
from ..http_replies import UNCOMPRESSED, PlainTransport
from .fetch_policy import FetchPolicy, is_public

__all__ = [
    "RequestDeadline",
    "checked_client",
    "checked_request",
    "parsed_url",
    "too_slow",
]


class RequestDeadline:
    """A context that cuts the connections of a request when its time is up.

    A timeout between two bytes is not enough: a server that sends a byte now
    and then would never exceed it, and could keep the caller busy for hours.
    """

    def __init__(self, name: str, policy: FetchPolicy) -> None:
        self.name = name
        self._policy = policy
        self._end = time.monotonic() + policy.total_seconds
        self._lock = threading.Lock()
        self._passed = False
        self._connections: list[socket.socket] = []
        self._timer = threading.Timer(min(policy.total_seconds, threading.TIMEOUT_MAX), self._cut)
        self._timer.daemon = True

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Collect connections; httpcore calls this for every event."""
        if event == "connection.connect_tcp.complete":
            # A second handle to the same connection: TLS takes over the first one.
            connection = info["return_value"].get_extra_info("socket").dup()
            with self._lock:
                self._connections.append(connection)
                passed = self._passed
            if passed:
                self._cut()

    def check(self) -> None:
        """Raise LimitExceededError once the time is up."""
        if self.passed:
            raise too_slow(self.name, self._policy)

    @property
    def passed(self) -> bool:
        """Whether the time is up."""
        return self._passed or time.monotonic() > self._end

    def _cut(self) -> None:
        with self._lock:
            self._passed = True
            for connection in self._connections:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._timer.cancel()
        with self._lock:
            for connection in self._connections:
                connection.close()
            self._connections.clear()


def checked_client(policy: FetchPolicy) -> httpx.Client:
    """Make a client without proxies that follows no redirect and takes no compressed reply."""
    return httpx.Client(
        transport=PlainTransport(),
        trust_env=False,
        follow_redirects=False,
        timeout=httpx.Timeout(policy.connect_seconds),
    )


def parsed_url(url: str, name: str, *, base: httpx.URL | None = None) -> httpx.URL:
    """Parse a URL, which may be relative to ``base``.

    Raises:
        SourceNotFoundError: If it is not valid; messages call it ``name``.
    """
    try:
        target = httpx.URL(url) if base is None else base.join(url)
        _ = target.host  # only this decodes an international host name, and finds invalid ones
    except (httpx.InvalidURL, ValueError) as error:
        raise SourceNotFoundError(
            f"this is not a valid URL ({error})", source=name, remedy="Check the address."
        ) from error
    return target


def checked_request(
    client: httpx.Client,
    target: httpx.URL,
    policy: FetchPolicy,
    name: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    content: bytes | None = None,
) -> httpx.Request:
    """Build a request that goes to a checked address but still names the host.

    Args:
        client: From :func:`checked_client`.
        target: The URL.
        policy: The hosts and addresses that are allowed.
        name: The URL for messages.
        method: The HTTP method.
        headers: More headers.
        content: The body.

    Raises:
        SourceNotAllowedError: If the policy forbids the URL or an address of its host.
        SourceNotFoundError: If the host is unknown.
    """
    if target.scheme not in ("https", "http") or not target.host:
        raise SourceNotAllowedError(
            "only https URLs with a host name can be read",
            source=name,
            remedy="Use an https URL, or download the file first.",
        )
    if target.scheme == "http" and not policy.allow_http:
        raise SourceNotAllowedError(
            "this is not an https URL",
            source=name,
            remedy="Use https, or allow it with FetchPolicy(allow_http=True).",
        )
    if target.port is not None and not 0 < target.port < 65536:
        raise SourceNotAllowedError(
            f"the port {target.port} does not exist", source=name, remedy="Check the address."
        )
    host = target.raw_host.decode("ascii")
    if not policy.allows_host(host):
        raise SourceNotAllowedError(
            f"the host {target.host} is not on the list of allowed hosts",
            source=name,
            remedy="Add it with FetchPolicy(hosts=...) if you trust it, or download the file first.",
        )
    address = _resolved_address(target, policy, name)
    request = client.build_request(
        method,
        target.copy_with(host=address),
        headers={**(headers or {}), "Host": target.netloc.decode("ascii"), **UNCOMPRESSED},
        content=content,
    )
    request.extensions["sni_hostname"] = host
    return request


def _resolved_address(target: httpx.URL, policy: FetchPolicy, name: str) -> str:
    port = target.port or (443 if target.scheme == "https" else 80)
    try:
        found = socket.getaddrinfo(target.raw_host.decode("ascii"), port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise SourceNotFoundError(
            f"the host {target.host} is unknown",
            source=name,
            remedy="Check the address and the network.",
        ) from error
    addresses = [str(entry[4][0]) for entry in found]
    private = [address for address in addresses if not is_public(address)]
    if private and not policy.allow_private:
        raise SourceNotAllowedError(
            f"the host {target.host} is on a private network ({private[0]})",
            source=name,
            remedy="Allow it with FetchPolicy(allow_private=True) if you trust the URL.",
        )
    return addresses[0]


def too_slow(name: str, policy: FetchPolicy) -> LimitExceededError:
    """Make the error for a request that takes longer than its policy allows."""
    return LimitExceededError(
        f"the download took longer than {policy.total_seconds:g} seconds, "
        f"or stalled for {policy.connect_seconds:g}",
        source=name,
        remedy="Download it first, or raise FetchPolicy(total_seconds=...).",
    )
