"""Accounts for every page of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["PartAccount", "RunAccount"]


@dataclass(frozen=True, slots=True)
class PartAccount:
    """What became of the documents of one shard; stored as its mark.

    Attributes:
        part: Position of the shard, from 0.
        digest: Hash of its lines of the manifest.
        documents: Number of documents.
        expected: Pages to read, plus one for each document that could not be opened.
        pages: Number of rows in ``pages/``.
        errors: Number of rows in ``errors/``.
        attempts: How often the backend was asked, over all pages.
        tokens: Tokens that the model wrote.
        statuses: Pages by status.
        kinds: Errors by class.
        examples: For each class of error, what the first one says.
        seconds: Seconds of reading, over all pages.
        files: Bytes of each file of the shard.
    """

    part: int
    digest: str
    documents: int
    expected: int
    pages: int
    errors: int
    attempts: int = 0
    tokens: int = 0
    statuses: Mapping[str, int] = field(default_factory=dict)
    kinds: Mapping[str, int] = field(default_factory=dict)
    examples: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    files: Mapping[str, int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> PartAccount:
        """The inverse of :meth:`to_dict`."""
        return cls(**values)


@dataclass(frozen=True, slots=True)
class RunAccount:
    """What became of every page of a run.

    Attributes:
        documents: Documents of the manifest.
        expected: Pages to read, and one for each document that could not be opened.
        pages: Pages that were read.
        errors: Pages that could not be read, and documents that could not be opened.
        missing: Pages that are in no shard, or in more than one, by name; empty if all is well.
        attempts: How often the backend was asked.
        tokens: Tokens that the model wrote.
        statuses: Pages by status.
        kinds: Errors by class.
        examples: What the first error of each class says.
        page_seconds: Mean seconds of a page at the backend; None if no page got there.
        bytes: Bytes of all shards.
    """

    documents: int = 0
    expected: int = 0
    pages: int = 0
    errors: int = 0
    missing: tuple[str, ...] = ()
    attempts: int = 0
    tokens: int = 0
    statuses: Mapping[str, int] = field(default_factory=dict)
    kinds: Mapping[str, int] = field(default_factory=dict)
    examples: Mapping[str, str] = field(default_factory=dict)
    page_seconds: float | None = None
    bytes: int = 0

    @property
    def complete(self) -> bool:
        """Whether every page is there exactly once."""
        return not self.missing and self.expected == self.pages + self.errors

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form."""
        return {**asdict(self), "complete": self.complete}

    @classmethod
    def of_parts(cls, parts: Iterable[PartAccount], missing: Iterable[str] = ()) -> RunAccount:
        """The sum of the accounts of all shards."""
        totals: Counter[str] = Counter()
        statuses: Counter[str] = Counter()
        kinds: Counter[str] = Counter()
        examples: dict[str, str] = {}
        seconds = 0.0
        names = ("documents", "expected", "pages", "errors", "attempts", "tokens")
        for part in parts:
            totals.update({name: getattr(part, name) for name in names})
            totals["bytes"] += sum(part.files.values())
            statuses.update(part.statuses)
            kinds.update(part.kinds)
            seconds += part.seconds
            for kind, text in part.examples.items():
                examples.setdefault(kind, text)
        return cls(
            **{name: totals[name] for name in (*names, "bytes")},
            missing=tuple(missing),
            statuses=dict(sorted(statuses.items())),
            kinds=dict(sorted(kinds.items())),
            examples=examples,
            page_seconds=seconds / totals["pages"] if seconds and totals["pages"] else None,
        )
