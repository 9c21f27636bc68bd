"""Parses real and hostile model text: lost characters and time.

Run from the repository root::

    python benchmarks/safety/grammar.py

It prints a table for the stored real outputs (``../shared/model-outputs``) and one for
adversarial families of 64,000 tokens. The check for lost characters shares no code with
the parser: it deletes tags, HTML and the output of runtimes from the raw text with
simple patterns, and compares the characters that remain with those of the blocks. A tag's
label is not lost where a block has it as its kind, whatever labels a model writes; any other
label must come out as text. Times are CPU times: other work on the machine does not count.
"""

from __future__ import annotations

import gc
import html
import json
import re
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from deepseek_ocr_rag.document.grammar.parser import ParsedPage, parse_page
from deepseek_ocr_rag.document.grammar.runtime_noise import split_pages
from deepseek_ocr_rag.document.types import Block

OUTPUTS = Path(__file__).resolve().parents[3] / "shared" / "model-outputs"

BROKEN_LABELS = (
    "text|equation|sub_title|image|table|image_caption|title|table_caption|figure_title"
    "|table_footnote|equation group|text_begin|text of text|text_caption"
)
TAG = re.compile(
    r"<\|ref\|>([^<\n]{0,300})<\|/ref\|>\s*<\|det\|>\s*\[[^<\n]*\]\s*<\|/det\|>"
    r"|<\|det\|>[ \t]*(\w[\w -]{0,39})[ \t]*\[[0-9\[\]., -]*\]\s*<\|/det\|>"
)
"""A label with its boxes, as DeepSeek-OCR writes it, and as Unlimited-OCR does."""
UNMARKED_TAG = re.compile(r"^[ \t]*([^\n]{0,300}?)[ \t]?\[\[[0-9\[\], .-]*\]\][ \t]*$", re.M)
"""The same from a server that drops the marks; only where a text has no marks at all."""
BOX_LIST = re.compile(
    r"<\|(?:det|/ref)\|>[ \t]*[\[(][0-9\[\](), .-]*(?:<\|/det\|>|$)", re.M
)  # also broken ones
BROKEN_REF = re.compile(rf"<\|ref\|>(?:{BROKEN_LABELS})(?=<|[ \t]*(?:\n|\\|\[|$))")
MARKER = re.compile(r"<\|/?(?:ref|det)\|>")
HTML_TAG = re.compile(
    r"</?(?:table|caption|colgroup|col|thead|tbody|tfoot|tr|td|th|br|sub|sup|center|p|div|span|b|i|u"
    r"|strong|em)(?:\s[^<>]*)?/?>",
    re.I,
)
IN_CELL = re.compile(r"<br>|</?su[bp]>")
WARNING = (
    r"(?:(?:The attention layers in this model |The attention mask |Setting `pad_token_id` "
    r"|The `seen_tokens` attribute |`get_max_cache\(\)` is deprecated |You are using a model of type "
    r"|Some weights of |You should probably TRAIN |  warnings\.warn\(|.*\.py:\d+: UserWarning: ).*\n)*"
)
NOISE = re.compile(
    rf"{WARNING}={{21}}\nBASE:  torch\.Size.*\n(?:PATCHES:  torch\.Size.*|NO PATCHES)\n={{21}}(?:\n|$){WARNING}"
    r"|={50}\nimage size:  \(.*\nvalid image tokens:  \d+\noutput texts tokens \(valid\):  \d+"
    r"(?:\ncompression ratio:  [\d.]+\n={50})?$"
    r"|={15}save results:={15}|<--- Page Split --->|^(?:image|other): .*it/s\]$",
    re.M,
)


def expected_text(raw: str, page: ParsedPage) -> str:
    """What must come out of a page: the raw text without markup, spaces, and labels kept as kinds."""
    if "torch.Size(" in raw or "Page Split" in raw:
        raw = NOISE.sub(" ", raw)
    kinds = {letters(block.kind) for block in page.blocks}

    def label(match: re.Match[str]) -> str:
        found = next((group for group in match.groups() if group is not None), "")
        return " " if letters(found) in kinds else f" {found} "

    raw = (TAG if MARKER.search(raw) else UNMARKED_TAG).sub(label, raw)
    raw = BROKEN_REF.sub(" ", BOX_LIST.sub(" ", raw))
    return letters(html.unescape(HTML_TAG.sub(" ", MARKER.sub(" ", raw))))


def block_text(block: Block) -> str:
    """A block's text without spaces and without the signs of a Markdown table."""
    text = block.text
    if block.html is None:
        return letters(HTML_TAG.sub(" ", text))
    if text.startswith("|"):
        rows = text.split("\n")
        cells = [row[1:-1].replace(" | ", " ") for row in [rows[0], *rows[2:]]]
        return letters(IN_CELL.sub(" ", "\n".join(cells).replace("\\|", "|")))
    return letters(html.unescape(HTML_TAG.sub(" ", text)))


def letters(text: str) -> str:
    """The text without white space."""
    return "".join(text.split())


def lost_characters(raw: str, page: ParsedPage) -> Counter[str]:
    """Characters that occur more often in the raw text than in the blocks."""
    found = Counter("".join(map(block_text, page.blocks)))
    return Counter(expected_text(raw, page)) - found


def invented_characters(raw: str, page: ParsedPage) -> Counter[str]:
    """Characters that occur more often in the blocks; the ``#`` of headings does not count."""
    found = Counter("".join(map(block_text, page.blocks)))
    invented = found - Counter(expected_text(raw, page))
    del invented["#"]
    return invented


def real_outputs(folder: Path) -> list[Path]:
    """The stored outputs, as their manifest lists them."""
    entries = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    return [folder / entry["file"] for entry in entries]


ADVERSARIAL: dict[str, Callable[[int], str]] = {
    "<|ref|>": lambda n: "<|ref|>" * n,
    "<|ref|>x": lambda n: "<|ref|>x" * (n // 2),
    "<|det|>[[": lambda n: "<|det|>[[" * (n // 2),
    "<|/ref|>": lambda n: "<|/ref|>" * n,
    "whole tags": lambda n: "<|ref|>text<|/ref|><|det|>[[1, 2, 3, 4]]<|/det|>\nx\n\n" * (n // 18),
    "[": lambda n: "<|ref|>text<|/ref|><|det|>" + "[" * n,
    "<table>": lambda n: "<table>" * (n // 3),
    "<td>": lambda n: "<table><tr>" + "<td>" * n,
    "<tr><td>x": lambda n: "<table>" + "<tr><td>x" * (n // 3),
    "<td colspan=1000>": lambda n: "<table>" + "<tr><td colspan=1000>" * (n // 7),
    "<center>": lambda n: "<center>" * (n // 3),
    "====": lambda n: "====" * n,
    "banner": lambda n: ("=" * 21 + "\nBASE:  torch.Size([") * (n // 10),
    "&amp;": lambda n: "&amp;" * (n // 3),
    "spaces": lambda n: "<|ref|>text<|/ref|><|det|>[]<|/det|>a" + "        " * n + "b",
}


def fastest(work: Callable[[], object], repeats: int = 7) -> float:
    """CPU seconds of the fastest of several runs, each after a garbage collection."""
    times = []
    for _ in range(repeats):
        gc.collect()
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def report_real(files: Iterable[Path]) -> int:
    """Prints the table of the real outputs; returns the number of failures."""
    outputs = pages = blocks = failures = lost = invented = 0
    times = []
    for file in files:
        outputs += 1
        raw = file.read_text(encoding="utf-8")
        try:
            whole = parse_page(raw)
            lost += lost_characters(raw, whole).total()
            invented += invented_characters(raw, whole).total()
            for page in split_pages(raw):
                start = time.process_time()
                blocks += len(parse_page(page).blocks)
                times.append(time.process_time() - start)
                pages += 1
        except Exception as error:
            failures += 1
            print(f"{file}: {error!r}")
    print(f"{'real outputs':32}{outputs:>12,}")
    print(f"{'pages':32}{pages:>12,}")
    print(f"{'blocks':32}{blocks:>12,}")
    print(f"{'exceptions':32}{failures:>12,}")
    print(f"{'lost characters':32}{lost:>12,}")
    print(f"{'invented characters':32}{invented:>12,}")
    if times:
        print(f"{'milliseconds a page, median':32}{statistics.median(times) * 1000:>12.2f}")
        print(f"{'milliseconds a page, slowest':32}{max(times) * 1000:>12.2f}")
    return failures + lost


def report_adversarial(tokens: int = 64_000) -> None:
    """Prints the table of the adversarial families."""
    print(f"\n{f'adversarial, {tokens:,} tokens':32}{'kB':>8}{'seconds':>10}{'x2 takes':>10}")
    for name, make in ADVERSARIAL.items():
        text, double = make(tokens), make(2 * tokens)
        once = fastest(lambda text=text: parse_page(text))
        twice = fastest(lambda text=double: parse_page(text))
        print(f"{name:32}{len(text) / 1000:>8.0f}{once:>10.3f}{twice / once:>9.2f}x")


def main() -> int:
    wrong = 0
    if OUTPUTS.is_dir():
        wrong = report_real(real_outputs(OUTPUTS))
    else:
        print(f"no real outputs: {OUTPUTS} is not there")
    report_adversarial()
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
