"""Every hostile file ends in pages or in a typed error: a table of how.

Usage::

    python benchmarks/hostile.py [--renderer pymupdf] [--all] [FILE_OR_FOLDER ...]

Each file is opened in a process of its own: size, picture and text layer of
its first five pages. Reported are the outcome, the seconds and the peak memory
of the process. Exit code 1 if a process dies, hangs, raises an untyped error
or goes over 2 GB.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1].parent / "shared" / "corpus" / "hostile"
FIRST_PAGES = 5
LONG_SIDE = 1280
SECONDS = 30.0
PEAK_MB = 2048


@dataclass(frozen=True)
class Result:
    """What became of one file."""

    path: Path
    outcome: str
    detail: str
    seconds: float
    peak_mb: float

    @property
    def ok(self) -> bool:
        return self.outcome in ("pages", "typed") and self.peak_mb < PEAK_MB


def work(renderer: str) -> None:
    """Read paths from standard input, one a line; write a line of JSON before and after each."""
    for line in sys.stdin:
        path = line.rstrip("\n")
        print(json.dumps({"start": path}), flush=True)
        outcome, detail = attempt(path, renderer)
        print(json.dumps({"path": path, "outcome": outcome, "detail": detail}), flush=True)


def attempt(path: str, renderer: str) -> tuple[str, str]:
    """Open a file and look at its first pages: "pages", "typed" or "untyped", and what."""
    from deepseek_ocr_rag.errors import DeepSeekOCRError
    from deepseek_ocr_rag.source import open_source

    errors = []
    try:
        with open_source(path, renderer=renderer) as source:
            pages = range(1, min(FIRST_PAGES, source.page_count) + 1)
            for number in pages:
                for step in (source.info, lambda n: source.render(n, LONG_SIDE), source.text_layer):
                    try:
                        step(number)
                    except DeepSeekOCRError as error:
                        errors.append(error)
            count = source.page_count
    except DeepSeekOCRError as error:
        return "typed", f"{type(error).__name__}: {error.problem}"
    except Exception as error:
        return "untyped", f"{type(error).__name__}: {error}"
    kinds = sorted({f"{type(error).__name__}: {error.problem}" for error in errors})
    return "pages", f"{count} pages" + "".join(f"; {kind}" for kind in kinds)


def run(path: Path, renderer: str) -> Result:
    """Try one file in a process of its own."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, __file__, "--worker", "--renderer", renderer],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{path}\n")
    process.stdin.close()
    timer = threading.Timer(SECONDS, process.kill)
    timer.start()
    lines = process.stdout.read().splitlines()
    _, status, usage = os.wait4(process.pid, 0)
    timer.cancel()
    process.stdout.close()
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - began
    if process.returncode == 0:
        last = json.loads(lines[-1])
        outcome, detail = last["outcome"], last["detail"]
    elif process.returncode == -signal.SIGKILL and seconds >= SECONDS:
        outcome, detail = "timeout", f"over {SECONDS:g} s"
    else:
        outcome, detail = "crash", f"exit status {process.returncode}"
    scale = 1024 * 1024 if sys.platform == "darwin" else 1024
    return Result(path, outcome, detail, seconds, usage.ru_maxrss / scale)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("paths", nargs="*", type=Path, default=[FOLDER])
    parser.add_argument("--renderer", default="pdfium", choices=("pdfium", "pymupdf"))
    parser.add_argument("--all", action="store_true", help="a line for every file")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(options.renderer)
        return 0
    files = sorted(
        file
        for path in options.paths
        for file in (path.rglob("*") if path.is_dir() else [path])
        if file.is_file()
    )
    if not files:
        print(f"no files under {', '.join(map(str, options.paths))}", file=sys.stderr)
        return 2
    results = [run(file, options.renderer) for file in files]
    print(f"| outcome | files | ({options.renderer})")
    for outcome, count in Counter(result.outcome for result in results).most_common():
        print(f"| {outcome} | {count} |")
    slowest = max(results, key=lambda result: result.seconds)
    largest = max(results, key=lambda result: result.peak_mb)
    print(f"slowest: {slowest.seconds:.1f} s with start-up, {slowest.path.name}")
    print(f"largest: {largest.peak_mb:.0f} MB, {largest.path.name}")
    for result in results:
        if options.all or not result.ok:
            print(
                f"{result.outcome:8} {result.seconds:5.1f} s {result.peak_mb:5.0f} MB  "
                f"{result.path.parent.name}/{result.path.name}: {result.detail}"
            )
    return 0 if all(result.ok for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
