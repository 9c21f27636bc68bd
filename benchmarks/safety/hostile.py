"""Opens hostile files: each must end in pages or a typed error, in bounded memory and time.

Usage::

    python benchmarks/safety/hostile.py [--renderer pymupdf] [--all] [FILE_OR_FOLDER ...]

Without names it takes the project's collection of files that broke other readers, and
the bombs of ``tests/support/bombs.py``. It asks for the size, picture and text layer
of the first five pages of each file, and reports the outcome, the seconds, the growth
of this process and the peak memory of its child processes. The exit code is 1 if a
file ends in an untyped error or exceeds a bound.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType

import psutil

from deepseek_ocr_rag.errors import DeepSeekOCRError
from deepseek_ocr_rag.sources.limits import Limits
from deepseek_ocr_rag.sources.source import SourceInput, open_source

__all__ = ["main"]

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))

FOLDER = ROOT.parent / "shared" / "corpus" / "hostile"
FIRST_PAGES = 5
LONG_SIDE = 1280
MEGABYTE = 1_000_000

# The bounds.
SECONDS = 30.0
PARENT_MB = 300
CHILD_MB = 1000

LOOK_SECONDS = 0.01


@dataclass(frozen=True)
class Result:
    """The outcome of one file."""

    name: str
    outcome: str
    detail: str
    seconds: float
    parent_mb: float
    child_mb: float
    ok: bool = field(init=False)

    def __post_init__(self) -> None:
        inside = self.seconds < SECONDS and self.parent_mb < PARENT_MB and self.child_mb < CHILD_MB
        object.__setattr__(self, "ok", inside and self.outcome in ("pages", "typed"))


class Memory:
    """Watches the memory of this process and its children in a thread; a context manager."""

    def __init__(self) -> None:
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._process = psutil.Process()
        self._before = self._process.memory_info().rss
        self.growth = 0
        self.child = 0

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            self.growth = max(self.growth, self._process.memory_info().rss - self._before)
            for child in self._process.children():
                try:
                    self.child = max(self.child, child.memory_info().rss)
                except psutil.Error:
                    continue


def attempt(source: SourceInput, renderer: str, limits: Limits) -> tuple[str, str]:
    """Opens a file and its first pages: "pages", "typed" or "untyped", and the details."""
    errors = []
    try:
        with open_source(source, renderer=renderer, limits=limits) as opened:
            pages = range(1, min(FIRST_PAGES, opened.page_count) + 1)

            def render(number: int) -> object:
                return opened.render(number, LONG_SIDE)

            steps: tuple[Callable[[int], object], ...] = (opened.info, render, opened.text_layer)
            for number in pages:
                for step in steps:
                    try:
                        step(number)
                    except DeepSeekOCRError as error:
                        errors.append(error)
            count = opened.page_count
    except DeepSeekOCRError as error:
        return "typed", f"{type(error).__name__}: {error.problem}"
    except Exception as error:
        return "untyped", f"{type(error).__name__}: {error}"
    kinds = sorted({f"{type(error).__name__}: {error.problem}" for error in errors})
    return "pages", f"{count} pages" + "".join(f"; {kind}" for kind in kinds)


def examine(name: str, source: SourceInput, renderer: str, limits: Limits) -> Result:
    began = time.perf_counter()
    with Memory() as memory:
        outcome, detail = attempt(source, renderer, limits)
    seconds = time.perf_counter() - began
    return Result(name, outcome, detail, seconds, memory.growth / MEGABYTE, memory.child / MEGABYTE)


def named(paths: list[Path]) -> Iterator[tuple[str, SourceInput]]:
    """The named files, or all files and bombs, each with a name."""
    for path in paths or [FOLDER]:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                yield f"{file.parent.name}/{file.name}", file
    if not paths:
        from bombs import bombs

        for name, make in bombs().items():
            yield name, make()


@contextmanager
def one_document_open() -> Iterator[None]:
    """Keeps the child processes from file to file, as a reader does."""
    from deepseek_ocr_rag.samples import sample_path

    with open_source(sample_path()):
        yield


def table(results: list[Result], everything: bool) -> None:
    for kind in ("pages", "typed", "untyped"):
        print(f"{kind:<10}{sum(result.outcome == kind for result in results):>6} files")
    for what, unit, bound in (
        ("seconds", "s", SECONDS),
        ("parent_mb", "MB", PARENT_MB),
        ("child_mb", "MB", CHILD_MB),
    ):
        worst = max(results, key=lambda result: float(getattr(result, what)))
        print(f"most {what:<10}{getattr(worst, what):8.1f} {unit} (< {bound:g})  {worst.name}")
    for result in results:
        if everything or not result.ok:
            print(
                f"{result.outcome:8} {result.seconds:5.1f} s {result.parent_mb:4.0f} MB here "
                f"{result.child_mb:5.0f} MB there  {result.name}: {result.detail}"
            )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("paths", nargs="*", type=Path)
    parser.add_argument("--renderer", default="pdfium", choices=("pdfium", "pymupdf"))
    parser.add_argument("--page-seconds", type=float, default=Limits().page_seconds)
    parser.add_argument("--all", action="store_true", help="a line for every file")
    parser.add_argument("--json", action="store_true", help="a line of JSON for every file")
    options = parser.parse_args()
    limits = Limits(page_seconds=options.page_seconds)
    results = []
    with one_document_open():
        for name, source in named(options.paths):
            results.append(examine(name, source, options.renderer, limits))
            if options.json:
                print(json.dumps(asdict(results[-1])), flush=True)
    if not results:
        print("no such files", file=sys.stderr)
        return 2
    if not options.json:
        table(results, options.all)
    return 0 if all(result.ok for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
