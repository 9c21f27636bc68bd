"""Reads OmniDocBench folders: their pages as samples, and which of their text is compared.

The layout is that of the benchmark's README: ``OmniDocBench.json``, a list of pages with
``layout_dets`` and ``page_info``, beside the folder ``images``. The scores are this package's: they
can be compared with each other, not with the benchmark's table, whose matching and formula metric
need its own program. That program can read the Markdown files that are written here.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from ...backends.base import Backend
from ...document.furniture import FURNITURE_KINDS
from ...document.grammar.parser import format_page, parse_page
from ...document.tables import parse_table
from ...document.types import Block, Box
from ...errors import OutputError, SourceError, UnusableLineError
from ...sources.allowed_paths import resolve_inside
from ..samples import DOCUMENT_PROMPT, SampleProblem, SampleSet, TrainingSample
from .evaluation import Evaluation, evaluate

__all__ = [
    "comparable_page",
    "evaluate_omnidocbench",
    "omnidocbench_file",
    "read_omnidocbench",
    "write_pages_as_markdown",
]

ANNOTATIONS: Final = "OmniDocBench.json"
LARGEST: Final = 2**30
"""Most bytes of the annotations; those of 1,355 pages have some 60 MB."""

KINDS: Final = {
    "title": "title",
    "text_block": "text",
    "reference": "text",
    "code_txt": "text",
    "code_txt_caption": "text",
    "figure": "image",
    "figure_caption": "image_caption",
    "figure_footnote": "text",
    "table": "table",
    "table_caption": "table_caption",
    "table_footnote": "text",
    "equation_isolated": "equation",
    "equation_caption": "text",
}
"""The benchmark's categories that are compared, and the model's labels for them."""
LEFT_OUT: Final = frozenset(
    (
        *("header", "footer", "page_number", "page_footnote", "abandon"),
        *("text_mask", "table_mask", "need_mask"),
    )
)
"""Categories of what stands around the text, and of what the annotators covered."""

_HEADING: Final = re.compile(r"^#{1,6}\s+", re.MULTILINE)
_MATH: Final = re.compile(r"\\[\[\]()]|\$\$?")


def omnidocbench_file(data: str | Path) -> Path | None:
    """Return the annotation file at a path, or in the folder there; None if there is none."""
    path = Path(data)
    if path.is_dir():
        path = path / ANNOTATIONS
    return path if path.is_file() and path.suffix == ".json" else None


def read_omnidocbench(data: str | Path) -> SampleSet:
    """Read a folder of OmniDocBench.

    Args:
        data: The folder, or its JSON file (the demonstration's has another name).

    Returns:
        One sample a page, and every page that cannot be used, with the reason.

    Raises:
        SourceError: If there are no annotations, or they are of another form.
    """
    path = omnidocbench_file(data)
    if path is None:
        raise SourceError(f"has no {ANNOTATIONS}", source=str(data), remedy="Check the folder.")
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError(f"larger than {LARGEST:,} bytes")
        pages = json.loads(path.read_text("utf-8"))
        if not isinstance(pages, list):
            raise ValueError("not a list of pages")
    except (OSError, ValueError, RecursionError) as error:
        raise SourceError(
            f"cannot be read: {str(error)[:200]}",
            source=str(path),
            remedy="Download the benchmark again.",
        ) from error
    samples: list[TrainingSample] = []
    problems: list[SampleProblem] = []
    unknown: Counter[str] = Counter()
    seen: set[str] = set()
    for number, page in enumerate(pages, 1):
        name = f"{path.name}: page {number}"
        try:
            sample = _sample(page, path.parent / "images", unknown)
            if Path(sample.id).stem in seen:
                raise UnusableLineError("another page has this picture")
            seen.add(Path(sample.id).stem)
            samples.append(sample)
        except UnusableLineError as error:
            problems.append(SampleProblem(name, str(error)))
    notes = tuple(
        f"{path.name}: {count} blocks of the category {kind!r}, which is not compared"
        for kind, count in sorted(unknown.items())
    )
    return SampleSet(tuple(samples), tuple(problems), notes)


def _sample(page: Any, images: Path, unknown: Counter[str]) -> TrainingSample:  # noqa: ANN401 - JSON
    try:
        info, found = page["page_info"], page["layout_dets"]
        name, size = info["image_path"], (float(info["width"]), float(info["height"]))
        blocks = sorted(
            (each for each in found if not each.get("ignore")),
            key=lambda each: (each.get("order") is None, each.get("order") or 0),
        )
        # Kept in the annotators' order where they gave one; figures may have none.
        made = [block for each in blocks if (block := _block(each, size, unknown)) is not None]
    except (KeyError, TypeError, ValueError, AttributeError, ZeroDivisionError) as error:
        raise UnusableLineError(f"not a page of OmniDocBench: {error!r:.120}") from error
    if not isinstance(name, str):
        raise UnusableLineError("its image_path is not text")
    try:
        image = resolve_inside(images, name)
    except SourceError as error:
        raise UnusableLineError(f"picture {name[:120]!r}: {error}") from error
    if not made:
        raise UnusableLineError(f"{name[:120]} has no block that is compared")
    return TrainingSample(name, image, DOCUMENT_PROMPT, format_page(made).strip())


def _block(found: dict[str, Any], size: tuple[float, float], unknown: Counter[str]) -> Block | None:
    """Make a block in the model's grammar; None for a block that is not compared."""
    category = str(found["category_type"])
    if category not in KINDS:
        if category not in LEFT_OUT:
            unknown[category[:60]] += 1
        return None
    kind = KINDS[category]
    across, down = found["poly"][::2], found["poly"][1::2]
    width, height = size
    box = Box.clamped(
        min(across) / width, min(down) / height, max(across) / width, max(down) / height
    )
    if kind == "image":
        return Block(kind, "", (box,))
    if kind == "table":
        html = parse_table(str(found.get("html") or _text(found))).to_html()
        return Block(kind, "", (box,), html=html)
    text = str(found.get("latex") or "") if kind == "equation" else ""
    return Block(kind, _plain(text or _text(found)), (box,))


def _text(found: dict[str, Any]) -> str:
    """Return a block's text, or its parts' if the annotators joined several blocks into one."""
    if found.get("text"):
        return str(found["text"])
    return "\n".join(str(part.get("text") or "") for part in found.get("merge_list") or ())


def _plain(text: str) -> str:
    """Remove heading marks and marks around formulas, which both sides write in many ways."""
    lines = (line.strip() for line in _MATH.sub(" ", _HEADING.sub("", text)).splitlines())
    return "\n".join(line for line in lines if line)


def comparable_page(written: str) -> str:
    """Return what is compared of a page: no headers, page numbers, heading or formula marks."""
    blocks = [
        block if block.kind in ("table", "image") else replace(block, text=_plain(block.text))
        for block in parse_page(written, recorded=False).blocks
        if block.kind not in FURNITURE_KINDS
    ]
    if all(block.boxes for block in blocks):
        return format_page(blocks).strip()
    return "\n\n".join(block.html or block.text for block in blocks if block.text)


def evaluate_omnidocbench(
    backend: Backend, data: str | Path, *, mode: str = "base"
) -> tuple[Evaluation, tuple[TrainingSample, ...]]:
    """Read the pages of an OmniDocBench folder, and judge what is written.

    Args:
        backend: Any backend that reads pictures.
        data: See :func:`read_omnidocbench`.
        mode: Resolution of the pages.

    Returns:
        The evaluation, whose texts are what the backend wrote, and the samples.

    Raises:
        SourceError: If a page cannot be used; all of them are named.
        ConfigurationError: If the backend takes no pictures.
        BackendUnavailableError: If the backend does not work.
    """
    samples = read_omnidocbench(data).checked()
    return evaluate(backend, samples, mode=mode, compared=comparable_page), samples


def write_pages_as_markdown(
    evaluation: Evaluation, samples: Sequence[TrainingSample], folder: str | Path
) -> Path:
    """Write each page as the benchmark's own program reads it: a picture's name, with ``.md``.

    Returns:
        The folder ``pages``.

    Raises:
        OutputError: If it cannot be written.
    """
    pages = Path(folder) / "pages"
    try:
        pages.mkdir(parents=True, exist_ok=True)
        for sample, text in zip(samples, evaluation.texts, strict=True):
            markdown = parse_page(text, recorded=False).markdown
            (pages / f"{Path(sample.id).stem}.md").write_text(markdown, "utf-8")
    except OSError as error:
        raise OutputError(
            f"cannot be written ({error.strerror})", source=str(folder), remedy="Check the folder."
        ) from error
    return pages
