"""Compares installed versions with those that each backend needs, without importing anything."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Final

from ...backends.known_failures import failure_named
from ...installing import install_command
from ..serve_command import FIRST_VLLM, FIRST_VLLM_WITH_NEW_RUNNER, Release, release_of
from .check import Check

__all__ = ["VERSION_MATRIX", "Requirement", "installed_version", "version_checks"]


@dataclass(frozen=True, slots=True)
class Requirement:
    """The releases of a package that a backend works with."""

    backend: str
    package: str  # its name on the index
    lowest: Release = ()  # first release that works; () for any
    below: Release = ()  # first later release that does not work; () for none

    def problem(self, version: str | None) -> str:
        """What is wrong with an installed version; empty if it works."""
        if version is None:
            return f"{self.package} is not installed"
        release = release_of(version)
        if self.lowest <= release and (not self.below or release < self.below):
            return ""
        lowest = ".".join(map(str, self.lowest))
        return f"{self.package} {version} is not {lowest}{'' if self.below else ' or newer'}"


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
"""The publisher tested the published code with transformers 4.46.3, and it breaks with 4.48. The
classes that the backend "transformers" uses came with 5.20, so one environment cannot have both."""

REMEDIES: Final = {
    "transformers": f"Run: {install_command('local')}",
    "official": "Only needed to run the published code itself: install transformers 4.46.3 in an "
    f"environment of its own (python -m venv official-env; "
    f"{install_command('official', pip='official-env/bin/pip')}) and set "
    "DSOCR_OFFICIAL_PYTHON=official-env/bin/python, or use "
    'OfficialBackend(python="official-env/bin/python").',
}


def installed_version(package: str) -> str | None:
    """The installed version of a package; None if it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def version_checks(
    version_of: Callable[[str], str | None] = installed_version,
    environment: Mapping[str, str] = os.environ,
) -> tuple[Check, ...]:
    """Check the packages of each backend in the matrix, and vLLM if it is installed."""
    checks = []
    for backend in dict.fromkeys(each.backend for each in VERSION_MATRIX):
        needed = [each for each in VERSION_MATRIX if each.backend == backend]
        problems = [text for each in needed if (text := each.problem(version_of(each.package)))]
        versions = ", ".join(f"{each.package} {version_of(each.package)}" for each in needed)
        checks.append(
            Check(
                f"versions for {backend}",
                not problems,
                "; ".join(problems) or versions,
                REMEDIES[backend] if problems else "",
                optional=True,
            )
        )
    vllm = version_of("vllm")
    if vllm is not None:
        checks.append(_vllm(vllm, environment))
    if platform.system() == "Linux" and platform.machine() == "aarch64":
        checks.append(Check("machine", True, failure_named("no wheel for this machine").cure))
    return tuple(checks)


def _vllm(version: str, environment: Mapping[str, str]) -> Check:
    release = release_of(version)
    if release < FIRST_VLLM:
        failure = failure_named("vLLM too old")
    elif (
        release >= FIRST_VLLM_WITH_NEW_RUNNER and environment.get("VLLM_USE_V2_MODEL_RUNNER") != "0"
    ):
        failure = failure_named("vLLM refuses the n-gram processor")
    else:
        return Check("vllm", True, version)
    return Check("vllm", False, f"{version}: {failure.meaning}", failure.cure)
