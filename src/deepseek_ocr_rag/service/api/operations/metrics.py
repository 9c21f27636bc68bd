"""Collects measurements for Prometheus: the queue, the pages, the requests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from ...jobs import JobState
from ...queue import JobQueue

__all__ = ["ServiceMetrics"]

BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0, 60.0)
"""Upper ends of the histogram of a request's seconds."""


class ServiceMetrics:
    """What the service measures.

    Args:
        queue: Counts jobs and pages.
    """

    def __init__(self, queue: JobQueue) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_QueueCollector(queue))
        self._requests = Counter(
            "dsocr_http_requests",
            "Requests that were answered.",
            ("method", "route", "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "dsocr_http_request_seconds",
            "Seconds from a request to the end of its reply.",
            ("route",),
            buckets=BUCKETS,
            registry=self._registry,
        )

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """All measurements in the text format of Prometheus."""
        return generate_latest(self._registry)


class _QueueCollector(Collector):
    """Asks the queue when metrics are collected."""

    def __init__(self, queue: JobQueue) -> None:
        self._queue = queue

    def describe(self) -> Iterable[Metric]:
        """Declare nothing, because the queue is asked only when metrics are collected."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """The measurements of this moment."""
        stats = self._queue.stats()
        jobs = GaugeMetricFamily("dsocr_jobs", "Jobs by state.", labels=["state"])
        for state in JobState:
            jobs.add_metric([state.value], stats.jobs.get(state, 0))
        yield jobs
        for name, what, value in (
            ("dsocr_pages", "Pages that were stored, failed ones included.", stats.pages_read),
            ("dsocr_pages_failed", "Pages that could not be read.", stats.pages_failed),
            ("dsocr_page_attempts", "How often pages were asked for.", stats.attempts),
            ("dsocr_page_loops", "Pages that ended in a repetition.", stats.loops),
            ("dsocr_page_seconds", "Seconds of all pages that were timed.", stats.page_seconds),
            ("dsocr_pages_timed", "Pages that were timed.", stats.pages_timed),
            ("dsocr_engine_starts", "Starts of the reading process.", stats.engine_starts),
            ("dsocr_engine_deaths", "Unexpected ends of the process.", stats.engine_deaths),
            ("dsocr_tokens", "Tokens that the model wrote.", stats.tokens),
        ):
            if value is not None:
                yield CounterMetricFamily(name, what, value=value)
        for name, what, value in (
            ("dsocr_pages_per_second", "Pages a second, last minute.", stats.pages_per_second),
            ("dsocr_stored_bytes", "Bytes of the documents that were sent.", stats.bytes_stored),
            ("dsocr_ready", "Whether pages can be read.", float(self._queue.ready().ready)),
            ("dsocr_tokens_per_second", "Tokens a second, last minute.", stats.tokens_per_second),
            ("dsocr_gpu_memory_bytes", "GPU memory of the model's process.", stats.gpu_memory),
        ):
            # Unknown values are left out: 0 would look like a measurement.
            if value is not None:
                yield GaugeMetricFamily(name, what, value=value)
