"""The token estimate is never much too low."""

from __future__ import annotations

from pathlib import Path

import pytest
from tokenizers import Tokenizer

from deepseek_ocr_rag.document.grammar.parser import parse_document
from deepseek_ocr_rag.text.token_count import estimate_tokens


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("", 0), ("lamp", 2), ("the lamp", 3), ("7 8", 3), ("灯台", 2), ("a.b", 3)],
)
def test_three_letters_or_one_other_character_are_a_token(text: str, tokens: int) -> None:
    assert estimate_tokens(text) == tokens


def test_a_real_tokenizer_counts_less_on_real_pages(shared: Path) -> None:
    tokenizer = Tokenizer.from_file(str(shared / "deepseek-ocr-files" / "tokenizer.json"))
    file = shared / "model-outputs" / "11_deepseek_OCR_paper_PR" / "DeepSeek_OCR_paper_det.mmd"
    for page in parse_document(file.read_text("utf-8")).pages:
        real = len(tokenizer.encode(page.markdown, add_special_tokens=False).ids)
        assert real <= estimate_tokens(page.markdown) <= 3 * real
