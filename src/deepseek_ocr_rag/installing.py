"""The pip command that installs more of this package, from where the package itself came.

The package may not be on an index. If it came from a checkout, an archive or a repository, the
command installs from there again, so that a user can run it as printed.
"""

from __future__ import annotations

import json
import re
import shlex
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Final

__all__ = ["install_command"]

CORE: Final = "deepseek-ocr-rag"

FOLDERS: Final = {
    CORE: "",
    "langchain-deepseek-ocr": "integrations/langchain",
    "llama-index-readers-deepseek-ocr": "integrations/llama_index",
}
"""Our distributions, each with its folder in the repository."""

_PLAIN: Final = re.compile(r"[\w./~+-]+", re.ASCII)


def install_command(extra: str = "", *, package: str = CORE, pip: str = "pip") -> str:
    """The shell command that installs a package of ours, with an extra.

    Args:
        extra: The extra, such as "local"; "" for none.
        package: One of our distributions, a key of :data:`FOLDERS`.
        pip: How pip is called: "pip", "env/bin/pip", "python -m pip".

    Returns:
        One line, quoted for a shell: ``pip install "deepseek-ocr-rag[local]"`` if the package came
        from an index, ``pip install -e "/path/of/checkout[local]"`` in a checkout, and the address
        that it came from otherwise.
    """
    brackets = f"[{extra}]" if extra else ""
    checkout, address = _checkout(), _address()
    if checkout is not None:
        return f"{pip} install -e {_quoted(f'{checkout / FOLDERS[package]}{brackets}')}"
    if address is None or (package != CORE and not _is_repository(address)):
        return f"{pip} install {_quoted(f'{package}{brackets}')}"
    folder = f"#subdirectory={FOLDERS[package]}" if FOLDERS[package] else ""
    return f"{pip} install {_quoted(f'{package}{brackets} @ {address}{folder}')}"


def _quoted(requirement: str) -> str:
    """Put a requirement in quotes if a shell needs them: double ones, which Windows knows too."""
    if _PLAIN.fullmatch(requirement):
        return requirement
    if re.search(r'["$`\\!]', requirement):
        return shlex.quote(requirement)
    return f'"{requirement}"'


@cache
def _checkout() -> Path | None:
    """The checkout that this file lies in; None if it was installed."""
    folder = Path(__file__).resolve().parents[2]
    try:
        project = (folder / "pyproject.toml").read_text("utf-8")
    except (OSError, ValueError):
        return None
    return folder if f'name = "{CORE}"' in project else None


@cache
def _address() -> str | None:
    """What pip was given if that was not a name on an index (PEP 610); else None."""
    try:
        written = metadata.distribution(CORE).read_text("direct_url.json")
        told = json.loads(written or "null")
    except (metadata.PackageNotFoundError, OSError, ValueError):
        return None
    if not isinstance(told, dict) or not isinstance(told.get("url"), str):
        return None
    source = told.get("vcs_info")
    if not isinstance(source, dict):
        return str(told["url"])
    return f"{source.get('vcs', 'git')}+{told['url']}@{source.get('commit_id', 'HEAD')}"


def _is_repository(address: str) -> bool:
    return address.startswith(("git+", "hg+", "svn+", "bzr+"))
