"""``dsocr demo`` shows what it promises: Markdown, pictures, two answers with page and box."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image

from deepseek_ocr_rag.cli.demo import run_demo


@pytest.mark.filterwarnings("ignore::deepseek_ocr_rag.backends.LiteBackendWarning")
def test_the_demo_answers_both_questions_from_the_right_pages(
    tmp_path: Path, documented_pages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", "http://127.0.0.1:9")
    # The sample's scan is read once for the demo and for all pages of the documentation.
    monkeypatch.setenv("DSOCR_CACHE_DIR", str(documented_pages))
    lines: list[str] = []
    run_demo(tmp_path, backend="lite", show=lines.append)
    shown = "\n".join(lines)

    assert "# Six Lights, One Crew" in shown
    pictures = sorted(tmp_path.glob("*.png"))
    assert len(pictures) == 3
    with Image.open(pictures[0]) as picture:
        assert max(picture.size) == 1280
    first, second = shown.split("--- What did")[1].split("--- How many")
    assert "96,300 crowns" in first
    assert re.search(r"sample\.pdf, page 1, box \(0\.\d+, ", first)
    assert "18,450 crowns" in second
    assert re.search(r"sample\.pdf, page 2, box \(0\.\d+, ", second)
    assert "ollama serve" in shown.splitlines()[-1]
    assert "ollama pull" in shown.splitlines()[-1]
