"""Where the start of the local engine's process spends its time: samples of its threads.

    python benchmarks/engine/start_times.py FOLDER [--device cpu] [--least 0.05] [--samples FILE]

FOLDER holds a checkpoint. The engine starts once, its threads' stacks are read every 2 ms, and each
function that took at least ``--least`` seconds is printed with when it first ran, in seconds after
the process was started, and how long it ran in all. FILE gets all samples, as JSON.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

SAMPLES = "DSOCR_START_SAMPLES"
"""The environment variable that names the file for the samples; set, this is the engine's process."""

EVERY = 0.002

Sample = tuple[float, dict[str, list[str]]]
"""Seconds after the process was started, and the stack of each thread, outermost first."""


def _seconds_old() -> float:
    """Seconds since this process was started."""
    ticks = int(Path("/proc/self/stat").read_text(encoding="ascii").rpartition(")")[2].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")


class _Sampler:
    """Reads the stacks of all threads until :meth:`stop`."""

    def __init__(self) -> None:
        self._begin = time.perf_counter() - _seconds_old()
        self._samples: list[tuple[float, dict[int, list[str]]]] = []
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        own = threading.get_ident()
        while not self._stopped.wait(EVERY):
            stacks = {
                thread: list(_stack(frame))
                for thread, frame in sys._current_frames().items()
                if thread != own
            }
            self._samples.append((time.perf_counter() - self._begin, stacks))

    def stop(self) -> list[Sample]:
        """Stop; return the samples."""
        self._stopped.set()
        self._thread.join()
        names = {thread.ident: thread.name for thread in threading.enumerate()}
        return [
            (when, {f"{names.get(key, 'ended')} {key}": stack for key, stack in stacks.items()})
            for when, stacks in self._samples
        ]


def _stack(frame: object) -> Iterator[str]:
    found = []
    while frame is not None:
        code = frame.f_code  # type: ignore[attr-defined]
        if not code.co_filename.startswith("<frozen"):  # what imports a module
            place = "/".join(code.co_filename.rsplit("/", 3)[1:])
            found.append(f"{place}:{code.co_name}:{frame.f_lineno}")
        frame = frame.f_back  # type: ignore[attr-defined]
    yield from reversed(found)


def _be_the_engine() -> None:
    """Run the engine's process, sampled until it is ready."""
    sampler = _Sampler()
    import gc
    import runpy

    enable = gc.enable

    def stopped() -> None:
        enable()
        Path(os.environ[SAMPLES]).write_text(json.dumps(sampler.stop()), encoding="utf-8")

    gc.enable = stopped
    runpy.run_module(os.environ["DSOCR_START_MODULE"], run_name="__main__", alter_sys=True)


def table(samples: list[Sample], least: float) -> Iterator[str]:
    """Yield a line for each call that took ``least`` seconds or more, indented by its depth."""
    threads = {name for _, stacks in samples for name in stacks}
    for thread in sorted(threads, key=lambda name: "MainThread" not in name):
        spent: dict[tuple[str, ...], list[float]] = {}
        last = 0.0
        for when, stacks in samples:
            stack = stacks.get(thread, [])
            for depth in range(1, len(stack) + 1):
                each = spent.setdefault(tuple(stack[:depth]), [last, 0.0])
                each[1] += when - last
            last = when
        if not any(seconds >= least for _, seconds in spent.values()):
            continue
        yield thread
        shown = 0
        for path, (begin, seconds) in sorted(spent.items(), key=lambda item: item[1][0]):
            only = [s for p, (_, s) in spent.items() if len(p) == len(path) + 1 and p[:-1] == path]
            # A call that only passes on to one other is left out.
            if seconds >= least and not (only and max(only) > 0.97 * seconds):
                yield f"{begin:7.2f} {seconds:6.2f}  {'. ' * _depth(path, spent)}{path[-1]}"
                shown += 1


def _depth(path: tuple[str, ...], spent: dict[tuple[str, ...], list[float]]) -> int:
    return sum(spent[path[:n]][1] > spent[path[: n + 1]][1] / 0.97 for n in range(1, len(path)))


def main() -> None:
    import argparse
    import tempfile

    from deepseek_ocr_rag.backends.local import process_pair
    from deepseek_ocr_rag.backends.local.backend import LocalBackend

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--device")
    parser.add_argument("--least", type=float, default=0.05)
    parser.add_argument("--samples", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = arguments.samples or Path(folder) / "samples.json"
        os.environ[SAMPLES] = str(file)
        os.environ["DSOCR_START_MODULE"] = process_pair.ENGINE
        process_pair.ENGINE = "start_times"  # type: ignore[misc]
        backend = LocalBackend(arguments.folder, device=arguments.device)
        begin = time.perf_counter()
        backend.load()
        print(f"ready after {time.perf_counter() - begin:.2f} s")
        backend.close()
        for line in table(json.loads(file.read_text(encoding="utf-8")), arguments.least):
            print(line)


if __name__ == "__main__":
    if SAMPLES in os.environ:
        _be_the_engine()
    else:
        main()
