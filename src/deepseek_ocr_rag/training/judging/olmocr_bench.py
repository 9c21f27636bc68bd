"""Reads olmOCR-bench folders: facts about pages, and how many of them a backend's pages have.

The layout is that of the benchmark's program: JSONL files of facts beside the folder ``pdfs``. As
there, the score is the mean, over the files, of the share of facts that hold.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, Final

from ...backends.base import Backend
from ...document.grammar.parser import parse_page
from ...errors import OutputError, SourceError, UnusableLineError
from ...sources.allowed_paths import resolve_inside
from ...sources.source import open_source
from ..samples import DOCUMENT_PROMPT, SampleProblem, SampleSet, TrainingSample
from .evaluation import read_texts
from .page_facts import check_fact, checked_fact

__all__ = ["FactReport", "PageFact", "evaluate_olmocr_bench", "olmocr_bench_folder", "read_facts"]

PDFS: Final = "pdfs"
INSIDE: Final = "bench_data"
"""The folder of the published data set that holds the benchmark."""
BASELINE: Final = "baseline"
LONGEST_LINE: Final = 2**20


@dataclass(frozen=True, slots=True)
class PageFact:
    """A fact about a page.

    Attributes:
        file: The JSONL file that has the fact; "baseline" for the fact that every document gets.
        fields: The fields, as in the file.
    """

    file: str
    fields: Mapping[str, Any]

    @property
    def page(self) -> tuple[str, int]:
        """The PDF's name and the page."""
        return str(self.fields["pdf"]), int(self.fields["page"])


@dataclass(frozen=True, slots=True)
class FactReport:
    """Which facts the pages of a backend have.

    Attributes:
        facts: All facts.
        holds: Whether each fact holds.
        texts: The Markdown of each page, by PDF and page.
    """

    facts: tuple[PageFact, ...]
    holds: tuple[bool, ...]
    texts: Mapping[tuple[str, int], str]

    @property
    def files(self) -> dict[str, tuple[int, int]]:
        """For each file, how many of its facts hold, and how many it has."""
        return self._counted([fact.file for fact in self.facts])

    @property
    def kinds(self) -> dict[str, tuple[int, int]]:
        """The same for each kind of fact."""
        return self._counted([str(fact.fields["type"]) for fact in self.facts])

    @property
    def score(self) -> float:
        """The mean of the files' shares, 0..1."""
        shares = [held / count for held, count in self.files.values()]
        return sum(shares) / len(shares)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {
            "score": self.score,
            "facts": len(self.facts),
            "hold": sum(self.holds),
            "files": {name: list(counts) for name, counts in self.files.items()},
            "kinds": {name: list(counts) for name, counts in self.kinds.items()},
            "missed": [
                str(fact.fields["id"])
                for fact, held in zip(self.facts, self.holds, strict=True)
                if not held
            ],
        }

    def _counted(self, names: Sequence[str]) -> dict[str, tuple[int, int]]:
        found: dict[str, tuple[int, int]] = {}
        for name, held in zip(names, self.holds, strict=True):
            hold, count = found.get(name, (0, 0))
            found[name] = (hold + held, count + 1)
        return dict(sorted(found.items()))

    def write(self, folder: str | Path) -> Path:
        """Write ``report.json``, and the pages as the benchmark's own program reads them.

        Returns:
            The JSON file.

        Raises:
            OutputError: If it cannot be written.
        """
        base = Path(folder)
        try:
            for (pdf, page), text in self.texts.items():
                path = base / "pages" / f"{Path(pdf).with_suffix('')}_pg{page}_repeat1.md"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, "utf-8")
            (base / "report.json").write_text(json.dumps(self.to_dict(), indent=1), "utf-8")
        except OSError as error:
            raise OutputError(
                f"cannot be written ({error.strerror})",
                source=str(folder),
                remedy="Check the folder.",
            ) from error
        return base / "report.json"


def olmocr_bench_folder(data: str | Path) -> Path | None:
    """Return the benchmark's folder that a path points to; None if it is something else."""
    for folder in (Path(data), Path(data) / INSIDE):
        if (folder / PDFS).is_dir() and any(folder.glob("*.jsonl")):
            return folder
    return None


def read_facts(data: str | Path) -> tuple[tuple[PageFact, ...], SampleSet]:
    """Read the facts of an olmOCR-bench folder, and the pages that they are about.

    Every PDF without a baseline fact of its own gets one for its first page, as in the benchmark.

    Returns:
        The facts, and their pages as samples without a text; problems are lines that cannot be used.

    Raises:
        SourceError: If it is another folder.
    """
    folder = olmocr_bench_folder(data)
    if folder is None:
        raise SourceError(
            f"has no *.jsonl beside a folder {PDFS}", source=str(data), remedy="Check the folder."
        )
    facts: list[PageFact] = []
    problems: list[SampleProblem] = []
    seen: set[str] = set()
    pages: dict[str, tuple[Path, int]] = {}
    for path in sorted(folder.glob("*.jsonl")):
        for number, line in _lines(path):
            try:
                fact = checked_fact(_json(line))
                if fact["id"] in seen:
                    raise UnusableLineError("another line has this id")
                seen.add(fact["id"])
                _check_page(fact, folder / PDFS, pages)
                facts.append(PageFact(path.name, fact))
            except UnusableLineError as error:
                problems.append(SampleProblem(f"{path.name}:{number}", str(error)))
    have = {fact.fields["pdf"] for fact in facts if fact.fields["type"] == BASELINE}
    for pdf in pages.keys() - have:
        fields = {"pdf": pdf, "page": 1, "id": f"{pdf}_baseline", "type": BASELINE}
        facts.append(PageFact(BASELINE, fields))
    samples = tuple(
        TrainingSample(f"{pdf}#{page}", pages[pdf][0], DOCUMENT_PROMPT, "", page)
        for pdf, page in sorted({fact.page for fact in facts})
    )
    return tuple(facts), SampleSet(samples, tuple(problems))


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield number, line
    except OSError as error:
        raise SourceError(
            f"cannot be read ({error.strerror})", source=str(path), remedy="Check the path."
        ) from error


def _json(line: bytes) -> object:
    if len(line) > LONGEST_LINE:
        raise UnusableLineError(f"longer than {LONGEST_LINE:,} bytes")
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UnusableLineError(f"not JSON: {str(error)[:120]}") from error


def _check_page(fact: Mapping[str, Any], folder: Path, known: dict[str, tuple[Path, int]]) -> None:
    """Check that the fact's page exists; each PDF is opened once."""
    name = fact["pdf"]
    if name not in known:
        if PurePath(name).is_absolute():  # results are written under this name
            raise UnusableLineError(f"{name[:120]!r} is not the name of a file in {PDFS}")
        try:
            path = resolve_inside(folder, name)
            with open_source(path) as opened:
                known[name] = path, opened.page_count
        except SourceError as error:
            raise UnusableLineError(f"{name[:120]!r}: {error}") from error
    if fact["page"] > known[name][1]:
        raise UnusableLineError(f"{name[:120]!r} has {known[name][1]} pages")


def evaluate_olmocr_bench(backend: Backend, data: str | Path, *, mode: str = "base") -> FactReport:
    """Read the pages of an olmOCR-bench folder, and check its facts.

    A page that cannot be read counts as one without text.

    Args:
        backend: Any backend that reads pictures.
        data: The folder, or the one above its ``bench_data``.
        mode: Resolution of the pages.

    Raises:
        SourceError: If a fact cannot be used; all of them are named.
        ConfigurationError: If the backend takes no pictures.
        BackendUnavailableError: If the backend does not work.
    """
    facts, found = read_facts(data)
    samples = found.checked()
    written = {}
    for sample, reply in zip(samples, read_texts(backend, samples, mode), strict=True):
        pdf, _, page = sample.id.rpartition("#")
        text = "" if reply is None else parse_page(reply.text, recorded=False).markdown
        written[pdf, int(page)] = text
    holds = tuple(check_fact(fact.fields, written[fact.page]) for fact in facts)
    return FactReport(facts, holds, written)
