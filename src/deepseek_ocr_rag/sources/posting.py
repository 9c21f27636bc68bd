"""Posts to a URL that a stranger chose, and reads only the status of the reply.

The URL is checked at every post, see :mod:`.checked_requests`: a name that led to a public address
yesterday may lead into the private network today. Redirects are not followed.
"""

from __future__ import annotations

from collections.abc import Mapping

import httpx

from ..errors import LimitExceededError, SourceNotFoundError
from .checked_requests import (
    RequestDeadline,
    checked_client,
    checked_request,
    parsed_url,
)
from .fetch_policy import FetchPolicy
from .urls import public_name

__all__ = ["check_post", "post"]


def check_post(url: str, policy: FetchPolicy) -> None:
    """Check a URL as :func:`post` would, without connecting to it.

    Raises:
        SourceNotAllowedError: If the policy forbids the URL or an address of its host.
        SourceNotFoundError: If it is not a URL, or its host is unknown.
    """
    name = public_name(url)
    with checked_client(policy) as client:
        checked_request(client, parsed_url(url, name), policy, name, method="POST")


def post(url: str, body: bytes, headers: Mapping[str, str], policy: FetchPolicy) -> int:
    """Post a body once.

    Args:
        url: The receiver's URL.
        body: The body.
        headers: The headers.
        policy: The addresses that are allowed, and the time limits; its ``redirects`` has no
            effect, because none is followed.

    Returns:
        The status of the reply. Its body is not read.

    Raises:
        SourceNotAllowedError: If the policy forbids the URL or an address of its host.
        SourceNotFoundError: If the host is unknown, cannot be reached, or closes the connection.
        LimitExceededError: If the reply takes too long.
    """
    name = public_name(url)
    deadline = RequestDeadline(name, policy)
    try:
        with deadline, checked_client(policy) as client:
            request = checked_request(
                *(client, parsed_url(url, name), policy, name),
                method="POST",
                headers=headers,
                content=body,
            )
            request.extensions["trace"] = deadline.trace
            response = client.send(request, stream=True)
            response.close()
            return response.status_code
    except httpx.TimeoutException as error:
        raise _no_reply(name, policy) from error
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        if deadline.passed:
            raise _no_reply(name, policy) from error
        raise SourceNotFoundError(
            f"the server cannot be reached, or closed the connection ({error})",
            source=name,
            remedy="Check the address and the network.",
        ) from error


def _no_reply(name: str, policy: FetchPolicy) -> LimitExceededError:
    return LimitExceededError(
        f"no reply within {policy.connect_seconds:g} seconds, or an incomplete one within"
        f" {policy.total_seconds:g}",
        source=name,
        remedy="Let the receiver reply first and work later.",
    )
