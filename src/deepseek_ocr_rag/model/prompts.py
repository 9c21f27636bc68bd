"""What the model is asked (tasks) and how large it sees the page (modes).

Source of both: the published model card and scripts of deepseek-ai/DeepSeek-OCR.
What its successors do otherwise says :mod:`.families`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ..errors import ConfigurationError

__all__ = ["END_TOKEN", "MODES", "TASKS", "Mode", "Task", "mode_named", "task_named"]


@dataclass(frozen=True, slots=True)
class Task:
    """A published prompt, or one of the user's own."""

    name: str
    prompt: str  # without ``<image>`` and outer white space
    grounded: bool  # whether the reply carries boxes

    @property
    def ollama_prompt(self) -> str:
        """As Ollama's publisher tested ``deepseek-ocr``; its template puts the image in front."""
        return f"\n{self.prompt}"

    @property
    def custom(self) -> bool:
        """Whether the prompt is the user's own."""
        return self.name.startswith("prompt:")


@dataclass(frozen=True, slots=True)
class Mode:
    """A resolution mode of the published code; how many tiles there are is the model's matter.

    More than ``long_side`` would be thrown away by the model's own resize, whichever it is.
    """

    name: str
    base_size: int  # side of the global view in pixels
    image_size: int  # side of a tile in pixels for the first model; ``base_size`` without tiles
    crop: bool  # whether the page is also cut into tiles
    long_side: int  # pixels of the page's long side worth rendering


TASKS: Final[dict[str, Task]] = {
    task.name: task
    for task in (
        Task("document", "<|grounding|>Convert the document to markdown.", grounded=True),
        Task("ocr", "<|grounding|>OCR this image.", grounded=True),
        Task("free", "Free OCR.", grounded=False),
        Task("figure", "Parse the figure.", grounded=False),
        Task("describe", "Describe this image in detail.", grounded=False),
    )
}
"""By name. ``document`` is what an ingestion wants. Tasks with words of their own
are made by :func:`task_named`."""

IMAGE: Final = "<image>"
"""The place of the page in a published prompt; ours always begin with it."""

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
    """The mode with that name; a ConfigurationError if there is none."""
    try:
        return MODES[name]
    except KeyError:
        raise ConfigurationError(
            f"there is no mode {name!r}", remedy=f"Choose one of {', '.join(MODES)}."
        ) from None


def task_named(name: str) -> Task:
    """The task with that name, or one made of the words behind its colon.

    ``"locate: X"`` asks where X is on the page. ``"prompt: X"`` asks X as it is written, special
    tokens included; ``<|grounding|>`` in it asks for boxes. An ``<image>`` at its head, as
    published prompts have it, is left out, for the page always stands there; a second one is
    refused.
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
            f"the task {name!r} wants an image of its own",
            remedy=f"Leave {IMAGE} out: the page always stands before the prompt.",
        )
    grounded = "<|grounding|>" in prompt or "<|ref|>" in prompt
    return Task(f"{verb}: {words}", prompt, grounded=grounded)


END_TOKEN: Final = "<｜end▁of▁sentence｜>"  # noqa: S105 - a word of the model, no secret
"""Written out by some servers where special tokens are asked for."""
