"""Reads a model's file, with its layout tokens shown: the same bytes except for eight types."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from ...errors import BackendReplyError, BackendUnavailableError
from .gguf_header import CONTROL, USER_DEFINED, TokenType, read_layout_tokens

__all__ = ["ModelFile", "open_model_file"]

CHUNK: Final = 4 * 2**20
"""Bytes that are read at a time: a file of 6.7 GB is never in memory."""


@dataclass(frozen=True, slots=True)
class ModelFile:
    """An open GGUF file."""

    path: Path
    size: int  # bytes
    tokens: tuple[TokenType, ...]  # the layout tokens
    _file: BinaryIO

    @property
    def hides_layout(self) -> bool:
        """Whether llama.cpp withholds at least one layout token."""
        return any(token.kind == CONTROL for token in self.tokens)

    def digest(self) -> str:
        """Compute the SHA-256 of the unchanged file, in Ollama's form."""
        return _digest(self._chunks(0, self.size))

    def shown_digest(self) -> str:
        """Compute the same of the file with all layout tokens shown."""
        return _digest(self.shown())

    def shown(self) -> Iterator[bytes]:
        """Yield the file with all layout tokens shown, in pieces."""
        location = 0
        for token in self.tokens:
            yield from self._chunks(location, token.offset)
            kind = USER_DEFINED if token.kind == CONTROL else token.kind
            yield kind.to_bytes(4, "little")
            location = token.offset + 4
        yield from self._chunks(location, self.size)

    def _chunks(self, start: int, end: int) -> Iterator[bytes]:
        self._file.seek(start)
        while start < end:
            data = self._file.read(min(CHUNK, end - start))
            if not data:
                raise BackendReplyError(f"{self.path} became shorter while it was read")
            start += len(data)
            yield data


@contextmanager
def open_model_file(path: Path) -> Iterator[ModelFile]:
    """Open a model's file and read its header.

    Raises:
        BackendUnavailableError: If this user cannot read it; without a remedy, which depends on how
            Ollama runs.
        BackendReplyError: If it is not DeepSeek-OCR's.
    """
    try:
        # Nonblocking, as opening a pipe would wait for its writer.
        number = os.open(
            path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        )
    except (OSError, ValueError) as error:
        words = getattr(error, "strerror", None) or str(error)
        raise BackendUnavailableError(f"{path} cannot be read here ({words})") from error
    with os.fdopen(number, "rb") as file:
        status = os.fstat(number)
        if not stat.S_ISREG(status.st_mode):
            raise BackendUnavailableError(f"{path} is not a file")
        try:
            tokens = read_layout_tokens(file)
        except BackendReplyError as error:
            raise BackendReplyError(
                f"{path} is not DeepSeek-OCR: {error.problem}",
                remedy="Name the installed model with --from.",
            ) from error
        yield ModelFile(path, status.st_size, tokens, file)


def _digest(chunks: Iterator[bytes]) -> str:
    found = hashlib.sha256()
    for chunk in chunks:
        found.update(chunk)
    return f"sha256:{found.hexdigest()}"
