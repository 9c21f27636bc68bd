"""Measures the built-in backend on text layers, on the same pages as pictures, and on scans.

    python benchmarks/lite/lite.py [--data ../shared/corpus] [--pictures 6] [--only layers|scans]

*Character similarity* is ``rapidfuzz.fuzz.ratio / 100`` (normalised Indel
similarity) of the page's Markdown and the OHR ground truth of the same page,
after both are stripped of markup: HTML tags, table pipes, ``#`` and ``*``, LaTeX
commands, ``$``, dot leaders and bullets are removed, entities decoded, quotes and
dashes unified, and white space collapsed; *tenth* is its 10th percentile. Only pages whose ground truth then has 200
characters or more count. The whole backend runs, as in the pipeline: a page whose
text layer is not usable is read as a picture.

*Word recall* is the share of the ground truth's words that were read, as multisets;
*precision* is the share of the words read that are in the ground truth. Words are stripped of
markup as above, separated by white space, case-folded, with quotes and dashes unified and without
punctuation at their ends; empty ones do not count. The ``tesseract`` binary reads the
same pixels (long side at most 2304, as the pipeline renders), in English, with its
defaults.
"""

from __future__ import annotations

import argparse
import html
import json
import re
import shutil
import subprocess
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, median, quantiles

import psutil
from PIL import Image
from rapidfuzz import fuzz

from deepseek_ocr_rag.backends.base import PageRequest
from deepseek_ocr_rag.backends.lite.backend import LiteBackend, LiteBackendWarning
from deepseek_ocr_rag.document.grammar.parser import parse_page
from deepseek_ocr_rag.document.text_layer import TextLayer, usable
from deepseek_ocr_rag.model.prompts import mode_named, task_named
from deepseek_ocr_rag.sources.source import open_source

__all__ = ["main"]

LONG_SIDE = mode_named("gundam").long_side
MIN_CHARACTERS = 200
UNIFIED = str.maketrans(
    {
        "‘": "'",
        "’": "'",
        "“": '"',
        "”": '"',
        "–": "-",
        "—": "-",
        "−": "-",
        "\u00a0": " ",
        "\u00ad": "",
    }
)
COMMAND = re.compile(r"\\[a-zA-Z]{2,20}\*?\{([^{}]{0,2000})\}")
ENVIRONMENT = re.compile(r"\\(?:begin|end)\{[^{}]{0,40}\}(?:\{[^{}]{0,200}\})?")


def plain(text: str) -> str:
    """Text without markup, as it is compared."""
    text = html.unescape(re.sub(r"<[^<>]{0,200}>", " ", text))
    text = ENVIRONMENT.sub(" ", text)
    text = re.sub(r"\\multi(?:row|column)(?:\[\w\])?\{[^{}]{0,9}\}\{[^{}]{0,20}\}", " ", text)
    text = COMMAND.sub(r"\1", text)
    text = re.sub(r"\\hline|\\\\", " ", text)
    text = re.sub(r"\\([&%$#_{}])", r"\1", text)
    text = re.sub(r":?-{3,}:?|[$|*•●]|(?m:^[#> \t]+)", " ", text)
    text = re.sub(r"(?:\. ?){4,}", " ", text)
    return " ".join(text.translate(UNIFIED).split())


def words(text: str) -> Counter[str]:
    stripped = (re.sub(r"^\W+|\W+$", "", w) for w in text.translate(UNIFIED).casefold().split())
    return Counter(w for w in stripped if w)


@dataclass
class Score:
    """Word counts and seconds of one reader over one set of scans."""

    hits: int = 0
    wanted: int = 0
    read: int = 0
    seconds: list[float] = field(default_factory=list)

    def add(self, truth: str, found: str, seconds: float) -> None:
        wanted, read = words(plain(truth)), words(plain(found))
        self.hits += sum((wanted & read).values())
        self.wanted += sum(wanted.values())
        self.read += sum(read.values())
        self.seconds.append(seconds)

    def row(self, name: str) -> str:
        precision = self.hits / max(1, self.read)
        return (
            f"{name:<26}{len(self.seconds):>6}{self.hits / self.wanted:>9.3f}"
            f"{precision:>11.3f}{mean(self.seconds):>9.2f}"
        )


def markdown(
    backend: LiteBackend, image: Image.Image | None, layer: TextLayer | None
) -> tuple[str, float]:
    """The backend's Markdown for a page, and the seconds it took."""
    request = PageRequest(
        0, 1, "page", "", image, layer, task_named("document"), mode_named("gundam")
    )
    start = time.perf_counter()
    (reply,) = backend.read([request])
    return parse_page(reply.text).markdown, time.perf_counter() - start


def truth_pages(data: Path) -> Iterator[tuple[Path, int, str]]:
    """PDF, 1-based page and plain ground truth of every page of text."""
    for file in sorted((data / "qa" / "ohr_gt").glob("*.json")):
        for page in json.loads(file.read_text(encoding="utf-8")):
            text = plain(page["text"])
            if len(text) >= MIN_CHARACTERS:
                yield data / "qa" / "pdf" / f"{file.stem}.pdf", page["page_idx"] + 1, text


def similarity(backend: LiteBackend, data: Path, pictures: int) -> None:
    pages = list(truth_pages(data))
    scores: list[float] = []
    seconds: list[float] = []
    scanned: list[float] = []
    for file, number, text in pages:
        with open_source(file) as source:
            layer = source.text_layer(number)
            reads_layer = layer is not None and usable(layer)
            image = None if reads_layer else source.render(number, LONG_SIDE)
        found, spent = markdown(backend, image, layer if reads_layer else None)
        scores.append(fuzz.ratio(text, plain(found)) / 100)
        (seconds if reads_layer else scanned).append(spent)
    report("OHR pages of text", scores, seconds)
    if scanned:
        print(f"  of these read as pictures: {len(scanned)}, {mean(scanned):.2f} s a page")
    if pictures:
        sample = pages[:: max(1, len(pages) // pictures)][:pictures]
        scores, seconds = [], []
        for file, number, text in sample:
            with open_source(file) as source:
                found, spent = markdown(backend, source.render(number, LONG_SIDE), None)
            scores.append(fuzz.ratio(text, plain(found)) / 100)
            seconds.append(spent)
        report("the same as pictures", scores, seconds)


def report(name: str, scores: list[float], seconds: list[float]) -> None:
    low, _, high = quantiles(scores, n=4)
    tenth = quantiles(scores, n=10)[0]
    print(
        f"{name:<26}{len(scores):>6}{median(scores):>9.3f}{tenth:>10.3f}{low:>11.3f}{high:>9.3f}"
        f"{mean(seconds):>9.3f}",
        flush=True,
    )


def scans(data: Path) -> Iterator[tuple[str, Path, str]]:
    """Name of the set, picture and ground truth of every scan."""
    for file in sorted((data / "ocr" / "sroie").glob("*.box.csv")):
        # Eight coordinates, then the transcript, which may have commas.
        rows = [line.split(",", 8) for line in file.read_text(encoding="utf-8").splitlines()]
        text = " ".join(row[8] for row in rows if len(row) == 9)
        yield "sroie", file.with_name(file.name.removesuffix(".box.csv") + ".jpg"), text
    for file in sorted((data / "ocr" / "scribeocr").glob("*.words.json")):
        lines = json.loads(file.read_text(encoding="utf-8"))["lines"]
        text = " ".join(word["text"] for line in lines for word in line["words"])
        stem = file.name.removesuffix(".words.json")
        (picture,) = [p for p in file.parent.glob(f"{stem}.*") if p.suffix in (".png", ".jpg")]
        yield "scribeocr", picture, text


def tesseract(image: Image.Image) -> tuple[str, float]:
    with tempfile.NamedTemporaryFile(suffix=".png") as file:
        image.save(file.name)
        start = time.perf_counter()
        done = subprocess.run(
            ["tesseract", file.name, "-", "-l", "eng"], capture_output=True, text=True, check=True
        )
    return done.stdout, time.perf_counter() - start


def recall(backend: LiteBackend, data: Path) -> None:
    tesseract_path = shutil.which("tesseract")
    scores: dict[tuple[str, str], Score] = {}
    for name, picture, truth in scans(data):
        with open_source(picture) as source:
            image = source.render(1, LONG_SIDE)
        scores.setdefault((name, "lite"), Score()).add(truth, *markdown(backend, image, None))
        if tesseract_path:
            scores.setdefault((name, "tesseract"), Score()).add(truth, *tesseract(image))
    for (name, reader), score in scores.items():
        print(score.row(f"{name}, {reader}"))
    if tesseract_path:
        version = subprocess.run(
            [tesseract_path, "--version"], capture_output=True, text=True, check=True
        ).stdout.split("\n")[0]
        print(f"compared with {version}")
    else:
        print("tesseract is not installed: apt-get install tesseract-ocr to compare")


def peak_memory() -> float:
    """Peak memory of this process in MiB (current memory on Windows)."""
    try:
        import resource
    except ImportError:
        return psutil.Process().memory_info().rss / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/corpus"))
    parser.add_argument("--pictures", type=int, default=6, help="layer pages also read by OCR")
    parser.add_argument("--only", choices=["layers", "scans"])
    arguments = parser.parse_args()
    if not arguments.data.is_dir():
        parser.error(f"{arguments.data} does not exist: name the folder of test data with --data")
    warnings.simplefilter("ignore", LiteBackendWarning)
    backend = LiteBackend()
    print(f"lite ({backend.model})")
    if arguments.only != "scans":
        print(
            f"{'character similarity':<26}{'pages':>6}{'median':>9}{'tenth':>10}{'quartiles':>11}{'':>9}{'s/page':>9}"
        )
        similarity(backend, arguments.data, arguments.pictures if not arguments.only else 0)
        print(f"peak memory {peak_memory():.0f} MiB")
    if arguments.only != "layers":
        print(f"{'words of scans':<26}{'pages':>6}{'recall':>9}{'precision':>11}{'s/page':>9}")
        recall(backend, arguments.data)
        print(f"peak memory {peak_memory():.0f} MiB")
    backend.close()


if __name__ == "__main__":
    main()
