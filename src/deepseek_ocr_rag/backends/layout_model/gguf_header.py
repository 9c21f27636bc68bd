"""Finds the layout tokens in the header of a GGUF file, without reading the rest.

Format: ``docs/gguf.md`` of ggml, versions 2 and 3, little endian. The header is a list of
names and values; two of them hold the texts and the types of all tokens. A file may lie about
its lengths, so everything is bounded.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO, Final

from ...errors import BackendReplyError

__all__ = ["CONTROL", "LAYOUT_TOKENS", "USER_DEFINED", "TokenType", "read_layout_tokens"]

LAYOUT_TOKENS: Final = (
    *("<|ref|>", "<|/ref|>", "<|det|>", "<|/det|>"),
    *("<td>", "</td>", "<tr>", "</tr>"),
)
"""The marks of blocks, boxes and cells in DeepSeek-OCR's vocabulary."""

CONTROL: Final = 3
"""Type of a token that llama.cpp does not write out."""

USER_DEFINED: Final = 4
"""Type of a token that it does."""

_SCALARS: Final = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
"""Bytes of a value, by type."""

_UINT32, _INT32, _STRING, _ARRAY = 4, 5, 8, 9

MOST_BYTES: Final = 256 * 2**20
"""Largest header; that of DeepSeek-OCR has 7 MB."""

MOST_VALUES: Final = 10_000
MOST_TEXTS: Final = 4_000_000
"""Most entries of an array; DeepSeek-OCR has 129,280 tokens."""


@dataclass(frozen=True, slots=True)
class TokenType:
    """The type of a token, and where the file stores it."""

    token: str
    offset: int  # of the type's four bytes in the file
    kind: int  # :data:`CONTROL`, :data:`USER_DEFINED` or another type of GGUF


def read_layout_tokens(file: BinaryIO) -> tuple[TokenType, ...]:
    """Read the types of :data:`LAYOUT_TOKENS`, in their order in the file.

    Raises:
        BackendReplyError: If it is not a GGUF file, is damaged, or lacks one of these tokens.
    """
    header = _Header(file)
    tokens: dict[str, int] = {}
    types: _Types | None = None
    for _ in range(header.begin()):
        name = header.text()
        kind = header.number(4)
        if name == "tokenizer.ggml.tokens" and kind == _ARRAY:
            tokens = header.indexes_of(LAYOUT_TOKENS)
        elif name == "tokenizer.ggml.token_type" and kind == _ARRAY:
            types = header.types()
        else:
            header.skip(kind)
        if types is not None and tokens:
            break
    if types is None or set(tokens) != set(LAYOUT_TOKENS):
        raise BackendReplyError("it does not have the layout tokens of DeepSeek-OCR")
    if max(tokens.values()) >= types.count:
        raise BackendReplyError("it has fewer token types than tokens")
    found = []
    for token, number in tokens.items():
        offset = types.offset + 4 * number
        file.seek(offset)
        found.append(TokenType(token, offset, int.from_bytes(file.read(4), "little")))
    return tuple(sorted(found, key=lambda each: each.offset))


@dataclass(frozen=True, slots=True)
class _Types:
    offset: int
    count: int


class _Header:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._offset = 0

    def begin(self) -> int:
        """Check the kind of file, and return how many values its header has."""
        if self._bytes(4) != b"GGUF":
            raise BackendReplyError("it is not a GGUF file")
        version = self.number(4)
        if version not in (2, 3):
            raise BackendReplyError(f"it is GGUF of version {version}, not 2 or 3")
        self._bytes(8)
        count = self.number(8)
        if count > MOST_VALUES:
            raise BackendReplyError("its header is damaged: too many values")
        return count

    def number(self, size: int) -> int:
        return int.from_bytes(self._bytes(size), "little")

    def text(self) -> str:
        return self._bytes(self.number(8)).decode("utf-8", "replace")

    def indexes_of(self, wanted: tuple[str, ...]) -> dict[str, int]:
        """Find the index of each text in an array of texts; if it occurs twice, the last one."""
        kind, count = self._array()
        if kind != _STRING:
            raise BackendReplyError("its tokens are not text")
        names = {text.encode(): text for text in wanted}
        found = {}
        for number in range(count):
            name = names.get(self._bytes(self.number(8)))
            if name is not None:
                found[name] = number
        return found

    def types(self) -> _Types:
        kind, count = self._array()
        if kind not in (_UINT32, _INT32):
            raise BackendReplyError("its token types are not numbers")
        found = _Types(self._offset, count)
        self._bytes(4 * count)
        return found

    def skip(self, kind: int) -> None:
        """Skip a value."""
        if kind == _STRING:
            self.text()
        elif kind == _ARRAY:
            of, count = self._array()
            if of == _STRING:
                for _ in range(count):
                    self._bytes(self.number(8))
            else:
                self._bytes(count * self._size(of))
        else:
            self._bytes(self._size(kind))

    def _array(self) -> tuple[int, int]:
        kind, count = struct.unpack("<IQ", self._bytes(12))
        if count > MOST_TEXTS:
            raise BackendReplyError("its header is damaged: an array is too long")
        return kind, count

    @staticmethod
    def _size(kind: int) -> int:
        try:
            return _SCALARS[kind]
        except KeyError:
            raise BackendReplyError(f"its header has a value of the unknown type {kind}") from None

    def _bytes(self, size: int) -> bytes:
        self._offset += size
        if self._offset > MOST_BYTES:
            raise BackendReplyError("its header is damaged: it has no end")
        data = self._file.read(size)
        if len(data) != size:
            raise BackendReplyError("it ends in the middle of its header")
        return data
