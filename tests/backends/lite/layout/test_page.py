"""Makes blocks of words with boxes: order, headings, paragraphs, lists, tables."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from time import thread_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepseek_ocr_rag.backends.lite.layout import lay_out
from deepseek_ocr_rag.document.text_layer import Rule, TextLayer, Word
from deepseek_ocr_rag.document.types import Block, Box

WIDTH, HEIGHT = 600.0, 800.0


def words(
    text: str, x: float, y: float, *, size: float = 10, bold: bool = False, rotation: int = 0
) -> Iterator[Word]:
    """Make a line of words from a point on; each letter is half as wide as the font is high."""
    for part in text.split():
        length = 0.5 * size * len(part)
        box = Box.clamped(x / WIDTH, y / HEIGHT, (x + length) / WIDTH, (y + size) / HEIGHT)
        yield Word(part, box, size, bold, rotation=rotation)
        x += length + 0.3 * size


def paragraph(lines: Sequence[str], x: float, y: float, *, pitch: float = 12) -> list[Word]:
    return [w for i, line in enumerate(lines) for w in words(line, x, y + i * pitch)]


def layer(*groups: Sequence[Word] | Iterator[Word], **more: object) -> TextLayer:
    held = tuple(w for group in groups for w in group)
    return TextLayer(held, width=WIDTH, height=HEIGHT, **more)  # type: ignore[arg-type]


def texts(blocks: Sequence[Block]) -> list[str]:
    return [block.text for block in blocks]


def level_rule(y: float, x0: float, x1: float) -> Rule:
    return Rule(Box(x0 / WIDTH, y / HEIGHT, x1 / WIDTH, y / HEIGHT), horizontal=True)


def upright_rule(x: float, y0: float, y1: float) -> Rule:
    return Rule(Box(x / WIDTH, y0 / HEIGHT, x / WIDTH, y1 / HEIGHT), horizontal=False)


LEFT = [
    "The left column is read from its top down",
    "to its end before anybody looks at what is",
    "printed at the other side of the gutter, as",
    "every reader of newspapers has always done",
    "and will go on doing for a very long time.",
]
RIGHT = [
    "Only then comes the column at the right of",
    "the page, which has a text of its own that",
    "would make no sense at all if its lines got",
    "mixed up with those of its left neighbour,",
    "however neatly they stand beside each other.",
]


def test_two_columns_are_read_one_after_the_other() -> None:
    blocks = lay_out(layer(paragraph(LEFT, 50, 100), paragraph(RIGHT, 320, 100)))
    assert texts(blocks) == [" ".join(LEFT), " ".join(RIGHT)]


def test_columns_drawn_line_by_line_are_still_columns() -> None:
    rows = [
        word
        for i, (a, b) in enumerate(zip(LEFT, RIGHT, strict=True))
        for word in (*words(a, 50, 100 + 12 * i), *words(b, 320, 100 + 12 * i))
    ]
    assert texts(lay_out(layer(rows))) == [" ".join(LEFT), " ".join(RIGHT)]


def test_three_columns_are_read_from_left_to_right() -> None:
    short = [" ".join(line.split()[:5]) for line in LEFT]
    columns = [[f"{name} {line}" for line in short] for name in ("One", "Two", "Three")]
    held = [paragraph(lines, 30 + 190 * i, 100) for i, lines in enumerate(columns)]
    assert [text.split()[0] for text in texts(lay_out(layer(*held)))] == ["One", "Two", "Three"]


def test_a_heading_over_two_columns_comes_before_both() -> None:
    heading = words("A Heading Over Both Columns Of The Page", 90, 60, size=20)
    blocks = lay_out(layer(paragraph(LEFT, 50, 100), paragraph(RIGHT, 320, 100), heading))
    assert blocks[0].kind == "title"
    assert blocks[0].text == "# A Heading Over Both Columns Of The Page"
    assert texts(blocks)[1:] == [" ".join(LEFT), " ".join(RIGHT)]


def test_full_width_text_between_columns_divides_them() -> None:
    middle = [
        "Between them stands a sentence that runs over the whole width of the page, gutter included."
    ]
    blocks = lay_out(
        layer(
            paragraph(LEFT, 50, 100),
            paragraph(RIGHT, 320, 100),
            paragraph(middle, 50, 190),
            paragraph(LEFT, 50, 230),
            paragraph(RIGHT, 320, 230),
        )
    )
    found = [text.split()[1] for text in texts(blocks)]
    assert found == ["left", "then", "them", "left", "then"]


def test_a_rule_across_the_page_divides_the_columns_above_it_from_those_below() -> None:
    above, below = (LEFT, 50), (RIGHT, 320)
    words_ = [
        word
        for top in (100, 166)
        for lines, x in (above, below)
        for word in paragraph(lines, x, top)
    ]
    blocks = lay_out(layer(words_, rules=(level_rule(162, 50, 560),)))
    assert texts(blocks) == [" ".join(lines) for lines in (LEFT, RIGHT, LEFT, RIGHT)]


def test_a_paragraph_that_continues_in_the_next_column_has_two_boxes() -> None:
    left = [*LEFT[:-1], "and will go on doing as long as there are"]
    right = ["newspapers at all. " + RIGHT[0][:20], *RIGHT[1:]]
    (block,) = lay_out(layer(paragraph(left, 50, 100), paragraph(right, 320, 100)))
    assert len(block.boxes) == 2
    assert "as there are newspapers at all." in block.text


def test_rows_of_numbers_stay_rows() -> None:
    rows = [("Apples", "1,204", "88"), ("Pears", "977", "103"), ("Plums", "12", "5")]
    held = [
        w
        for i, row in enumerate(rows)
        for x, cell in zip((50, 250, 400), row, strict=True)
        for w in words(cell, x, 100 + 14 * i)
    ]
    (block,) = lay_out(layer(held))
    assert block.table is not None
    assert [tuple(cell.text for cell in row) for row in block.table.rows] == rows


def test_tilted_columns_are_read_as_if_they_were_level() -> None:
    tilt = math.radians(2)

    def tilted(word: Word) -> Word:
        x = (word.box.x0 + word.box.x1) / 2 * WIDTH - WIDTH / 2
        y = (word.box.y0 + word.box.y1) / 2 * HEIGHT - HEIGHT / 2
        u = (x * math.cos(tilt) - y * math.sin(tilt)) / WIDTH + 0.5
        v = (x * math.sin(tilt) + y * math.cos(tilt)) / HEIGHT + 0.5
        w, h = (word.box.x1 - word.box.x0) / 2, (word.box.y1 - word.box.y0) / 2
        return Word(word.text, Box.clamped(u - w, v - h, u + w, v + h), word.size)

    straight = [*paragraph(LEFT, 50, 100), *paragraph(RIGHT, 320, 100)]
    scan = layer([tilted(word) for word in straight])
    blocks = lay_out(scan, skew=tilt, measured=True)
    assert texts(blocks) == [" ".join(LEFT), " ".join(RIGHT)]
    # The boxes are those of the page as displayed.
    assert blocks[0].boxes[0].y0 == min(w.box.y0 for w in scan.words[: len(" ".join(LEFT).split())])


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_a_page_on_its_side_or_upside_down_is_read_in_its_own_direction(rotation: int) -> None:
    def turned(word: Word) -> Word:
        x0, y0, x1, y1 = word.box.as_tuple()
        box = {
            90: Box.clamped(1 - y1, x0, 1 - y0, x1),
            180: Box.clamped(1 - x1, 1 - y1, 1 - x0, 1 - y0),
            270: Box.clamped(y0, 1 - x1, y1, 1 - x0),
        }[rotation]
        return Word(word.text, box, word.size, rotation=rotation)

    held = tuple(turned(w) for w in (*paragraph(LEFT, 50, 100), *paragraph(RIGHT, 320, 100)))
    size = (WIDTH, HEIGHT) if rotation == 180 else (HEIGHT, WIDTH)
    blocks = lay_out(TextLayer(held, width=size[0], height=size[1]))
    assert texts(blocks) == [" ".join(LEFT), " ".join(RIGHT)]


def test_text_in_the_margin_that_runs_upwards_is_a_block_of_its_own() -> None:
    side = [
        Word("arXiv:1706.03762", Box(0.02, 0.5, 0.04, 0.7), 10, rotation=270),
        Word("[cs.CL]", Box(0.02, 0.4, 0.04, 0.49), 10, rotation=270),
    ]
    blocks = lay_out(layer(paragraph(LEFT, 80, 100), side))
    assert texts(blocks) == [" ".join(LEFT), "arXiv:1706.03762 [cs.CL]"]


def test_a_larger_line_is_a_heading_and_a_bold_one_too() -> None:
    blocks = lay_out(
        layer(
            words("Results", 50, 80, size=13),
            paragraph(LEFT, 50, 100),
            words("Limits of this study", 50, 170, bold=True),
            paragraph(RIGHT, 50, 190),
        )
    )
    assert [(b.kind, b.text) for b in blocks if b.kind != "text"] == [
        ("sub_title", "## Results"),
        ("sub_title", "### Limits of this study"),
    ]


def test_on_a_page_that_is_all_bold_nothing_is_a_heading() -> None:
    held = [w for i, line in enumerate(LEFT) for w in words(line, 50, 100 + 12 * i, bold=True)]
    assert [b.kind for b in lay_out(layer(held))] == ["text"]


def test_a_word_divided_at_the_end_of_a_line_becomes_whole() -> None:
    (block,) = lay_out(layer(paragraph(["This is an exam-", "ple of a divided word."], 50, 100)))
    assert block.text == "This is an example of a divided word."


def test_items_of_a_list_keep_their_lines() -> None:
    lines = [
        "• first item of the list",
        "• second item, so long that",
        "  it needs two lines",
        "• third",
    ]
    (block,) = lay_out(layer(paragraph(lines, 50, 100)))
    assert block.text.split("\n") == [
        "- first item of the list",
        "- second item, so long that it needs two lines",
        "- third",
    ]


def test_white_space_divides_paragraphs() -> None:
    blocks = lay_out(layer(paragraph(LEFT, 50, 100), paragraph(RIGHT, 50, 172)))
    assert texts(blocks) == [" ".join(LEFT), " ".join(RIGHT)]


def test_a_superscript_stays_in_its_line() -> None:
    note = words("2", 50 + 5 * 4, 98, size=5)
    (block,) = lay_out(layer(words("area", 50, 100), note, words("of the room", 80, 100)))
    assert block.text == "area 2 of the room"


def test_a_drop_cap_opens_its_paragraph() -> None:
    lines = [words(line, 90, 100 + 12 * i) for i, line in enumerate(LEFT[:2])]
    rest = [words(line, 50, 100 + 12 * i) for i, line in enumerate(LEFT[2:], start=2)]
    cap = [Word("O", Box(50 / WIDTH, 100 / HEIGHT, 84 / WIDTH, 123 / HEIGHT), 32)]
    assert texts(lay_out(layer(*lines, *rest, cap)))[0].startswith("O The left column")


def test_a_grid_becomes_a_table_with_its_spans() -> None:
    ruled = [level_rule(y, 50, 350) for y in (100, 120, 140, 160)]
    ruled += [upright_rule(50, 100, 160), upright_rule(350, 100, 160)]
    ruled += [upright_rule(150, 100, 160), upright_rule(250, 120, 160)]
    cells = [
        ("Name", 55, 105), ("Visitors", 200, 105),
        ("2023", 155, 125), ("2024", 255, 125),
        ("Tower", 55, 145), ("814", 155, 145), ("902", 255, 145),
    ]  # fmt: skip
    held = [w for text, x, y in cells for w in words(text, x, y)]
    (block,) = lay_out(layer(held, rules=tuple(ruled)))
    assert block.kind == "table"
    assert block.table is not None
    assert [[(c.text, c.colspan) for c in row] for row in block.table.rows] == [
        [("Name", 1), ("Visitors", 2)],
        [("", 1), ("2023", 1), ("2024", 1)],
        [("Tower", 1), ("814", 1), ("902", 1)],
    ]


def test_rows_without_rules_between_them_are_rows_of_the_grid() -> None:
    ruled = [level_rule(y, 50, 250) for y in (100, 120, 170)]
    ruled += [upright_rule(x, 100, 170) for x in (50, 150, 250)]
    cells = [("Year", 55, 105), ("Tons", 155, 105)]
    cells += [(str(2020 + i), 55, 125 + 14 * i) for i in range(3)]
    cells += [(str(7 * i + 30), 155, 125 + 14 * i) for i in range(3)]
    (block,) = lay_out(layer([w for c in cells for w in words(*c)], rules=tuple(ruled)))
    assert block.table is not None
    assert block.table.to_rows() == (
        ("Year", "Tons"), ("2020", "30"), ("2021", "37"), ("2022", "44"),
    )  # fmt: skip


def test_horizontal_rules_alone_make_a_table_if_its_columns_are_clear() -> None:
    ruled = tuple(level_rule(y, 50, 400) for y in (100, 120, 170))
    rows = [
        ("Method", "Recall", "Time"),
        ("ours", "0.98", "5"),
        ("theirs", "0.84", "14"),
        ("none", "0", "0"),
    ]
    held = [
        w
        for i, row in enumerate(rows)
        for x, cell in zip((55, 200, 330), row, strict=True)
        for w in words(cell, x, 105 + 16 * i)
    ]
    (block,) = lay_out(layer(held, rules=ruled))
    assert block.table is not None
    assert block.table.to_rows() == tuple(rows)


def test_a_frame_around_text_is_not_a_table() -> None:
    ruled = [level_rule(y, 40, 400) for y in (90, 170)]
    ruled += [upright_rule(x, 90, 170) for x in (40, 400)]
    (block,) = lay_out(layer(paragraph(LEFT, 50, 100), rules=tuple(ruled)))
    assert block.kind == "text"


def test_a_line_that_names_a_picture_is_its_caption() -> None:
    picture = Box(0.1, 0.3, 0.6, 0.5)
    caption = words("Figure 3: A lighthouse", 60, 410)
    blocks = lay_out(layer(paragraph(LEFT, 60, 100), caption, pictures=(picture,)))
    assert [b.kind for b in blocks] == ["text", "image", "image_caption"]
    assert blocks[1].boxes == (picture,)


def test_a_background_picture_is_not_a_figure() -> None:
    blocks = lay_out(layer(paragraph(LEFT, 60, 100), pictures=(Box(0, 0, 1, 1),)))
    assert [b.kind for b in blocks] == ["text"]


def test_a_page_without_words_and_pictures_has_no_blocks() -> None:
    assert lay_out(TextLayer(())) == ()


boxes = st.tuples(*[st.floats(0, 1, allow_nan=False)] * 4).map(lambda v: Box.clamped(*v))
any_words = st.builds(
    Word,
    text=st.text(st.characters(codec="utf-8"), min_size=1, max_size=6).filter(str.strip),
    box=boxes,
    size=st.sampled_from([0.0, 6.0, 10.0, 10.5, 24.0]),
    bold=st.booleans(),
    rotation=st.sampled_from([0, 0, 0, 90, 180, 270]),
)
any_rules = st.builds(Rule, box=boxes, horizontal=st.booleans())


def counted(text: str) -> Counter[str]:
    """Count characters, except spaces and the marks of headings, items and divided words."""
    dropped = set("~`#-\u2010\u00ad\ufffe\u0002•●○◦▪■□▫‣⁃∙·❖➢➤✓✔\uf0b7\uf0a7\uf0d8\uf076\uf0fc")
    text = text.replace("\0", "\ufffd")
    return Counter(c for c in text if not c.isspace() and c not in dropped)


def block_text(block: Block) -> str:
    if block.table is None:
        return block.text
    return " ".join(cell.text for row in block.table.rows for cell in row)


@settings(deadline=None, max_examples=120)
@given(
    held=st.lists(any_words, max_size=40),
    rules=st.lists(any_rules, max_size=12),
    pictures=st.lists(boxes, max_size=3),
    skew=st.sampled_from([0.0, 0.03]),
)
def test_every_word_comes_out_exactly_once(
    held: list[Word], rules: list[Rule], pictures: list[Box], skew: float
) -> None:
    page = TextLayer(tuple(held), tuple(rules), tuple(pictures), WIDTH, HEIGHT)
    blocks = lay_out(page, skew=skew)
    plain = [w for w in held if not set(w.text) & set("<>&")]
    if len(plain) == len(held):
        found = counted(" ".join(block_text(b) for b in blocks))
        assert found == counted(" ".join(w.text for w in held))
    assert all(b.boxes for b in blocks)


@settings(deadline=None, max_examples=60)
@given(
    columns=st.integers(2, 5),
    rows=st.integers(2, 8),
    cells=st.lists(st.text("abc123", min_size=1, max_size=5), min_size=40, max_size=40),
)
def test_every_cell_of_a_grid_comes_out_in_its_row_and_column(
    columns: int, rows: int, cells: list[str]
) -> None:
    x_lines, y_lines = (
        [60 + 90 * i for i in range(columns + 1)],
        [80 + 20 * i for i in range(rows + 1)],
    )
    ruled = [level_rule(y, x_lines[0], x_lines[-1]) for y in y_lines]
    ruled += [upright_rule(x, y_lines[0], y_lines[-1]) for x in x_lines]
    wanted = [[cells[(r * columns + c) % 40] for c in range(columns)] for r in range(rows)]
    held = [
        w
        for r in range(rows)
        for c in range(columns)
        for w in words(wanted[r][c], x_lines[c] + 5, y_lines[r] + 5)
    ]
    (block,) = lay_out(layer(held, rules=tuple(ruled)))
    assert block.table is not None
    assert block.table.to_rows() == tuple(map(tuple, wanted))


def test_a_page_made_to_be_slow_takes_only_seconds() -> None:
    n = 2000
    stairs = tuple(
        Word("w", Box.clamped(i / n, i % 500 / 500, i / n + 0.001, i % 500 / 500 + 0.0015), 9)
        for i in range(n)
    )
    start = thread_time()
    blocks = lay_out(TextLayer(stairs, width=WIDTH, height=HEIGHT))
    assert thread_time() - start < 6
    assert sum(b.text.count("w") for b in blocks) == n
