"""``make reader`` shows what it promises: real words with their boxes, from both backends, on the CPU."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import pytest
from PIL import Image

TOOL = Path(__file__).resolve().parents[2] / "tools" / "read_with_small_reader.py"


@pytest.mark.parametrize("pages", [1, pytest.param(2, marks=pytest.mark.long)])
def test_a_checkout_shows_the_small_reader_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], pages: int
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))  # the tool adds to it
    spec = importlib.util.spec_from_file_location("read_with_small_reader", TOOL)
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    monkeypatch.setattr(tool, "PAGES", tool.PAGES[:pages])
    tool.main([str(tmp_path)])
    shown = capsys.readouterr().out
    for backend in ("local", "transformers"):
        assert re.search(rf"^{backend}: {pages} pages? in [\d.]+ s", shown, re.MULTILINE)
    text = "# Harbour lamps\n\nSix new lamps light the north pier. They draw 12 watts."
    assert text in shown
    assert ("| Refuse | Pieces |" in shown) is (pages == 2)
    assert "both wrote the same words: yes" in shown
    blocks = re.findall(r"^  (\w+), confidence ([\d.]+), box \((0[\d., ]+)\)$", shown, re.MULTILINE)
    assert [kind for kind, _, _ in blocks] == [
        block.label for page in tool.PAGES for block in page.blocks
    ]
    assert min(float(sure) for _, sure, _ in blocks) > 0.9
    pictures = sorted(tmp_path.glob("*.png"))
    assert len(pictures) == pages
    with Image.open(pictures[0]) as picture:
        assert max(picture.size) == 1024
