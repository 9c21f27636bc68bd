"""Reads samples from JSONL: chats with pictures, and pairs of a picture and its text."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ..errors import SourceError, UnusableLineError
from ..model.prompts import MODES
from ..sources.allowed_paths import resolve_inside
from .samples import DOCUMENT_PROMPT, SampleProblem, SampleSet, TrainingSample

__all__ = ["read_lines"]

IMAGE: Final = "<image>"
LONGEST_LINE: Final = 4 * 2**20
"""Most bytes of a line; a page of 8,192 tokens has some 30,000."""
LONGEST_ID: Final = 200
KNOWN: Final = frozenset(
    ("id", "messages", "images", "image", "file_name", "text", "mode", "split", "source", "page")
)


def read_lines(path: Path, *, prompt: str = DOCUMENT_PROMPT) -> SampleSet:
    """Read a JSONL file; pictures are beside it or below.

    Args:
        path: The file. Its lines have ``messages`` and ``images``, or ``image`` (or ``file_name``)
            and ``text``, as on the Hugging Face hub.
        prompt: The prompt for lines without messages.

    Raises:
        SourceError: If the file cannot be read.
    """
    samples: list[TrainingSample] = []
    problems: list[SampleProblem] = []
    unknown: Counter[str] = Counter()
    seen: set[str] = set()
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                name = f"{path.name}:{number}"
                try:
                    sample = _sample(line, name, path.parent, prompt, unknown)
                    if sample.id in seen:
                        raise UnusableLineError("another line has this id")
                    seen.add(sample.id)
                    samples.append(sample)
                except UnusableLineError as error:
                    problems.append(SampleProblem(name, str(error)))
    except OSError as error:
        raise SourceError(
            f"cannot be read ({error.strerror})", source=str(path), remedy="Check the path."
        ) from error
    notes = [
        f"{path.name}: {count} lines have {key!r}, which is not used"
        for key, count in sorted(unknown.items())
    ]
    return SampleSet(tuple(samples), tuple(problems), tuple(notes))


def _sample(
    line: bytes, name: str, folder: Path, prompt: str, unknown: Counter[str]
) -> TrainingSample:
    if len(line) > LONGEST_LINE:
        raise UnusableLineError(f"longer than {LONGEST_LINE:,} bytes")
    try:
        data = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UnusableLineError(f"not JSON: {str(error)[:120]}") from error
    if not isinstance(data, dict):
        raise UnusableLineError("not a JSON object")
    unknown.update(str(key)[:60] for key in data.keys() - KNOWN)
    ident = _text(data, "id", name)
    if not 0 < len(ident) <= LONGEST_ID:
        raise UnusableLineError(f"its id must have 1 to {LONGEST_ID} characters")
    if "messages" in data:
        asked, answer = _messages(data["messages"])
        images = data.get("images")
        if not isinstance(images, list) or len(images) != 1 or not isinstance(images[0], str):
            raise UnusableLineError("images must be a list with exactly one path")
        image = images[0]
    else:
        asked, answer = prompt, _text(data, "text", None)
        image = _text(data, "image", None) if "image" in data else _text(data, "file_name", None)
    mode, split = data.get("mode"), data.get("split")
    if mode is not None and mode not in MODES:
        raise UnusableLineError(f"there is no mode {mode!r}; choose one of {', '.join(MODES)}")
    if split not in (None, "train", "validation"):
        raise UnusableLineError(f"split is {split!r}; it must be 'train' or 'validation'")
    page = data.get("page")
    if page is not None and (type(page) is not int or page < 1):
        raise UnusableLineError("page must be a whole number from 1")
    source = data.get("source")
    return TrainingSample(
        id=ident,
        image=_inside(folder, image),
        prompt=asked,
        answer=answer,
        mode=mode,
        split=split,
        source=None if source is None else _text(data, "source", None),
        page=page,
    )


def _messages(messages: object) -> tuple[str, str]:
    if not isinstance(messages, list) or not all(isinstance(each, dict) for each in messages):
        raise UnusableLineError("messages must be a list of objects")
    roles = [each.get("role") for each in messages]
    if roles != ["user", "assistant"]:
        raise UnusableLineError(
            f"messages have the roles {roles}; the model takes one from the user and one from the "
            "assistant, and no others"
        )
    asked, answer = (_content(each.get("content")) for each in messages)
    if asked.count(IMAGE) != 1 or not asked.startswith(IMAGE):
        raise UnusableLineError(f"the user's message must begin with {IMAGE}, once")
    return asked.removeprefix(IMAGE).strip(), answer


def _content(content: object) -> str:
    """Return the text of a message, which may be a list of parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, list) and all(isinstance(part, dict) for part in content):
        texts = [IMAGE if part.get("type") == "image" else part.get("text") for part in content]
        if all(isinstance(text, str) for text in texts):
            return "".join(str(text) for text in texts)
    raise UnusableLineError("a message's content must be text, or a list of text and image parts")


def _text(data: Mapping[str, Any], key: str, default: str | None) -> str:
    value = data.get(key, default)
    if not isinstance(value, str):
        raise UnusableLineError(f"{key!r} must be text" if key in data else f"{key!r} is missing")
    return value


def _inside(folder: Path, image: str) -> Path:
    """Return the picture's path, which must stay inside the data's folder."""
    try:
        return resolve_inside(folder, image)
    except SourceError as error:
        raise UnusableLineError(f"picture {image[:120]!r}: {error}") from error
