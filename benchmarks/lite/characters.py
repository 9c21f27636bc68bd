"""Counts what the built-in reader loses of a PDF's own characters.

    python benchmarks/lite/characters.py [--data ../shared] [--peer pdfplumber] [--peer liteparse]
                                         [--pages 5] [--each]

Letters and digits within the bounds of each page as pdfium gives them, beside those of the blocks
that we make of it. Compared is how often each occurs, after Unicode's compatibility forms (``ﬁ`` is
``fi``). Words that a reader of the page cannot see are kept apart by us; they count as *hidden*, not
as lost. Pages without a usable text layer are read by OCR and left out; files that a reader
refuses are counted. Of long documents,
``--pages`` are taken at equal steps (0: all).
"""

from __future__ import annotations

import argparse
import html
import re
import time
import unicodedata
import warnings
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pypdfium2 as pdfium

from deepseek_ocr_rag.backends.lite.layout import lay_out
from deepseek_ocr_rag.document.grammar.parser import format_page, parse_page
from deepseek_ocr_rag.document.text_layer import usable
from deepseek_ocr_rag.errors import DeepSeekOCRError
from deepseek_ocr_rag.sources.source import open_source

SETS = {
    "questions": "corpus/qa/pdf/*.pdf",
    "tables": "corpus/tables/pdf/*.pdf",
    "ICDAR 2013": "corpus/ocr/icdar2013/*.pdf",
    "failing PDFs": "reports/*.pdf",
    "hostile": "corpus/hostile/**/*.pdf",
}
_TAG = re.compile(r"<[^<>]*>")

Letters = Counter[str]
PageReader = Callable[[Path, list[int]], dict[int, Letters]]


@dataclass
class Tally:
    """What was counted for one reader over a set."""

    pages: int = 0
    refused: int = 0  # files
    wanted: int = 0
    lost: int = 0
    hidden: int = 0
    seconds: float = 0.0
    worst: list[tuple[int, str]] = field(default_factory=list)


def letters(text: str) -> Letters:
    """Letters and digits, in Unicode's compatibility forms."""
    return Counter(c for c in unicodedata.normalize("NFKC", text) if c.isalnum())


def of_pdfium(pdf: Path, most: int) -> dict[int, Letters]:
    """By 1-based page; empty where pdfium does not open the file."""
    found: dict[int, Letters] = {}
    try:
        with pdfium.PdfDocument(pdf) as document:
            count = len(document)
            step = max(1, count // most) if most else 1
            for number in range(1, count + 1, step):
                page = document[number - 1]
                layer = page.get_textpage()
                found[number] = letters(layer.get_text_bounded())
                layer.close()
                page.close()
    except pdfium.PdfiumError:
        pass
    return found


class Ours:
    """The blocks of our reader; ``hidden`` has what it keeps apart."""

    def __init__(self) -> None:
        self.refused = ""
        self.hidden: dict[tuple[Path, int], Letters] = {}

    def __call__(self, pdf: Path, pages: list[int]) -> dict[int, Letters]:
        found: dict[int, Letters] = {}
        try:
            with open_source(pdf) as source:
                for number in pages:
                    layer = source.text_layer(number)
                    if layer is None or not usable(layer):
                        continue
                    blocks = parse_page(format_page(lay_out(layer)), recorded=False).blocks
                    text = "\n".join(_TAG.sub(" ", b.html or b.text) for b in blocks)
                    found[number] = letters(html.unescape(text))
                    self.hidden[pdf, number] = letters(" ".join(w.text for w in layer.unseen))
        except DeepSeekOCRError as error:
            self.refused = type(error).__name__
        return found


def pdfplumber_pages(pdf: Path, pages: list[int]) -> dict[int, Letters]:
    import pdfplumber

    with pdfplumber.open(pdf) as document:
        return {n: letters(document.pages[n - 1].extract_text() or "") for n in pages}


def liteparse_pages(pdf: Path, pages: list[int]) -> dict[int, Letters]:
    from liteparse import LiteParse

    wanted = ",".join(map(str, pages))
    parsed = LiteParse(ocr_enabled=False, target_pages=wanted, quiet=True).parse(str(pdf))
    return {page.page_num: letters(page.text) for page in parsed.pages}


def compare(
    tally: Tally, pdf: Path, found: dict[int, Letters], wanted: dict[int, Letters], hidden: Ours
) -> None:
    for number in found.keys() & wanted.keys():
        missing = wanted[number] - found[number]
        kept_apart = missing & hidden.hidden.get((pdf, number), Counter())
        lost = (missing - kept_apart).total()
        tally.pages += 1
        tally.wanted += wanted[number].total()
        tally.hidden += kept_apart.total()
        tally.lost += lost
        if lost:
            tally.worst.append((lost, f"{pdf.name} page {number}: {dict(missing - kept_apart)}"))


def measure(pdfs: Iterable[Path], peers: dict[str, PageReader], most: int) -> dict[str, Tally]:
    """All readers on the pages that ours reads from the text layer."""
    tallies = {name: Tally() for name in ("lite", *peers)}
    for pdf in pdfs:
        wanted = of_pdfium(pdf, most)
        ours = Ours()
        start = time.process_time()
        found = ours(pdf, list(wanted))
        if ours.refused:
            tallies["lite"].refused += 1
            tallies["lite"].worst.append((0, f"{pdf.name}: {ours.refused}"))
        tallies["lite"].seconds += time.process_time() - start
        compare(tallies["lite"], pdf, found, wanted, ours)
        for name, read in peers.items():
            start = time.process_time()
            try:
                theirs = read(pdf, sorted(found)) if found else {}
            except Exception as error:
                tallies[name].refused += 1
                tallies[name].worst.append((0, f"{pdf.name}: {type(error).__name__}"))
                continue
            tallies[name].seconds += time.process_time() - start
            seen = {n: each for n, each in theirs.items() if n in found}
            compare(tallies[name], pdf, seen, wanted, Ours())
    return tallies


def main() -> int:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    options.add_argument("--data", type=Path, default=Path("../shared"))
    options.add_argument("--sets", default=",".join(SETS))
    options.add_argument("--peer", action="append", choices=["pdfplumber", "liteparse"], default=[])
    options.add_argument("--pages", type=int, default=5)
    options.add_argument("--each", action="store_true", help="also print the worst pages")
    arguments = options.parse_args()
    warnings.simplefilter("ignore")
    known: dict[str, PageReader] = {"pdfplumber": pdfplumber_pages, "liteparse": liteparse_pages}
    peers = {name: known[name] for name in arguments.peer}
    print(
        f"{'letters and digits':32}{'pages':>7}{'refused':>9}{'of pdfium':>11}{'hidden':>8}{'lost':>8}{'share':>9}"
    )
    lost = 0
    for name in arguments.sets.split(","):
        pdfs = sorted(arguments.data.glob(SETS[name]))
        for reader, tally in measure(pdfs, peers, arguments.pages).items():
            share = tally.lost / max(1, tally.wanted)
            print(
                f"{f'{name}, {reader}':32}{tally.pages:>7,}{tally.refused:>9,}{tally.wanted:>11,}{tally.hidden:>8,}"
                f"{tally.lost:>8,}{share:>9.5f}",
                flush=True,
            )
            for _, line in sorted(tally.worst, reverse=True)[:8] if arguments.each else ():
                print(f"    {line[:160]}")
            lost += tally.lost if reader == "lite" else 0
    return bool(lost)


if __name__ == "__main__":
    raise SystemExit(main())
