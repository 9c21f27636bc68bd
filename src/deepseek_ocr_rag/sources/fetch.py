"""Downloads documents from URLs, for users who allow it.

A URL may come from a language model or an attacker, so by default only https is used, and only
hosts on the public internet are contacted: see :mod:`.checked_requests`.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager

import httpx

from ..errors import CorruptSourceError, LimitExceededError, SourceNotFoundError
from .checked_requests import (
    RequestDeadline,
    checked_client,
    checked_request,
    parsed_url,
    too_slow,
)
from .fetch_policy import FetchPolicy
from .urls import public_name

__all__ = ["download"]


def download(url: str, policy: FetchPolicy) -> Generator[bytes, None, None]:
    """Download a URL and yield its content piece by piece. Close the iterator to stop.

    Raises:
        SourceNotAllowedError: If the policy forbids the URL or a redirect.
        SourceNotFoundError: If the server cannot be reached, or does not have the file.
        LimitExceededError: If the download takes too long, or redirects too often.
        CorruptSourceError: If the download fails midway.
    """
    name = public_name(url)
    deadline = RequestDeadline(name, policy)
    try:
        with (
            deadline,
            checked_client(policy) as client,
            _response(client, parsed_url(url, name), policy, deadline) as response,
        ):
            for chunk in response.iter_raw():
                deadline.check()
                yield chunk
            # A connection that the deadline cut may look like the end of the file.
            deadline.check()
    except httpx.TimeoutException as error:
        raise too_slow(name, policy) from error
    except httpx.DecodingError as error:
        raise CorruptSourceError(
            str(error), source=name, remedy="Download the file with a browser."
        ) from error
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, UnicodeError) as error:
        # UnicodeError: a redirect to something that only looks like a host name.
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


@contextmanager
def _response(
    client: httpx.Client, target: httpx.URL, policy: FetchPolicy, deadline: RequestDeadline
) -> Iterator[httpx.Response]:
    """Follow redirects and yield the final response, before its body is read."""
    name = deadline.name
    for _ in range(policy.redirects + 1):
        deadline.check()
        request = checked_request(client, target, policy, name)
        request.extensions["trace"] = deadline.trace
        response = client.send(request, stream=True)
        try:
            if response.has_redirect_location:
                target = parsed_url(response.headers["location"], name, base=target)
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
