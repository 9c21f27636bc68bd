"""Measures GPU time: of one operation, or of everything that an engine does.

Started by goals.py as the engine's process, it writes where the GPU's time went to the file that
``DSOCR_GPU_TIMES`` names, once the engine ends.
"""

from __future__ import annotations

import os
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from deepseek_ocr_rag.engine import runner, startup
from deepseek_ocr_rag.engine.runner import Runner, StepOutput
from deepseek_ocr_rag.engine.sequence import WrittenSequence
from deepseek_ocr_rag.engine.vision.towers import Views, Vision

__all__ = ["gpu_times", "milliseconds", "time_engines"]

KINDS = ("vision", "prompts", "steps of 1 to 8", "of 9 to 63", "of 64 to 383", "of 384 and more")

LONG_GAP_MS = 5


def milliseconds(run: Callable[[], object], repeats: int = 20) -> float:
    """By the GPU's own events, the median of some runs after three others."""
    for _ in range(3):
        run()
    times = []
    for _ in range(repeats):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        run()
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end))
    return statistics.median(times)


@dataclass(frozen=True, slots=True)
class _Span:
    kind: str
    rows: int
    begin: Any
    end: Any
    host: float  # seconds that its launch took


_spans: list[_Span] = []


@contextmanager
def _span(kind: str, rows: int) -> Iterator[None]:
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start = time.perf_counter()
    begin.record()
    yield
    end.record()
    _spans.append(_Span(kind, rows, begin, end, time.perf_counter() - start))


class _TimedVision(Vision):
    def embed(self, pages: Sequence[Views]) -> list[Tensor]:
        with _span("vision", len(pages)):
            return super().embed(pages)


class _TimedRunner(Runner):
    def prefill(self, sequences: Sequence[WrittenSequence]) -> StepOutput:
        with self._on_stream(), _span("prompts", len(sequences)):
            return super().prefill(sequences)

    def step(
        self, sequences: Sequence[WrittenSequence], drafts: Sequence[Sequence[int]]
    ) -> StepOutput:
        rows = len(sequences)
        kind = KINDS[2 + sum(rows >= least for least in (9, 64, 384))]
        with self._on_stream(), _span(kind, rows):
            return super().step(sequences, drafts)


def time_engines() -> None:
    """Have engines that start from now on time what they do."""
    startup.Runner = _TimedRunner  # type: ignore[misc]
    runner.Vision = _TimedVision  # type: ignore[attr-defined]


def gpu_times() -> str:
    """Tell where the GPU's time went since the last call, in all and by the second."""
    torch.cuda.synchronize()
    # Pictures are a part of the prompts' time, and told apart.
    spans, pictures = list(_spans), [span for span in _spans if span.kind == "vision"]
    _spans.clear()
    spans = [span for span in spans if span.kind != "vision"]
    if not spans:
        return "nothing was done"
    origin = spans[0].begin
    lines, busy, last = [], 0.0, 0.0
    gaps: list[float] = []
    seconds: defaultdict[int, defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
    for span in spans:
        begin, end = (origin.elapsed_time(mark) for mark in (span.begin, span.end))
        busy += end - begin
        row = seconds[int(end / 1000)]
        gaps.append(max(0.0, begin - last))
        row["idle"] += gaps[-1]
        what = "prompts" if span.kind == "prompts" else "steps"
        row[what] += end - begin
        row[what + " done"] += 1
        row[what + " rows"] += span.rows
        last = end
    for kind in KINDS:
        found = [span for span in (*spans, *pictures) if span.kind == kind]
        if found:
            took = [span.begin.elapsed_time(span.end) for span in found]
            lines.append(
                f"{kind:16s} {len(found):6d} times, {sum(took) / 1000:6.2f} s, {statistics.mean(took):6.2f} ms"
                f" each for {statistics.mean(span.rows for span in found):5.1f} rows,"
                f" launched in {statistics.mean(span.host for span in found) * 1e3:5.2f} ms"
            )
    lines.append(f"busy {busy / 1000:.2f} of {last / 1000:.2f} s")
    long = [gap for gap in gaps if gap > LONG_GAP_MS]
    lines.append(f"idle {len(long)} times for more than {LONG_GAP_MS} ms: {sum(long) / 1000:.2f} s")
    for second, row in sorted(seconds.items()):
        lines.append(
            f"second {second:3d}: prompts {row['prompts']:4.0f} ms for {row['prompts rows']:3.0f} pages, "
            f"{row['steps done']:4.0f} steps {row['steps']:4.0f} ms, "
            f"{row['steps rows'] / max(1.0, row['steps done']):3.0f} rows, idle {row['idle']:4.0f} ms"
        )
    return "\n".join(lines)


def main() -> None:
    from deepseek_ocr_rag.backends.local import engine_entry

    time_engines()
    engine_entry.main()
    Path(os.environ["DSOCR_GPU_TIMES"]).write_text(gpu_times(), encoding="utf-8")


if __name__ == "__main__":
    main()
