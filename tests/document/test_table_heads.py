"""Which rows of a table are its head."""

from __future__ import annotations

from deepseek_ocr_rag.document.table_heads import (
    cells_of_row,
    count_head_rows,
    is_group_row,
    table_rows,
)


def head_of(text: str) -> str:
    rows = table_rows(text)
    return text[: rows.starts[rows.body]] if rows.body else ""


def html(*rows: str) -> str:
    return "<table>" + "".join(f"<tr>{row}</tr>" for row in rows) + "</table>"


def cells(*texts: str) -> str:
    return "".join(f"<td>{text}</td>" for text in texts)


def test_the_head_of_a_pipe_table_is_its_first_row_with_the_rule() -> None:
    head = "| item | price |\n| --- | --- |\n"
    assert head_of(head + "| lamp | 3 |\n| wick | 1 |") == head


def test_the_head_of_an_html_table_is_its_first_row() -> None:
    head = cells("item", "price")
    assert head_of(html(head, cells("lamp", "3"))) == f"<table><tr>{head}</tr>"


def test_a_title_over_all_columns_comes_with_the_row_below() -> None:
    title, names = '<td colspan="3">Prices in 1871</td>', cells("item", "price", "seller")
    assert names in head_of(html(title, names, cells("lamp", "3", "Lee")))


def test_a_title_in_the_first_cell_alone_is_one_too() -> None:
    title, names = cells("Prices", "", ""), cells("", "2021", "2022")
    assert names in head_of(html(title, names, cells("lamp", "3", "4")))


def test_a_title_above_numbers_is_the_whole_head() -> None:
    title = '<td colspan="2">Prices</td>'
    assert (
        head_of(html(title, cells("3.50", "4.00"), cells("1", "2"))) == f"<table><tr>{title}</tr>"
    )


def test_rows_into_which_the_names_reach_belong_to_the_head() -> None:
    first = '<td rowspan="2">Mode</td><td colspan="2">Size</td>'
    second = cells("width", "height")
    assert second in head_of(html(first, second, cells("tiny", "512", "512")))


def test_a_cell_that_groups_many_rows_is_not_a_name() -> None:
    first = '<td rowspan="9">Lamps</td><td>small</td><td>3</td>'
    rows = [cells("large", str(n)) for n in range(8)]
    assert head_of(html(first, *rows)) == f"<table><tr>{first}</tr>"


def test_a_single_name_over_two_columns_is_not_a_title() -> None:
    head = "|  | Price |\n| --- | --- |\n"
    assert head_of(head + "| Lamp | 3 |\n| Wick | 1 |") == head


def test_a_table_of_one_row_has_no_head() -> None:
    assert head_of(html(cells("a", "b"))) == ""
    assert head_of("| a | b |\n| --- | --- |") == ""


def test_text_without_a_table_has_no_rows() -> None:
    assert table_rows("no table").starts == ()


def test_years_are_names_and_amounts_are_not() -> None:
    assert table_rows("| Item | 2021 | 2022 |\n| --- | --- | --- |\n| a | 1 | 2 |").named
    numbers = table_rows("| $3.50 | (14.1)% |\n| --- | --- |\n| 1 | 2 |")
    assert (numbers.named, numbers.numeric) == (False, True)


def test_periods_and_years_below_one_another_are_one_head_above_figures() -> None:
    months = '<td></td><td colspan="2">Three months ended</td>'
    days, years = cells("", "July 1,", "June 25,"), cells("", "2023", "2022")
    head = head_of(html(months, days, years, cells("Sales:", "", ""), cells("Oil", "12", "14")))
    assert years in head
    assert "Sales" not in head


def test_a_title_between_the_names_of_columns_belongs_to_them() -> None:
    periods = '<td></td><td colspan="2">Three months ended</td>'
    title = '<td colspan="2">Statement</td><td></td>'
    days = cells("", "July 1, 2023", "June 25, 2022")
    assert days in head_of(html(periods, title, days, cells("Oil", "12", "14")))
    # "Numerator" introduces rows of figures.
    assert "Numerator" not in head_of(
        html(periods, days, cells("Numerator", "", ""), cells("Oil", "1", "2"))
    )


def test_names_below_names_without_a_label_belong_to_the_head_above_figures() -> None:
    groups = '<td></td><td colspan="2">Heart disease</td><td colspan="2">Stroke</td>'
    names = cells("State", "no.", "Rate", "no.", "Rate")
    ohio = cells("Ohio", "12", "45.2", "3", "8.1")
    assert names in head_of(html(groups, names, ohio))
    pipes = "|  | Purchased | Other |\n| --- | --- | --- |\n| Year | Technology | Assets |\n"
    assert head_of(f"{pipes}| 2019 | 9,794 | 12 |\n| 2020 | 7,584 | 8 |") == pipes


def test_a_row_of_texts_among_other_texts_is_no_head() -> None:
    head, osei, rast = (
        "|  | Led by | Shift |\n| --- | --- | --- |\n",
        "| A | Osei | day |\n",
        "| B | Rast | 4 |",
    )
    assert head_of(head + osei + rast) == head
    assert (
        head_of(
            "|  | 2022 | 2023 |\n| --- | --- | --- |\n| Oil | n/a | n/a |\n| Rope | 3 | 4 |"
        ).count("|\n")
        == 2
    )


def test_a_table_that_begins_with_a_label_and_figures_has_no_head() -> None:
    rows = table_rows("| Oil | 12 | (14) |\n| --- | --- | --- |\n| Wicks | - | 3 |")
    assert (rows.body, rows.numeric, rows.columns) == (0, True, 3)


def test_a_table_that_begins_with_a_label_that_introduces_figures_has_no_head() -> None:
    rows = table_rows("| Sales: |  |  |\n| --- | --- | --- |\n| Oil | 12 | 14 |\n| Rope | 3 | 4 |")
    assert (rows.body, rows.numeric) == (0, True)


def test_rows_one_by_one_have_the_same_head() -> None:
    rows = ["| Light | 2023 |", "<tr><td>Oil</td><td>12</td></tr>", "| Rope | 3 |"]
    assert count_head_rows(rows) == 1
    assert count_head_rows([]) == 0


def test_a_spanning_cell_stands_in_its_first_column() -> None:
    assert cells_of_row('<tr><td colspan="2">a</td><td>b</td></tr>') == ("a", "", "b")


def test_a_label_alone_introduces_the_rows_below_it() -> None:
    assert is_group_row("| Sales: |  |  |")
    assert not is_group_row("| Sales | 12 |")
    assert not is_group_row("|  | 12 |")
