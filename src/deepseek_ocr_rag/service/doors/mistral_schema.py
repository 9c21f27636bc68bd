"""Describes the routes of :mod:`.mistral_ocr` in OpenAPI."""

from __future__ import annotations

from typing import Any, Final

__all__ = ["FORM_BODY", "OCR_BODY", "OCR_REPLY"]

_TEXT: Final = {"type": "string"}
_NUMBER: Final = {"type": "integer"}
_MAYBE_NUMBER: Final = {"type": ["integer", "null"]}

FORM_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "purpose": {"type": "string", "enum": ["ocr"]},
                    },
                }
            }
        },
    }
}


def _document(kind: str, field: str) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["type", field],
        "properties": {"type": {"type": "string", "enum": [kind]}, field: _TEXT},
    }


OCR_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["document"],
                    "properties": {
                        "model": _TEXT,
                        "document": {
                            "oneOf": [
                                _document("file", "file_id"),
                                _document("document_url", "document_url"),
                                _document("image_url", "image_url"),
                            ]
                        },
                        "pages": {"type": "array", "items": {"type": "integer", "minimum": 0}},
                        "include_image_base64": {"type": "boolean"},
                        "include_blocks": {"type": "boolean"},
                        "image_limit": {"type": "integer", "minimum": 0},
                        "image_min_size": {"type": "integer", "minimum": 0},
                    },
                }
            }
        },
    }
}

_CORNERS: Final = {
    "top_left_x": _MAYBE_NUMBER,
    "top_left_y": _MAYBE_NUMBER,
    "bottom_right_x": _MAYBE_NUMBER,
    "bottom_right_y": _MAYBE_NUMBER,
}

_PAGE: Final = {
    "type": "object",
    "required": ["index", "markdown", "images", "dimensions"],
    "properties": {
        "index": _NUMBER,
        "markdown": _TEXT,
        "images": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["id"],
                "properties": {"id": _TEXT, "image_base64": _TEXT, **_CORNERS},
            },
        },
        "dimensions": {
            "type": ["object", "null"],
            "required": ["dpi", "height", "width"],
            "properties": {"dpi": _NUMBER, "height": _NUMBER, "width": _NUMBER},
        },
        "blocks": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["type", "content"],
                "properties": {"type": _TEXT, "content": _TEXT, "image_id": _TEXT, **_CORNERS},
            },
        },
    },
}

OCR_REPLY: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The pages.",
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["pages", "model", "usage_info"],
                    "properties": {
                        "pages": {"type": "array", "items": _PAGE},
                        "model": _TEXT,
                        "usage_info": {
                            "type": "object",
                            "required": ["pages_processed", "doc_size_bytes"],
                            "properties": {"pages_processed": _NUMBER, "doc_size_bytes": _NUMBER},
                        },
                    },
                }
            }
        },
    }
}
