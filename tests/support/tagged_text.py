"""Text as the model and its runtimes write it, and what a parsed page is checked for."""

from __future__ import annotations

from deepseek_ocr_rag.document.grammar.parser import ParsedPage

BANNER = (
    "=====================\nBASE:  torch.Size([1, 256, 1280])\n"
    "PATCHES:  torch.Size([6, 100, 1280])\n=====================\n"
)
STATISTICS = (
    f"\n{'=' * 50}\nimage size:  (1448, 1834)\nvalid image tokens:  802\n"
    f"output texts tokens (valid):  926\ncompression ratio:  1.15\n{'=' * 50}\n"
)
SAVED = "===============save results:===============\n"


def tag(label: str, *boxes: tuple[int, ...]) -> str:
    places = ", ".join(str(list(box)) for box in boxes or [(1, 2, 3, 4)])
    return f"<|ref|>{label}<|/ref|><|det|>[{places}]<|/det|>"


def seen(page: ParsedPage) -> list[tuple[str, str]]:
    return [(block.kind, block.text) for block in page.blocks]


def grids(page: ParsedPage) -> list[list[tuple[int, int, int, int]]]:
    return [[box.to_grid() for box in block.boxes] for block in page.blocks]


def check_layout(page: ParsedPage) -> None:
    """Spans are in order and right, and the page's text is that of its blocks."""
    end = 0
    for block in page.blocks:
        assert end <= block.span[0] <= block.span[1]
        assert page.markdown[block.span[0] : block.span[1]] == block.text
        end = block.span[1]
    assert page.markdown == "\n\n".join(block.text for block in page.blocks if block.text)
