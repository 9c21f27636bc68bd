"""Checks training data before anything is trained, and shows what the model would see."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from ..errors import OutputError
from ..model.checkpoint import find_checkpoint
from ..model.tokenizer import ModelTokenizer
from ..text.counted import counted
from .sample_folders import read_samples, split_samples
from .samples import SampleProblem
from .targets import EncodedPage, encode_all

__all__ = ["DataCheck", "check_samples"]

SHOWN: Final = 8
"""How many pages have their views written as pictures."""


@dataclass(frozen=True, slots=True)
class DataCheck:
    """What training data contains.

    Attributes:
        usable: Number of samples that can be used for learning or judging.
        held: How many of them training would use for judging.
        problems: The samples that cannot be used, each with its reason.
        notes: What else a user should know.
        answer_tokens: Shortest, mean and longest answer in tokens, the end token included.
        pictures: The views of the first pages, as the model sees them.
    """

    usable: int
    held: int
    problems: tuple[SampleProblem, ...]
    notes: tuple[str, ...]
    answer_tokens: tuple[int, float, int]
    pictures: tuple[Path, ...]

    def lines(self) -> Iterator[str]:
        """Yield the result as lines of text for people."""
        least, mean, most = self.answer_tokens
        yield f"{counted(self.usable, 'sample')} can be learnt, {len(self.problems)} cannot"
        if self.usable:
            yield f"answers: {least} to {most} tokens, {mean:.0f} on average, one end token each"
            yield f"{self.usable - self.held} to learn from, {self.held} to judge by"
        yield from self.notes
        yield from (f"cannot be used: {each.id}: {each.message}" for each in self.problems)
        yield from (f"as the model sees it: {path}" for path in self.pictures)


def check_samples(
    base: str | Path,
    data: str | Path,
    *,
    mode: str = "base",
    revision: str | None = None,
    held_out: float = 0.1,
    folder: str | Path | None = None,
) -> DataCheck:
    """Check training data against a model's tokenizer and limits; its weights are not loaded.

    Args:
        base: The model.
        data: As for :func:`~deepseek_ocr_rag.training.read_samples`.
        mode: Resolution of samples that have none of their own.
        revision: Commit of a hub id.
        held_out: Share of the samples to judge by, where the data does not divide them.
        folder: Where to write the views and the texts of the first pages; None writes nothing.

    Raises:
        SourceError: If the data cannot be read at all.
        ConfigurationError: If the share is invalid, or leaves nothing to learn from.
        OutputError: If the pictures cannot be written.
    """
    checkpoint = find_checkpoint(base, revision=revision)
    tokenizer = ModelTokenizer.from_file(checkpoint.tokenizer)
    found = read_samples(data)
    pages, encoded = encode_all(
        found.samples,
        tokenizer,
        checkpoint.family,
        mode=mode,
        max_positions=checkpoint.family.max_positions,
    )
    sizes = [page.answer for page in pages]
    held = split_samples(encoded.samples, held_out)[1] if pages else ()
    return DataCheck(
        usable=len(pages),
        held=len(held),
        problems=(*found.problems, *encoded.problems),
        notes=(*found.notes, *encoded.notes),
        answer_tokens=(min(sizes), sum(sizes) / len(sizes), max(sizes)) if sizes else (0, 0.0, 0),
        pictures=() if folder is None else _pictures(pages[:SHOWN], tokenizer, Path(folder)),
    )


def _pictures(
    pages: Sequence[EncodedPage], tokenizer: ModelTokenizer, folder: Path
) -> tuple[Path, ...]:
    found: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number, page in enumerate(pages, 1):
            views = {"page": page.views.global_view}
            views |= {f"tile-{n}": tile for n, tile in enumerate(page.views.tiles, 1)}
            for name, pixels in views.items():
                path = folder / f"{number:03}-{name}.png"
                Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0))).save(path)
                found.append(path)
            learnt = tokenizer.decode(page.ids[page.prompt :])
            text = f"{page.sample.id}\n\nasked: {page.sample.prompt}\n\nlearnt:\n{learnt}\n<end>\n"
            (folder / f"{number:03}.txt").write_text(text, "utf-8")
    except OSError as error:
        raise OutputError(
            f"cannot be written ({error.strerror})", source=str(folder), remedy="Check the folder."
        ) from error
    return tuple(found)
