"""The package's modules, and which of them imports which, for the tests of the architecture."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SRC = ROOT / "src"
PACKAGE = "deepseek_ocr_rag"


def _sources(folder: Path) -> list[Path]:
    return sorted(
        path for path in folder.rglob("*.py") if not {"tests", ".venv", "build"} & set(path.parts)
    )


MODULE_FILES = {
    ".".join(path.relative_to(SRC).with_suffix("").parts).removesuffix(".__init__"): path
    for path in _sources(SRC)
}
"""Every module of the package by its full name."""

INTEGRATION_FILES = _sources(ROOT / "integrations")
OUR_FILES = [*MODULE_FILES.values(), *INTEGRATION_FILES]


def name_of(path: Path) -> str:
    """Relative to the repository, as a failure names it."""
    return path.relative_to(ROOT).as_posix()


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def offenders(found: Mapping[str, Sequence[object]]) -> dict[str, Sequence[object]]:
    """Only the entries with something found, so that a failure names file and fault."""
    return {name: wrong for name, wrong in found.items() if wrong}


def imported(path: Path, module: str = "") -> set[str]:
    """Full names that a file imports, anywhere in it; relative ones resolved."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    found: set[str] = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parents, base]).rstrip(".")
            for alias in node.names:
                full = f"{base}.{alias.name}"
                found.add(full if full in MODULE_FILES else base)
    return found


@cache
def import_graph() -> dict[str, set[str]]:
    """For each module, the modules of ours that it imports."""
    return {
        module: {name for name in imported(path, module) if name in MODULE_FILES} - {module}
        for module, path in MODULE_FILES.items()
    }


def reach(module: str) -> set[str]:
    """Every module that is imported with this one."""
    graph = import_graph()
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        for name in graph[waiting.pop()] - seen:
            seen.add(name)
            waiting.append(name)
    return seen
