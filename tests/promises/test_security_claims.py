"""Every claim in SECURITY.md names tests, and these tests exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
CLAIMED = TEXT.partition("## What holds")[2].partition("\n## ")[0]
NAMED = re.compile(r"`((?:tests|integrations)/[\w/]+\.py)(?:::(\w+))?`")


def declared_tests(path: Path) -> set[str]:
    return {
        node.name
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
    }


def test_every_claim_names_a_test() -> None:
    claims = [claim for claim in re.split(r"\n(?=- )", CLAIMED) if claim.startswith("- ")]
    assert len(claims) > 10
    assert [claim for claim in claims if not NAMED.search(claim)] == []


@pytest.mark.parametrize(("file", "test"), sorted(set(NAMED.findall(TEXT))))
def test_a_named_test_exists(file: str, test: str) -> None:
    path = ROOT / file
    assert path.is_file()
    found = declared_tests(path)
    assert found
    assert not test or test in found
