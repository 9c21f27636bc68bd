"""Build hook: the README as the index shows it, and the addresses of the project.

The README's links are relative, as a repository wants them; on an index they lead nowhere. With
``repository`` set in ``pyproject.toml`` they are made absolute, and the distribution names its
addresses; as long as the project has none, a link becomes its text.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

MODEL = {"DeepSeek-OCR": "https://github.com/deepseek-ai/DeepSeek-OCR"}

_LINK = re.compile(r"(?P<picture>!?)\[(?P<text>[^\]]*)\]\((?P<path>(?!\w+:|#)[^)\s]+)\)")


def absolute_links(text: str, repository: str) -> str:
    """Markdown whose links lead somewhere from anywhere."""

    def absolute(link: re.Match[str]) -> str:
        if not repository:
            return "" if link["picture"] else link["text"]
        kind = "raw" if link["picture"] else "blob"
        address = f"{repository}/{kind}/HEAD/{link['path'].removeprefix('./')}"
        return f"{link['picture']}[{link['text']}]({address})"

    return _LINK.sub(absolute, text)


def addresses(repository: str) -> dict[str, str]:
    """The project's addresses by their names on an index."""
    if not repository:
        return MODEL
    own = {
        "Repository": repository,
        "Documentation": f"{repository}/blob/HEAD/docs/index.md",
        "Changelog": f"{repository}/blob/HEAD/CHANGELOG.md",
        "Issues": f"{repository}/issues",
    }
    return {**own, **MODEL}


class IndexMetadata(MetadataHookInterface):
    """Fills in what ``pyproject.toml`` declares as dynamic."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set the README and the addresses."""
        repository = str(self.config.get("repository", "")).rstrip("/")
        text = (Path(self.root) / "README.md").read_text("utf-8")
        metadata["readme"] = {
            "content-type": "text/markdown",
            "text": absolute_links(text, repository),
        }
        metadata["urls"] = addresses(repository)
