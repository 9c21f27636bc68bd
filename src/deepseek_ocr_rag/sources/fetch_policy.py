"""Decides which URLs may be downloaded, and which addresses belong to the public internet."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final

from ..errors import ConfigurationError
from ..setting_names import with_known_settings

__all__ = ["FetchPolicy", "is_public"]

_HOST: Final = re.compile(r"(?:\*\.)?(?:[a-z0-9_-]{1,63}\.)*[a-z0-9-]{1,63}|\[[0-9a-f:.]{2,45}\]")

_UNICAST: Final = ipaddress.IPv6Network("2000::/3")
"""The part of IPv6 that is assigned to the public internet."""

_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
"""RFC 6052's well-known prefix: the last 32 bits are an IPv4 address."""

_NOT_PUBLIC: Final = tuple(
    map(
        ipaddress.ip_network,
        (
            "192.0.0.0/24",  # protocol assignments
            "192.88.99.0/24",  # relays of 6to4
            "168.63.129.16/32",  # a public address that reaches a virtual machine's host (Azure)
            "2001::/32",  # Teredo: leads to an IPv4 address
            "2002::/16",  # 6to4: the same
            "3fff::/20",  # documentation
        ),
    )
)
"""Networks that some Python releases wrongly call global, or that lead to other addresses."""


@with_known_settings()
@dataclass(frozen=True, slots=True)
class FetchPolicy:
    """Which URLs may be downloaded, and for how long.

    Attributes:
        hosts: The only hosts to contact, even after a redirect: ``"arxiv.org"``
            for that name alone, ``"*.arxiv.org"`` for all names below it. None
            allows every host; tools for agents require a list.
        allow_http: Whether to allow URLs without encryption.
        allow_private: Whether to allow loopback, private, link-local and
            reserved addresses.
        redirects: Most redirects to follow; each target is checked like the first.
        connect_seconds: Longest time to connect, and between two pieces of the reply.
        total_seconds: Longest time for the whole download, redirects included.
            Name lookups have the system's own limits instead.

    Raises:
        ConfigurationError: If a number is negative, a time is not positive, or
            a host is not valid.
    """

    hosts: tuple[str, ...] | None = None
    allow_http: bool = False
    allow_private: bool = False
    redirects: int = 5
    connect_seconds: float = 15.0
    total_seconds: float = 300.0

    def __post_init__(self) -> None:
        if not (self.redirects >= 0 and self.connect_seconds > 0 and self.total_seconds > 0):
            raise ConfigurationError(
                "a fetch policy needs positive times and no negative number of redirects",
                remedy="Give seconds greater than 0, and 0 or more redirects.",
            )
        if isinstance(self.hosts, str):
            raise ConfigurationError(
                f"hosts={self.hosts!r} is a string, not a tuple",
                remedy=f"Write hosts=({self.hosts!r},).",
            )
        if self.hosts is not None:
            object.__setattr__(self, "hosts", tuple(map(_host, self.hosts)))

    def allows_host(self, host: str) -> bool:
        """Whether a host is on the list, or there is no list.

        Args:
            host: As in a URL: a name in ASCII or an address, in lower case.
        """
        if self.hosts is None:
            return True
        name = host.removesuffix(".")
        return any(
            name.endswith(allowed[1:]) if allowed.startswith("*.") else name == allowed
            for allowed in self.hosts
        )


def _host(written: str) -> str:
    try:
        host = written.strip().lower().encode("idna").decode("ascii").removesuffix(".")
    except UnicodeError:
        host = ""
    if not _HOST.fullmatch(host):
        raise ConfigurationError(
            f"{written!r} is not a host name",
            remedy="Give names such as 'arxiv.org' or '*.arxiv.org', without 'https://' or a path.",
        )
    return host.strip("[]")


def is_public(address: str) -> bool:
    """Whether an IP address, and the IPv4 address that it may embed, is on the public internet."""
    # A scope id ("fe80::1%eth0") marks a link-local address.
    if "%" in address:
        return False
    parsed = ipaddress.ip_address(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        inner = parsed.ipv4_mapped
        if parsed in _NAT64:
            inner = ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
        if parsed not in _UNICAST:
            return False
    if any(parsed in network for network in _NOT_PUBLIC):
        return False
    return parsed.is_global and not parsed.is_multicast
