"""Downloads of a document from a URL, for users who allow them.

A URL may come from a language model or a stranger, so by default only https
and only machines on the public internet are asked. Every address that the host
name resolves to is checked, and the connection is then made to such an address
and not to the name, which might resolve to another one the next time. Proxies
of the environment are not used.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

from .errors import (
    ConfigurationError,
    CorruptSourceError,
    LimitExceededError,
    SourceNotAllowedError,
    SourceNotFoundError,
)

__all__ = ["FetchPolicy", "download", "is_url", "public_name"]

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""RFC 6052's well-known prefix: the last 32 bits are an IPv4 address."""

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


@dataclass(frozen=True, slots=True)
class FetchPolicy:
    """Which URLs may be asked, and for how long.

    Attributes:
        allow_http: Also without encryption.
        allow_private: Also loopback, private, link-local and reserved addresses.
        redirects: How many are followed; each target is checked like the first.
        connect_seconds: To connect, and between two pieces of the reply.
        total_seconds: For the whole download.

    Raises:
        ConfigurationError: If a number is negative or a time is not positive.
    """

    allow_http: bool = False
    allow_private: bool = False
    redirects: int = 5
    connect_seconds: float = 15.0
    total_seconds: float = 300.0

    def __post_init__(self) -> None:
        if not (self.redirects >= 0 and self.connect_seconds > 0 and self.total_seconds > 0):
            raise ConfigurationError(
                "a fetch policy needs positive times and no negative number of redirects"
            )


def is_url(text: str) -> bool:
    """Whether a source is written as a URL, of whatever scheme."""
    return _SCHEME.match(text) is not None


def public_name(url: str) -> str:
    """The URL without the user name and password that it may hold."""
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"


def download(url: str, policy: FetchPolicy) -> Generator[bytes, None, None]:
    """The body of a URL, piece by piece. Close the iterator to stop it.

    Raises:
        SourceNotAllowedError: If the policy forbids the URL or one it leads to.
        SourceNotFoundError: If the server cannot be reached or has no such file.
        LimitExceededError: If it takes too long or redirects too often.
        CorruptSourceError: If the transfer breaks off.
    """
    name = public_name(url)
    deadline = time.monotonic() + policy.total_seconds
    try:
        with _client(policy) as client, _response(client, url, policy, deadline) as response:
            for chunk in response.iter_bytes():
                if time.monotonic() > deadline:
                    raise _too_slow(name, policy)
                yield chunk
    except httpx.TimeoutException as error:
        raise _too_slow(name, policy) from error
    except httpx.ConnectError as error:
        raise SourceNotFoundError(
            f"the server cannot be reached ({error})",
            source=name,
            remedy="Check the address and the network.",
        ) from error
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
        raise CorruptSourceError(
            f"the download failed ({error})", source=name, remedy="Try again later."
        ) from error


def _client(policy: FetchPolicy) -> httpx.Client:
    return httpx.Client(
        trust_env=False, follow_redirects=False, timeout=httpx.Timeout(policy.connect_seconds)
    )


@contextmanager
def _response(
    client: httpx.Client, url: str, policy: FetchPolicy, deadline: float
) -> Iterator[httpx.Response]:
    """The answer at the end of the redirects, its body not yet read."""
    name = public_name(url)
    target = httpx.URL(url)
    for _ in range(policy.redirects + 1):
        if time.monotonic() > deadline:
            raise _too_slow(name, policy)
        request = _pinned(client, target, policy, name)
        response = client.send(request, stream=True)
        try:
            if response.has_redirect_location:
                target = target.join(response.headers["location"])
                continue
            if response.status_code != httpx.codes.OK:
                raise SourceNotFoundError(
                    f"the server answers {response.status_code} {response.reason_phrase}",
                    source=name,
                    remedy="Check the address, or download the file with a browser.",
                )
            yield response
            return
        finally:
            response.close()
    raise LimitExceededError(
        f"it redirects more than {policy.redirects} times",
        source=name,
        remedy="Use the address that it leads to.",
    )


def _pinned(
    client: httpx.Client, target: httpx.URL, policy: FetchPolicy, name: str
) -> httpx.Request:
    """A request to a checked address that is still made for the host's name."""
    if target.scheme not in ("https", "http") or not target.host:
        raise SourceNotAllowedError(
            f"{target.scheme or 'an empty'} URLs are not read",
            source=name,
            remedy="Use an https URL, or download the file first.",
        )
    if target.scheme == "http" and not policy.allow_http:
        raise SourceNotAllowedError(
            "it is not an https URL",
            source=name,
            remedy="Use https, or allow it with FetchPolicy(allow_http=True).",
        )
    address = _address(target, policy, name)
    request = client.build_request(
        "GET",
        target.copy_with(host=address),
        headers={"Host": target.netloc.decode("ascii"), "Accept-Encoding": "identity"},
    )
    request.extensions["sni_hostname"] = target.raw_host.decode("ascii")
    return request


def _address(target: httpx.URL, policy: FetchPolicy, name: str) -> str:
    port = target.port or (443 if target.scheme == "https" else 80)
    try:
        found = socket.getaddrinfo(target.raw_host.decode("ascii"), port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise SourceNotFoundError(
            f"the host {target.host} is not known",
            source=name,
            remedy="Check the address and the network.",
        ) from error
    addresses = [str(entry[4][0]) for entry in found]
    private = [address for address in addresses if not _is_public(address)]
    if private and not policy.allow_private:
        raise SourceNotAllowedError(
            f"the host {target.host} is on a private network ({private[0]})",
            source=name,
            remedy="Allow it with FetchPolicy(allow_private=True) if you trust the URL.",
        )
    return addresses[0]


def _is_public(address: str) -> bool:
    # A scope id ("fe80::1%eth0") marks a link-local address.
    if "%" in address:
        return False
    parsed = ipaddress.ip_address(address)
    inner = _embedded(parsed) if isinstance(parsed, ipaddress.IPv6Address) else None
    return (inner or parsed).is_global and not parsed.is_multicast


def _embedded(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that a gateway or the system would connect to instead, if any."""
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None)


def _too_slow(name: str, policy: FetchPolicy) -> LimitExceededError:
    return LimitExceededError(
        f"the download took longer than {policy.total_seconds:g} seconds, "
        f"or stood still for {policy.connect_seconds:g}",
        source=name,
        remedy="Download it first, or raise FetchPolicy(total_seconds=...).",
    )
