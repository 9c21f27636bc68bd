"""The longest of a text's loops."""

from __future__ import annotations

from deepseek_ocr_rag.model.loops.detector import Loop, find_loops


def find_loop(text: str) -> Loop | None:
    return max(find_loops(text), key=lambda loop: loop.end - loop.start, default=None)
