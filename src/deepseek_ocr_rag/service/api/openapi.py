"""The OpenAPI description with the problems of each route, and the page that shows it."""

from __future__ import annotations

from html import escape
from http import HTTPStatus
from typing import Any, Final

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse
from starlette.requests import Request

from .problems import PROBLEM_TYPE

__all__ = ["ROUTER", "binary_body", "describe", "problems", "replies_with"]

ROUTER: Final = APIRouter(include_in_schema=False)

EVERYWHERE: Final = (401, 403, 421, 429)
"""Problems with which any request may be answered before a route sees it."""

BODY: Final = (400, 408, 413, 415)
"""Problems with which any request with a body may be answered."""

PROBLEM: Final = {
    "title": "Problem",
    "type": "object",
    "description": "What went wrong (RFC 9457).",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What happened."},
        "error": {
            "type": "string",
            "description": "The class of the error in deepseek_ocr_rag.errors.",
        },
        "remedy": {"type": "string", "description": "What to do."},
        "source": {"type": "string", "description": "The document."},
        "page": {"type": "integer", "description": "The page, from 1."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"where": {"type": "string"}, "problem": {"type": "string"}},
            },
        },
    },
}

_STYLE: Final = "body{font:16px/1.5 sans-serif;max-width:60em;margin:2em auto;padding:0 1em}"


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problems that a route may answer with, as FastAPI's ``responses``."""
    content = {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": content}
        for status in statuses
    }


def replies_with(*media_types: str) -> dict[int | str, dict[str, Any]]:
    """A success whose body is text or bytes of these types."""
    return {
        200: {
            "description": "OK",
            "content": {
                each: {"schema": {"type": "string"} if each.startswith("text/") else {}}
                for each in media_types
            },
        }
    }


def binary_body(description: str) -> dict[str, Any]:
    """A request whose body is a file, for ``openapi_extra``."""
    schema = {"schema": {"type": "string", "format": "binary"}}
    return {
        "requestBody": {
            "description": description,
            "required": True,
            "content": {"application/octet-stream": schema},
        }
    }


def describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI description of an app, with what its gatekeeper answers."""
    if app.openapi_schema:
        return app.openapi_schema
    schema = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        routes=app.routes,
        separate_input_output_schemas=False,
    )
    components = schema.setdefault("components", {})
    components.setdefault("schemas", {})["Problem"] = PROBLEM
    components["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer"},
        "header": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
    }
    schema["security"] = [{"bearer": []}, {"header": []}, {}]
    for item in schema["paths"].values():
        for operation in item.values():
            _declare(operation)
    app.openapi_schema = schema
    return schema


def _declare(operation: dict[str, Any]) -> None:
    """Add to a route the problems that come before it is reached, and Retry-After."""
    more = (*EVERYWHERE, *(BODY if "requestBody" in operation else ()), 500, 503)
    declared = operation.setdefault("responses", {})
    for status, reply in problems(*more).items():
        declared.setdefault(str(status), reply)
    seconds = {"schema": {"type": "integer", "minimum": 1}, "description": "Seconds to wait."}
    for status in ("429", "503"):
        declared[status] = {**declared[status], "headers": {"Retry-After": seconds}}


@ROUTER.get("/docs")
async def show_routes(request: Request) -> HTMLResponse:
    """A plain page with all routes; it loads nothing, and runs nothing."""
    schema = request.app.openapi()
    rows = "".join(
        f"<tr><td><code>{escape(method.upper())} {escape(path)}</code></td>"
        f"<td>{escape(operation.get('description') or operation.get('summary', ''))}</td></tr>"
        for path, item in schema["paths"].items()
        for method, operation in item.items()
    )
    title = escape(schema["info"]["title"])
    return HTMLResponse(
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title>"
        f"<style>{_STYLE}</style><h1>{title}</h1>"
        "<p>The whole description for machines: <a href=/openapi.json>openapi.json</a>.</p>"
        f"<table>{rows}</table></html>",
        headers={
            "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; "
            "frame-ancestors 'none'"
        },
    )
