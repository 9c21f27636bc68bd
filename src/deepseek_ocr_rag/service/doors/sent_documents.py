"""Stores documents sent within JSON, as base64 or as a URL, on the disk piece by piece."""

from __future__ import annotations

import base64
import binascii
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO, Any, Final

import anyio
import anyio.to_thread
from starlette.exceptions import HTTPException
from starlette.requests import Request

from ...errors import ConfigurationError, JobNotFoundError, SourceNotAllowedError
from ...http_replies import parse_json
from ...sources.fetch import download
from ...sources.urls import is_url
from ..api.asker import owner_of, queue_of, settings_of
from ..api.form_parts import FormPart
from ..api.upload_routes import store_content
from ..jobs import Upload
from .document_names import document_name, name_in_url

__all__ = [
    "discard",
    "json_request",
    "store_again",
    "store_base64",
    "store_data_url",
    "store_part",
    "store_url",
]

MOST_JSON: Final = 64 * 1024 * 1024
"""Most bytes of a JSON body, which is kept in memory while it is parsed."""

IN_MEMORY: Final = 1024 * 1024
"""Bytes of a body that are kept in memory while it comes."""

PARSED_AT_ONCE: Final = 2
DOWNLOADS_AT_ONCE: Final = 8

_PIECE: Final = 4 * 65_536
"""Characters of base64 that are decoded at once; a multiple of four."""


@asynccontextmanager
async def json_request(request: Request) -> AsyncIterator[dict[str, Any]]:
    """The JSON object of a request. Only a few may be open, so leave it once the document is stored.

    Raises:
        HTTPException: 413 if it is too large, 422 if it is not a JSON object.
    """
    with tempfile.SpooledTemporaryFile(IN_MEMORY) as file:
        async for chunk in request.stream():
            if file.tell() + len(chunk) > MOST_JSON:
                raise HTTPException(
                    413,
                    f"a JSON body may have at most {MOST_JSON:,} bytes; send larger documents as a form",
                )
            await anyio.to_thread.run_sync(file.write, chunk)
        async with _limiter(request, "json_slots", PARSED_AT_ONCE):
            yield await anyio.to_thread.run_sync(_parsed, file)


def _parsed(file: IO[bytes]) -> dict[str, Any]:
    file.seek(0)
    try:
        value = parse_json(file.read())
    except ValueError as error:
        raise ConfigurationError("the body is not JSON") from error
    if not isinstance(value, dict):
        raise ConfigurationError("the body is not a JSON object")
    return value


async def discard(request: Request, upload: Upload | None) -> None:
    """Remove a stored document whose request turned out to be wrong."""
    if upload is not None:
        with suppress(JobNotFoundError):
            await anyio.to_thread.run_sync(
                queue_of(request).delete_upload, owner_of(request), upload.id
            )


async def store_part(request: Request, part: FormPart) -> Upload:
    """Store the file of a form as it comes."""
    kind = part.media_type[:127] or "application/octet-stream"
    new = await anyio.to_thread.run_sync(
        queue_of(request).new_upload, owner_of(request), document_name(part.filename), kind
    )
    return await store_content(request, new.id, part.chunks)


async def store_base64(request: Request, text: object, name: str, media_type: str = "") -> Upload:
    """Store a document that was sent as base64.

    Raises:
        ConfigurationError: If it is not base64.
    """
    if not isinstance(text, str) or not text:
        raise ConfigurationError("the document is not text in base64")
    return await _store(request, _decoded(text), name, media_type, "upload_writers")


async def store_data_url(request: Request, url: str, name: str) -> Upload:
    """Store a document that was sent as a ``data:`` URL in base64.

    Raises:
        ConfigurationError: If it is not one.
    """
    head, comma, text = url.partition(",")
    media_type, *parameters = head.removeprefix("data:").split(";")
    if not comma or "base64" not in parameters:
        raise ConfigurationError("the data: URL is not in base64")
    return await store_base64(request, text, name, media_type)


async def store_again(request: Request, upload_id: str) -> Upload:
    """Store an earlier upload again; its bytes are on the disk only once.

    Raises:
        JobNotFoundError: If there is no such upload.
        UploadError: If it has no content.
    """
    queue, owner = queue_of(request), owner_of(request)
    upload = await anyio.to_thread.run_sync(queue.upload, owner, upload_id)
    file = await anyio.to_thread.run_sync(queue.upload_file, owner, upload_id)
    return await _store(request, _pieces(file), upload.name, upload.media_type, "upload_writers")


async def store_url(request: Request, url: str) -> Upload:
    """Download a document, if URLs are allowed.

    Raises:
        SourceNotAllowedError: If they are not, or this one is not.
        SourceError: If it cannot be downloaded.
    """
    policy = settings_of(request).urls
    if policy is None or not is_url(url):
        raise SourceNotAllowedError(
            "this service does not download documents" if policy is None else "this is not a URL",
            remedy="Send the file itself, or start the service with --allow-urls.",
        )
    return await _store(request, download(url, policy), name_in_url(url), "", "downloads")


async def _store(
    request: Request, pieces: Iterable[bytes], name: str, media_type: str, slots: str
) -> Upload:
    """Write a document to the disk in a thread of its own."""
    queue, owner = queue_of(request), owner_of(request)

    def write() -> Upload:
        kind = media_type if 0 < len(media_type) <= 127 else "application/octet-stream"
        upload = queue.new_upload(owner, document_name(name), kind)
        return queue.write_upload(owner, upload.id, iter(pieces))

    limiter = _limiter(request, slots, DOWNLOADS_AT_ONCE)
    return await anyio.to_thread.run_sync(partial(write), limiter=limiter)


def _limiter(request: Request, name: str, slots: int) -> anyio.CapacityLimiter:
    state = request.app.state
    if not hasattr(state, name):
        setattr(state, name, anyio.CapacityLimiter(slots))
    limiter: anyio.CapacityLimiter = getattr(state, name)
    return limiter


def _pieces(file: Path) -> Iterator[bytes]:
    with file.open("rb") as opened:
        while piece := opened.read(IN_MEMORY):
            yield piece


def _decoded(text: str) -> Iterator[bytes]:
    if any(space in text for space in " \r\n\t"):
        text = "".join(text.split())
    for start in range(0, len(text), _PIECE):
        try:
            yield base64.b64decode(text[start : start + _PIECE], validate=True)
        except (binascii.Error, ValueError) as error:
            raise ConfigurationError("the document is not base64") from error
