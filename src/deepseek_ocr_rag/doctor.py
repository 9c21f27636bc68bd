"""What is installed here, which backends work, and what to fix."""

from __future__ import annotations

import platform
import sys
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import Any

from .backends.auto import choose_backend, probe_backends
from .language_model import choose_language_model

__all__ = ["Check", "diagnose"]

PACKAGES = ("pillow", "pypdfium2", "rapidocr", "onnxruntime", "ollama", "httpx", "bm25s")
OPTIONAL = {
    "pymupdf": 'pip install "deepseek-ocr-rag[pymupdf]"',
    "langchain-deepseek-ocr": "pip install langchain-deepseek-ocr",
    "llama-index-readers-deepseek-ocr": "pip install llama-index-readers-deepseek-ocr",
}


@dataclass(frozen=True, slots=True)
class Check:
    """One finding.

    Attributes:
        name: What was looked at.
        ok: Whether it works.
        detail: What was found.
        remedy: What to do where it does not work ("" where nothing needs doing).
    """

    name: str
    ok: bool
    detail: str
    remedy: str = ""

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form."""
        return asdict(self)


def diagnose() -> tuple[Check, ...]:
    """Look at Python, packages, backends and the language model of this machine."""
    checks = [_python()]
    checks += [_package(name, "pip install --upgrade deepseek-ocr-rag") for name in PACKAGES]
    checks += [_package(name, remedy) for name, remedy in OPTIONAL.items()]
    checks += [
        Check(f"backend {status.name}", status.works, status.detail, status.remedy)
        for status in probe_backends()
    ]
    choice = choose_backend()
    checks.append(Check("backend auto", True, f"{choice.backend.name}: {choice.reason}"))
    choice.backend.close()
    model, hint = choose_language_model()
    checks.append(Check("answers", model is not None, model or "passages are quoted", hint))
    return tuple(checks)


def _python() -> Check:
    return Check(
        "python",
        sys.version_info >= (3, 11),
        f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        "Install Python 3.11 or newer.",
    )


def _package(name: str, remedy: str) -> Check:
    try:
        return Check(name, True, metadata.version(name))
    except metadata.PackageNotFoundError:
        return Check(name, False, "not installed", remedy)
