"""The settings of the service: how to read, and how much clients may ask for."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields

from ..errors import ConfigurationError
from ..setting_names import with_known_settings
from ..sources.limits import Limits

__all__ = ["ReaderSettings", "ServiceLimits"]


@with_known_settings()
@dataclass(frozen=True, slots=True)
class ReaderSettings:
    """How the service reads; most settings as in :class:`~deepseek_ocr_rag.Reader`.

    Attributes:
        backend: The backend that reads the pages, by name.
        renderer: The renderer that draws them.
        limits: Limits on one document.
        allow_remote_code: Whether the backend may run the code that comes with its weights.
        allow_remote: Whether pages may be sent to an Ollama on another machine.
        concurrency: Pages sent to a server at once; None for the backend's own number.
        timeout: Seconds that a server has for a page; None for the backend's own.
        wait: Seconds to wait for a server that is starting; None for the backend's own.
        probe: A document whose first page is read before the service says that it is ready;
            None for no such page.
    """

    backend: str = "auto"
    renderer: str = "pdfium"
    limits: Limits = field(default_factory=Limits)
    allow_remote_code: bool = False
    allow_remote: bool = False
    concurrency: int | None = None
    timeout: float | None = None
    wait: float | None = None
    probe: str | None = None


@with_known_settings()
@dataclass(frozen=True, slots=True)
class ServiceLimits:
    """How much clients may ask of the service.

    Attributes:
        upload_bytes: Most bytes of one document.
        owner_bytes: Most bytes of documents that one key may have stored.
        free_bytes: Bytes that uploads must leave free on the disk.
        jobs_waiting: Most jobs that may wait in all.
        owner_jobs_waiting: Most jobs of one key that may wait.
        jobs_at_once: Documents that are read at the same time.
        turn_pages: Pages after which a job makes room for a waiting one.
        hang_seconds: Longest time without any news about a page that is being read. After that,
            the reading process is ended and restarted.
        page_deaths: How often the reading process may end on the same page before that page
            counts as failed.
        result_days: Days for which results are kept.
        tombstone_days: Days for which a removed job is remembered.
        upload_hours: Hours for which an upload without a job is kept.

    Raises:
        ConfigurationError: If a limit is not a positive number.
    """

    upload_bytes: int = 512 * 1024 * 1024
    owner_bytes: int = 20 * 1024**3
    free_bytes: int = 256 * 1024 * 1024
    jobs_waiting: int = 20_000
    owner_jobs_waiting: int = 10_000
    jobs_at_once: int = 8
    turn_pages: int = 16
    hang_seconds: float = 900.0
    page_deaths: int = 3
    result_days: float = 7.0
    tombstone_days: float = 30.0
    upload_hours: float = 24.0

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not number or not value > 0 or math.isnan(value):
                raise ConfigurationError(
                    f"the limit {each.name} must be a positive number, not {value!r}",
                    remedy="Use math.inf for no limit.",
                )
