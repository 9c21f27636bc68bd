"""What the model is asked (tasks) and how large it sees the page (modes).

Source of both: the published model card and scripts of deepseek-ai/DeepSeek-OCR.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from .errors import ConfigurationError

__all__ = ["MODES", "TASKS", "Mode", "Task", "mode_named", "task_named"]


@dataclass(frozen=True, slots=True)
class Task:
    """A published prompt.

    Attributes:
        name: What our API calls it.
        prompt: The published text without ``<image>`` and outer white space.
        ollama_prompt: The form that Ollama's ``deepseek-ocr`` was tested with
            by its publisher; its template puts the image in front.
        grounded: Whether the reply carries boxes.
    """

    name: str
    prompt: str
    ollama_prompt: str
    grounded: bool


@dataclass(frozen=True, slots=True)
class Mode:
    """A resolution mode of the published code.

    Attributes:
        name: What everybody calls it.
        base_size: Side of the global view in pixels.
        image_size: Side of a tile in pixels (equal to ``base_size`` without tiles).
        crop: Whether the page is also cut into tiles.
        long_side: Pixels of the page's long side worth rendering: more is
            thrown away by the model's own resize.
    """

    name: str
    base_size: int
    image_size: int
    crop: bool
    long_side: int


TASKS: Final[dict[str, Task]] = {
    task.name: task
    for task in (
        Task(
            "document",
            "<|grounding|>Convert the document to markdown.",
            "\n<|grounding|>Convert the document to markdown.",
            grounded=True,
        ),
        Task(
            "ocr",
            "<|grounding|>OCR this image.",
            "\n<|grounding|>OCR this image.",
            grounded=True,
        ),
        Task("free", "Free OCR.", "\nFree OCR.", grounded=False),
        Task("figure", "Parse the figure.", "\nParse the figure.", grounded=False),
        Task(
            "describe",
            "Describe this image in detail.",
            "\nDescribe this image in detail.",
            grounded=False,
        ),
    )
}
"""By name. ``document`` is what an ingestion wants; ``locate`` needs its own
words and is made by :func:`task_named` from ``"locate: the total"``."""

MODES: Final[dict[str, Mode]] = {
    mode.name: mode
    for mode in (
        Mode("tiny", 512, 512, crop=False, long_side=512),
        Mode("small", 640, 640, crop=False, long_side=640),
        Mode("base", 1024, 1024, crop=False, long_side=1024),
        Mode("large", 1280, 1280, crop=False, long_side=1280),
        # An A4 page becomes 2 x 3 tiles of 640: 1920 pixels of height are used.
        Mode("gundam", 1024, 640, crop=True, long_side=1920),
    )
}


def mode_named(name: str) -> Mode:
    """The mode with that name.

    Raises:
        ConfigurationError: If there is none.
    """
    try:
        return MODES[name]
    except KeyError:
        raise ConfigurationError(
            f"there is no mode {name!r}", remedy=f"Choose one of {', '.join(MODES)}."
        ) from None


def task_named(name: str) -> Task:
    """The task with that name; ``"locate: X"`` asks where X is on the page.

    Raises:
        ConfigurationError: If there is none.
    """
    if name in TASKS:
        return TASKS[name]
    verb, colon, what = name.partition(":")
    # Tag markers inside the request would end its own reference early.
    what = what.replace("<|", "").replace("|>", "").strip()
    if verb == "locate" and colon and what:
        prompt = f"Locate <|ref|>{what}<|/ref|> in the image."
        return Task(name, prompt, f"\n{prompt}", grounded=True)
    raise ConfigurationError(
        f"there is no task {name!r}",
        remedy=f"Choose one of {', '.join(TASKS)}, or 'locate: what to find'.",
    )
