"""Turns corrected pages into training examples: JSON lines in the form of chats, with pictures.

Each line is a page: the picture and the prompt as the model got them, and the answer in the
model's own grammar, with the corrected texts and the boxes that were read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from ...document.grammar.parser import format_page
from ...document.types import Block, Page
from ...model.prompts import MODES, TASKS, Task, task_named
from ...text.visible import json_line
from ..jobs import Job
from ..streamed_zip import StreamedZip

__all__ = ["PictureOf", "TrainingPage", "example_lines", "example_zip"]

PictureOf = Callable[[int, int], bytes]
"""Draws a page as a PNG file, by its number and the pixels of its long side."""

LINES_NAME: Final = "train.jsonl"

WITHOUT_MODE: Final = max(mode.long_side for mode in MODES.values())
"""Pixels of the picture of a page whose backend has no resolutions."""


@dataclass(frozen=True, slots=True)
class TrainingPage:
    """A corrected page as an example.

    Attributes:
        job: The job that read it.
        page: With its corrections.
    """

    job: Job
    page: Page

    @property
    def id(self) -> str:
        """Unique among the pages of all documents: a hash and a number, never the document's name."""
        return f"{self.job.sha256[:16]}-p{self.page.number:04d}"

    @property
    def picture(self) -> str:
        """The path of its picture beside the lines."""
        return f"images/{self.id}.png"

    @property
    def long_side(self) -> int:
        """Pixels of the picture's long side, as the page was rendered to be read."""
        mode = MODES.get(self.page.resolution)
        return mode.long_side if mode else WITHOUT_MODE

    def to_dict(self) -> dict[str, Any]:
        """The example, ready for JSON."""
        task, answer = self._task_and_answer()
        example: dict[str, Any] = {
            "id": self.id,
            "messages": [
                {"role": "user", "content": f"<image>\n{task.prompt}"},
                {"role": "assistant", "content": answer},
            ],
            "images": [self.picture],
            "source": self.job.name,
            "page": self.page.number,
        }
        if self.page.resolution in MODES:
            example["mode"] = self.page.resolution
        return example

    def _task_and_answer(self) -> tuple[Task, str]:
        """The prompt and the answer: with boxes only if each text has one."""
        task = task_named(self.job.options.task)
        blocks = [each for each in self.page.blocks if each.text or each.original is None]
        if task.grounded and all(each.boxes for each in blocks):
            return task, format_page(map(_labelled, blocks)).rstrip("\n")
        return (TASKS["free"] if task.grounded else task), self.page.markdown


def _labelled(block: Block) -> Block:
    return block if block.kind else replace(block, kind="text")


def example_lines(pages: Iterable[TrainingPage]) -> Iterator[bytes]:
    """A line of JSON for each page."""
    for page in pages:
        yield f"{json_line(page.to_dict())}\n".encode()


def example_zip(
    job: Job, pages: Callable[[], Iterable[TrainingPage]], picture: PictureOf
) -> Iterator[bytes]:
    """The lines and the pictures that they name, as a ZIP file in pieces; a page at a time.

    Args:
        job: The job that read the pages.
        pages: Gives its corrected pages; called twice.
        picture: Draws one.
    """
    archive = StreamedZip(job.ended or job.created)
    yield from archive.file(LINES_NAME, example_lines(pages()))
    for page in pages():
        # A PNG file is compressed already.
        drawn = picture(page.page.number, page.long_side)
        yield from archive.file(page.picture, [drawn], compressed=False)
    yield from archive.end()
