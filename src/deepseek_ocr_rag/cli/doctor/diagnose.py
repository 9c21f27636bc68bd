"""``dsocr doctor``: checks what is installed and works on this machine."""

from __future__ import annotations

import errno
import os
import platform
import sys
from pathlib import Path

from ...answering.models.model_choice import choose_language_model
from ...backends.auto import choose_backend, probe_backends
from ...backends.known_failures import LONGEST_TEXT
from ...errors import SourceError
from ...installing import install_command
from ...service.client.service_address import URL_VARIABLE
from .check import Check
from .ollama_checks import ollama_checks
from .service_checks import service_checks
from .torch_checks import torch_checks
from .version_checks import installed_version, version_checks

__all__ = ["Check", "diagnose", "failure_text"]

PACKAGES = ("pillow", "pypdfium2", "rapidocr", "onnxruntime", "ollama", "httpx", "bm25s")
OPTIONAL = {
    "pymupdf": ("another renderer of PDF pages", install_command("pymupdf")),
    "docling-core": ("export to Docling", install_command("docling")),
    "langchain-deepseek-ocr": (
        "reading in LangChain",
        install_command(package="langchain-deepseek-ocr"),
    ),
    "llama-index-readers-deepseek-ocr": (
        "reading in LlamaIndex",
        install_command(package="llama-index-readers-deepseek-ocr"),
    ),
}
"""Optional packages beyond reading and asking: what each is for, and the command that installs it."""


def diagnose() -> tuple[Check, ...]:
    """Check Python, packages, torch and its GPUs, backends and the language model.

    torch is probed in a separate process, which takes a few seconds.
    """
    checks = [_python()]
    checks += [_package(name) for name in PACKAGES]
    checks += [_optional(name, use, command) for name, (use, command) in OPTIONAL.items()]
    checks += [*version_checks(), *torch_checks()]
    checks += [
        Check(
            f"backend {status.name}",
            status.works,
            status.detail,
            status.remedy,
            optional=status.name != "lite",
        )
        for status in probe_backends()
    ]
    checks += ollama_checks()
    choice = choose_backend()
    checks.append(Check("backend auto", True, f"{choice.backend.name}: {choice.reason}"))
    choice.backend.close()
    model, hint = choose_language_model()
    checks.append(
        Check("answers", model is not None, model or "passages are quoted", hint, optional=True)
    )
    if os.environ.get(URL_VARIABLE):
        checks += service_checks()
    return tuple(checks)


def failure_text(failure: str) -> str:
    """The end of the log file of this name, or the argument itself if there is no such file."""
    try:
        if "\n" in failure or not Path(failure).is_file():
            return failure
        with Path(failure).open("rb") as file:
            file.seek(max(0, Path(failure).stat().st_size - LONGEST_TEXT))
            return file.read(LONGEST_TEXT).decode("utf-8", "replace")
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return failure
        raise SourceError(
            f"cannot be read ({error.strerror})", source=failure, remedy="Check its permissions."
        ) from error


def _python() -> Check:
    return Check(
        "python",
        sys.version_info >= (3, 11),
        f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        "Install Python 3.11 or newer.",
    )


def _package(name: str) -> Check:
    version = installed_version(name)
    if version is None:
        return Check(name, False, "not installed", f"Run: {install_command()}")
    return Check(name, True, version)


def _optional(name: str, use: str, command: str) -> Check:
    version = installed_version(name)
    if version is None:
        return Check(name, False, f"not installed; for {use}", f"Run: {command}", optional=True)
    return Check(name, True, version, optional=True)
