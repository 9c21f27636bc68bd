"""Whether Triton can be used, and why not."""

from __future__ import annotations

import os
import sys
from types import ModuleType

import pytest

torch = pytest.importorskip("torch")

from deepseek_ocr_rag.engine.kernels import self_test
from deepseek_ocr_rag.engine.kernels.self_test import kernel_error, triton_problem


def test_a_triton_that_is_missing_or_old_is_named(monkeypatch) -> None:
    old = ModuleType("triton")
    old.__version__ = "3.4.0"
    monkeypatch.setitem(sys.modules, "triton", old)
    monkeypatch.setattr(self_test, "has_triton", lambda: True)
    assert triton_problem() == "Triton 3.4.0 is older than 3.5, which comes with torch 2.9"
    monkeypatch.setattr(self_test, "has_triton", lambda: False)
    assert triton_problem() == "Triton is not installed"
    assert kernel_error(torch.device("cpu")) == "Triton is not installed"


def test_what_a_compiler_prints_is_part_of_the_error(monkeypatch) -> None:
    def fail(*_):
        os.write(2, b"fatal error: Python.h: No such file or directory\n")
        raise RuntimeError("gcc failed")

    monkeypatch.setattr(self_test, "triton_problem", lambda: None)
    monkeypatch.setattr(self_test, "resized", fail)
    told = kernel_error(torch.device("cpu"))
    assert told.startswith("RuntimeError: gcc failed\n")
    assert "Python.h" in told


def test_a_wrong_result_is_an_error(monkeypatch) -> None:
    monkeypatch.setattr(self_test, "triton_problem", lambda: None)
    assert kernel_error(torch.device("cpu")) == ""
    monkeypatch.setattr(self_test, "resized", lambda *_: torch.zeros(2))
    assert "wrong result" in kernel_error(torch.device("cpu"))
