"""What the head of a table says above each column of a row."""

from __future__ import annotations

from deepseek_ocr_rag.answering.verification.table_columns import heads_of_columns

CASH = "<tr><td>Cash from operations</td><td>1,824</td><td>3,252</td><td>4,927</td></tr>"


def test_each_cell_of_a_head_without_spans_names_its_own_column() -> None:
    assert heads_of_columns("| Cash | 12 | 14 |", ("| $ | 2019 | 2018 |",)) == (
        (" $ ",),
        (" 2019 ",),
        (" 2018 ",),
    )


def test_a_spanning_cell_stands_above_each_of_its_columns() -> None:
    # As the reader writes a statement whose currency signs have columns of their own.
    head = '<tr><td></td><td colspan="2">July 29, 2023</td><td colspan="2">July 30, 2022</td></tr>'
    row = "<tr><td>Revenue</td><td></td><td>$ 8,890</td><td></td><td>$ 9,569</td></tr>"
    july = ("July 29, 2023",), ("July 30, 2022",)
    assert heads_of_columns(row, (head,)) == ((), july[0], july[0], july[1], july[1])


def test_a_spanning_cell_with_a_year_for_each_figure_is_divided() -> None:
    dates = "January 28, 2023 January 29, 2022 January 30, 2021"
    head = f'<table><tr><td>Fiscal years ended</td><td colspan="3">{dates}</td></tr>'
    found = [" ".join(names).strip() for names in heads_of_columns(CASH, (head,))]
    assert found == [
        "Fiscal years ended",
        "January 28, 2023",
        "January 29, 2022",
        "January 30, 2021",
    ]


def test_years_that_do_not_match_the_figures_are_left_where_they_stand() -> None:
    head = '<tr><td></td><td colspan="3">2023 2022</td></tr>'
    assert heads_of_columns(CASH, (head,)) == ((), ("2023 2022",), (), ())


def test_a_title_over_all_columns_tells_none_apart() -> None:
    heads = (
        '<tr><td colspan="4">In millions, December 31, 2019</td></tr>',
        "<tr><td></td><td>Stores</td><td>Online</td><td>All</td></tr>",
    )
    assert heads_of_columns(CASH, heads) == ((), ("Stores",), ("Online",), ("All",))


def test_a_cell_that_spans_rows_moves_those_of_the_next_row() -> None:
    heads = (
        '<tr><td rowspan="2">$</td><td colspan="2">Mix</td><td>Sales</td></tr>',
        "<tr><td>2023</td><td>2022</td><td>2021</td></tr>",
    )
    assert heads_of_columns(CASH, heads) == (
        ("$",),
        ("Mix", "2023"),
        ("Mix", "2022"),
        ("Sales", "2021"),
    )
