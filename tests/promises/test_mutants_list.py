"""`make mutants` can try every module that it lists, with tests that exist."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES: dict[str, list[str]] = tomllib.loads(
    (ROOT / "tools" / "mutants.toml").read_text(encoding="utf-8")
)["modules"]


@pytest.mark.parametrize("module", MODULES)
def test_a_listed_module_and_its_tests_exist(module: str) -> None:
    assert (ROOT / "src" / "deepseek_ocr_rag" / f"{module}.py").is_file()
    assert MODULES[module]
    assert [test for test in MODULES[module] if not (ROOT / test).is_file()] == []


def test_its_tool_is_not_a_part_of_the_gate() -> None:
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
        "dependency-groups"
    ]
    assert [name for name, lines in groups.items() if any("mutmut" in each for each in lines)] == [
        "mutants"
    ]
    assert "mutants" not in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
