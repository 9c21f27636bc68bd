"""Reads words and their boxes from the picture of a page, with RapidOCR.

Only the models in RapidOCR's own wheel are used; nothing is downloaded. The
classifier for upside-down lines is off: it squeezes every line to a width of four times
its height, turns long lines by mistake and loses them (measured: word recall 0.93 with
it, 0.96 without). Pages that are upside down or on their side are recognised by
their scores instead.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from PIL import Image

from ...document.text_layer import TextLayer, Word
from ...document.types import Box
from ...errors import BackendUnavailableError, MissingExtraError, PageUnreadableError
from ..page_images import turned
from ..turned_boxes import turned_back
from .layout.skew import skew_of

__all__ = ["RapidReader", "Recognized"]

MIN_SCORE = 0.5
"""Lines with a lower score are noise; RapidOCR's own default."""

GOOD_SCORE = 0.82
"""Mean score from which a page is certainly upright. The benchmark's scans have
0.94 to 0.99, the same pages upside down 0.62 to 0.73."""

SETTINGS: Final[dict[str, Any]] = {
    "Global.log_level": "error",
    "Global.use_cls": False,
    "Global.text_score": 0.0,  # filtered below, after the turns of the page are compared
    "Global.return_word_box": True,
    "Global.return_single_char_box": True,
    "Det.box_thresh": 0.35,
    "Det.unclip_ratio": 1.8,
    "Det.use_dilation": False,
    # In a batch, lines are padded to the longest: slower, and less accurate.
    "Rec.rec_batch_num": 1,
}
"""Chosen for word recall on scanned receipts and pages (benchmarks/lite/lite.py)."""


@dataclass(frozen=True, slots=True)
class Recognized:
    """The text that was read on a picture; the layer's width and height are in pixels."""

    layer: TextLayer
    skew: float  # of the lines in radians, once the text is upright
    confidence: float  # mean score of the lines, weighted by length, 0..1; 0 without text


@dataclass(frozen=True, slots=True)
class _RecognizedLine:
    """A line on the turned picture, in pixels."""

    text: str
    score: float
    corners: tuple[tuple[float, float], ...]  # clockwise from the upper left
    letters: tuple[tuple[float, float, float, float], ...]

    @property
    def size(self) -> tuple[float, float]:
        (ax, ay), (bx, by), _, (dx, dy) = self.corners
        return math.hypot(bx - ax, by - ay), math.hypot(dx - ax, dy - ay)

    @property
    def is_sideways(self) -> bool:
        width, height = self.size
        return height >= 1.5 * width


def _never_cancelled() -> None:
    pass


class _CancellableSession:
    """A model's session that checks for cancellation before every run."""

    def __init__(self, session: Callable[..., object], check: Callable[[], object]) -> None:
        self._session = session
        self._check = check

    def __call__(self, *inputs: object) -> object:
        self._check()
        return self._session(*inputs)

    def __getattr__(self, name: str) -> object:
        return getattr(self._session, name)


class RapidReader:
    """Reads pictures with one RapidOCR engine, which is made when the first picture comes."""

    def __init__(self, *, threads: int | None = None) -> None:
        if threads is None:
            threads = 1 if os.environ.get("OMP_NUM_THREADS") == "1" else 2
        self._threads = max(1, min(threads, os.cpu_count() or 1))
        self._engine: Any = None
        self._check_cancelled: Callable[[], object] = _never_cancelled
        self._failures: tuple[type[Exception], ...] = ()

    @property
    def model(self) -> str:
        """Name and version, for the metadata."""
        try:
            return f"rapidocr-{importlib.metadata.version('rapidocr')}"
        except importlib.metadata.PackageNotFoundError:
            return "text-layer"

    def close(self) -> None:
        """Free the models."""
        self._engine = None

    def read(
        self, picture: Image.Image, check_cancelled: Callable[[], object] = _never_cancelled
    ) -> Recognized:
        """Read an RGB picture, whichever way it is turned; boxes are those of the picture as given.

        Args:
            picture: The picture of a page.
            check_cancelled: From the second picture on, called before every run of a model, about
                once per line of text; an error that it raises ends the reading.

        Raises:
            MissingExtraError: If RapidOCR is not installed.
            BackendUnavailableError: If its models are not on this machine.
            PageUnreadableError: If the OCR fails on this picture.
        """
        self._check_cancelled = check_cancelled
        turn, lines = 0, self._lines(picture)
        for other in _turns_to_try(lines):
            found = self._lines(turned(picture, 360 - other))
            if _total_score(found) > 1.1 * _total_score(lines):
                turn, lines = other, found
            if _mean_score(lines) >= GOOD_SCORE and not _mostly_sideways(lines):
                break
        kept = [line for line in lines if line.score >= MIN_SCORE]
        width, height = picture.size
        size = (height, width) if turn in (90, 270) else (width, height)
        words = tuple(word for line in kept for word in _words(line, turn, size))
        level = [_middle(line) for line in kept if not line.is_sideways]
        layer = TextLayer(words, width=float(width), height=float(height))
        return Recognized(layer, skew_of(level), _mean_score(kept))

    def _lines(self, picture: Image.Image) -> list[_RecognizedLine]:
        import numpy as np

        if self._engine is None:
            self._engine, self._failures = _make_engine(self._threads)
        pixels = np.ascontiguousarray(np.asarray(picture.convert("RGB"))[:, :, ::-1])
        try:
            result = self._engine(pixels)
        except self._failures as error:
            raise PageUnreadableError("the OCR failed on the page's image") from error
        self._make_cancellable()
        if result.boxes is None or result.txts is None:
            return []
        letters = result.word_results or ()
        if len(letters) != len(result.txts):
            letters = [()] * len(result.txts)
        return [
            _RecognizedLine(
                text, float(score), tuple((float(x), float(y)) for x, y in box), _edges(chars)
            )
            for text, score, box, chars in zip(
                result.txts, result.scores, result.boxes, letters, strict=True
            )
            if text.strip()
        ]

    def _make_cancellable(self) -> None:
        """Wrap the models' sessions, which exist once the first picture was read."""
        for part in (self._engine.text_det, self._engine.text_rec):
            if part is not None and not isinstance(part.session, _CancellableSession):
                part.session = _CancellableSession(part.session, lambda: self._check_cancelled())


def _make_engine(threads: int) -> tuple[Any, tuple[type[Exception], ...]]:
    try:
        import cv2
        from rapidocr import RapidOCR
        from rapidocr.inference_engine.onnxruntime.main import ONNXRuntimeError
    except ImportError as error:
        raise MissingExtraError(
            f"reading a page without a text layer needs RapidOCR, which cannot be imported ({error})",
            remedy="Run: pip install 'rapidocr>=3.10' onnxruntime",
        ) from error
    detector, recognizer = bundled_models()
    engine = RapidOCR(
        params={
            **SETTINGS,
            "Det.model_path": str(detector),
            "Rec.model_path": str(recognizer),
            "EngineConfig.onnxruntime.intra_op_num_threads": threads,
        }
    )
    return engine, (ONNXRuntimeError, cv2.error, ValueError, RuntimeError, IndexError)


def bundled_models() -> tuple[Path, Path]:
    """Find the detector and the recogniser in RapidOCR's wheel.

    Raises:
        BackendUnavailableError: If one is missing, or would need a download.
    """
    spec = importlib.util.find_spec("rapidocr")
    folder = Path(spec.origin).parent / "models" if spec and spec.origin else Path()
    found = [sorted(folder.glob(f"*_{kind}_*.onnx")) for kind in ("det", "rec")]
    # If the recogniser has no list of characters, RapidOCR would download one.
    if not all(found) or b"character" not in found[1][-1].read_bytes():
        raise BackendUnavailableError(
            f"RapidOCR's models are not in {folder}",
            remedy="Run: pip install --force-reinstall 'rapidocr>=3.10' (its wheel has them).",
        )
    return found[0][-1], found[1][-1]


def _edges(chars: Sequence[Any]) -> tuple[tuple[float, float, float, float], ...]:
    return tuple(
        (
            float(min(x for x, _ in box)),
            float(min(y for _, y in box)),
            float(max(x for x, _ in box)),
            float(max(y for _, y in box)),
        )
        for _, _, box in chars
    )


def _mean_score(lines: Sequence[_RecognizedLine]) -> float:
    total = sum(len(line.text) for line in lines)
    return sum(line.score * len(line.text) for line in lines) / total if total else 0.0


def _total_score(lines: Sequence[_RecognizedLine]) -> float:
    """Measure how much was read, weighted by confidence."""
    return sum(len(line.text) * max(0.0, line.score - MIN_SCORE) for line in lines)


def _mostly_sideways(lines: Sequence[_RecognizedLine]) -> bool:
    """Return whether most text runs upwards or downwards."""
    total = sum(len(line.text) for line in lines)
    return sum(len(line.text) for line in lines if line.is_sideways) > 0.6 * total


def _turns_to_try(lines: Sequence[_RecognizedLine]) -> tuple[int, ...]:
    if not lines:
        return ()
    if _mostly_sideways(lines):
        return (90, 270)
    return (180,) if _mean_score(lines) < GOOD_SCORE else ()


def _middle(line: _RecognizedLine) -> tuple[float, float, float, float]:
    a, b, c, d = line.corners
    return ((a[0] + d[0]) / 2, (a[1] + d[1]) / 2, (b[0] + c[0]) / 2, (b[1] + c[1]) / 2)


def _words(line: _RecognizedLine, turn: int, size: tuple[int, int]) -> Iterator[Word]:
    """Yield the words of a line, with boxes on the picture as given."""
    letters = line.letters or _spread(line)
    rotation = (turn + 90) % 360 if line.is_sideways else turn
    thickness = min(line.size)
    start = 0
    for text in line.text.split():
        held = letters[start : start + len(text)] or letters[-1:]
        start += len(text)
        corners = (
            min(e[0] for e in held) / size[0],
            min(e[1] for e in held) / size[1],
            max(e[2] for e in held) / size[0],
            max(e[3] for e in held) / size[1],
        )
        # The picture was turned counter-clockwise; turning on to 360 degrees restores it.
        box = Box.clamped(*turned_back(corners, (360 - turn) % 360, 1.0, 1.0))
        yield Word(text, box, thickness, rotation=rotation)


def _spread(line: _RecognizedLine) -> tuple[tuple[float, float, float, float], ...]:
    """Space boxes evenly over the letters of a line for which RapidOCR gave none."""
    xs, ys = zip(*line.corners, strict=True)
    x0, y0, x1, y1 = min(xs), min(ys), max(xs), max(ys)
    visible = [i for i, char in enumerate(line.text) if not char.isspace()]
    n = len(line.text)
    if line.is_sideways:
        step = (y1 - y0) / n
        return tuple((x0, y0 + i * step, x1, y0 + (i + 1) * step) for i in visible)
    step = (x1 - x0) / n
    return tuple((x0 + i * step, y0, x0 + (i + 1) * step, y1) for i in visible)
