"""A virtual environment that holds a wheel of ours and what it declares to need, nothing else.

Without an index: the packages are links to those of the environment that runs the tests.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

__all__ = ["build_wheel", "environment_of", "needed_by"]


def build_wheel(project: Path, folder: Path) -> Path:
    """Build a project's wheel into a folder."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=project, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def needed_by(requirements: list[str], extras: set[str]) -> dict[str, Distribution]:
    """What requirements need, and what that needs, by name.

    Raises:
        PackageNotFoundError: If one of them is not installed here.
    """
    found: dict[str, Distribution] = {}
    todo = [(Requirement(text), frozenset(extras)) for text in requirements]
    seen: set[tuple[str, frozenset[str]]] = set()
    while todo:
        requirement, wanted = todo.pop()
        marker = requirement.marker
        if marker and not any(marker.evaluate({"extra": extra}) for extra in wanted or {""}):
            continue
        name = canonicalize_name(requirement.name)
        found[name] = distribution(name)
        inner = frozenset(requirement.extras)
        if (name, inner) not in seen:
            seen.add((name, inner))
            todo += [(Requirement(text), inner) for text in found[name].requires or ()]
    return found


def environment_of(wheel: Path, extra: str, folder: Path) -> Path:
    """Make the environment in a folder; returns its ``bin``."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    subprocess.run([*pip, "--no-index", "--no-deps", str(wheel)], check=True)
    site = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder)}))
    (ours,) = Distribution.discover(name="deepseek-ocr-rag", path=[str(site)])
    for each in needed_by(list(ours.requires or ()), {extra}).values():
        _link(each, site)
    return python.parent


def _link(package: Distribution, site: Path) -> None:
    """Link a package's modules and its metadata, not its commands."""
    if package.files is None:
        raise PackageNotFoundError(package.name)
    for top in {file.parts[0] for file in package.files} - {"..", "__pycache__"}:
        target = Path(str(package.locate_file(top)))
        if not (site / top).exists():
            (site / top).symlink_to(target)
