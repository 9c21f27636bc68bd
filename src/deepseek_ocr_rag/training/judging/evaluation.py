"""Judges any backend by pages with their correct text, and shows both side by side."""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from ...backends.base import Backend, PageRequest, Reply
from ...errors import ConfigurationError, OutputError
from ...model.prompts import Mode, mode_named
from ...sources.source import open_source
from ..samples import TrainingSample
from .scores import PageScore, Scores, score_page, summarise

__all__ = ["Evaluation", "evaluate", "read_texts", "write_report"]

STYLE: Final = (
    "body{font:14px sans-serif;max-width:1200px;margin:2em auto}td,th{text-align:left;padding:.2em"
    " 1em}pre{white-space:pre-wrap;background:#f4f4f4;padding:1em}.columns{display:grid;"
    "grid-auto-columns:1fr;grid-auto-flow:column;gap:1em}"
)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a backend wrote for a set of samples.

    Attributes:
        scores: The scores of the whole set.
        pages: The scores of each sample.
        texts: What was written for each sample.
    """

    scores: Scores
    pages: tuple[PageScore, ...]
    texts: tuple[str, ...]


def evaluate(
    backend: Backend,
    samples: Sequence[TrainingSample],
    *,
    mode: str = "base",
    compared: Callable[[str], str] = str,
) -> Evaluation:
    """Read samples with a backend, and judge what it writes.

    A page that cannot be read counts as one without text.

    Args:
        backend: Any backend that reads pictures.
        samples: What to read, with the correct texts.
        mode: Resolution of samples that have none of their own.
        compared: Turns a written page into the text that is compared with the right one; the texts
            in the result stay as they were written.

    Raises:
        ConfigurationError: If there are no samples, or the backend takes no pictures.
        BackendUnavailableError: If the backend does not work.
    """
    pages, texts = [], []
    for sample, written in zip(samples, read_texts(backend, samples, mode), strict=True):
        text = written.text if written else ""
        reason = written.finish_reason if written else "error"
        score = score_page(
            sample.id,
            sample.answer.strip(),
            compared(text),
            ended=reason == "stop",
            looped=reason == "repetition",
        )
        pages.append(score)
        texts.append(text)
    return Evaluation(summarise(pages), tuple(pages), tuple(texts))


def read_texts(
    backend: Backend, samples: Sequence[TrainingSample], mode: str
) -> list[Reply | None]:
    """Read each sample's page with a backend; None stands for a page without a reply.

    Raises:
        ConfigurationError: If there are no samples, or the backend takes no pictures.
        BackendUnavailableError: If the backend does not work.
    """
    if not samples:
        raise ConfigurationError("there is nothing to judge by", remedy="Hold out more samples.")
    if not backend.needs_image:
        raise ConfigurationError(f"{backend.name} reads no pictures", remedy="Use another backend.")
    replies: dict[int, Reply] = {}
    for reply in backend.read(_requests(samples, mode)):
        replies[reply.key] = reply
    return [replies.get(key) for key in range(len(samples))]


def _requests(samples: Sequence[TrainingSample], mode: str) -> Iterator[PageRequest]:
    for key, sample in enumerate(samples):
        resolution: Mode = mode_named(sample.mode or mode)
        with open_source(sample.image) as document:
            image = document.render(sample.image_page, resolution.long_side)
        yield PageRequest(
            key=key,
            page=sample.image_page,
            source=sample.id,
            sha256="",
            image=image,
            text_layer=None,
            task=sample.task,
            resolution=resolution,
        )


def write_report(
    evaluation: Evaluation,
    samples: Sequence[TrainingSample],
    folder: str | Path,
    *,
    before: Evaluation | None = None,
) -> Path:
    """Write ``report.json`` and ``report.html``: right and written texts side by side, worst first.

    Args:
        evaluation: The written texts.
        samples: The correct texts.
        folder: Where to write the files.
        before: The texts written before training, for a column between the two.

    Returns:
        The HTML file.

    Raises:
        OutputError: If it cannot be written.
    """
    earlier = before.texts if before else (None,) * len(samples)
    rows = sorted(
        zip(evaluation.pages, evaluation.texts, samples, earlier, strict=True),
        key=lambda row: -row[0].edits / max(1, row[0].characters),
    )
    shown = "".join(_row(*row) for row in rows)
    middle = "In the middle: before the training. " if before else ""
    page = (
        f"<!doctype html><meta charset=utf-8><title>Evaluation</title><style>{STYLE}</style>"
        f"<h1>Evaluation</h1><table>{_table(evaluation, before)}</table>"
        f"<p>Left: what is right. {middle}Right: what was written.</p>{shown}"
    )
    data: dict[str, Any] = {
        "scores": evaluation.scores.to_dict(),
        "pages": [asdict(score) for score in evaluation.pages],
    }
    if before:
        data["before"] = before.scores.to_dict()
    base = Path(folder)
    try:
        base.mkdir(parents=True, exist_ok=True)
        (base / "report.json").write_text(json.dumps(data, indent=1), "utf-8")
        (base / "report.html").write_text(page, "utf-8")
    except OSError as error:
        raise OutputError(
            f"cannot be written ({error.strerror})", source=str(folder), remedy="Check the folder."
        ) from error
    return base / "report.html"


def _table(evaluation: Evaluation, before: Evaluation | None) -> str:
    """Make rows of HTML from the scores, those before a training first."""
    columns = [each.scores.to_dict() for each in (before, evaluation) if each]
    return "".join(
        f"<tr><th>{html.escape(name)}" + "".join(f"<td>{_figure(each[name])}" for each in columns)
        for name in columns[0]
    )


def _figure(value: float | None) -> str:
    return "-" if value is None else str(value) if isinstance(value, int) else f"{value:.4f}"


def _row(score: PageScore, text: str, sample: TrainingSample, earlier: str | None) -> str:
    texts = [sample.answer, text] if earlier is None else [sample.answer, earlier, text]
    return (
        f"<h2>{html.escape(score.id)}: {score.edits} of {score.characters} characters</h2>"
        f"<div class=columns>{''.join(f'<pre>{html.escape(each)}</pre>' for each in texts)}</div>"
    )
