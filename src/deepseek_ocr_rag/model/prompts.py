"""Tasks (the prompts) and modes (the resolution of the page).

Source of both: the published model card and scripts of deepseek-ai/DeepSeek-OCR.
:mod:`.families` says how its successors differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ..errors import ConfigurationError

__all__ = ["END_TOKEN", "MODES", "TASKS", "Mode", "Task", "mode_named", "task_named"]


@dataclass(frozen=True, slots=True)
class Task:
    """A published prompt or the user's own.

    ``ollama_prompt`` is the form that the publisher of Ollama's ``deepseek-ocr`` tested; the
    template of that model puts the image in front.
    """

    name: str  # in our API
    prompt: str  # without ``<image>`` and outer white space
    ollama_prompt: str
    grounded: bool  # whether the reply carries boxes

    @property
    def custom(self) -> bool:
        """Whether the prompt is the user's own."""
        return self.name.startswith("prompt:")


@dataclass(frozen=True, slots=True)
class Mode:
    """A resolution mode of the published code.

    ``long_side`` is the number of pixels worth rendering for the page's long side; every model
    discards more than that when it resizes the page.
    """

    name: str  # as published
    base_size: int  # side of the global view in pixels
    image_size: int  # side of a first model's tile in pixels; ``base_size`` without tiles
    crop: bool  # whether the page is also cut into tiles; size and number depend on the model
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
            "ocr", "<|grounding|>OCR this image.", "\n<|grounding|>OCR this image.", grounded=True
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
"""By name. ``document`` is for ingestion. :func:`task_named` makes tasks with the
user's own words."""

IMAGE: Final = "<image>"
"""Marks where the page is in a published prompt; here it always comes first."""

MODES: Final[dict[str, Mode]] = {
    mode.name: mode
    for mode in (
        Mode("tiny", 512, 512, crop=False, long_side=512),
        Mode("small", 640, 640, crop=False, long_side=640),
        Mode("base", 1024, 1024, crop=False, long_side=1024),
        Mode("large", 1280, 1280, crop=False, long_side=1280),
        # An A4 page becomes 2 x 3 tiles, which have 768 pixels in DeepSeek-OCR-2.
        Mode("gundam", 1024, 640, crop=True, long_side=3 * 768),
    )
}


def mode_named(name: str) -> Mode:
    """Return the mode with a name.

    Raises:
        ConfigurationError: If there is none.
    """
    try:
        return MODES[name]
    except KeyError:
        raise ConfigurationError(
            f"there is no resolution {name!r}", remedy=f"Choose one of {', '.join(MODES)}."
        ) from None


def task_named(name: str) -> Task:
    """Return the task with a name, or make one from the words after the colon.

    ``"locate: X"`` asks where X is on the page. ``"prompt: X"`` sends X as it is, special tokens
    included; ``<|grounding|>`` in it asks for boxes. A leading ``<image>``, which published prompts
    have, is dropped, because the page is always there.

    Raises:
        ConfigurationError: If there is no such task, or if the prompt contains ``<image>`` after
            its start.
    """
    if name in TASKS:
        return TASKS[name]
    verb, _, words = name.partition(":")
    words = words.strip()
    prompt = ""
    if verb == "prompt":
        prompt = words = words.removeprefix(IMAGE).strip()
    elif verb == "locate":
        # Tag markers inside the request would end its own reference early.
        words = words.replace("<|", "").replace("|>", "").strip()
        prompt = words and f"Locate <|ref|>{words}<|/ref|> in the image."
    if not prompt:
        raise ConfigurationError(
            f"there is no task {name!r}",
            remedy=f"Choose one of {', '.join(TASKS)}, 'locate: what to find', "
            "or 'prompt: any words'.",
        )
    if IMAGE in prompt:
        raise ConfigurationError(
            f"the task {name!r} contains {IMAGE}",
            remedy=f"Leave {IMAGE} out: the page always comes before the prompt.",
        )
    grounded = "<|grounding|>" in prompt or "<|ref|>" in prompt
    return Task(f"{verb}: {words}", prompt, f"\n{prompt}", grounded=grounded)


END_TOKEN: Final = "<｜end▁of▁sentence｜>"  # noqa: S105 - a token of the model, not a secret
"""The end token; some servers return it when special tokens are requested."""
