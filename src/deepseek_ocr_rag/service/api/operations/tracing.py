"""Spans of OpenTelemetry for requests, if its packages are installed and set up."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from types import ModuleType
from typing import Any

__all__ = ["packages", "request_span"]

SetAttribute = Callable[[str, str | int], None]


@cache
def packages() -> tuple[ModuleType, ModuleType] | None:
    """OpenTelemetry's API and its propagator; None if it is not installed."""
    try:
        return importlib.import_module("opentelemetry.trace"), importlib.import_module(
            "opentelemetry.propagate"
        )
    except ImportError:
        return None


@contextmanager
def request_span(
    method: str, headers: Mapping[str, str], provider: object | None = None
) -> Iterator[SetAttribute]:
    """A span for one request, a child of the one that the client names in ``traceparent``.

    Args:
        method: Of the request.
        headers: Of the request, in lower case.
        provider: Makes the span; by default the one that is set up for the process.

    Yields:
        A function that sets an attribute of the span, and does nothing without OpenTelemetry.
    """
    found = packages()
    if found is None:
        yield lambda name, value: None
        return
    trace, propagate = found
    tracer: Any = trace.get_tracer("deepseek_ocr_rag.service", tracer_provider=provider)
    with tracer.start_as_current_span(
        f"{method} request", context=propagate.extract(headers), kind=trace.SpanKind.SERVER
    ) as span:
        span.set_attribute("http.request.method", method)
        yield span.set_attribute
