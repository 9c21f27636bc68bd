"""Multipart forms piece by piece: nothing is kept in memory but the part that is being sent."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.exceptions import HTTPException
from starlette.requests import Request

__all__ = ["FormPart", "form_parts"]

MOST_PARTS: Final = 64
MOST_TEXT: Final = 16 * 1024
"""Most bytes of a part that is not a file."""

Piece = tuple[str, bytes]
"""What the parser found: "field", "value", "line", "begin", "data" or "end", and its bytes."""


@dataclass(frozen=True, slots=True)
class FormPart:
    """A part of a form.

    Attributes:
        name: Of the field.
        filename: Of the file; None for a field with text.
        media_type: As the client named it, without parameters; "" if it did not.
        chunks: The bytes as they come; read them before the next part.
    """

    name: str
    filename: str | None
    media_type: str
    chunks: AsyncIterator[bytes]

    async def text(self) -> str:
        """The value of a field.

        Raises:
            HTTPException: 422 if it is longer than :data:`MOST_TEXT`, or not UTF-8.
        """
        value = bytearray()
        async for chunk in self.chunks:
            value += chunk
            if len(value) > MOST_TEXT:
                raise HTTPException(422, f"the field {self.name[:64]!r} is too long")
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            raise HTTPException(422, f"the field {self.name[:64]!r} is not UTF-8") from None


async def form_parts(request: Request) -> AsyncIterator[FormPart]:
    """The parts of a request's form in their order.

    Yields:
        One part at a time. What was not read of it is skipped.

    Raises:
        HTTPException: 415 if the body is not a form, 400 or 422 if it is malformed.
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise HTTPException(415, "send a multipart/form-data body with a boundary")
    pieces = _pieces(request, boundary)
    for _ in range(MOST_PARTS):
        headers = await _headers(pieces)
        if headers is None:
            return
        part = _part(headers, _data(pieces))
        yield part
        async for _skipped in part.chunks:
            pass
    raise HTTPException(422, f"the form has more than {MOST_PARTS} parts")


async def _pieces(request: Request, boundary: bytes) -> AsyncIterator[Piece]:
    found: deque[Piece] = deque()
    ended = False

    def spans(kind: str) -> object:
        return lambda data, start, end: found.append((kind, bytes(data[start:end])))

    def marks(kind: str) -> object:
        return lambda: found.append((kind, b""))

    def end() -> None:
        nonlocal ended
        ended = True

    try:
        parser = MultipartParser(
            boundary,
            {  # type: ignore[arg-type]
                "on_header_field": spans("field"),
                "on_header_value": spans("value"),
                "on_header_end": marks("line"),
                "on_headers_finished": marks("begin"),
                "on_part_data": spans("data"),
                "on_part_end": marks("end"),
                "on_end": end,
            },
        )
        async for chunk in request.stream():
            if chunk:
                parser.write(chunk)
            while found:
                yield found.popleft()
    except FormParserError:
        raise HTTPException(400, "the form is malformed") from None
    if not ended:
        raise HTTPException(400, "the form is incomplete: send all of it")


async def _headers(pieces: AsyncIterator[Piece]) -> dict[str, bytes] | None:
    """The headers of the next part by their names in lower case; None after the last part."""
    headers: dict[str, bytes] = {}
    field = value = b""
    async for kind, data in pieces:
        if kind == "field":
            field += data
        elif kind == "value":
            value += data
        elif kind == "line":
            headers[field.decode("latin-1").lower()] = value
            field = value = b""
        elif kind == "begin":
            return headers
    return None


async def _data(pieces: AsyncIterator[Piece]) -> AsyncIterator[bytes]:
    async for kind, data in pieces:
        if kind == "end":
            return
        yield data


def _part(headers: dict[str, bytes], chunks: AsyncIterator[bytes]) -> FormPart:
    kind, options = parse_options_header(headers.get("content-disposition", b""))
    name, filename = options.get(b"name"), options.get(b"filename")
    if kind != b"form-data" or name is None:
        raise HTTPException(422, "a part of the form has no name")
    media_type, _ = parse_options_header(headers.get("content-type", b""))
    return FormPart(
        name.decode("utf-8", "replace"),
        None if filename is None else filename.decode("utf-8", "replace"),
        media_type.decode("latin-1"),
        chunks,
    )
