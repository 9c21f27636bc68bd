"""Finds tables that only the alignment of their cells shows."""

from __future__ import annotations

from deepseek_ocr_rag.backends.lite.layout import lay_out
from deepseek_ocr_rag.document.text_layer import Rule, TextLayer, Word
from deepseek_ocr_rag.document.types import Block, Box

WIDTH, HEIGHT = 600.0, 800.0


def placed(x: float, y: float, text: str, *, right: bool = False, size: float = 10) -> list[Word]:
    """Make words of 5 points a letter, from ``x`` on or up to ``x``."""
    step = 0.5 * size
    left = x - step * len(text) if right else x
    words = []
    for part in text.split(" "):
        box = Box(
            left / WIDTH, y / HEIGHT, (left + step * len(part)) / WIDTH, (y + 1.2 * size) / HEIGHT
        )
        words.append(Word(part, box, size))
        left += step * (len(part) + 0.5)
    return words


def page(
    rows: list[tuple[str, ...]], *, y: float = 100, columns: tuple[float, ...] = (320, 440, 540)
) -> list[Word]:
    found = []
    for i, (label, *figures) in enumerate(rows):
        found += placed(60, y + 16 * i, label) if label else []
        for x, figure in zip(columns, figures, strict=False):
            found += placed(x, y + 16 * i, figure, right=True) if figure else []
    return found


def rule(y: float, x0: float, x1: float) -> Rule:
    return Rule(Box(x0 / WIDTH, y / HEIGHT, x1 / WIDTH, (y + 0.5) / HEIGHT), horizontal=True)


def blocks(words: list[Word], rules: tuple[Rule, ...] = ()) -> tuple[Block, ...]:
    return lay_out(TextLayer(tuple(words), rules, (), WIDTH, HEIGHT))


def rows_of(words: list[Word], rules: tuple[Rule, ...] = ()) -> list[list[str]]:
    (table,) = [b.table for b in blocks(words, rules) if b.table is not None]
    return [[cell.text for cell in row] for row in table.rows]


STATEMENT = [
    ("", "2019", "2018"),
    ("Net sales", "280,522", "232,887"),
    ("Cost of sales", "(165,536)", "(139,156)"),
    ("Operating income", "14,541", "12,421"),
]


def test_rows_of_a_statement_without_rules_are_rows_of_a_table() -> None:
    assert rows_of(page(STATEMENT)) == [list(row) for row in STATEMENT]


def test_a_currency_sign_joins_its_figure() -> None:
    words = page(STATEMENT) + placed(262, 116, "$") + placed(382, 116, "$")
    assert rows_of(words)[1] == ["Net sales", "$ 280,522", "$ 232,887"]


def test_a_heading_inside_a_table_is_a_row() -> None:
    rows = [*STATEMENT[:2], ("Expenses:",), *STATEMENT[2:]]
    assert ["Expenses:", "", ""] in rows_of(page(rows))


def test_a_label_over_two_lines_is_one_label() -> None:
    rows = [
        *STATEMENT[:3],
        ("Income from continuing operations,",),
        ("net of tax", "9,820", "8,003"),
    ]
    assert rows_of(page(rows))[-1] == [
        "Income from continuing operations, net of tax",
        "9,820",
        "8,003",
    ]


def test_a_rule_below_a_head_shows_its_columns() -> None:
    words = placed(330, 84, "Fiscal year") + page(STATEMENT)
    rules = (rule(78, 60, 445), rule(98, 260, 445), rule(114, 60, 445))
    (table,) = [b.table for b in blocks(words, rules) if b.table is not None]
    assert [(c.text, c.colspan) for c in table.rows[0]][-1] == ("Fiscal year", 2)


def test_dot_leaders_do_not_fill_gaps() -> None:
    rows = [(f"{label} " + "." * 20, *rest) for label, *rest in STATEMENT[1:]]
    found = rows_of(page(rows, columns=(420, 540)))
    assert [row[1:] for row in found] == [list(row[1:]) for row in STATEMENT[1:]]


def test_prose_is_not_a_table() -> None:
    lines = [
        "In 2019 the company sold 12 ships for 4 million euros, and in 2020 it sold",
        "another 15 ships for 6 million euros, although 3 of them were returned in",
        "the same year, so that the sales of 2021 began with 3 ships in the dock.",
    ]
    words = [w for i, line in enumerate(lines) for w in placed(60, 100 + 14 * i, line)]
    assert all(b.table is None for b in blocks(words))


def test_a_table_of_contents_stays_lines() -> None:
    rows = [
        ("1 Introduction " + "." * 40, "3"),
        ("2 Methods " + "." * 45, "7"),
        ("3 Results " + "." * 45, "12"),
    ]
    words = page(rows, columns=(540,))
    assert all(b.table is None for b in blocks(words))


def test_two_tables_stay_two() -> None:
    words = page(STATEMENT) + page(STATEMENT, y=260)
    assert len([b for b in blocks(words) if b.table is not None]) == 2


def test_two_lines_of_a_running_foot_are_not_a_table() -> None:
    foot = placed(60, 770, "138 (H)") + placed(300, 770, "2019") + placed(520, 770, "1-31")
    foot += placed(60, 784, "139 (H)") + placed(300, 784, "2019") + placed(520, 784, "1-32")
    assert all(b.table is None for b in blocks(foot))


def test_an_index_stays_lines() -> None:
    rows = [("Display", "132, 195"), ("Select", "117, 164, 276"), ("Work with", "230, 240")]
    assert all(b.table is None for b in blocks(page(rows, columns=(540,))))


RATINGS = [
    ("Operating temperature of the lamp", "0", "", "40", "C", "in its housing"),
    ("Power supply", "4.0", "5.0", "5.25", "V", ""),
    ("Supply noise (sinusoidal)", "", "", "100", "mV p-p", "10 kHz to 50 MHz"),
    ("Serial port clock", "", "", "1", "MHz", "half duty cycle"),
]


def test_rows_between_rules_through_all_columns_are_not_cut_into_columns() -> None:
    words, rules = [], []
    head = ("Parameter", "Min", "Typ", "Max", "Units", "Notes")
    for i, texts in enumerate((head, *RATINGS)):
        y = 100 + 18 * i
        for x, text in zip((60, 260, 300, 340, 400, 470), texts, strict=True):
            words += placed(x, y, text) if text else []
        rules.append(rule(y + 15, 55, 580))
    # Programs may draw a table column by column.
    words.sort(key=lambda word: word.box.x0 > 330 / WIDTH)
    found = rows_of(words, tuple(rules))
    assert found[0] == list(head)
    assert found[-1] == ["Serial port clock", "", "", "1", "MHz", "half duty cycle"]


def test_texts_that_stand_on_rules_beside_each_other_are_the_head_of_the_figures_below() -> None:
    heads = (
        (("Number of", "shares", "purchased"), 300, 240),
        (("Average", "price paid", "per share"), 420, 360),
        (("Value that may", "yet be spent under", "the programme"), 560, 450),
    )
    words, rules = placed(60, 112, "Periods"), [rule(125, 55, 200)]
    for lines, right, left in heads:
        rules.append(rule(125, left, right))
        for i, line in enumerate(lines):
            words += placed(right, 88 + 12 * i, line, right=True)
    rows = [
        ("April to May:",),
        ("  Open market", "38,121", "165.46", ""),
        ("May to June:",),
        ("  Open market", "21,876", "174.91", ""),
        ("Total", "59,997", "", "94,569"),
    ]
    words += page(rows, y=130, columns=(300, 420, 560))
    found = rows_of(words, tuple(rules))
    head = [" ".join(column).split() for column in zip(*found, strict=True)]
    assert head[1][:5] == ["Number", "of", "shares", "purchased", "38,121"]
    assert "".join(head[3]).startswith("Valuethatmayyetbespentundertheprogramme")
    assert [row[0] for row in found[-5:]] == [row[0].strip() for row in rows]


def test_rows_of_words_between_rules_are_rows_of_a_table() -> None:
    rows = [
        ("Name", "Duty of the keeper", "Pay"),
        ("Ann Lee", "trims the wick each night", "twelve pounds"),
        ("Tom Roe", "carries the oil up the tower", "fourteen pounds"),
        ("Jo Ray", "winds the clock", "thirteen pounds"),
    ]
    words, rules = [], []
    for i, row in enumerate(rows):
        for x, text in zip((60, 200, 440), row, strict=True):
            words += placed(x, 100 + 16 * i, text)
        rules.append(rule(114 + 16 * i, 55, 560))
    assert rows_of(words, tuple(rules)) == [list(row) for row in rows]
    assert all(block.table is None for block in blocks(words))


def test_years_at_the_left_of_a_table_are_its_labels_not_line_numbers() -> None:
    years = [str(year) for year in range(2019, 2025)]
    rows = [("Year", "Wind", "Solar", "Gas")]
    rows += [(year, f"1,{412 + i}", f"{318 + i}", f"5,{120 + i}") for i, year in enumerate(years)]
    words = []
    for i, row in enumerate(rows):
        words += page([row], y=100 + 22 * i)
    texts = "\n".join(block.text for block in blocks(words, (rule(117, 60, 540),)))
    assert "2019" in texts.partition("1,412")[0]
    assert " ".join(years) not in texts


def test_headings_between_tables_are_headings_where_the_page_has_nothing_else() -> None:
    rows = [("Item", "Planned", "Spent")] + [(f"Part {n}", f"{n}12", f"{n}34") for n in range(1, 7)]
    words = placed(60, 40, "Year 2023", size=15) + page(rows, y=80, columns=(320, 440))
    words += placed(60, 240, "Year 2024", size=15) + page(rows, y=280, columns=(320, 440))
    kinds = {block.text: block.kind for block in blocks(words)}
    assert [kinds.get(f"## Year {year}") for year in (2023, 2024)] == ["sub_title", "sub_title"]


def test_underlined_words_in_two_columns_of_prose_are_no_head_of_a_table() -> None:
    left = [f"The left party of case {n} paid all of the rent" for n in range(12)]
    right = [f"The right party of suit {n} paid none of the rent" for n in range(12)]
    words = [w for i, text in enumerate(left) for w in placed(40, 100 + 14 * i, text)]
    words += [w for i, text in enumerate(right) for w in placed(320, 100 + 14 * i, text)]
    # Links in the third line of both columns.
    rules = (rule(140.5, 60, 110), rule(140.5, 345, 395))
    texts = " ".join(block.text.replace("\n", " ") for block in blocks(words, rules))
    assert texts.index("case 11 paid") < texts.index("suit 0 paid")


def test_rows_of_words_that_were_drawn_row_by_row_are_no_columns_of_prose() -> None:
    rows = [
        ("Site", "Shift", "Supervisor", "Containers"),
        ("North Quay", "Early", "Dana Whitlow", "410"),
        ("North Quay", "Late", "Omar Reyes", "380"),
        ("South Quay", "Early", "Omar Reyes", "395"),
        ("South Quay", "Late", "Priya Nand", "402"),
    ]
    words = page(rows, columns=(150, 240, 305))
    assert rows_of(words, (rule(113, 55, 310), rule(180, 55, 310))) == [list(row) for row in rows]


def test_rows_of_words_between_the_rules_of_a_table_are_one() -> None:
    rows = [
        ("Route", "Vessel", "Captain", "Engineer", "Crossings"),
        ("Hale to Sker", "Petrel", "Moira Stagg", "Dev Anand", "6"),
        ("Hale to Brough", "Fulmar", "Cal Ross", "Ewan Gill", "4"),
        ("Sker to Brough", "Kittiwake", "Ewan Gill", "Dev Anand", "2"),
    ]
    words = page(rows, columns=(220, 310, 400, 490))
    rules = (rule(114, 55, 495), rule(162, 55, 495))
    assert rows_of(words, rules) == [list(row) for row in rows]
    assert not [b for b in blocks(words, rules[:1]) if b.table is not None]
