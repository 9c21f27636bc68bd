"""What is installed here, which backends work, and what to fix."""

from __future__ import annotations

import errno
import platform
import sys
from pathlib import Path

from ...answering.language_model import choose_language_model
from ...backends.auto import choose_backend, probe_backends
from ...backends.known_failures import LONGEST_TEXT
from ...errors import SourceError
from .check import Check
from .torch_checks import torch_checks
from .version_checks import installed_version, version_checks

__all__ = ["Check", "diagnose", "failure_text"]

PACKAGES = ("pillow", "pypdfium2", "rapidocr", "onnxruntime", "ollama", "httpx", "bm25s")
OPTIONAL = {
    "pymupdf": 'pip install "deepseek-ocr-rag[pymupdf]"',
    "docling-core": 'pip install "deepseek-ocr-rag[docling]"',
    "langchain-deepseek-ocr": "pip install langchain-deepseek-ocr",
    "llama-index-readers-deepseek-ocr": "pip install llama-index-readers-deepseek-ocr",
}


def diagnose() -> tuple[Check, ...]:
    """Look at Python, packages, torch and its GPU, backends and the language model.

    torch is asked in a process of its own, which takes seconds where it is installed.
    """
    checks = [_python()]
    checks += [_package(name, "pip install --upgrade deepseek-ocr-rag") for name in PACKAGES]
    checks += [_package(name, remedy) for name, remedy in OPTIONAL.items()]
    checks += [*version_checks(), *torch_checks()]
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


def failure_text(said: str) -> str:
    """The text of a failure: the end of the file of that name, or else what was said itself.

    Raises:
        SourceError: If there is such a file, and it cannot be read.
    """
    try:
        if "\n" in said or not Path(said).is_file():
            return said
        with Path(said).open("rb") as file:
            file.seek(max(0, Path(said).stat().st_size - LONGEST_TEXT))
            return file.read(LONGEST_TEXT).decode("utf-8", "replace")
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return said
        raise SourceError(
            f"cannot be read ({error.strerror})", source=said, remedy="Check its permissions."
        ) from error


def _python() -> Check:
    return Check(
        "python",
        sys.version_info >= (3, 11),
        f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        "Install Python 3.11 or newer.",
    )


def _package(name: str, remedy: str) -> Check:
    version = installed_version(name)
    if version is None:
        return Check(name, False, "not installed", remedy)
    return Check(name, True, version)
