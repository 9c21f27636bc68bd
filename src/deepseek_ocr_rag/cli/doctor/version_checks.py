"""Which versions each backend needs, against what is installed; nothing is imported for it."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Final

from ...backends.known_failures import failure_named
from .check import Check

__all__ = ["VERSION_MATRIX", "Requirement", "installed_version", "version_checks"]

Release = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Requirement:
    """What a backend needs of a package.

    Attributes:
        backend: Which one.
        package: Its name on the index.
        lowest: The first release that will do; () for any.
        below: The first one that will not any more; () for none.
    """

    backend: str
    package: str
    lowest: Release = ()
    below: Release = ()

    def problem(self, version: str | None) -> str:
        """What is wrong with an installed version; empty where it will do."""
        if version is None:
            return f"{self.package} is not installed"
        release = _release(version)
        if self.lowest <= release and (not self.below or release < self.below):
            return ""
        return f"{self.package} {version} is not {self._wanted()}"

    def _wanted(self) -> str:
        lowest = ".".join(map(str, self.lowest))
        return f"{lowest} or newer" if not self.below else lowest


VERSION_MATRIX: Final = (
    Requirement("transformers", "torch", (2, 6)),
    Requirement("transformers", "transformers", (5, 20)),
    Requirement("transformers", "tokenizers"),
    Requirement("transformers", "safetensors"),
    Requirement("official", "torch"),
    Requirement("official", "torchvision"),
    Requirement("official", "transformers", (4, 46, 3), (4, 46, 4)),
    Requirement("official", "einops"),
    Requirement("official", "addict"),
    Requirement("official", "easydict"),
    Requirement("official", "matplotlib"),
)
"""The published code was tested with transformers 4.46.3 by its publisher, and
needs a release before 4.48; the network's own classes came with 5.20. No
environment can have both."""

REMEDIES: Final = {
    "transformers": 'Run: pip install "deepseek-ocr-rag[local]"',
    "official": "Only to run the published code itself: install transformers 4.46.3 in an "
    "environment of its own (python -m venv official-env; official-env/bin/pip install "
    '"deepseek-ocr-rag[official]") and use official-env/bin/dsocr, or '
    'OfficialBackend(python="official-env/bin/python").',
}

FIRST_VLLM: Final = (0, 11, 1)
FIRST_VLLM_WITH_NEW_RUNNER: Final = (0, 31)


def installed_version(package: str) -> str | None:
    """The version of a package in this environment; None where it is not there."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def version_checks(
    version_of: Callable[[str], str | None] = installed_version,
    environment: Mapping[str, str] = os.environ,
) -> tuple[Check, ...]:
    """One finding for each backend that has versions to fit, and for vLLM where it is there.

    Args:
        version_of: Gives the installed version of a package.
        environment: Environment variables.
    """
    checks = []
    for backend in dict.fromkeys(each.backend for each in VERSION_MATRIX):
        needed = [each for each in VERSION_MATRIX if each.backend == backend]
        problems = [text for each in needed if (text := each.problem(version_of(each.package)))]
        fitting = ", ".join(f"{each.package} {version_of(each.package)}" for each in needed)
        checks.append(
            Check(
                f"versions for {backend}",
                not problems,
                "; ".join(problems) or fitting,
                REMEDIES[backend] if problems else "",
            )
        )
    vllm = version_of("vllm")
    if vllm is not None:
        checks.append(_vllm(vllm, environment))
    if platform.system() == "Linux" and platform.machine() == "aarch64":
        checks.append(Check("machine", True, failure_named("no wheel for this machine").cure))
    return tuple(checks)


def _vllm(version: str, environment: Mapping[str, str]) -> Check:
    release = _release(version)
    if release < FIRST_VLLM:
        failure = failure_named("vLLM too old")
    elif (
        release >= FIRST_VLLM_WITH_NEW_RUNNER and environment.get("VLLM_USE_V2_MODEL_RUNNER") != "0"
    ):
        failure = failure_named("vLLM refuses the n-gram processor")
    else:
        return Check("vllm", True, version)
    return Check("vllm", False, f"{version}: {failure.meaning}", failure.cure)


def _release(version: str) -> Release:
    """The numbers of a version; what follows them does not count."""
    match = re.match(r"\d{1,6}(?:\.\d{1,6}){0,5}", version)
    return tuple(int(number) for number in match[0].split(".")) if match else ()
