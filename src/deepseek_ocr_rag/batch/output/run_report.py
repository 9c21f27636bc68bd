"""The report of a run, for people and programs: :class:`RunReport`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from ...text.visible import visible_line
from ..run_account import RunAccount
from ..run_file import RunFile
from ..storage.locations import shown_uri
from ..storage.run_folder import RunFolder
from .shards import shard_of

__all__ = ["REPORT_FILE", "RunReport", "report_of", "write_report"]

REPORT_FILE: Final = "report.md"

STEP: Final = 1.02
"""Seconds are counted in classes, each 2 % wider, so that memory does not grow with the pages."""

SHORTEST: Final = 1e-4


@dataclass(frozen=True, slots=True)
class RunReport:
    """What a run did.

    Attributes:
        account: What became of every page.
        seconds: Time from the last start to the end.
        read_pages: Pages read since that start.
        gpus: Cards, or reading processes, at the same time.
        gpu_price: Price of an hour of one card; None if it was not given.
        manifest: The manifest, as it was named.
        starts: How often the run was started; more than once if it was interrupted.
        earlier_gpu_hours: Hours of all cards in earlier starts, each known to within a minute.
        p50: Median of a page's seconds at the backend, to within 2 %.
        p99: The same for 99 of 100 pages.
    """

    account: RunAccount
    seconds: float
    read_pages: int
    gpus: int
    gpu_price: float | None = None
    p50: float | None = None
    p99: float | None = None
    manifest: str = ""
    starts: int = 1
    earlier_gpu_hours: float = 0.0

    @property
    def pages_per_second(self) -> float:
        """Pages read per second since the last start."""
        return self.read_pages / self.seconds if self.seconds else 0.0

    @property
    def gpu_hours(self) -> float:
        """Hours of all cards, in all starts."""
        return self.seconds * self.gpus / 3600 + self.earlier_gpu_hours

    @property
    def money(self) -> float | None:
        """The cost of these hours; None without a price."""
        return None if self.gpu_price is None else self.gpu_price * self.gpu_hours

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form."""
        return {
            "state": "complete" if self.account.complete else "incomplete",
            "account": self.account.to_dict(),
            "seconds": self.seconds,
            "read_pages": self.read_pages,
            "pages_per_second": self.pages_per_second,
            "gpus": self.gpus,
            "gpu_hours": self.gpu_hours,
            "money": self.money,
            "p50_seconds": self.p50,
            "p99_seconds": self.p99,
        }

    def to_markdown(self) -> str:
        """A page for people."""
        account = self.account
        verdict = "Pages are missing."
        if account.complete:
            verdict = f"Every page is accounted for: {account.pages:,} were read"
            verdict += f", {account.errors:,} are errors." if account.errors else ", none failed."
        lines = [
            "# Report of a run",
            "",
            f"{verdict} Manifest: {_code(self.manifest)}.",
            "",
            "| | |",
            "|---|---|",
            *(f"| {name} | {value} |" for name, value in self._figures()),
        ]
        for title, counts in (("Pages by status", account.statuses), ("Errors", account.kinds)):
            if counts:
                lines += ["", f"## {title}", ""]
                lines += [f"- {_code(kind)}: {count:,}" for kind, count in counts.items()]
        if account.examples:
            lines += ["", "## The first error of each kind", ""]
            lines += [f"- {_code(kind)}: {_code(text)}" for kind, text in account.examples.items()]
        if account.missing:
            lines += ["", "## Missing", "", *(f"- {_code(name)}" for name in account.missing)]
        return "\n".join(lines) + "\n"

    def _figures(self) -> Iterator[tuple[str, str]]:
        account = self.account
        yield "documents", f"{account.documents:,}"
        yield "pages that were read", f"{account.pages:,}"
        yield "errors, of pages and of documents that cannot be opened", f"{account.errors:,}"
        yield "attempts", f"{account.attempts:,}"
        yield "loops", f"{account.statuses.get('repetition', 0):,}"
        if account.tokens:
            yield "tokens", f"{account.tokens:,}"
        yield "storage, MB", f"{account.bytes / 1e6:,.3f}"
        yield "starts", f"{self.starts:,}"
        yield "seconds since the last start", f"{self.seconds:,.1f}"
        yield "pages read since the last start", f"{self.read_pages:,}"
        yield "pages a second", f"{self.pages_per_second:,.2f}"
        yield "cards, or reading processes", f"{self.gpus:,}"
        if self.gpus > 1:
            yield "pages a second of each", f"{self.pages_per_second / self.gpus:,.2f}"
        yield "GPU hours, in all starts", f"{self.gpu_hours:,.2f}"
        if self.money is not None:
            yield f"money, at {self.gpu_price:,.2f} an hour", f"{self.money:,.2f}"
            if self.account.pages:
                each = 1000 * self.money / self.account.pages
                yield "money for 1,000 pages that were read", f"{each:,.2f}"
        if self.p50 is not None and self.p99 is not None:
            yield "seconds a page, p50 and p99", f"{self.p50:.3g}, {self.p99:.3g}"


def report_of(
    folder: RunFolder,
    account: RunAccount,
    *,
    parts: int,
    file: RunFile,
    read_pages: int,
    gpus: int,
    gpu_price: float | None,
) -> RunReport:
    """The report of a run whose pages were counted."""
    p50, p99 = _percentiles(folder, parts)
    return RunReport(
        account,
        file.seconds,
        read_pages,
        gpus,
        gpu_price,
        p50,
        p99,
        shown_uri(file.manifest),
        file.starts,
        file.earlier_card_seconds / 3600,
    )


def write_report(folder: RunFolder, report: RunReport) -> None:
    """Write the page for people."""
    with folder.new_file(REPORT_FILE) as file:
        file.write(report.to_markdown().encode("utf-8", "replace"))


def _percentiles(folder: RunFolder, parts: int) -> tuple[float | None, float | None]:
    classes: dict[int, int] = {}
    for part in range(parts):
        if not folder.exists(shard_of("timings", part)):
            continue
        with folder.open_table(shard_of("timings", part)) as table:
            for batch in table.iter_batches(columns=["seconds"], batch_size=65536):
                for value in batch.column("seconds").drop_null().to_pylist():
                    step = math.ceil(math.log(max(value, SHORTEST), STEP))
                    classes[step] = classes.get(step, 0) + 1
    return _below(classes, 0.5), _below(classes, 0.99)


def _below(classes: dict[int, int], share: float) -> float | None:
    total, below = sum(classes.values()), 0
    for step in sorted(classes):
        below += classes[step]
        if below >= share * total:
            return float(STEP**step)
    return None


def _code(text: str) -> str:
    """Write text of documents as code on one line, so that nothing in it counts as Markdown."""
    shown = visible_line(text).replace("`", "'").replace("|", "/")
    return f"`{shown}`"
