"""Each part of a sentence that has a figure is compared with the row that the part names."""

from __future__ import annotations

import pytest

from deepseek_ocr_rag import verify
from deepseek_ocr_rag.answering.verification.parts.claim_parts import part_spans

INCOME = (
    "|  | 2024 | 2023 |\n| --- | --- | --- |\n| Net sales | 2,071 | 2,228 |\n"
    "| Gross profit | 622 | 712 |\n| Operating income | 340 | 295 |\n| Net income | 210 | 188 |"
)
ANALYTES = (
    "| Analyte | Result | Unit |\n| --- | --- | --- |\n| Haemoglobin | 132 | g/L |\n"
    "| Platelets | 241 | 10^9/L |"
)
NOTAS = (
    "| Alumno | Lengua | Historia |\n| --- | --- | --- |\n| Iker Solana | 6,5 | 4,5 |\n"
    "| Noa Figueroa | 9,0 | 8,0 |"
)
SOURCES = (
    "| Year | Wind | Solar |\n| --- | --- | --- |\n| 2021 | 1,593 | 517 |\n| 2022 | 2,040 | 731 |\n"
    "| 2023 | 2,377 | 964 |"
)


@pytest.mark.parametrize(
    ("table", "true", "false"),
    [
        (
            INCOME,
            "Net sales were 2,071 and the gross margin was 30.0 % (622 / 2,071).",
            "Net sales were 622 and the gross margin was 30.0 % (622 / 2,071).",
        ),
        (
            INCOME,
            "In 2024 net income was 210 and operating income was 340.",
            "In 2024 net income was 340 and operating income was 210.",
        ),
        (
            INCOME,
            "Net sales were 2,071 in 2024 and 2,228 in 2023.",
            "Net sales were 2,071 in 2024 and 712 in 2023.",
        ),
        (
            INCOME,
            "Net sales fell by 7.0 % and gross profit by 12.6 %.",
            "Net sales fell by 12.6 % and gross profit by 7.0 %.",
        ),
        (
            ANALYTES,
            "Haemoglobin was 132 g/L and platelets were 241.",
            "Haemoglobin was 241 g/L and platelets were 132.",
        ),
        (
            NOTAS,
            "Iker Solana sacó un 6,5 en Lengua y un 4,5 en Historia.",
            "Iker Solana sacó un 4,5 en Lengua y un 6,5 en Historia.",
        ),
        (
            SOURCES,
            "Solar grew from 517 in 2021 to 964 in 2023.",
            "Solar grew from 731 in 2021 to 964 in 2023.",
        ),
    ],
)
def test_figures_that_change_places_are_refused(table: str, true: str, false: str) -> None:
    assert verify(true, table).supported
    assert not verify(false, table).supported


REPORT = (
    "Blood was drawn on 14 March 2025 and the report was released by Dr. Vance on 16 March 2025."
    " In 2024 it had 48,210 visitors, of whom 11,940 were pupils; in 2023 there were 45,075."
)


@pytest.mark.parametrize(
    ("claim", "expected"),
    [
        ("The report was released on 16 March 2025.", True),
        ("The report was released on 14 March 2025.", False),
        ("There were 45,075 visitors in 2023.", True),
        ("24.8 % of the visitors were pupils.", True),
    ],
)
def test_a_part_of_a_sentence_of_the_source_says_nothing_of_the_other(
    claim: str, expected: bool
) -> None:
    assert verify(claim, REPORT).supported is expected


CLAUSES = (
    "The battery is guaranteed for 8 years or 160,000 km and the paint for 3 years. The fog signal"
    " sounds every 45 seconds and the light flashes twice every 20 seconds. Der Teig ruht 18"
    " Stunden bei 24 °C und wird 55 Minuten bei 230 °C gebacken. Tickets cost 14 euros for adults and"
    " 7 euros for children."
)


@pytest.mark.parametrize(
    ("true", "false"),
    [
        ("The paint is guaranteed for 3 years.", "The paint is guaranteed for 8 years."),
        ("The battery is guaranteed for 8 years.", "The battery is guaranteed for 3 years."),
        ("The fog signal sounds every 45 seconds.", "The light flashes every 45 seconds."),
        ("An adult pays 14 euros.", "An adult pays 7 euros."),
        ("Der Teig ruht 18 Stunden bei 24 °C.", "Der Teig ruht 55 Minuten bei 24 °C."),
    ],
)
def test_a_figure_belongs_to_what_its_part_of_the_sentence_names(true: str, false: str) -> None:
    assert verify(true, CLAUSES).supported
    assert not verify(false, CLAUSES).supported


RAIN = (
    "Rainfall in millimetres.\n\n| Year | January | February | March |\n| --- | --- | --- | --- |\n"
    "| 2022 | 102 | 55 | 49 |\n| 2023 | 74 | 63 | 91 |\n| 2024 | 120 | 38 | 58 |"
)


@pytest.mark.parametrize(
    ("claim", "expected"),
    [
        ("In February 2023 the rainfall was 63 mm.", True),
        ("In February 2023 the rainfall was 55 mm.", False),
        ("In February 2023 the rainfall was 91 mm.", False),
        ("In April 2023 the rainfall was 63 mm.", False),
    ],
)
def test_a_row_and_a_column_name_a_month_together(claim: str, expected: bool) -> None:
    assert verify(claim, RAIN).supported is expected


STANDINGS = (
    "| Rank | Athlete | Jump | Points |\n| --- | --- | --- | --- |\n"
    "| 1 | Sanna Kivelä | 6.42 | 6,391 |\n| 2 | Aroha Tane | 6.18 | 6,240 |"
)


def test_the_number_of_a_row_is_not_its_label() -> None:
    assert verify("Sanna Kivelä jumped 6.42 and Aroha Tane 6.18.", STANDINGS).supported
    assert not verify("Sanna Kivelä jumped 6.18 and Aroha Tane 6.42.", STANDINGS).supported


@pytest.mark.parametrize(
    ("claim", "expected"),
    [
        ("Wind generation rose by 337 from 2022 to 2023.", True),
        ("Wind generation rose by 233 from 2022 to 2023.", False),
        ("Solar grew by 31.9 % in 2023.", True),
        ("Solar grew by 16.5 % in 2023.", False),
    ],
)
def test_years_that_are_labels_of_rows_are_compared(claim: str, expected: bool) -> None:
    assert verify(claim, SOURCES).supported is expected


def test_the_number_of_a_heading_is_no_figure_of_a_row() -> None:
    text = "# Payroll, week 31\n\n| Rate | 2024 |\n| --- | --- |\n| Junior | 27.00 |\n| Senior | 29.50 |"
    assert verify("The junior rate is 27.00.", text).supported
    assert not verify("The junior rate is 31.00.", text).supported


def test_a_line_above_a_table_introduces_it_even_if_it_ends_in_a_number() -> None:
    tables = "\n\n".join(
        f"Year {year}\n\n| Item | Spent |\n| --- | --- |\n| Heating | {spent} |"
        for year, spent in ((2023, "4,615"), (2024, "5,780"))
    )
    assert verify("In 2024, 5,780 was spent on heating.", tables).supported


def test_function_words_of_other_languages_are_no_content() -> None:
    source = "La piscine est fermée le mardi. L'entrée coûte 6,50 € pour un adulte."
    assert verify("La piscine est fermée le mardi.", source).supported
    assert not verify("La piscine est fermée le jeudi.", source).supported
    assert verify("Une entrée pour un adulte coûte 6,50 €.", source).supported


def test_german_names_may_have_another_ending() -> None:
    source = "| Halt | Abfahrt |\n| --- | --- |\n| Alte Mühle | 07:59 |\n| Neuer Markt | 08:12 |"
    assert verify("Der Bus fährt an der Alten Mühle um 07:59 ab.", source).supported
    assert not verify("Der Bus fährt an der Alten Mühle um 08:12 ab.", source).supported


def test_a_name_alone_does_not_support_what_is_said_of_another() -> None:
    source = (
        "The director, Paul Okonedo, retires on 31 August 2025. He will be followed by Ruth"
        " Almeida, who has led the archive since 2016."
    )
    assert verify("Paul Okonedo retires on 31 August 2025.", source).supported
    assert verify("Ruth Almeida has led the archive since 2016.", source).supported
    assert not verify("Ruth Almeida retires on 31 August 2025.", source).supported


@pytest.mark.parametrize(
    ("text", "figures", "expected"),
    [
        ("Oil was 12 and coal 14.", ["12", "14"], ["Oil was 12 ", "and coal 14."]),
        ("Oil, and no coal, was 12.", ["12"], ["Oil, and no coal, was 12."]),
        ("It rose from 12 to 14.", ["12", "14"], ["It rose from 12 ", "to 14."]),
        ("Es waren 12 und dann 14.", ["12", "14"], ["Es waren 12 ", "und dann 14."]),
        ("Fue un 12 en Lengua y un 14.", ["12", "14"], ["Fue un 12 en Lengua ", "y un 14."]),
    ],
)
def test_a_sentence_is_divided_between_its_figures(
    text: str, figures: list[str], expected: list[str]
) -> None:
    spans = [(text.index(figure), text.index(figure) + len(figure)) for figure in figures]
    assert [text[slice(*span)] for span in part_spans(text, spans)] == expected


@pytest.mark.parametrize(
    ("claim", "expected"),
    [
        ("Dunfleet has 11 points and Lowmoor has 10.", True),
        ("Dunfleet has 10 points and Lowmoor has 11.", False),
        ("Dunfleet has 11 points.", True),
    ],
)
def test_the_parts_of_a_sentence_may_rest_on_two_sources(claim: str, expected: bool) -> None:
    tables = [
        "| Team | Points |\n| --- | --- |\n| Dunfleet | 11 |\n| Port Callis | 6 |",
        "| Team | Points |\n| --- | --- |\n| Lowmoor | 10 |\n| Whinby | 15 |",
    ]
    assert verify(claim, tables).supported is expected


RIVER = (
    "| Gauge | 1 May | 2 May | 3 May |\n| --- | --- | --- | --- |\n| Oldbridge | 142 | 155 | 171 |\n"
    "| Millford | 98 | 104 | 120 |"
)


@pytest.mark.parametrize(
    ("claim", "expected"),
    [
        ("On 2 May the level at Millford was 104 cm.", True),
        ("On 3 May the level at Millford was 104 cm.", False),
        ("The level at Oldbridge rose from 142 on 1 May to 171 on 3 May.", True),
        ("The level at Oldbridge rose from 155 on 1 May to 171 on 3 May.", False),
    ],
)
def test_a_day_names_a_column(claim: str, expected: bool) -> None:
    assert verify(claim, f"The level of the river in cm.\n\n{RIVER}").supported is expected


TARIFFS = (
    "# Stromtarife\n\n| Tarif | Grundpreis | Arbeitspreis |\n| --- | --- | --- |\n"
    "| Basis | 9,80 | 31,4 |\n| Öko | 11,20 | 33,9 |\n| Nacht | 12,50 | 27,6 |"
)


@pytest.mark.parametrize(
    ("claim", "expected"),
    [
        ("Im Tarif Öko beträgt der Grundpreis 11,20.", True),
        ("Im Tarif Öko beträgt der Grundpreis 12,50.", False),
        ("Der Arbeitspreis im Tarif Nacht ist 27,6 und im Tarif Basis 31,4.", True),
        ("Der Arbeitspreis im Tarif Nacht ist 31,4 und im Tarif Basis 27,6.", False),
    ],
)
def test_a_name_behind_the_head_of_the_labels_is_that_of_its_row(
    claim: str, expected: bool
) -> None:
    assert verify(claim, TARIFFS).supported is expected


def test_a_heading_stands_beside_no_word_of_a_sentence() -> None:
    text = "# Members of the club\n\nOf these, 158 were under 18 and 64 over 60."
    assert verify("158 members were under 18.", text).supported


def test_a_letter_behind_a_word_is_no_name() -> None:
    wards = "| Ward | Nurses |\n| --- | --- |\n| Ward B | 9 |\n| Ward C | 5 |"
    assert verify("Ward B has 9 nurses and Ward C has 5.", wards).supported
    assert not verify("Ward B has 5 nurses and Ward C has 9.", wards).supported


EPS = (
    "2022 Full-Year earnings per share of 6.73 decreasing 13.8% and adjusted EPS of 10.15 increasing"
    " by 3.6%."
)
GUIDE = "The company guides 2023 sales growth of 4.0% and adjusted EPS of 10.50, reflecting growth of 3.5%."


def test_a_year_that_one_part_has_holds_for_all() -> None:
    assert verify("Adjusted EPS increased by 3.6% in 2022.", EPS).supported
    claim = "The growth of adjusted EPS is 3.6% in 2022 and 3.5% in 2023."
    assert verify(claim, f"{EPS} {GUIDE}").supported
