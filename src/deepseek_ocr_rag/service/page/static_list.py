"""Lists the files of the page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["STATIC_FILES", "VENDORED", "VendoredFile"]

STATIC_FILES: Final = (
    "index.html",
    "icon.svg",
    "modules/address.js",
    "modules/api.js",
    "modules/asking/answer_view.js",
    "modules/asking/asking.js",
    "modules/asking/asking_texts.js",
    "modules/asking/evidence.js",
    "modules/asking/model_choice.js",
    "modules/asking/status_shape.js",
    "modules/asking/table_rows.js",
    "modules/clipboard.js",
    "modules/correcting/block_editor.js",
    "modules/correcting/correcting.js",
    "modules/correcting/correcting_texts.js",
    "modules/dom.js",
    "modules/event_stream.js",
    "modules/frame.js",
    "modules/icons.js",
    "modules/key_dialog.js",
    "modules/main.js",
    "modules/messages.js",
    "modules/pages/block_text.js",
    "modules/pages/block_tools.js",
    "modules/pages/formula.js",
    "modules/pages/inline_text.js",
    "modules/pages/linking.js",
    "modules/pages/page_layout.js",
    "modules/pages/page_marks.js",
    "modules/pages/page_row.js",
    "modules/pages/page_state.js",
    "modules/pages/sheet.js",
    "modules/pages/text_ranges.js",
    "modules/queue/drop_zone.js",
    "modules/queue/job_item.js",
    "modules/queue/job_words.js",
    "modules/queue/queue_view.js",
    "modules/queue/sending_item.js",
    "modules/queue/sure_dialog.js",
    "modules/queue/uploads.js",
    "modules/reading/find_bar.js",
    "modules/reading/keyboard.js",
    "modules/reading/open_document.js",
    "modules/reading/pages_view.js",
    "modules/reading/reader.js",
    "modules/reading/reading_texts.js",
    "modules/reading/recently_used.js",
    "modules/reading/status_strip.js",
    "modules/reading/thumbnails.js",
    "modules/reading/tool_bar.js",
    "modules/reading/virtual_rows.js",
    "modules/shell_texts.js",
    "modules/texts.js",
    "styles/asking.css",
    "styles/base.css",
    "styles/queue.css",
    "styles/reading.css",
    "vendor/katex.LICENSE.txt",
    "vendor/katex.min.js",
)
"""The files below ``static/``; a test compares this list with the folder."""


@dataclass(frozen=True, slots=True)
class VendoredFile:
    """A third-party file, as it was published.

    Attributes:
        name: Its path below ``static/``.
        source: The package and its version, from npm.
        licence: Its SPDX name; the text is beside the file.
        sha256: Its hash, which a test compares.
    """

    name: str
    source: str
    licence: str
    sha256: str


VENDORED: Final = (
    VendoredFile(
        "vendor/katex.min.js",
        "katex 0.19.1, dist/katex.min.js",
        "MIT",
        "fa140498b8cfc8302cbe5e7cb1bdbc1f952bc38b3fa258ede09e73edbf9a74bc",
    ),
)
"""Parses formulas; loaded when the first one is shown."""
