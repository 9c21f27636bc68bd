"""The settings of a run: :class:`BatchSettings`."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from ..errors import ConfigurationError
from ..model.prompts import mode_named, task_named
from ..setting_names import with_known_settings
from ..sources.fetch_policy import FetchPolicy
from ..sources.limits import Limits
from ..version import __version__

__all__ = ["BatchSettings"]

UNITS_OF_A_CARD: Final = 16
UNITS_ELSEWHERE: Final = 4
"""How many units one process reads at the same time."""


@with_known_settings()
@dataclass(frozen=True, slots=True)
class BatchSettings:
    """Says how to read the documents of a manifest. It can be sent to other machines.

    Attributes:
        backend: What reads the pages, by name, as for :class:`~deepseek_ocr_rag.Reader`.
        resolution: How finely the model sees a page, as for the Reader.
        task: What to ask of each page, as for the Reader.
        renderer: "pdfium" or "pymupdf".
        limits: Limits of one document.
        urls: Which http and https URLs the manifest may name; None for none.
        allow_remote_code: Whether the backend "official" may run the code of its folder.
        unit_pages: Most pages of one unit of work.
        part_documents: How many documents have their results in one shard.
        chunk_tokens: Most tokens of a record of ``documents/``, which is then a chunk, as
            :func:`~deepseek_ocr_rag.chunk_document` cuts it; None for a record for each page.
        units_at_once: How many units one reading process works on at the same time. None means 16
            with the backend ``local``, because a card reads fastest with 512 pages at once, and 4
            with others.

    Raises:
        ConfigurationError: If a value is unknown, or a number is below 1, or ``chunk_tokens``
            below 16.
    """

    backend: str = "auto"
    resolution: str = "gundam"
    task: str = "document"
    renderer: str = "pdfium"
    limits: Limits = field(default_factory=Limits)
    urls: FetchPolicy | None = None
    allow_remote_code: bool = False
    unit_pages: int = 32
    part_documents: int = 64
    chunk_tokens: int | None = None
    units_at_once: int | None = None

    def __post_init__(self) -> None:
        mode_named(self.resolution)
        task_named(self.task)
        for name in ("unit_pages", "part_documents", "units_at_once"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigurationError(f"{name}={value} is too small", remedy="Give 1 or more.")
        if self.chunk_tokens is not None:
            from ..retrieval.chunking import check_budget

            check_budget(self.chunk_tokens)

    @property
    def units_together(self) -> int:
        """``units_at_once``, or its default."""
        if self.units_at_once is not None:
            return self.units_at_once
        name = self.backend.replace("/", ":").partition(":")[0]
        return UNITS_OF_A_CARD if name == "local" else UNITS_ELSEWHERE

    @property
    def configuration(self) -> str:
        """A hash of what the results depend on (settings and our version), in 16 hex digits."""
        values = self.to_dict()
        del values["units_at_once"]
        text = json.dumps([values, __version__], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form."""
        values = asdict(self)
        values["limits"] = {
            name: None if math.isinf(value) else value for name, value in values["limits"].items()
        }
        return values

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> BatchSettings:
        """The inverse of :meth:`to_dict`."""
        given = dict(values)
        limits = {name: math.inf if v is None else v for name, v in given["limits"].items()}
        given["limits"] = Limits(**limits)  # type: ignore[arg-type]
        if given["urls"] is not None:
            urls = dict(given["urls"])
            urls["hosts"] = None if urls["hosts"] is None else tuple(urls["hosts"])
            given["urls"] = FetchPolicy(**urls)
        return cls(**given)
