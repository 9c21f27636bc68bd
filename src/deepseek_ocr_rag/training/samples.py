"""Defines training samples: a page's picture, the prompt, and the text the model should write."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..errors import OutputError, SourceError
from ..model.prompts import TASKS, Task
from ..text.counted import counted

__all__ = ["DOCUMENT_PROMPT", "SampleProblem", "SampleSet", "TrainingSample", "write_samples"]

DOCUMENT_PROMPT: Final = TASKS["document"].prompt
SHOWN: Final = 20
"""Most problems that one message names."""

_UNSAFE: Final = re.compile(r"[^\w.-]+")


@dataclass(frozen=True, slots=True)
class TrainingSample:
    """One page to learn from.

    Attributes:
        id: Names the sample in messages and reports.
        image: A picture, or a PDF.
        prompt: What is asked, without ``<image>``.
        answer: What the model should write, in its own grammar, without an end token.
        image_page: 1-based page of ``image``.
        mode: The resolution ("tiny", "base", ...), or None for the one that the command sets.
        split: "train", "validation", or None to have it chosen.
        source: The document that the page is from; its pages stay on one side of the split.
        page: 1-based page of that document.
    """

    id: str
    image: Path
    prompt: str
    answer: str
    image_page: int = 1
    mode: str | None = None
    split: str | None = None
    source: str | None = None
    page: int | None = None

    @property
    def grounded(self) -> bool:
        """Whether boxes are asked for."""
        return "<|grounding|>" in self.prompt or "<|ref|>" in self.prompt

    @property
    def task(self) -> Task:
        """What a backend is asked for: one of the model's tasks, or the sample's own words."""
        asked = self.prompt.strip()
        own = Task(f"prompt: {asked}", asked, f"\n{asked}", grounded=self.grounded)
        return next((each for each in TASKS.values() if each.prompt == asked), own)


@dataclass(frozen=True, slots=True)
class SampleProblem:
    """Why a sample cannot be used."""

    id: str
    message: str


@dataclass(frozen=True, slots=True)
class SampleSet:
    """Samples, and what cannot be used.

    Attributes:
        samples: The usable samples, in the order of the data.
        problems: One for each sample that cannot be used.
        notes: What a user should know about the usable ones.
    """

    samples: tuple[TrainingSample, ...]
    problems: tuple[SampleProblem, ...] = ()
    notes: tuple[str, ...] = ()

    def checked(self) -> tuple[TrainingSample, ...]:
        """Return the samples, if every one can be used.

        Raises:
            SourceError: If a sample cannot be used, or there are none; it names the samples and the
                reasons.
        """
        if self.problems:
            total = len(self.samples) + len(self.problems)
            named = "".join(f"\n  {each.id}: {each.message}" for each in self.problems[:SHOWN])
            more = len(self.problems) - SHOWN
            raise SourceError(
                f"{len(self.problems)} of {counted(total, 'sample')} cannot be used:{named}"
                + (f"\n  and {more} more" if more > 0 else ""),
                remedy="Correct or remove them; `dsocr train --check` shows every sample.",
            )
        if not self.samples:
            raise SourceError("there are no samples", remedy="See docs/guides/fine-tuning.md.")
        return self.samples


def write_samples(
    folder: str | os.PathLike[str], samples: Iterable[tuple[TrainingSample, bytes]]
) -> Path:
    """Write samples as a folder that ``dsocr train`` reads: ``train.jsonl`` and its pictures.

    Args:
        folder: The folder, made if missing. Files of the same names are replaced.
        samples: Each with its page's picture as a PNG file; ``image`` is not read.

    Returns:
        The JSONL file.

    Raises:
        OutputError: If it cannot be written.
    """
    base = Path(folder)
    try:
        (base / "images").mkdir(parents=True, exist_ok=True)
        part = base / "train.jsonl.part"
        with part.open("w", encoding="utf-8") as lines:
            for number, (sample, png) in enumerate(samples, 1):
                name = f"images/{number:05}-{_UNSAFE.sub('-', sample.id)[:80].strip('.-')}.png"
                (base / name).write_bytes(png)
                lines.write(json.dumps(_line(sample, name), ensure_ascii=False) + "\n")
        return part.replace(base / "train.jsonl")
    except OSError as error:
        raise OutputError(
            f"cannot be written ({error.strerror})",
            source=str(folder),
            remedy="Check the folder's permissions and the free space.",
        ) from error


def _line(sample: TrainingSample, image: str) -> dict[str, object]:
    given = {name: getattr(sample, name) for name in ("mode", "split", "source", "page")}
    return {
        "id": sample.id,
        "messages": [
            {"role": "user", "content": f"<image>\n{sample.prompt}"},
            {"role": "assistant", "content": sample.answer},
        ],
        "images": [image],
        **{name: value for name, value in given.items() if value is not None},
    }
