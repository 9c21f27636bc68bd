"""The file format of recorded replies.

A recording is a JSON Lines file, one reply a line::

    {"sha256": "...", "page": 1, "task": "document", "resolution": "gundam",
     "text": "<|ref|>...", "finish_reason": "stop", "tokens": 812,
     "backend": "server", "model": "deepseek-ai/DeepSeek-OCR",
     "logprobs": [[7, -0.0012], [11, -0.3307], ...]}

``page`` and ``text`` are required, the rest is optional. If several lines match a page
equally well, the last one counts. ``logprobs`` are pairs of end and natural
log-probability, as in :class:`~deepseek_ocr_rag.TokenLogprob`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, get_args

from ..document.grammar.confidence import LEAST_LOGPROB, TokenLogprob
from ..document.types import FinishReason
from ..errors import BackendReplyError, BackendUnavailableError

__all__ = ["RecordedReply", "read_recording"]

MAX_LINE_BYTES: Final = 16 * 2**20
MAX_FILE_BYTES: Final = 512 * 2**20
"""A recording is held in memory; 512 MiB are about 100,000 pages."""

LOGPROB_DIGITS: Final = 4
"""Decimal places; rounding changes a probability by at most 0.005 percent."""

_TEXT_FIELDS: Final = ("sha256", "task", "resolution", "backend", "model")
_PAIRS: Final = ([int, float], [int, int])


@dataclass(frozen=True, slots=True)
class RecordedReply:
    """One line of a recording; fields without a comment are those of :class:`Reply`."""

    page: int  # 1-based
    text: str
    sha256: str = ""  # of the document; "" matches every document
    task: str = ""  # its name; "" matches every task
    resolution: str = ""  # for information only
    finish_reason: FinishReason = "stop"
    tokens: int | None = None
    warnings: tuple[str, ...] = ()
    error: str | None = None
    backend: str = ""
    model: str = ""
    logprobs: tuple[TokenLogprob, ...] = ()

    def to_json(self) -> str:
        """Return the line, without its line end."""
        values = {name: getattr(self, name) for name in self.__slots__ if name != "logprobs"}
        if self.logprobs:
            values["logprobs"] = [
                [token.end, round(max(LEAST_LOGPROB, token.logprob), LOGPROB_DIGITS)]
                for token in self.logprobs
            ]
        return json.dumps(values, ensure_ascii=False)


def read_recording(path: Path) -> Iterator[RecordedReply]:
    """Read the replies in a file, in order.

    Raises:
        BackendUnavailableError: If the file cannot be read, or is too large.
        BackendReplyError: If a line is not a recorded reply; the message names the line.
    """
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size > MAX_FILE_BYTES:
                raise BackendUnavailableError(
                    f"the recording {path} is larger than {MAX_FILE_BYTES // 2**20} MiB",
                    remedy="Split it by document.",
                )
            number = 0
            while line := file.readline(MAX_LINE_BYTES + 1):
                number += 1
                if len(line) > MAX_LINE_BYTES:
                    raise _bad(path, number, "it is too long")
                if line.strip():
                    yield _parse(line, path, number)
    except OSError as error:
        raise BackendUnavailableError(
            f"the recording {path} cannot be read ({error.strerror})",
            remedy="Name a file that RecordingBackend wrote.",
        ) from error


def _parse(line: bytes, path: Path, number: int) -> RecordedReply:
    try:
        data = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _bad(path, number, "it is not JSON") from error
    if not isinstance(data, dict):
        raise _bad(path, number, "it is not a JSON object")
    if "mode" in data:  # in recordings from before the field was renamed
        data.setdefault("resolution", data.pop("mode"))
    names = RecordedReply.__slots__
    known: dict[str, Any] = {name: data[name] for name in names if data.get(name) is not None}
    problem = _problem(known)
    if problem:
        raise _bad(path, number, problem)
    known["warnings"] = tuple(known.get("warnings", ()))
    known["logprobs"] = tuple(TokenLogprob(*pair) for pair in known.get("logprobs", ()))
    return RecordedReply(**known)


def _problem(known: dict[str, Any]) -> str | None:
    """Say why a line is not a recorded reply; None if it is one."""
    page, tokens, warnings = known.get("page"), known.get("tokens"), known.get("warnings", [])
    if not isinstance(page, int) or isinstance(page, bool) or page < 1:
        return "'page' is not a page number"
    if not isinstance(known.get("text"), str):
        return "'text' is not a string"
    if known.get("finish_reason", "stop") not in get_args(FinishReason):
        return "'finish_reason' is unknown"
    if tokens is not None and (not isinstance(tokens, int) or isinstance(tokens, bool)):
        return "'tokens' is not a number"
    if not isinstance(warnings, list) or not all(isinstance(item, str) for item in warnings):
        return "'warnings' is not a list of strings"
    wrong = [name for name in (*_TEXT_FIELDS, "error") if not isinstance(known.get(name, ""), str)]
    if wrong:
        return f"{wrong[0]!r} is not a string"
    if not _are_logprobs(known.get("logprobs", []), len(known["text"])):
        return (
            "'logprobs' are not pairs of ascending ends in the text and log-probabilities up to 0"
        )
    return None


def _are_logprobs(pairs: object, longest: int) -> bool:
    if not isinstance(pairs, list):
        return False
    before = 0
    for pair in pairs:
        if not isinstance(pair, list) or [type(value) for value in pair] not in _PAIRS:
            return False
        end, logprob = pair
        if not (before <= end <= longest and logprob <= 0):
            return False
        before = end
    return True


def _bad(path: Path, number: int, problem: str) -> BackendReplyError:
    return BackendReplyError(
        f"line {number} of the recording {path} cannot be used: {problem}",
        remedy="Repair or remove that line.",
    )
