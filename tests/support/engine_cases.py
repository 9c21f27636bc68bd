"""What every engine must read alike: texts that the scripted checkpoint writes, and their pages."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass

from scripted_checkpoint import Scripted

from deepseek_ocr_rag import Block

__all__ = [
    "CASES",
    "LONG",
    "LOOPING",
    "PLAIN",
    "RULED",
    "SHORT",
    "TINY",
    "UNIT",
    "BlockSeen",
    "Case",
    "blocks_seen",
    "script",
]

Grid = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class BlockSeen:
    """What is compared of a block.

    Attributes:
        kind: The model's label.
        boxes: On the model's grid, 0..999.
        cells: Rows of a table; None elsewhere.
    """

    kind: str
    boxes: tuple[Grid, ...] = ()
    cells: tuple[tuple[str, ...], ...] | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """A page.

    Attributes:
        name: For the test's name.
        task: What the reader asks; each case has its own.
        writes: What the model writes.
        markdown: The page's Markdown.
        blocks: Its blocks.
        finish_reason: Why it ended.
        marked: Whether the text holds tokens of the layout or of tables.
        end: Whether the model ends by itself.
        loop: What it repeats instead.
    """

    name: str
    task: str
    writes: str
    markdown: str
    blocks: tuple[BlockSeen, ...]
    finish_reason: str = "stop"
    marked: bool = True
    end: bool = True
    loop: str = ""

    @property
    def prompt(self) -> str:
        """The task's words, as the published prompts have them."""
        verb, _, words = self.task.partition(": ")
        published = {
            "document": "<|grounding|>Convert the document to markdown.",
            "ocr": "<|grounding|>OCR this image.",
            "free": "Free OCR.",
            "locate": f"Locate <|ref|>{words}<|/ref|> in the image.",
            "prompt": words,
        }
        return published[verb]


def blocks_seen(blocks: Iterable[Block]) -> tuple[BlockSeen, ...]:
    """What of a page's blocks is compared."""
    return tuple(
        BlockSeen(
            block.kind,
            tuple(box.to_grid() for box in block.boxes),
            None
            if block.table is None
            else tuple(tuple(cell.text for cell in row) for row in block.table.rows),
        )
        for block in blocks
    )


def script() -> list[Scripted]:
    """All texts for one checkpoint; a prompt that is not in it gets an empty page."""
    return [
        Scripted(case.prompt, case.writes, end=case.end, loop=case.loop)
        for case in CASES
        if case.writes or case.loop
    ]


def marked(label: str, *boxes: Grid) -> str:
    """The head of a block as the model writes it."""
    return f"<|ref|>{label}<|/ref|><|det|>{[list(box) for box in boxes]}<|/det|>\n"


def table(*rows: tuple[str, ...]) -> str:
    """A table as the model writes it."""
    cells = ("".join(f"<td>{cell}</td>" for cell in row) for row in rows)
    return f"<table>{''.join(f'<tr>{row}</tr>' for row in cells)}</table>"


LONGEST = 420
"""Tokens of the largest context that the tests give an engine; ``LONG`` has more."""


WORDS = [
    *("lamp", "keeper", "stone", "tower", "harbour", "winter", "letter", "wind", "ladder", "oil"),
    *("glass", "boat", "night", "rope", "island", "bread", "signal", "rock", "storm", "book"),
    *("table", "door", "candle", "summer", "fish", "wall", "bell", "water"),
]


def _many_words() -> str:
    """Text without an end that is no loop either."""
    dice = random.Random(7)
    return " ".join(dice.choice(WORDS) for _ in range(LONGEST))


LONG = _many_words()

UNIT = "The keeper climbed all ninety steps, wound the heavy clock, and slept until the bell rang. "

ITEMS = (("Item", "Cost"), ("Lamps", "31,750"), ("Wiring work", "16,450"))
DUTIES = (("Month", "Days", "Note"), ("May", "", "none"), ("June", "11", ""))

SHORT = Case(
    "title-and-text",
    "document",
    f"{marked('title', (108, 62, 489, 95))}# Report\n\n"
    f"{marked('text', (112, 120, 900, 300))}The lamp was lit at six.",
    "# Report\n\nThe lamp was lit at six.",
    (
        BlockSeen("title", ((108, 62, 489, 95),)),
        BlockSeen("text", ((112, 120, 900, 300),)),
    ),
)
PLAIN = Case(
    "text-without-layout",
    "free",
    "The tower has ninety steps.\n\nNobody counts them.",
    "The tower has ninety steps.\n\nNobody counts them.",
    (BlockSeen("text"), BlockSeen("text")),
    marked=False,
)
"""The shortest, read most often."""

TINY = Case(
    "one-word",
    "prompt: <|grounding|>Read the first word.",
    f"{marked('title', (109, 63, 490, 96))}Lamps",
    "# Lamps",
    (BlockSeen("title", ((109, 63, 490, 96),)),),
)
"""Read many times over."""

LOOPING = Case(
    "endless-loop",
    "prompt: Copy the diary.",
    "Dear reader, this is what happened. ",
    f"Dear reader, this is what happened. {UNIT.strip()}",
    (BlockSeen("text"),),
    finish_reason="repetition",
    marked=False,
    loop=UNIT,
)

RULED = f"{LOOPING.writes}{UNIT * 2}The keeper climbed all ninety steps, wound the heavy clock,"
"""What is written of it under the published rule, no 35 tokens twice; then comes another token."""

CASES = (
    SHORT,
    TINY,
    PLAIN,
    Case(
        "table-with-cells",
        "prompt: <|grounding|>Read the costs.",
        f"{marked('table_caption', (99, 18, 705, 31))}Table 1. Costs\n\n"
        f"{marked('table', (100, 40, 900, 500))}{table(*ITEMS)}",
        "Table 1. Costs\n\n"
        "| Item | Cost |\n| --- | --- |\n| Lamps | 31,750 |\n| Wiring work | 16,450 |",
        (
            BlockSeen("table_caption", ((99, 18, 705, 31),)),
            BlockSeen("table", ((100, 40, 900, 500),), ITEMS),
        ),
    ),
    Case(
        "table-with-empty-cells",
        "prompt: <|grounding|>Read the duties.",
        f"{marked('table', (101, 41, 901, 501))}{table(*DUTIES)}",
        "| Month | Days | Note |\n| --- | --- | --- |\n| May |  | none |\n| June | 11 |  |",
        (BlockSeen("table", ((101, 41, 901, 501),), DUTIES),),
    ),
    Case(
        "headings",
        "ocr",
        f"{marked('title', (200, 10, 800, 44))}# Light\n\n"
        f"{marked('sub_title', (201, 60, 420, 82))}## 1. Oil\n\n"
        f"{marked('text', (202, 90, 798, 130))}Whale oil at first.",
        "# Light\n\n## 1. Oil\n\nWhale oil at first.",
        (
            BlockSeen("title", ((200, 10, 800, 44),)),
            BlockSeen("sub_title", ((201, 60, 420, 82),)),
            BlockSeen("text", ((202, 90, 798, 130),)),
        ),
    ),
    Case(
        "formulas",
        "prompt: <|grounding|>Read the formulas.",
        f"{marked('text', (113, 51, 880, 72))}The range \\(d\\) of a light at height \\(h\\) is\n\n"
        f"{marked('equation', (300, 81, 700, 122))}\\[ d = \\sqrt{{2 R h}} \\]",
        "The range \\(d\\) of a light at height \\(h\\) is\n\n\\[ d = \\sqrt{2 R h} \\]",
        (
            BlockSeen("text", ((113, 51, 880, 72),)),
            BlockSeen("equation", ((300, 81, 700, 122),)),
        ),
    ),
    Case(
        "unknown-label",
        "prompt: <|grounding|>Read the margin.",
        f"{marked('margin_note', (5, 400, 90, 460))}See the log of 1871.",
        "See the log of 1871.",
        (BlockSeen("margin_note", ((5, 400, 90, 460),)),),
    ),
    Case(
        "chinese",
        "prompt: <|grounding|>Read the inscription.",
        f"{marked('title', (310, 30, 690, 70))}# 灯塔日志\n\n"
        f"{marked('text', (114, 100, 870, 210))}六点钟点亮了灯。海上有雾，风从东北方来。",
        "# 灯塔日志\n\n六点钟点亮了灯。海上有雾，风从东北方来。",
        (
            BlockSeen("title", ((310, 30, 690, 70),)),
            BlockSeen("text", ((114, 100, 870, 210),)),
        ),
    ),
    Case(
        "several-boxes-and-a-picture",
        "prompt: <|grounding|>Read the columns.",
        f"{marked('text', (115, 600, 480, 990), (520, 11, 881, 205))}It ran over two columns.\n\n"
        f"{marked('image', (521, 230, 882, 640))}\n"
        f"{marked('image_caption', (522, 650, 883, 672))}The tower.",
        "It ran over two columns.\n\nThe tower.",
        (
            BlockSeen("text", ((115, 600, 480, 990), (520, 11, 881, 205))),
            BlockSeen("image", ((521, 230, 882, 640),)),
            BlockSeen("image_caption", ((522, 650, 883, 672),)),
        ),
    ),
    Case(
        "locate",
        "locate: the lamp",
        "<|ref|>the lamp<|/ref|><|det|>[[610, 12, 700, 88]]<|/det|>",
        "the lamp",
        (BlockSeen("text", ((610, 12, 700, 88),)),),
    ),
    Case("nothing", "prompt: Say nothing.", "", "", (), marked=False),
    LOOPING,
    Case(
        "no-room-left",
        "prompt: Read the whole book.",
        LONG,
        LONG,
        (BlockSeen("text"),),
        finish_reason="length",
        marked=False,
    ),
)
