"""Spans of OpenTelemetry for requests, if its packages are installed and set up."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from types import ModuleType
from typing import Any

__all__ = ["request_span"]

SetAttribute = Callable[[str, str | int], None]


@cache
def _packages() -> tuple[ModuleType, ModuleType] | None:
    try:
        return importlib.import_module("opentelemetry.trace"), importlib.import_module(
            "opentelemetry.propagate"
        )
    except ImportError:
        return None


@contextmanager
def request_span(method: str, headers: Mapping[str, str]) -> Iterator[SetAttribute]:
    """A span for one request, a child of the one that the client names in ``traceparent``.

    Yields:
        Sets an attribute of the span; does nothing without OpenTelemetry.
    """
    packages = _packages()
    if packages is None:
        yield lambda name, value: None
        return
    trace, propagate = packages
    tracer: Any = trace.get_tracer("deepseek_ocr_rag.service")
    with tracer.start_as_current_span(
        f"{method} request", context=propagate.extract(headers), kind=trace.SpanKind.SERVER
    ) as span:
        span.set_attribute("http.request.method", method)
        yield span.set_attribute
