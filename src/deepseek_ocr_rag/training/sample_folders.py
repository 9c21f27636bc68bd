"""Finds samples in JSONL files, folders as on the hub, and documents with their text."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from ..document.grammar.parser import format_page
from ..document.types import OcrDocument, Page
from ..errors import ConfigurationError, SourceError
from ..sources.source import open_source
from ..text.counted import counted
from .chat_lines import read_lines
from .samples import DOCUMENT_PROMPT, SampleProblem, SampleSet, TrainingSample

__all__ = ["read_samples", "split_samples"]

FREE_PROMPT: Final = "Free OCR."
"""The prompt for texts without boxes."""
LISTS: Final = ("train.jsonl", "validation.jsonl", "metadata.jsonl")
DOCUMENTS: Final = (".pdf", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp")
PAGE_MARK: Final = re.compile(r"^<!-- page:? *(\d+) *-->\s*$", re.MULTILINE)
RUN_MARKS: Final = "done"
"""The subfolder of a ``dsocr batch`` run that has the marks of finished shards."""
TEXT_BYTES: Final = 64 * 2**20
SHOWN: Final = 10
"""Most page numbers that a note names."""


def read_samples(data: str | Path, *, prompt: str | None = None) -> SampleSet:
    """Read training data.

    Args:
        data: A JSONL file; a folder with ``train.jsonl``, ``validation.jsonl`` or the hub's
            ``metadata.jsonl``; or a folder of documents, each with the text of the same name beside
            it: ``NAME.json``, as ``dsocr read -o`` writes it, corrected or not, or ``NAME.md``,
            whose pages begin with ``<!-- page 2 -->``; or the folder of a ``dsocr batch`` run
            whose documents are on this machine, to learn from what another model read.
        prompt: The prompt if the data does not give one. By default, boxes are asked for if the
            text has some.

    Returns:
        The samples, and those that cannot be used. Nothing is left out silently.

    Raises:
        SourceError: If the data cannot be read at all.
    """
    path = Path(data)
    if path.is_file():
        return read_lines(path, prompt=prompt or DOCUMENT_PROMPT)
    if not path.is_dir():
        raise SourceError(
            "there is no such file or folder", source=str(data), remedy="Check the path."
        )
    lists = [path / name for name in LISTS if (path / name).is_file()]
    if lists:
        return _joined(
            [
                _with_split(read_lines(each, prompt=prompt or FREE_PROMPT), each.stem)
                for each in lists
            ]
        )
    if any((path / RUN_MARKS).glob("*.json")):
        return _run(path, prompt)
    others = sorted(each.name for each in path.glob("*.jsonl"))
    if others:
        raise SourceError(
            f"holds {others[0]}, and neither {' nor '.join(LISTS)}",
            source=str(data),
            remedy="Name the JSONL file itself, or rename it.",
        )
    found = _joined([_pair(each, prompt) for each in sorted(path.iterdir()) if _is_document(each)])
    if not found.samples and not found.problems:
        raise SourceError(
            f"has neither {', '.join(LISTS)} nor documents with a .json or .md of the same name",
            source=str(data),
            remedy="See docs/guides/fine-tuning.md for the forms of data.",
        )
    return found


def split_samples(
    samples: Sequence[TrainingSample], held_out: float
) -> tuple[tuple[TrainingSample, ...], tuple[TrainingSample, ...]]:
    """Divide samples into those to learn from and those to judge by.

    A sample's own ``split`` counts; the others are divided by a hash of their document's name, or
    of their id, so that the same page is always on the same side. If there are at least two
    documents, each side gets at least one; pages of a single document are all for learning.

    Args:
        samples: All samples.
        held_out: Share to judge by, 0 to below 1.

    Raises:
        ConfigurationError: If the share is invalid, or nothing is left to learn from.
    """
    if not 0 <= held_out < 1:
        raise ConfigurationError(
            f"held_out is {held_out}", remedy="Use 0 or more, and less than 1."
        )
    said = {each.split for each in samples}
    unsaid = {_hashed(each) for each in samples if each.split is None}
    held = set() if "validation" in said or not held_out else _held(unsaid, held_out)
    chosen = [
        each.split or ("validation" if _hashed(each) in held else "train") for each in samples
    ]
    train = tuple(s for s, side in zip(samples, chosen, strict=True) if side == "train")
    rest = tuple(s for s, side in zip(samples, chosen, strict=True) if side != "train")
    if not train:
        raise ConfigurationError("no sample is left to learn from", remedy="Hold out fewer.")
    return train, rest


def _held(hashes: set[float], share: float) -> set[float]:
    """Choose the documents that are held out, by their hashes."""
    if len(hashes) < 2:
        return set()
    below = {each for each in hashes if each < share} or {min(hashes)}
    return below - {max(hashes)}


def _hashed(sample: TrainingSample) -> float:
    digest = hashlib.sha256((sample.source or sample.id).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _with_split(found: SampleSet, name: str) -> SampleSet:
    if name != "validation":
        return found
    samples = tuple(replace(each, split=each.split or "validation") for each in found.samples)
    return replace(found, samples=samples)


def _joined(sets: Sequence[SampleSet]) -> SampleSet:
    return SampleSet(
        tuple(sample for each in sets for sample in each.samples),
        tuple(problem for each in sets for problem in each.problems),
        tuple(note for each in sets for note in each.notes),
    )


def _is_document(path: Path) -> bool:
    return path.suffix.lower() in DOCUMENTS and path.is_file()


def _pair(document: Path, prompt: str | None) -> SampleSet:
    """Make the samples of a document and the text beside it."""
    written = next(
        (
            document.with_suffix(end)
            for end in (".json", ".md")
            if document.with_suffix(end).is_file()
        ),
        None,
    )
    if written is None:
        problem = SampleProblem(document.name, "no .json or .md of the same name is beside it")
        return SampleSet((), (problem,))
    try:
        if written.stat().st_size > TEXT_BYTES:
            raise SourceError(f"larger than {TEXT_BYTES:,} bytes")
        text = written.read_text("utf-8")
        with open_source(document) as opened:
            count = opened.page_count
        notes: tuple[str, ...] = ()
        if written.suffix == ".json":
            pages = OcrDocument.from_dict(json.loads(text)).pages
            answers, notes = list(_own_pages(pages)), _page_notes(document.name, pages)
            known = {page.number for page in pages}
        else:
            answers = list(_marked_pages(text, count))
            known = {page for page, _ in answers}
        if missing := [str(page) for page in range(1, count + 1) if page not in known]:
            numbers = f"{', '.join(missing[:SHOWN])}{', ...' * (len(missing) > SHOWN)}"
            notes += (f"{document.name}: {written.name} has no text for page {numbers}",)
    except (OSError, ValueError, KeyError, TypeError, SourceError) as error:
        return SampleSet((), (SampleProblem(document.name, f"{written.name}: {str(error)[:200]}"),))
    samples, problems = [], []
    for page, answer in answers:
        if not 1 <= page <= count:
            name = f"{document.name}#{page}"
            problems.append(SampleProblem(name, f"{document.name} has only {count} pages"))
            continue
        samples.append(_page_sample(document, document.name, page, answer, prompt))
    return SampleSet(tuple(samples), tuple(problems), notes)


def _page_sample(
    document: Path, source: str, page: int, answer: str, prompt: str | None
) -> TrainingSample:
    asked = prompt or (DOCUMENT_PROMPT if "<|det|>" in answer else FREE_PROMPT)
    name = f"{source}#{page}"
    return TrainingSample(name, document, asked, answer, page, source=source, page=page)


def _run(folder: Path, prompt: str | None) -> SampleSet:
    """Make samples of a run; failed pages and missing or changed documents are problems."""
    from ..batch.read_back import batch_documents

    samples: list[TrainingSample] = []
    problems: list[SampleProblem] = []
    notes: list[str] = []
    for read in batch_documents(str(folder)):
        document, path = read.document, Path(read.document.source)
        failed = read.error or _unlike(path, document.sha256)
        if failed is not None:
            problems.append(SampleProblem(read.doc_id, failed))
            continue
        notes += _page_notes(read.doc_id, document.pages)
        for page in document.pages:
            if not page.ok:
                problems.append(SampleProblem(f"{read.doc_id}#{page.number}", str(page.error)))
            elif page.finish_reason != "blank":
                answer = _answer(page)
                samples.append(_page_sample(path, read.doc_id, page.number, answer, prompt))
    return SampleSet(tuple(samples), tuple(problems), tuple(notes))


def _unlike(path: Path, sha256: str | None) -> str | None:
    """Say why a file is not the one that was read; None if it is the same."""
    try:
        with path.open("rb") as file:
            same = hashlib.file_digest(file, "sha256").hexdigest() == sha256
    except OSError as error:
        return f"{path} cannot be read ({error.strerror}); its pages are needed to learn from"
    return None if same else f"{path} is not the file that was read"


def _own_pages(pages: Sequence[Page]) -> Iterator[tuple[int, str]]:
    """Yield number and text of each page that is not blank; raise a ValueError for a failed one."""
    for page in pages:
        if not page.ok:
            raise ValueError(f"page {page.number} failed: {page.error}; correct it or take it out")
        if page.finish_reason != "blank":
            yield page.number, _answer(page)


def _page_notes(name: str, pages: Sequence[Page]) -> tuple[str, ...]:
    """Note what a user should know about pages: which are blank or cut off."""
    told = {
        "blank": "blank, and left out: no model is asked to read it",
        "length": "cut off where the model stopped reading it: complete its text, if you have not",
        "repetition": "cut where the model repeated itself: complete its text, if you have not",
    }
    return tuple(
        f"{name}#{page.number} is {told[page.finish_reason]}"
        for page in pages
        if page.finish_reason in told
    )


def _answer(page: Page) -> str:
    """Return the text that a model should write for a page, with boxes if the page has any."""
    boxes = any(block.boxes for block in page.blocks)
    return format_page(page.blocks).strip() if boxes else page.markdown


def _marked_pages(text: str, count: int) -> Iterator[tuple[int, str]]:
    marks = list(PAGE_MARK.finditer(text))
    if not marks:
        parts = text.split("\f")
        if len(parts) != count:
            raise ValueError(
                f"its pages are not marked with <!-- page 1 -->, and it has "
                f"{counted(len(parts), 'part')} for {counted(count, 'page')}"
            )
        yield from ((number, part.strip()) for number, part in enumerate(parts, 1))
        return
    if text[: marks[0].start()].strip():
        raise ValueError("text comes before the first <!-- page 1 -->")
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    for mark, end in zip(marks, ends, strict=True):
        yield int(mark[1]), text[mark.end() : end].strip()
