"""Serves the files of the page from a fixed list, so that no request can name a file.

They need no key, because they hold no user's data; the page asks for data with the key.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from .static_list import STATIC_FILES

__all__ = ["PAGE_PATHS", "ROUTER"]

ROUTER: Final = APIRouter(include_in_schema=False)

PAGE_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""What the page may load: its own files and the service's replies, nothing else."""

MEDIA_TYPES: Final = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "txt": "text/plain; charset=utf-8",
}

PAGE_PATHS: Final = {
    "/": "index.html",
    **{f"/page/{name}": name for name in STATIC_FILES if name != "index.html"},
}
"""The file behind each path."""


@cache
def content(name: str) -> tuple[bytes, str]:
    """The bytes of a file of the page, and their ETag."""
    found = files(__package__).joinpath("static", *name.split("/")).read_bytes()
    return found, f'"{hashlib.sha256(found).hexdigest()[:32]}"'


async def show_file(request: Request) -> Response:
    """A file of the page; 304 if the browser has it already."""
    name = PAGE_PATHS[request.scope["path"]]
    body, tag = content(name)
    headers = {
        "ETag": tag,
        "Cache-Control": "no-cache",  # old and new modules do not fit together
        "Content-Security-Policy": PAGE_POLICY,
    }
    if tag in (each.strip() for each in request.headers.get("if-none-match", "").split(",")):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=MEDIA_TYPES[name.rpartition(".")[2]], headers=headers)


for _path in PAGE_PATHS:
    ROUTER.add_api_route(_path, show_file, methods=["GET", "HEAD"], response_class=Response)
