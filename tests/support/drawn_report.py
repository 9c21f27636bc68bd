"""A report whose pages are drawn, and what a model would write of them, for tests of what people see."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from reportlab.lib.utils import simpleSplit
from reportlab.pdfgen.canvas import Canvas

__all__ = [
    "Part",
    "drawn_report",
    "plain_pages",
    "problem_pages",
    "recorded_report",
    "report_pages",
]

Part = tuple[str, str]
"""Kind of a block and its text, as the model writes it."""

WIDTH, HEIGHT = 595.0, 842.0
LEFT, LINE = 70.0, 15.0

TABLE = (
    "<table><tr><td rowspan=2>Light</td><td colspan=2>Visits</td></tr>"
    "<tr><td>2023</td><td>2024</td></tr>"
    "<tr><td>Corrie Head</td><td>1,204</td><td>1,377</td></tr>"
    "<tr><td>Vannet Rock</td><td>=1+1</td><td>-12</td></tr></table>"
)


def report_pages() -> list[list[Part]]:
    """Three pages with all kinds of blocks."""
    return [
        [
            ("title", "# Lights of the northern sound"),
            ("text", "The lighthouse was built in 1871. Its lamp burns 40 litres of oil a month."),
            ("sub_title", "## Keepers"),
            (
                "text",
                "Anna Berg keeps the lamp. She signed the letter in May, and **nobody** else did.",
            ),
            ("text", "- Corrie Head\n- Vannet Rock\n- The old pier"),
        ],
        [
            ("sub_title", "## Visitors"),
            ("table", TABLE),
            ("table_caption", "Table 1. Visits by light and year."),
            ("equation", "\\[ E = m c^2 \\]"),
            (
                "text",
                "The range in miles is \\(d = 2.08 (\\sqrt{h} + \\sqrt{o})\\) for a height h.",
            ),
        ],
        [
            ("sub_title", "## The tower"),
            ("image", ""),
            ("image_caption", "Figure 1. The tower from the sea."),
            ("text", "The tower is 31 metres high, and white since 1902."),
        ],
    ]


def problem_pages() -> list[dict[str, Any]]:
    """What was recorded of five pages: a good one, a loop, a blank one, a doubtful one; not the last."""
    doubtful = _reply([("text", "The figures of this page are hard to read.")])
    return [
        {"text": _reply([("text", "This page is fine.")])},
        {"text": _reply([("text", "again and again and again")]), "finish_reason": "repetition"},
        {"text": "", "finish_reason": "blank"},
        {"text": doubtful, "logprobs": [[end, -0.4] for end in range(4, len(doubtful), 4)]},
    ]


def plain_pages(count: int) -> list[list[Part]]:
    """As many pages of a few paragraphs as are wanted."""
    words = "The keeper wrote the log of the day by hand, and counted what passed the sound. " * 3
    return [
        [
            ("sub_title", f"## Day {number}"),
            *(("text", f"Entry {number}.{entry}. {words}") for entry in range(1, 7)),
        ]
        for number in range(1, count + 1)
    ]


def drawn_report(pages: list[list[Part]]) -> bytes:
    """The PDF, on whose pages the blocks stand where their boxes say."""
    file = io.BytesIO()
    canvas = Canvas(file, pagesize=(WIDTH, HEIGHT), invariant=1, pageCompression=1)
    for parts in pages:
        for (kind, text), (top, height) in zip(parts, _places(parts), strict=True):
            _draw(canvas, kind, text, top, height)
        canvas.showPage()
    canvas.save()
    return file.getvalue()


def recorded_report(file: Path, pages: Iterable[list[Part] | dict[str, Any]]) -> str:
    """Write what the model says of each page; returns the name of the backend that replays it."""
    with file.open("w", encoding="utf-8") as lines:
        for number, page in enumerate(pages, start=1):
            reply = page if isinstance(page, dict) else {"text": _reply(page)}
            lines.write(json.dumps({"page": number, **reply}) + "\n")
    return f"replay:{file}"


def _reply(parts: list[Part]) -> str:
    blocks = []
    for (kind, text), (top, height) in zip(parts, _places(parts), strict=True):
        box = [round(999 * share) for share in (0.1, top / HEIGHT, 0.9, (top + height) / HEIGHT)]
        blocks.append(f"<|ref|>{kind}<|/ref|><|det|>[{box}]<|/det|>\n{text}")
    return "\n\n".join(blocks)


def _lines(kind: str, text: str) -> list[str]:
    if kind == "table":
        return [""] * 6
    if kind == "image":
        return [""] * 14
    plain = text.lstrip("# ").replace("**", "")
    return [line for part in plain.split("\n") for line in simpleSplit(part, *_font(kind), 440)]


def _font(kind: str) -> tuple[str, float]:
    sizes = {"title": ("Helvetica-Bold", 20.0), "sub_title": ("Helvetica-Bold", 14.0)}
    return sizes.get(kind, ("Helvetica", 10.5))


def _places(parts: list[Part]) -> list[tuple[float, float]]:
    """Top and height of each block in points."""
    top, found = 70.0, []
    for kind, text in parts:
        height = 8 + len(_lines(kind, text)) * max(LINE, _font(kind)[1] * 1.3)
        found.append((top, height))
        top += height + 12
    return found


def _draw(canvas: Canvas, kind: str, text: str, top: float, height: float) -> None:
    if kind in ("table", "image"):
        canvas.setFillGray(0.93)
        canvas.rect(LEFT, HEIGHT - top - height, 455, height, stroke=1, fill=1)
        canvas.setFillGray(0)
        if kind == "image":
            for step in range(60):
                angle = step / 60 * math.tau
                x, y = LEFT + 227, HEIGHT - top - height / 2
                canvas.line(x, y, x + 200 * math.cos(angle), y + height / 2.1 * math.sin(angle))
        return
    name, size = _font(kind)
    canvas.setFont(name, size)
    for number, line in enumerate(_lines(kind, text), start=1):
        canvas.drawString(LEFT, HEIGHT - top - number * max(LINE, size * 1.3) + 3, line)
