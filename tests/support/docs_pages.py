"""The fenced blocks of the documentation, and what is to be done with each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

RUN = ("python", "sh")
SHOWN = ("text", "json", "toml", "yaml", "dockerfile", "mermaid")
"""Languages of blocks that are not code to run. Directives ("{toctree}") are not, either."""

NOT_RUN = re.compile(r"<!-- not run: (?P<reason>\S.*?) -->")
OUTPUT = "<!-- output -->"
ANYTHING = "…"
"""A line of this alone, in an output, stands for any lines."""

_FENCE = re.compile(r"^(?P<indent> *)(?P<fence>`{3,})(?P<info>[^`]*)$")


@dataclass(frozen=True)
class CodeBlock:
    """One fenced block.

    Attributes:
        file: The page.
        line: 1-based line of its first line of code.
        language: The word behind the fence.
        code: What stands between the fences, without their indent.
        note: The comment on the last line of text above it, "" without one.
    """

    file: Path
    line: int
    language: str
    code: str
    note: str

    @property
    def where(self) -> str:
        """For messages: file and line, as editors open them."""
        return f"{self.file.relative_to(ROOT)}:{self.line}"

    @property
    def reason_not_to_run(self) -> str:
        """Why it is not run; "" where it is."""
        found = NOT_RUN.fullmatch(self.note)
        return found["reason"] if found else ""

    @property
    def is_output(self) -> bool:
        """Whether it shows what the block before it prints."""
        return self.note == OUTPUT


def pages() -> list[Path]:
    """Every page of prose with code for users or contributors, but the integrations' own READMEs."""
    site = [page for page in (ROOT / "docs").rglob("*.md") if "_build" not in page.parts]
    return sorted([*site, *ROOT.glob("*.md")])


def blocks(page: Path) -> list[CodeBlock]:
    """The fenced blocks of a page, in order."""
    found: list[CodeBlock] = []
    fence, above = None, ""
    start, code = 0, list[str]()
    for number, line in enumerate(page.read_text("utf-8").splitlines(), start=1):
        match = _FENCE.match(line)
        if fence is None:
            if match:
                fence, start, code = match, number + 1, []
            elif line.strip():
                above = line.strip()
        elif match and match["fence"].startswith(fence["fence"]) and not match["info"].strip():
            indent = fence["indent"]
            text = "\n".join(row.removeprefix(indent) for row in code)
            found.append(CodeBlock(page, start, fence["info"].strip(), text, above))
            fence, above = None, ""
        else:
            code.append(line)
    assert fence is None, f"{page}: the block in line {start} has no end"
    return found


def same_output(shown: str, printed: str) -> bool:
    """Whether a shown output is what was printed, line ends and outer white space apart."""
    pattern = "\n".join(
        ".*" if line.strip() == ANYTHING else re.escape(line.rstrip())
        for line in shown.strip().splitlines()
    )
    actual = "\n".join(line.rstrip() for line in printed.strip().splitlines())
    return re.fullmatch(pattern, actual, re.DOTALL) is not None
