"""Downloads documents from URLs, for users who allow it.

A URL may come from a language model or an attacker, so by default only https
is used, and only hosts on the public internet are contacted. Every address that
the host name resolves to is checked, and the connection is then made to one of
them, not to the name, which might resolve to another address the next time.
Proxies set in the environment are not used.
"""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Self

import httpx

from ..errors import (
    CorruptSourceError,
    LimitExceededError,
    SourceNotAllowedError,
    SourceNotFoundError,
)
from ..http_replies import UNCOMPRESSED, PlainTransport
from .fetch_policy import FetchPolicy, is_public

__all__ = ["download", "is_url", "public_name"]

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def is_url(text: str) -> bool:
    """Whether a source has the form of a URL, with any scheme."""
    return _SCHEME.match(text) is not None


def public_name(url: str) -> str:
    """The URL without a user name and password."""
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"


def download(url: str, policy: FetchPolicy) -> Generator[bytes, None, None]:
    """Download a URL and yield its content piece by piece. Close the iterator to stop."""
    name = public_name(url)
    deadline = _DownloadDeadline(name, policy)
    try:
        with (
            deadline,
            _client(policy) as client,
            _response(client, _parsed(url, name), policy, deadline) as response,
        ):
            for chunk in response.iter_raw():
                deadline.check()
                yield chunk
            # A connection that the deadline cut may look like the end of the file.
            deadline.check()
    except httpx.TimeoutException as error:
        raise _too_slow(name, policy) from error
    except httpx.DecodingError as error:
        raise CorruptSourceError(
            str(error), source=name, remedy="Download the file with a browser."
        ) from error
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, UnicodeError) as error:
        # UnicodeError: a redirect to something that only looks like the name of a host.
        deadline.check()
        if isinstance(error, httpx.ConnectError):
            raise SourceNotFoundError(
                f"the server cannot be reached ({error})",
                source=name,
                remedy="Check the address and the network.",
            ) from error
        raise CorruptSourceError(
            f"the download failed ({error})", source=name, remedy="Try again later."
        ) from error


class _DownloadDeadline:
    """A context that cuts the connections of a download when its time is up.

    A timeout between two bytes is not enough: a server that sends a byte now
    and then would never exceed it, and could keep us busy for hours.
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
        if self._passed or time.monotonic() > self._end:
            raise _too_slow(self.name, self._policy)

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


def _client(policy: FetchPolicy) -> httpx.Client:
    return httpx.Client(
        transport=PlainTransport(),
        trust_env=False,
        follow_redirects=False,
        timeout=httpx.Timeout(policy.connect_seconds),
    )


def _parsed(url: str, name: str, *, base: httpx.URL | None = None) -> httpx.URL:
    """The parts of a URL, or of one that is relative to ``base``."""
    try:
        target = httpx.URL(url) if base is None else base.join(url)
        _ = target.host  # a host name can have the form of one and stand for none
    except (httpx.InvalidURL, ValueError) as error:
        raise SourceNotFoundError(
            f"this is not a valid URL ({error})", source=name, remedy="Check the address."
        ) from error
    return target


@contextmanager
def _response(
    client: httpx.Client, target: httpx.URL, policy: FetchPolicy, deadline: _DownloadDeadline
) -> Iterator[httpx.Response]:
    """Follow redirects and yield the final response, its body not yet read."""
    name = deadline.name
    for _ in range(policy.redirects + 1):
        deadline.check()
        request = _pinned(client, target, policy, name)
        request.extensions["trace"] = deadline.trace
        response = client.send(request, stream=True)
        try:
            if response.has_redirect_location:
                target = _parsed(response.headers["location"], name, base=target)
                continue
            if response.status_code != httpx.codes.OK:
                raise SourceNotFoundError(
                    f"the server replied {response.status_code} {response.reason_phrase}",
                    source=name,
                    remedy="Check the address, or download the file with a browser.",
                )
            yield response
            return
        finally:
            response.close()
    raise LimitExceededError(
        f"the URL redirects more than {policy.redirects} times",
        source=name,
        remedy="Use the address that it finally leads to.",
    )


def _pinned(
    client: httpx.Client, target: httpx.URL, policy: FetchPolicy, name: str
) -> httpx.Request:
    """Build a request that goes to a checked address but still names the host."""
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
    address = _address(target, policy, name)
    request = client.build_request(
        "GET",
        target.copy_with(host=address),
        headers={"Host": target.netloc.decode("ascii"), **UNCOMPRESSED},
    )
    request.extensions["sni_hostname"] = host
    return request


def _address(target: httpx.URL, policy: FetchPolicy, name: str) -> str:
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


def _too_slow(name: str, policy: FetchPolicy) -> LimitExceededError:
    return LimitExceededError(
        f"the download took longer than {policy.total_seconds:g} seconds, "
        f"or stalled for {policy.connect_seconds:g}",
        source=name,
        remedy="Download it first, or raise FetchPolicy(total_seconds=...).",
    )
