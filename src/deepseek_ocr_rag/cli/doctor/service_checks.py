"""Checks whether a running service can be used from here."""

from __future__ import annotations

import re
from typing import Final

from ...backends.remote.json_exchange import JsonAnswer, fetch_json
from ...errors import BackendError, ConfigurationError
from ...service.client.service_address import ServiceAddress
from ...text.excerpt import excerpt
from ...version import __version__
from .check import Check

__all__ = ["service_checks"]

SECONDS: Final = 10.0

_JOBS: Final = re.compile(
    r'^dsocr_jobs\{state="(queued|running)"\} (\d{1,15})(?:\.0)?$', re.MULTILINE
)


def service_checks(url: str | None = None) -> tuple[Check, ...]:
    """Check that a service is reachable and ready, accepts our key and has our version; show its queue.

    Args:
        url: Its base URL; by default ``DSOCR_SERVICE_URL``, else this machine's.

    Raises:
        ConfigurationError: If ``url`` or ``DSOCR_SERVICE_KEY`` cannot be used.
    """
    try:
        address = ServiceAddress.of(url)
    except ConfigurationError as error:
        if url is not None:
            raise
        return (Check("service address", False, error.problem, error.remedy or ""),)
    try:
        alive = _ask(address, "/livez")
    except BackendError as error:
        remedy = "Start it (dsocr serve), or check the address."
        return (Check("service reachable", False, error.problem, remedy),)
    if not _is_ours(alive):
        problem = f"{address.url} answers {alive.status}, and not as this service"
        return (Check("service reachable", False, problem, "Check the address and the port."),)
    reachable = Check("service reachable", True, address.url)
    try:
        described = _ask(address, "/openapi.json")
        checks = [reachable, _ready(_ask(address, "/readyz")), _key(address, described)]
        if described.status == 200:
            checks += [_version(described), _queue(_ask(address, "/metrics"))]
    except BackendError as error:
        return (reachable, Check("service answers", False, error.problem, "Look at its log."))
    return tuple(checks)


def _ask(address: ServiceAddress, path: str) -> JsonAnswer:
    headers = {"authorization": f"Bearer {address.key}"} if address.key else {}
    return fetch_json(address.url + path, headers=headers, seconds=SECONDS)


def _is_ours(alive: JsonAnswer) -> bool:
    return alive.status == 200 and alive.data == {"status": "alive"}


def _member(answer: JsonAnswer, *names: str) -> str:
    """A text in a JSON reply, found by these names; "" if it is not there."""
    value = answer.data
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return excerpt(value) if isinstance(value, str) else ""


def _ready(answer: JsonAnswer) -> Check:
    if answer.status == 200:
        return Check("service ready", True, "its reader has read a page")
    reason = _member(answer, "detail") or f"it answers {answer.status}"
    remedy = _member(answer, "remedy") or "Look at its log."
    return Check("service ready", False, reason, remedy)


def _key(address: ServiceAddress, answer: JsonAnswer) -> Check:
    if answer.status == 200:
        return Check("service key", True, "accepted" if address.key else "none is needed")
    reason = _member(answer, "detail") or f"it answers {answer.status}"
    remedy = "Set DSOCR_SERVICE_KEY to one of its keys."
    # If no key is set here, the service cannot be blamed for asking for one.
    return Check("service key", False, reason, remedy, optional=not address.key)


def _version(answer: JsonAnswer) -> Check:
    version = _member(answer, "info", "version") or "unknown"
    remedy = f"Install the same version on both sides; here is {__version__}."
    return Check("service version", version == __version__, version, remedy)


def _queue(answer: JsonAnswer) -> Check:
    counts = {state: int(count) for state, count in _JOBS.findall(answer.text)}
    if answer.status != 200 or len(counts) != 2:
        return Check("service queue", False, f"it answers {answer.status}", "Look at its log.")
    return Check("service queue", True, f"{counts['running']} running, {counts['queued']} waiting")
