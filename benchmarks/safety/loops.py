"""Runs the loop detector on real model outputs, real pages and long tables.

Run from the repository root::

    python benchmarks/safety/loops.py

The outputs in ``../shared/model-outputs`` were labelled by hand: candidates were found
by compression ratio, repeated blocks and length, and each was read. Pages without a
loop are the other outputs, the text layers of the PDFs in ``../shared/corpus`` in the
model's grammar, and the tables of that corpus as HTML. All text is fed in pieces, as a
model writes it.

Loops are also made: 1 to 260 tokens of a good output repeated up to the model's limit.
Wherever a published rule against repeats forbids the next token, one of three others
takes its place.
"""

from __future__ import annotations

import html
import json
import random
import sys
import time
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path
from xml.etree import ElementTree

from deepseek_ocr_rag.backends.lite.layout import lay_out
from deepseek_ocr_rag.document.grammar.parser import format_page
from deepseek_ocr_rag.document.text_layer import usable
from deepseek_ocr_rag.errors import SourceError
from deepseek_ocr_rag.model.families import TABLE_CELLS
from deepseek_ocr_rag.model.loops.detector import RepetitionWatch, find_loops
from deepseek_ocr_rag.model.loops.trimming import trimmed
from deepseek_ocr_rag.model.ngrams import NoRepeat
from deepseek_ocr_rag.model.tokenizer import ModelTokenizer
from deepseek_ocr_rag.sources.source import open_source

SHARED = Path(__file__).resolve().parents[3] / "shared"

LOOPS = (
    "*/ANA__S2__mathe_2_theorie-21__page_1.md",  # fractions that count up
    "*/ANA__S3__mathe_3_theorie-24__page_1.md",  # empty cells
    "*/ANA__S3__mathe_3_theorie-55__page_1.md",  # empty cells, now and then a word
    "*/ANA_e__1__*_Ana13_*__page_002.md",  # a row's end and a counter
    "*/ANA_e__2__*_Ana9_*__page_010.md",  # two words and brackets, never quite the same
    "*/ANA_e__3__*_DGL6_*__page_005.md",  # a list of letters with counters
    "*/ANA_e__3__*_DGL13_*__page_016.md",  # the same derivation in seven variants
    "*/LA__S1__mathe_theorie-92__page_1.md",  # empty cells
    "*/LA__S2__mathe_2_theorie-86__page_1.md",  # a matrix whose index goes on
    "*/LA_e__1__*_LA2_*__page_002.md",  # a fraction that counts up, then end tags
    "*/LA_e__2__*_LA8_*__page_006.md",  # zeros and a counter
    "*/LA_e__2__*_LA9_*__page_010.md",  # pairs of numbers that count up
    "06_JerMa88/mamorx_11_4.out.output1.txt",  # a cell of a table with small changes
    "12_zhi-xuan-chen_loop/result_ori.mmd",  # a paragraph four times
)

DOUBTFUL = {
    "*/LA_e__1__*_LA4_*__page_015.md": "ten small matrices, each read two or three times",
    "*/LA_e__1__*_LA4_*__page_013.md": "a small matrix with some rows of zeros too many",
    "*/LA_e__1__*_LA4_*__page_016.md": "a matrix of zeros with invented rows",
    "*/STO_e__1__*_Sto_5_*__page_002.md": "an invented table of empty cells that the model ended",
    "*/ANA__S1__mathe_theorie-67__page_1.md": "a list of integrals, the same ones again",
    "*/ANA__S3__mathe_3_theorie-74__page_1.md": "a real table with nine empty columns",
    "05_simonw_research/log_grounding_OCR_this_image.txt": "some lines twice",
    "06_JerMa88/compressed_mamorx_11_4.log.output1.txt": "one line four times",
    "06_JerMa88/latent_mamorx_11_4.log.output1.txt": "one line four times",
}
"""Outputs that some would call loops and others not: they count neither as loops nor as good."""


RULES = {
    "30 in 90": NoRepeat(size=30, window=90, exempt=TABLE_CELLS),
    "20 in 50": NoRepeat(size=20, window=50, exempt=TABLE_CELLS),
    "35 in all": NoRepeat(size=35),
}
"""The published rules against repeats: the size of the n-gram and the window, in tokens."""

LENGTHS = (1, 2, 3, 5, 8, 12, 20, 30, 50, 80, 120, 180, 260)
"""Numbers of tokens that a made loop repeats."""


def label(name: str) -> str:
    """The label of an output: loop, doubtful or good."""
    if any(fnmatch(name, pattern) for pattern in LOOPS):
        return "loop"
    return "doubtful" if any(fnmatch(name, pattern) for pattern in DOUBTFUL) else "good"


def model_outputs() -> Iterator[tuple[str, str]]:
    """All stored outputs with their names."""
    folder = SHARED / "model-outputs"
    for entry in json.loads((folder / "manifest.json").read_text(encoding="utf-8")):
        yield entry["file"], (folder / entry["file"]).read_text(encoding="utf-8")


def corpus_tables() -> Iterator[tuple[str, str]]:
    """The tables of the ICDAR 2013 ground truth as the model would write them."""
    for path in sorted((SHARED / "corpus").rglob("*-str.xml")):
        for number, table in enumerate(ElementTree.parse(path).getroot().iter("table")):
            cells: dict[tuple[int, int], str] = {}
            for cell in table.iter("cell"):
                position = int(cell.get("start-row", 0)), int(cell.get("start-col", 0))
                cells[position] = html.escape(" ".join((cell.findtext("content") or "").split()))
            rows, columns = (max(ends) + 1 for ends in zip(*cells, strict=True))
            body = "".join(
                "<tr>"
                + "".join(f"<td>{cells.get((r, c), '')}</td>" for c in range(columns))
                + "</tr>"
                for r in range(rows)
            )
            yield f"{path.name}#{number}", f"<table>{body}</table>"


def corpus_pages() -> Iterator[tuple[str, str]]:
    """Pages with a text layer, laid out and written in the model's grammar."""
    for path in sorted((SHARED / "corpus").rglob("*.pdf")):
        try:
            with open_source(path) as source:
                for number in range(1, min(source.page_count, 60) + 1):
                    layer = source.text_layer(number)
                    if layer is not None and usable(layer):
                        yield f"{path.name}#{number}", format_page(lay_out(layer))
        except SourceError:
            continue


def looped(page: Sequence[int], period: int, rule: NoRepeat, length: int) -> list[int]:
    """A page that ends in a loop of its last tokens, where a rule allows it.

    Args:
        page: Token ids.
        period: Number of tokens that are repeated.
        rule: The rule against repeats.
        length: Number of new tokens.
    """
    choice = random.Random(period)
    others = choice.choices(page, k=3)
    written = list(page)
    last: dict[tuple[int, ...], int] = {}
    for step in range(length):
        token = page[step % period - period]
        for _ in range(20):
            start = last.get((*written[len(written) - rule.size + 1 :], token))
            near = rule.window is None or (start or 0) >= len(written) - rule.window
            if start is None or not near or token in rule.exempt:
                break
            token = choice.choice([*others, choice.choice(page)])
        written.append(token)
        last[tuple(written[-rule.size :])] = len(written) - rule.size
    return written


def made_loops(count: int, length: int = 6500) -> Iterator[tuple[str, str]]:
    """Loops in real outputs, with the rule that disturbed each."""
    tokenizer = ModelTokenizer.from_file(SHARED / "deepseek-ocr-files" / "tokenizer.json")
    choice = random.Random(0)
    pages = [text for name, text in model_outputs() if label(name) == "good"]
    while count:
        ids = tokenizer.encode(choice.choice(pages))
        period, rule = choice.choice(LENGTHS), choice.choice(list(RULES))
        if len(ids) < 2 * period + 100:
            continue
        cut = choice.randrange(period + 80, len(ids))
        yield rule, tokenizer.decode(looped(ids[:cut], period, RULES[rule], length))
        count -= 1


def seen_after(text: str, piece: int = 100) -> int | None:
    """The number of characters after which a watch stops a text, or None if it never does."""
    watch = RepetitionWatch()
    for start in range(0, len(text), piece):
        if watch.feed(text[start : start + piece]) is not None:
            return min(len(text), start + piece)
    return None


def report_loops() -> int:
    """Prints how much of each loop was written and kept; returns the number of missed ones."""
    missed = 0
    print(f"{'loop':<60} {'characters':>10} {'stopped at':>10} {'kept':>6}")
    for name, text in model_outputs():
        if label(name) == "loop":
            loops = find_loops(text)
            missed += not loops
            kept = len(trimmed(text, *loops)) if loops else "missed"
            print(f"{name[-60:]:<60} {len(text):>10} {seen_after(text) or '-':>10} {kept:>6}")
    return missed


def report_made_loops(count: int) -> None:
    """Prints how many made loops are found, by the rule that disturbed them."""
    found: dict[str, list[bool]] = {rule: [] for rule in RULES}
    for rule, text in made_loops(count):
        found[rule].append(bool(find_loops(text)))
    summary = ", ".join(f"{sum(all_)} of {len(all_)} with {rule}" for rule, all_ in found.items())
    print(f"\nloops that were made: found {summary}")


def report_alarms() -> int:
    """Prints false alarms by kind of page; returns the number in model outputs."""
    kinds = {
        "model outputs": [page for page in model_outputs() if label(page[0]) == "good"],
        "doubtful outputs": [page for page in model_outputs() if label(page[0]) == "doubtful"],
        "tables of the corpus": list(corpus_tables()),
        "pages of the corpus": list(corpus_pages()),
    }
    false = {}
    print(f"\n{'without a loop':<24} {'pages':>6} {'characters':>10} {'alarms':>6} {'us/char':>8}")
    for kind, pages in kinds.items():
        start = time.perf_counter()
        alarms = [name for name, text in pages if find_loops(text) or seen_after(text)]
        characters = sum(len(text) for _, text in pages)
        # Each page was read twice.
        speed = (time.perf_counter() - start) / 2 / characters * 1e6
        print(f"{kind:<24} {len(pages):>6} {characters:>10} {len(alarms):>6} {speed:>8.1f}")
        for name in alarms:
            print(f"    {name}")
        false[kind] = len(alarms)
    return false["model outputs"]


def main() -> int:
    missed = report_loops()
    report_made_loops(100)
    false = report_alarms()
    print(f"\nloops found: {len(LOOPS) - missed} of {len(LOOPS)}; false alarms: {false}")
    return int(missed > 0 or false > 0)


if __name__ == "__main__":
    sys.exit(main())
