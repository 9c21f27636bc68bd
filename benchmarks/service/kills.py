"""Kills the service at random points, and counts what is lost, read twice, or different.

    python benchmarks/service/kills.py [--kills 60] [--jobs 20] [../shared/corpus/qa/pdf]

Each document's pages are repeated until it has a hundred. A process submits the documents, as a client that repeats what was not answered: each with an
idempotency key. Half of the kills (SIGKILL) hit that process, half its reading process; each comes
after some random pages, or while a process starts. Then one process reads to the end. What was
read is taken from the reading process's own log, and every result is compared, byte for byte,
with that of a run that nobody disturbed.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import cycle, islice
from pathlib import Path

import psutil

from deepseek_ocr_rag.service import JobOptions, JobQueue, ReaderSettings, result_chunks

__all__ = ["KillReport", "main", "run"]

OWNER = "benchmark"
MOST_PAGES = 100
START_SHARE = 0.2
"""Share of the kills that come while a process starts."""

PATIENCE = 300.0
_READ = re.compile(r"^([\d-]+ [\d:,]+) DEBUG page (\d+) of (\S+): ")


@dataclass(frozen=True, slots=True)
class KillReport:
    """What came of it.

    Attributes:
        jobs: Jobs that were answered.
        pages: Pages of all of them.
        reads: How often a page was read; more than ``pages``, as kills come between a page's
            end and its place on the disk.
        server_kills: Kills of the process with the queue.
        engine_kills: Kills of the reading process.
        lost: Jobs that were answered and are not there, or not finished.
        twice: Pages that were read again after they had been stored.
        different: Results that are not those of the undisturbed run.
    """

    jobs: int
    pages: int
    reads: int
    server_kills: int
    engine_kills: int
    lost: int
    twice: int
    different: int


# --- the process that is killed -----------------------------------------------------------


def serve(folder: Path, backend: str, documents: list[Path]) -> None:
    """Submit all documents, and read until all jobs have ended."""
    logging.getLogger("deepseek_ocr_rag").setLevel(logging.DEBUG)
    answered = os.open(folder / "answered", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    with JobQueue(folder / "data", ReaderSettings(backend=backend)) as queue:
        jobs = []
        for index, path in enumerate(documents):
            upload = queue.new_upload(OWNER, f"{index:02}.pdf", "application/pdf")
            queue.write_upload(OWNER, upload.id, [path.read_bytes()])
            options = JobOptions(pages=f"1-{_pages(path)}")
            job = queue.submit(OWNER, upload.id, options, idempotency_key=str(index))
            os.write(answered, f"{index} {job.id}\n".encode())
            jobs.append(job)
        for job in jobs:
            while not queue.wait(OWNER, job.id, job.version, 1.0).state.ended:
                pass
        for index, job in enumerate(jobs):
            ended = queue.get(OWNER, job.id)
            with (folder / f"{index}.json").open("wb") as file:
                file.write(f"{ended.state} {ended.error}\n".encode())
                pages = partial(queue.pages_in_order, OWNER, ended.id)
                for chunk in result_chunks(ended, pages, "json"):
                    file.write(chunk)
    (folder / "done").touch()


def _pages(path: Path) -> int:
    import pypdfium2

    with pypdfium2.PdfDocument(path) as document:
        return min(len(document), MOST_PAGES)


# --- the process that kills ---------------------------------------------------------------


def run(
    folder: Path,
    backend: str,
    documents: list[Path],
    kills: int,
    seed: int,
    seconds: float = float("inf"),
) -> KillReport:
    """Read once undisturbed and once with kills, for this many seconds at most, and compare."""
    dice = random.Random(seed)
    calm, wild = folder / "calm", folder / "wild"
    for each in (calm, wild):
        each.mkdir()
    _Victim(calm, backend, documents).finish()
    targets = ["server", "engine"] * (kills // 2)
    dice.shuffle(targets)
    # So many that the kills are spread over the documents, and some pages are left after them.
    most = max(1, int(sum(map(_pages, documents)) / kills))
    done: Counter[str] = Counter()
    victim = _Victim(wild, backend, documents)
    end = time.monotonic() + seconds
    while targets and not victim.is_done and time.monotonic() < end:
        if dice.random() < START_SHARE:
            time.sleep(dice.uniform(0.0, 2.0))
        else:
            victim.wait_for_pages(dice.randint(1, most))
        if victim.kill(targets[-1]):
            done[targets.pop()] += 1
        if not victim.runs and not victim.is_done:
            victim = _Victim(wild, backend, documents)
    victim.finish()
    return _report(wild, calm, len(documents), done)


class _Victim:
    def __init__(self, folder: Path, backend: str, documents: list[Path]) -> None:
        self._folder = folder
        (folder / "done").unlink(missing_ok=True)
        self._log = (folder / "log").open("ab")
        command = [sys.executable, __file__, "--serve", str(folder), "--backend", backend]
        self._process = subprocess.Popen(
            [*command, *map(str, documents)], stdout=subprocess.DEVNULL, stderr=self._log
        )

    @property
    def runs(self) -> bool:
        return self._process.poll() is None

    @property
    def is_done(self) -> bool:
        """Whether it has read everything, so that nothing is left to disturb."""
        return (self._folder / "done").exists()

    def wait_for_pages(self, count: int) -> None:
        """Wait until this many more pages have been read, or everything has."""
        log = self._folder / "log"
        start = log.stat().st_size
        end = time.monotonic() + PATIENCE
        while self.runs and time.monotonic() < end:
            with log.open("rb") as file:
                file.seek(start)
                if file.read().count(b" DEBUG page ") >= count:
                    return
            time.sleep(0.002)

    def kill(self, target: str) -> bool:
        """Kill the process, or the one that reads for it; False if there was none."""
        if not self.runs:
            self._log.close()
            return False
        if target == "server":
            self._process.kill()
            self._process.wait()
            self._log.close()
            return True
        for child in psutil.Process(self._process.pid).children():
            try:
                if any("reading_process" in word for word in child.cmdline()):
                    os.kill(child.pid, signal.SIGKILL)
                    return True
            except (psutil.NoSuchProcess, ProcessLookupError):
                continue
        return False

    def finish(self) -> None:
        """Wait for its end; a kill may have hit it on its way there."""
        self._process.wait(PATIENCE)
        self._log.close()
        assert (self._folder / "done").exists(), (self._folder / "log").read_text()[-2000:]


def _report(wild: Path, calm: Path, jobs: int, kills: Counter[str]) -> KillReport:
    answered = dict(line.split() for line in (wild / "answered").read_text().splitlines())
    ids = {line.split()[1] for line in (wild / "answered").read_text().splitlines()}
    with sqlite3.connect(wild / "data" / "jobs.sqlite3") as database:
        ended = {row[0] for row in database.execute("SELECT id FROM jobs WHERE ended IS NOT NULL")}
        stored = {
            (name, page): when
            for name, page, when in database.execute(
                "SELECT jobs.name, page, stored FROM pages JOIN jobs ON jobs.number = pages.job"
            )
        }
    reads = twice = 0
    for line in (wild / "log").read_text(errors="replace").splitlines():
        if match := _READ.match(line):
            when = datetime.strptime(match[1], "%Y-%m-%d %H:%M:%S,%f").timestamp()  # noqa: DTZ007
            reads += 1
            twice += when > stored[match[3], int(match[2])]
    different = sum(
        (wild / f"{index}.json").read_bytes() != (calm / f"{index}.json").read_bytes()
        for index in range(jobs)
    )
    return KillReport(
        len(answered),
        len(stored),
        reads,
        kills["server"],
        kills["engine"],
        len(ids - ended),
        twice,
        different,
    )


def main() -> None:
    """Run the benchmark and print its report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--backend", default="")
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--jobs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--seconds", type=float, default=float("inf"), help="then nothing is killed"
    )
    parser.add_argument(
        "documents", nargs="*", type=Path, default=[Path("../shared/corpus/qa/pdf")]
    )
    options = parser.parse_args()
    if options.serve:
        serve(options.serve, options.backend, options.documents)
        return
    documents = [
        path
        for each in options.documents
        for path in (sorted(each.glob("*.pdf")) if each.is_dir() else [each])
    ]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        backend = options.backend or recording(folder / "recording.jsonl")
        begun = time.monotonic()
        report = run(
            folder,
            backend,
            [lengthened(path, folder) for path in islice(cycle(documents), options.jobs)],
            options.kills,
            options.seed,
            options.seconds,
        )
    print(report)
    print(f"{time.monotonic() - begun:.0f} s")
    sys.exit(1 if report.lost or report.twice or report.different else 0)


def lengthened(path: Path, folder: Path) -> Path:
    """The document with its pages again and again, :data:`MOST_PAGES` in all."""
    import pypdfium2

    target = folder / path.name
    if not target.exists():
        with pypdfium2.PdfDocument(path) as source, pypdfium2.PdfDocument.new() as pdf:
            while len(pdf) < MOST_PAGES:
                pdf.import_pages(source, range(min(len(source), MOST_PAGES - len(pdf))))
            pdf.save(target)
    return target


def recording(path: Path) -> str:
    """A backend that replays texts with headings, so that sections run on across pages."""
    pages = (
        {
            "page": number,
            "text": "<|ref|>sub_title<|/ref|><|det|>[[1, 1, 900, 40]]<|/det|>\n"
            f"{'##' if number % 5 else '#'} Part {number}\n\n"
            * (number % 3 == 0)
            + f"<|ref|>text<|/ref|><|det|>[[1, 50, 900, 90]]<|/det|>\nThis is page {number}.",
        }
        for number in range(1, MOST_PAGES + 1)
    )
    path.write_text("\n".join(map(json.dumps, pages)), encoding="utf-8")
    return f"replay:{path}"


if __name__ == "__main__":
    main()
