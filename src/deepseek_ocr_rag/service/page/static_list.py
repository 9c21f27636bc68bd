"""Which files the page has."""

from __future__ import annotations

from typing import Final

__all__ = ["STATIC_FILES"]

STATIC_FILES: Final = (
    "index.html",
    "icon.svg",
    "styles/base.css",
    "styles/queue.css",
    "styles/reading.css",
    "styles/asking.css",
    "modules/main.js",
    "modules/api.js",
    "modules/address.js",
    "modules/dom.js",
    "modules/event_stream.js",
    "modules/icons.js",
    "modules/messages.js",
    "modules/texts.js",
    "modules/queue/queue_view.js",
    "modules/reading/reader.js",
    "modules/asking/asking.js",
    "modules/asking/asking_texts.js",
    "modules/correcting/correcting.js",
    "modules/correcting/correcting_texts.js",
)
"""Below ``static/``; a test compares them with what is there."""
