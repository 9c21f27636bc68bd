"""Benchmarks as modules: their labels, made inputs and independent checks serve the tests too."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def load_benchmark(name: str) -> ModuleType:
    """A script by its path below ``benchmarks/``, such as ``safety/grammar.py``."""
    path = BENCHMARKS / name
    spec = importlib.util.spec_from_file_location(f"benchmark_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look it up while it is loaded
    spec.loader.exec_module(module)
    return module
