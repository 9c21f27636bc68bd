"""Records replies and replays them, for tests, demos and bug reports without a model."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

from ..errors import BackendReplyError, BackendUnavailableError, ConfigurationError
from ..setting_names import with_known_settings
from .base import (
    Backend,
    PageRequest,
    Reply,
    begin_loading,
    cards_of,
    has_resolutions,
    on_loading,
    sends_pixels,
    sends_png,
)
from .replay_format import MAX_LINE_BYTES, RecordedReply, read_recording

__all__ = ["RecordingBackend", "ReplayBackend"]

# Only Windows has O_BINARY, and without it would write its own line ends.
_APPEND = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)

_CHUNK = 2**16


@with_known_settings()
class ReplayBackend:
    """Replays recorded replies.

    A page is looked up by document, number and task; a recorded reply without a
    document or a task matches any. A page that was not recorded is a failed page.

    Args:
        replies: Recorded replies, or the texts of pages 1, 2, 3, ...; or a mapping from
            page numbers to texts.

    Example:
        >>> backend = ReplayBackend(["first page", "second page"])
        >>> backend.name
        'replay'
    """

    name = "replay"
    needs_image = False
    reads_text_layer = False

    def __init__(self, replies: Mapping[int, str] | Iterable[str | RecordedReply]) -> None:
        self._replies: dict[tuple[str, int, str], RecordedReply] = {}
        models: dict[str, None] = {}
        for reply in _as_recorded(replies):
            self._replies[reply.sha256, reply.page, reply.task] = reply
            models[reply.model] = None
        self.model = ", ".join(name for name in models if name) or "recorded"

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> ReplayBackend:
        """Read a recording.

        Raises:
            BackendUnavailableError: If the file cannot be read.
            BackendReplyError: If a line is not a recorded reply; the message
                names the line.
        """
        return cls(read_recording(Path(path)))

    def read(self, requests: Iterable[PageRequest]) -> Iterator[Reply]:
        """Look pages up; see :meth:`Backend.read`."""
        for request in requests:
            yield self._reply(request)

    def close(self) -> None:
        """Do nothing: there is nothing to free."""

    def _reply(self, request: PageRequest) -> Reply:
        task = request.task.name
        for key in (
            (request.sha256, request.page, task),
            (request.sha256, request.page, ""),
            ("", request.page, task),
            ("", request.page, ""),
        ):
            found = self._replies.get(key)
            if found is not None:
                return Reply(
                    request.key,
                    found.text,
                    found.finish_reason,
                    tokens=found.tokens,
                    warnings=found.warnings,
                    error=found.error,
                    logprobs=found.logprobs,
                )
        error = BackendReplyError(
            f"no reply to the task {task!r} was recorded for this page",
            source=request.source,
            page=request.page,
            remedy="Record this document with RecordingBackend, or choose other pages.",
        )
        return request.failed(error)


@with_known_settings()
class RecordingBackend:
    """Passes pages to another backend, and appends its replies to a recording.

    Only the file's owner can read it, as it contains the documents' text. Every reply
    is one write, so that several recorders may share a file. If the disk is full, the
    reply carries a warning that it was not recorded; a line that an earlier recorder
    could not finish is removed.

    Args:
        backend: The backend that reads. It is closed with this one.
        path: The file to append to.

    Raises:
        BackendUnavailableError: If the file cannot be written.
    """

    def __init__(self, backend: Backend, path: str | os.PathLike[str]) -> None:
        self._backend = backend
        self._path = Path(path)
        try:
            self._file: int | None = os.open(self._path, _APPEND, 0o600)
            _drop_torn_line(self._file)
        except OSError as error:
            raise BackendUnavailableError(
                f"the recording {self._path} cannot be written ({error.strerror})",
                remedy="Name a file in a writable folder.",
            ) from error

    @property
    def name(self) -> str:
        """The recorded backend's name."""
        return self._backend.name

    @property
    def model(self) -> str:
        """The recorded backend's model."""
        return self._backend.model

    @property
    def needs_image(self) -> bool:
        """Whether the recorded backend needs images."""
        return self._backend.needs_image

    @property
    def sends_png(self) -> bool:
        """Whether the recorded backend passes images on as files."""
        return sends_png(self._backend)

    @property
    def sends_pixels(self) -> bool:
        """Whether the recorded backend passes images on as pixels."""
        return sends_pixels(self._backend)

    @property
    def cards(self) -> int:
        """How many cards the recorded backend reads on."""
        return cards_of(self._backend)

    def begin_loading(self) -> None:
        """Have the recorded backend load its model."""
        begin_loading(self._backend)

    def on_loading(self, call: Callable[[], object]) -> None:
        """Have the recorded backend call a bound method when it begins to load its model."""
        on_loading(self._backend, call)

    @property
    def reads_text_layer(self) -> bool:
        """Whether the recorded backend reads text layers."""
        return self._backend.reads_text_layer

    @property
    def has_resolutions(self) -> bool:
        """Whether the recorded backend reads pages at one of the model's resolutions."""
        return has_resolutions(self._backend)

    def read(self, requests: Iterable[PageRequest]) -> Iterator[Reply]:
        """Read pages and record the replies; see :meth:`Backend.read`."""
        asked: dict[int, RecordedReply] = {}

        def noted() -> Iterator[PageRequest]:
            for request in requests:
                # Not the request itself: it would keep the page's image in memory.
                asked[request.key] = RecordedReply(
                    request.page, "", request.sha256, request.task.name, request.resolution.name
                )
                yield request

        replies = self._backend.read(noted())
        try:
            for reply in replies:
                problem = None
                if reply.key in asked:
                    problem = self._record(asked.pop(reply.key), reply)
                yield replace(reply, warnings=(*reply.warnings, problem)) if problem else reply
        finally:
            close = getattr(replies, "close", None)
            if close is not None:
                close()

    def close(self) -> None:
        """Close the file and the recorded backend."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)
            self._backend.close()

    def _record(self, asked: RecordedReply, reply: Reply) -> str | None:
        """Append a reply; return why that failed, or None."""
        if self._file is None:
            raise BackendUnavailableError(
                f"the recording {self._path} cannot be written (it is closed)",
                remedy="Make a new RecordingBackend.",
            )
        recorded = replace(
            asked,
            text=reply.text,
            finish_reason=reply.finish_reason,
            tokens=reply.tokens,
            warnings=reply.warnings,
            error=reply.error,
            backend=self.name,
            model=self.model,
            logprobs=reply.logprobs,
        )
        line = recorded.to_json().encode("utf-8", "backslashreplace") + b"\n"
        try:
            _append(self._file, line)
        except OSError as error:
            return f"this page was not recorded in {self._path} ({error.strerror})"
        return None


def _append(file: int, line: bytes) -> None:
    """Write the whole line, or nothing."""
    written = 0
    try:
        while written < len(line):
            written += os.write(file, line[written:])
    except OSError:
        end = os.lseek(file, 0, os.SEEK_CUR)
        if written and os.fstat(file).st_size == end:
            os.ftruncate(file, end - written)
        raise


def _drop_torn_line(file: int) -> None:
    """Remove the unfinished last line that a crash or a full disk left."""
    size = os.lseek(file, 0, os.SEEK_END)
    kept = size
    while kept:
        start = max(0, kept - _CHUNK)
        os.lseek(file, start, os.SEEK_SET)
        found = os.read(file, kept - start).rfind(b"\n")
        if found >= 0:
            kept = start + found + 1
            break
        kept = start
    if kept == size:
        return
    os.lseek(file, kept, os.SEEK_SET)
    try:
        json.loads(os.read(file, MAX_LINE_BYTES))
    except (ValueError, RecursionError):
        os.ftruncate(file, kept)
    else:
        # The last line is complete, and lacks only its line end.
        os.write(file, b"\n")


def _as_recorded(
    replies: Mapping[int, str] | Iterable[str | RecordedReply],
) -> Iterator[RecordedReply]:
    if isinstance(replies, str):
        raise ConfigurationError(
            "a single text is not a recording",
            remedy="Use ReplayBackend.from_file(path), or a list.",
        )
    if isinstance(replies, Mapping):
        texts = cast("Mapping[int, str]", replies)
        yield from (RecordedReply(page, text) for page, text in texts.items())
        return
    for number, reply in enumerate(replies, start=1):
        yield reply if isinstance(reply, RecordedReply) else RecordedReply(number, reply)
