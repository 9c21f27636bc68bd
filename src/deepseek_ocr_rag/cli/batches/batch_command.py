"""``dsocr batch`` and ``dsocr estimate``."""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING, Any, Final

from ...text.counted import counted
from ...text.visible import json_line
from ..exit_codes import INCOMPLETE, PAGES_FAILED
from ..output import print_note, print_output, write_over, write_visibly
from .batch_options import settings_of

if TYPE_CHECKING:
    from ...batch.batch_progress import BatchProgress

__all__ = ["estimate", "progress_line", "run_many"]

NOTE_SECONDS: Final = 30.0
"""Seconds between two notes if there is no terminal."""

MOST_NAMED: Final = 20

MOST_CARDS: Final = 4
"""Most cards whose rates are shown one by one."""


def run_many(options: argparse.Namespace) -> int:
    """``dsocr batch``: read all documents of a manifest, and count their pages."""
    from ...batch.batch_run import run_batch

    shown = None if options.quiet else _Progress()
    try:
        report = run_batch(
            options.manifest,
            options.output,
            settings_of(options),
            engine=options.engine,
            gpus=options.gpus,
            gpu_price=options.gpu_price,
            on_progress=shown,
        )
    finally:
        if shown is not None:
            shown.end()
    account = report.account
    print_output(
        f"{counted(account.documents, 'document')}: {counted(account.pages, 'page')} read,"
        f" {counted(account.errors, 'error')}; {report.pages_per_second:.2f} pages a second;"
        f" see report.md in {options.output}"
    )
    if not account.complete:
        print_note("pages are missing; run the same command again, or look at:")
        for name in account.missing[:MOST_NAMED]:
            print_note(name)
        return INCOMPLETE
    for kind, count in account.kinds.items():
        print_note(f"{kind}, {counted(count, 'time')}: {account.examples.get(kind, '')}")
    return PAGES_FAILED if account.errors else 0


class _Progress:
    """Shows progress: a line that is overwritten in a terminal, a note now and then elsewhere."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._noted = time.monotonic()
        self._width = 0

    def __call__(self, progress: BatchProgress) -> None:
        text = progress_line(progress)
        if self._terminal:
            write_over(text, self._width)
            self._width = len(text)
        elif time.monotonic() - self._noted >= NOTE_SECONDS:
            self._noted = time.monotonic()
            print_note(text)

    def end(self) -> None:
        if self._width:
            write_visibly(sys.stderr, "\n")


def progress_line(progress: BatchProgress) -> str:
    """How far a run is, on one line."""
    total = "" if progress.total_documents is None else f" of {progress.total_documents:,}"
    left = ""
    if progress.seconds_left is not None:
        minutes = round(progress.seconds_left / 60)
        left = f", {minutes // 60} h {minutes % 60:02d} min left"
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in progress.kinds.items())
    errors = f"{progress.errors:,} errors" + (f" ({kinds})" if kinds else "")
    return (
        f"{progress.documents:,}{total} documents, {progress.pages:,} pages, {errors},"
        f" {progress.pages_per_second:.1f} pages/s{_by_card(progress)}{left}"
    )


def _by_card(progress: BatchProgress) -> str:
    """Pages a second of each card; if there are many, of the slowest and the fastest."""
    rates = progress.rates
    if len(rates) < 2:
        return ""
    if len(rates) <= MOST_CARDS:
        return f" ({', '.join(f'{name}: {rate:.1f}' for name, rate in rates.items())})"
    slowest, fastest = min(rates, key=lambda name: rates[name]), max(rates.values())
    return f" ({len(rates)} cards, {slowest}: {rates[slowest]:.1f} to {fastest:.1f})"


def estimate(options: argparse.Namespace) -> int:
    """``dsocr estimate``: estimate the time and cost of a run."""
    from ...batch.estimate import estimate_batch

    found = estimate_batch(
        options.manifest,
        settings_of(options),
        gpus=options.gpus or 1,
        gpu_price=options.gpu_price,
        pages_per_second=options.pages_per_second,
    )
    if options.json:
        print_output(json_line(found.to_dict()))
        return 0
    print_output(f"documents          {found.documents:,}, {found.sampled:,} of them looked at")
    if found.unreadable:
        print_output(f"cannot be opened   {found.unreadable:.1%} of them")
    print_output(f"pages              {_range(found.pages, ',.0f')}")
    print_output(
        f"pages/s of a card  {_range(found.pages_per_second, ',.2f')},"
        f" from {counted(found.read_pages, 'page')} read now"
        if found.read_pages
        else f"pages/s of a card  {found.pages_per_second.likely:,.2f}, as given"
    )
    print_output(f"hours              {_range(found.hours, ',.2f')}")
    print_output(f"GPU hours          {_range(found.gpu_hours, ',.2f')}")
    if found.money is not None:
        print_output(f"money              {_range(found.money, ',.2f')}")
    if found.storage is not None:
        print_output(f"storage, MB        {_range(found.storage.times(1e-6), ',.1f')}")
    return 0


def _range(figure: Any, form: str) -> str:  # noqa: ANN401 - an EstimatedRange
    return f"{figure.likely:{form}} ({figure.low:{form}} to {figure.high:{form}})"
