"""Describes the routes of :mod:`.docling_serve` in OpenAPI."""

from __future__ import annotations

from typing import Any, Final

from .docling_options import FORMATS

__all__ = ["FILE_BODY", "RESULT", "SOURCE_BODY", "STATUS"]

_TEXT: Final = {"type": "string"}
_NUMBER: Final = {"type": "integer"}
_ANY: Final = {"type": "object"}

_OPTIONS: Final[dict[str, Any]] = {
    "to_formats": {"type": "array", "items": {"type": "string", "enum": list(FORMATS)}},
    "md_page_break_placeholder": _TEXT,
    "image_export_mode": {"type": "string", "enum": ["placeholder"]},
    "page_range": {"type": "array", "items": _NUMBER, "minItems": 2, "maxItems": 2},
}

FILE_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["files"],
                    "properties": {
                        "files": {"type": "string", "format": "binary"},
                        "target_type": {"type": "string", "enum": ["inbody"]},
                        **_OPTIONS,
                    },
                }
            }
        },
    }
}

_SOURCES: Final = {
    "oneOf": [
        {
            "type": "object",
            "required": ["kind", "base64_string", "filename"],
            "properties": {
                "kind": {"type": "string", "enum": ["file"]},
                "base64_string": _TEXT,
                "filename": _TEXT,
            },
        },
        {
            "type": "object",
            "required": ["kind", "url"],
            "properties": {"kind": {"type": "string", "enum": ["http"]}, "url": _TEXT},
        },
    ]
}

SOURCE_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["sources"],
                    "properties": {
                        "sources": {
                            "type": "array",
                            "items": _SOURCES,
                            "minItems": 1,
                            "maxItems": 1,
                        },
                        "options": {"type": "object", "properties": _OPTIONS},
                        "target": {
                            "type": "object",
                            "properties": {"kind": {"type": "string", "enum": ["inbody"]}},
                        },
                    },
                }
            }
        },
    }
}


def _reply(description: str, schema: dict[str, Any]) -> dict[int | str, dict[str, Any]]:
    return {200: {"description": description, "content": {"application/json": {"schema": schema}}}}


STATUS: Final = _reply(
    "The state of the task.",
    {
        "type": "object",
        "required": ["task_id", "task_type", "task_status"],
        "properties": {
            "task_id": _TEXT,
            "task_type": {"type": "string", "enum": ["convert"]},
            "task_status": {
                "type": "string",
                "enum": ["pending", "started", "success", "failure"],
            },
            "task_position": {"type": ["integer", "null"]},
            "task_meta": _ANY,
            "error_message": _TEXT,
            "failure": _ANY,
        },
    },
)

_DOCUMENT: Final = {
    "type": "object",
    "required": ["document", "status", "errors", "processing_time"],
    "properties": {
        "document": {
            "type": "object",
            "required": ["filename"],
            "properties": {
                "filename": _TEXT,
                "md_content": _TEXT,
                "json_content": {"type": "object", "description": "A DoclingDocument."},
                "html_content": _TEXT,
                "text_content": _TEXT,
                "doctags_content": _TEXT,
            },
        },
        "status": {"type": "string", "enum": ["success", "partial_success", "failure"]},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["error_message"],
                "properties": {
                    "error_message": _TEXT,
                    "page_no": {"type": ["integer", "null"]},
                },
            },
        },
        "processing_time": {"type": "number"},
        "timings": _ANY,
    },
}

_FAILURE: Final = {
    "type": "object",
    "required": ["kind", "failure"],
    "properties": {"kind": {"type": "string", "enum": ["TaskFailureResult"]}, "failure": _ANY},
}

RESULT: Final = _reply(
    "The document, or in the status 'failure' why there is none.",
    {"anyOf": [_DOCUMENT, _FAILURE]},
)
