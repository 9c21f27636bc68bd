"""How many pages a second two cards read, beside one: with ``devices="all"`` and with Ray.

    python benchmarks/batch/two_cards.py FOLDER TOKENIZER.JSON [--pages 512] [--only reader,ray]

FOLDER gets a checkpoint of the published sizes with random weights if it has none, and PDFs whose
pages all differ. ``--pages`` is for each card; a page has 1,000 tokens.

``reader``: one Reader reads ``--pages`` pages on one card, then twice as many on all; then half of
those once more, while the engine's process of one card is killed after a third of them. The models are loaded
before, and the clock runs from the call to the last page.

``ray``: ``run_batch(engine="ray")`` on this machine, with two actors and with one. The time in which
models load is not counted, though pages are drawn ahead meanwhile; that a card begins to load after
the other is.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from statistics import mean

import psutil

sys.path.append(str(Path(__file__).parents[1] / "engine"))

from random_checkpoint import write
from rendering import make_pdf
from timed_cards import STAMPS, TimedCards, card_times, use_timed_cards

from deepseek_ocr_rag import Reader
from deepseek_ocr_rag.backends.local import process_pair
from deepseek_ocr_rag.batch import BatchSettings, run_batch

DOCUMENT_PAGES = 128

Row = tuple[str, str]


@dataclass(slots=True)
class Load:
    """How busy cards and processors were in a span of time."""

    log: Path
    begun: float = field(default_factory=time.time)
    end: float = 0.0
    cores: float = 0.0

    def cards(self) -> str:
        """The share of time in which each card worked."""
        shares: dict[str, list[float]] = {}
        for line in self.log.read_text().splitlines():
            fields = [part.strip() for part in line.split(",")]
            if len(fields) == 3 and fields[2].isdigit():
                when = datetime.strptime(fields[0], "%Y/%m/%d %H:%M:%S.%f").timestamp()  # noqa: DTZ007
                if self.begun <= when <= self.end:
                    shares.setdefault(fields[1], []).append(float(fields[2]))
        return " and ".join(f"{mean(shares[card]):.0f} %" for card in sorted(shares)) or "unknown"

    def __str__(self) -> str:
        return f"cards busy {self.cards()}, {self.cores:.1f} cores busy"


@contextmanager
def loaded(log: Path) -> Iterator[Load]:
    """Watch cards and processors; the span may be narrowed inside."""
    watch = None
    log.write_text("")
    if shutil.which("nvidia-smi"):
        query = "--query-gpu=timestamp,index,utilization.gpu"
        command = ["nvidia-smi", query, "--format=csv,noheader,nounits", "-lms", "500"]
        with log.open("w") as file:
            watch = subprocess.Popen(command, stdout=file)
    load, before = Load(log), psutil.cpu_times()
    try:
        yield load
    finally:
        after = psutil.cpu_times()
        load.end = load.end or time.time()
        spent = after.user + after.system - before.user - before.system
        load.cores = spent / (time.time() - load.begun)
        if watch is not None:
            watch.terminate()
            watch.wait()


def children(name: str) -> list[psutil.Process]:
    """The processes below this one that run a module."""
    found = []
    for each in psutil.Process().children(recursive=True):
        try:
            if any(name in part for part in each.cmdline()):
                found.append(each)
        except psutil.NoSuchProcess:
            continue
    return sorted(found, key=lambda each: each.pid)


def seconds_of(name: str) -> float:
    """CPU seconds of those processes."""
    return sum(sum(each.cpu_times()[:2]) for each in children(name))


def read(
    reader: Reader, pdf: Path, pages: int, log: Path, kill_after: int = 0
) -> tuple[float, str]:
    """Pages a second of a reader, and what else is to say."""
    numbers: Counter[int] = Counter()
    errors, killed, tenths = [], "", []
    own, drawing = time.process_time(), seconds_of("isolation.worker")
    with loaded(log) as load:
        start = time.perf_counter()
        for page in reader.iter_pages(pdf, pages=f"1-{pages}"):
            numbers[page.number] += 1
            if page.error is not None:
                errors.append(page.error)
            if len(numbers) * 10 % pages < 10:
                tenths.append(time.perf_counter() - start)
            if len(numbers) == kill_after:
                os.kill(children(process_pair.ENGINE)[-1].pid, signal.SIGKILL)
                killed = f"one engine process killed after {time.perf_counter() - start:.0f} s; "
        seconds = time.perf_counter() - start
    own, drawing = time.process_time() - own, seconds_of("isolation.worker") - drawing
    missing = set(range(1, pages + 1)) - set(numbers)
    twice = sum(count > 1 for count in numbers.values())
    told = f"{killed}{len(missing)} missing, {twice} twice, {len(errors)} failed"
    print(*errors[:1], " ".join(f"{each:.1f}" for each in tenths), "s", flush=True)
    cost = f"{1e3 * own / pages:.1f} ms a page reading, {1e3 * drawing / pages:.0f} drawing"
    return pages / seconds, f"{seconds:.1f} s, {told}; {load}; processor: {cost}"


def with_reader(folder: Path, pages: int) -> list[Row]:
    """One card, all cards, and all cards of which one loses its process."""
    pdf, log, rows = folder / "long.pdf", folder / "cards.csv", []
    rates = []
    for cards, devices in ((1, ["cuda:0"]), (2, "all")):
        begun = time.perf_counter()
        backend = TimedCards(folder, devices=devices)
        backend.load()
        print(f"{cards} ready after {time.perf_counter() - begun:.1f} s", flush=True)
        with Reader(backend, cache=False) as reader:
            reader.read(pdf, pages="1-2")  # drawing processes have begun
            rate, told = read(reader, pdf, cards * pages, log)
            rates.append(rate)
            name = "one card" if cards == 1 else f'devices="all", {backend.cards} cards'
            rows.append((f"{name}, {cards * pages} pages", f"{rate:.1f} pages/s; {told}"))
            print(*rows[-1], sep=": ", flush=True)
            if cards == 2:
                rows.append(("ratio", f"{rates[1] / rates[0]:.2f}"))
                rate, told = read(reader, pdf, pages, log, pages // 3)
                rows.append(("the same, one killed", f"{rate:.1f} pages/s; {told}"))
                print(*rows[-1], sep=": ", flush=True)
        backend.close()
    return rows


def with_ray(folder: Path, pages: int) -> list[Row]:
    """One actor and two, each with a card of its own."""
    import ray

    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    hook = {"worker_process_setup_hook": "timed_cards.use_timed_cards"}
    ray.init(include_dashboard=False, log_to_driver=False, num_gpus=2, runtime_env=hook)
    settings = BatchSettings(backend=f"local:{folder}")
    rows, rates, log = [], [], folder / "cards.csv"
    for cards in (2, 1):
        manifest, out = folder / f"ray-{cards}.jsonl", folder / f"ray-{cards}"
        stamps = Path(os.environ[STAMPS])
        for place in (out, stamps):
            shutil.rmtree(place, ignore_errors=True)
        stamps.mkdir()
        documents = range(1, 1 + cards * pages // DOCUMENT_PAGES)
        lines = [json.dumps({"uri": f"{number}.pdf", "id": f"{number}"}) for number in documents]
        manifest.write_text("\n".join(lines) + "\n")
        with loaded(log) as load:
            report = run_batch(str(manifest), str(out), settings, engine="ray", gpus=cards)
            times = card_times(stamps)
            load.begun, load.end = max(times.ready), times.end
        account = report.account
        rates.append(times.rate)
        told = (
            f"{account.pages} pages, {account.errors} failed, {len(account.missing)} missing; by card"
            f" {' + '.join(map(str, times.pages))} pages,"
            f" {' and '.join(f'{times.end - ready:.1f}' for ready in times.ready)} s from ready to"
            f" the end; whole run {report.seconds:.0f} s; cards busy {load.cards()}"
        )
        rows.append(
            (f"Ray, {cards} actors, {cards * pages} pages", f"{times.rate:.1f} pages/s; {told}")
        )
        print(*rows[-1], sep=": ", flush=True)
    rows.append(("ratio", f"{rates[0] / rates[1]:.2f}"))
    ray.shutdown()
    return rows


def prepare(folder: Path, tokenizer: Path, pages: int) -> None:
    """Write the checkpoint and the PDFs that are not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = [(folder / "long.pdf", 2 * pages, 0)]
    wanted += [
        (folder / f"{number}.pdf", DOCUMENT_PAGES, number)
        for number in range(1, 1 + 2 * pages // DOCUMENT_PAGES)
    ]
    with ProcessPoolExecutor() as pool:
        drawn = [pool.submit(make_pdf, *each) for each in wanted if not each[0].exists()]
        write(folder, tokenizer)
        for each in drawn:
            each.result()


def card_names() -> str:
    if not shutil.which("nvidia-smi"):
        return "no card"
    command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    return " + ".join(
        subprocess.run(command, capture_output=True, text=True).stdout.split("\n")[:-1]
    )


def main() -> None:
    """Run the benchmark; see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("tokenizer", type=Path)
    parser.add_argument("--pages", type=int, default=512, help="for each card")
    parser.add_argument("--only", default="reader,ray", help="or files, to only write these")
    given = parser.parse_args()
    folder = given.folder.resolve()
    prepare(folder, given.tokenizer, given.pages)
    os.environ[STAMPS] = str(folder / "stamps")
    (folder / "stamps").mkdir(exist_ok=True)
    use_timed_cards()
    parts = {"files": lambda folder, pages: [], "reader": with_reader, "ray": with_ray}
    rows: list[Row] = []
    for part in given.only.split(","):
        rows += parts[part](folder, given.pages)
    print(f"\n{card_names()}, {os.cpu_count()} cores")
    for name, told in rows:
        print(f"{name:32s} {told}")


if __name__ == "__main__":
    main()
