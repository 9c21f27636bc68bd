"""Names and other texts answer to the row, the column and the heading that their part names."""

from __future__ import annotations

import pytest

from deepseek_ocr_rag import verify
from deepseek_ocr_rag.grammar import parse_document

WARDS = (
    "| Ward | Beds | Patients | Day shift led by | Night shift led by |\n| --- | --- | --- | --- | --- |\n"
    "| Ward 2 | 18 | 15 | Amira Osei | Jon Bakke |\n| Ward 11 | 24 | 21 | Lena Fuchs | Piotr Malek |\n"
    "| Ward 12 | 16 | 16 | Ruth Abara | Amira Osei |\n\nWard 12 was repainted in 2023."
)
QUAYS = (
    "| Site | Shift | Supervisor | Containers |\n| --- | --- | --- | --- |\n"
    "| North Quay | Early | Dana Whitlow | 410 |\n| North Quay | Late | Omar Reyes | 380 |\n"
    "| South Quay | Early | Omar Reyes | 395 |\n| South Quay | Late | Priya Nand | 402 |"
)
BOATS = (
    "|  | Heron | Marisol | Thunder |\n| --- | --- | --- | --- |\n"
    "| Skipper | Lucy Ferro | Andrew Paz | Iago Seoane |\n| Harbour | Corme | Malpica | Laxe |"
)
SCHOOL = (
    "## Class 4\n\n| Subject | Teacher |\n| --- | --- |\n| Music | Noor Obadia |\n| Sport | Tom Carrel |\n\n"
    "## Class 5\n\n| Subject | Teacher |\n| --- | --- |\n| Music | Ann Ferrand |\n| Sport | Noor Obadia |"
)
HALLS = (
    "| Rank | Athlete | Club |\n| --- | --- | --- |\n| 1 | Sanna Kivi | Harriers |\n"
    "| 2 | Aroha Tane | Striders |"
)


@pytest.mark.parametrize(
    ("source", "true", "false"),
    [
        (
            WARDS,
            "The night shift of Ward 11 was led by Piotr Malek.",
            "The night shift of Ward 11 was led by Amira Osei.",
        ),
        (
            WARDS,
            "Lena Fuchs led the day shift of Ward 11.",
            "Lena Fuchs led the night shift of Ward 11.",
        ),
        (
            WARDS,
            "Amira Osei led the day shift of Ward 2 and the night shift of Ward 12.",
            "Amira Osei led the night shift of Ward 2 and the day shift of Ward 12.",
        ),
        (
            WARDS,
            "In Ward 11, Lena Fuchs led the day shift and Piotr Malek the night shift.",
            "In Ward 11, Lena Fuchs led the day shift and Amira Osei the night shift.",
        ),
        (
            QUAYS,
            "The late shift at South Quay was supervised by Priya Nand.",
            "The late shift at South Quay was supervised by Omar Reyes.",
        ),
        (
            QUAYS,
            "Omar Reyes supervised the late shift at North Quay and the early shift at South Quay.",
            "Omar Reyes supervised the early shift at North Quay and the late shift at South Quay.",
        ),
        (
            QUAYS,
            "At South Quay the early shift moved 395 containers and the late shift 402.",
            "At South Quay the early shift moved 402 containers and the late shift 395.",
        ),
        (
            BOATS,
            "The skipper of the Marisol is Andrew Paz.",
            "The skipper of the Marisol is Iago Seoane.",
        ),
        (
            SCHOOL,
            "In Class 5, sport is taught by the teacher Noor Obadia.",
            "In Class 4, sport is taught by the teacher Noor Obadia.",
        ),
        (
            HALLS,
            "Sanna Kivi is of the club Harriers and Aroha Tane of the Striders.",
            "Sanna Kivi is of the club Striders and Aroha Tane of the Harriers.",
        ),
    ],
)
def test_a_name_of_another_row_or_column_is_refused(source: str, true: str, false: str) -> None:
    document = parse_document(source, source="table.pdf")
    assert verify(true, document).supported
    assert not verify(false, document).supported


@pytest.mark.parametrize(
    ("source", "question", "true", "false"),
    [
        (WARDS, "Who led the night shift of Ward 11?", "Piotr Malek.", "Amira Osei."),
        (WARDS, "Who led the night shift of Ward 11?", "Piotr Malek led it.", "Lena Fuchs led it."),
        (QUAYS, "Who supervised the late shift at South Quay?", "Priya Nand.", "Omar Reyes."),
        (BOATS, "Who is the skipper of the Marisol?", "Andrew Paz.", "Lucy Ferro."),
    ],
)
def test_an_answer_is_held_to_the_row_and_column_of_its_question(
    source: str, question: str, true: str, false: str
) -> None:
    document = parse_document(source, source="table.pdf")
    assert verify(f"{true[:-1]} [1].", document, question=question).supported
    assert not verify(f"{false[:-1]} [1].", document, question=question).supported


def test_what_a_sentence_says_does_not_yield_to_a_table() -> None:
    source = f"{WARDS} In May, Lena Fuchs led the night shift of Ward 11 for a week."
    document = parse_document(source, source="table.pdf")
    assert verify("Lena Fuchs led the night shift of Ward 11.", document).supported


GROVES = (
    "| Grove | 2021 | 2022 |\n| --- | --- | --- |\n| Grove A | 1240 | 1310 |\n| Grove B | 860 | 915 |\n\n"
    "Grove B gets water from the new well since 2022. Grove A is watered from the stream."
)
MACHINES = (
    "| Machine | Operator |\n| --- | --- |\n| Press | Karin Voss |\n| Mill | Nadja Thiel |\n\n"
    "The press will be replaced in 2026. The mill is serviced by Hollmann."
)


@pytest.mark.parametrize(
    ("source", "true", "false"),
    [
        (
            GROVES,
            "Grove B gets water from the new well since 2022.",
            "Grove A gets water from the new well since 2022.",
        ),
        (
            GROVES,
            "Grove A is watered from the stream.",
            "Grove B is watered from the stream.",
        ),
        (MACHINES, "The press will be replaced in 2026.", "The mill will be replaced in 2026."),
        (MACHINES, "The mill is serviced by Hollmann.", "The press is serviced by Hollmann."),
    ],
)
def test_a_sentence_about_another_thing_of_the_kind_is_no_evidence(
    source: str, true: str, false: str
) -> None:
    document = parse_document(source, source="table.pdf")
    assert verify(true, document).supported
    assert not verify(false, document).supported


LIFTS = (
    "| Lift | Keeper |\n| --- | --- |\n| Topplift | Arvid Holm |\n| Skogslift | Pelle Norrby |\n\n"
    "Skogsliften drivs med el sedan 2017."
)
STUDIOS = (
    "|  | Wood studio | Glass studio |\n| --- | --- | --- |\n| Teacher | Paul Renard | Lise Aubin |\n\n"
    "The glass studio has a furnace."
)
MILLS = "The Upper Mill was built by Josiah Crane. The Lower Mill was built by the Harrow brothers."
BENCHES = (
    "| Bench | Instrument |\n| --- | --- |\n| Bench 3 | Centrifuge |\n| Bench 7 | Microscope |\n\n"
    "The microscope was bought in 2021."
)
PLOTS = (
    "| Plot | Grape | 2022 | 2023 |\n| --- | --- | --- | --- |\n| Le Plan | grenache | 22 | 19 |\n"
    "| La Combe | syrah | 14 | 11 |\n\nThe plot Le Plan is irrigated since 2023."
)


@pytest.mark.parametrize(
    ("source", "true", "false"),
    [
        (LIFTS, "Skogsliften drivs med el sedan 2017.", "Toppliften drivs med el sedan 2017."),
        (STUDIOS, "The glass studio has a furnace.", "The wood studio has a furnace."),
        (MILLS, "Josiah Crane built the Upper Mill.", "Josiah Crane built the Lower Mill."),
        (BENCHES, "The microscope was bought in 2021.", "The centrifuge was bought in 2021."),
        (
            PLOTS,
            "The plot Le Plan is irrigated since 2023.",
            "The plot Le Plan is irrigated since 2022.",
        ),
    ],
)
def test_things_of_a_kind_are_known_by_rows_columns_and_names(
    source: str, true: str, false: str
) -> None:
    document = parse_document(source, source="table.pdf")
    assert verify(true, document).supported
    assert not verify(false, document).supported


def test_a_name_that_stands_where_it_is_claimed_is_displaced_by_no_other_row() -> None:
    source = (
        "| Street | Contractor | Cost |\n| --- | --- | --- |\n| Calle Mayor | Hermanos Rey | 140 |\n"
        "| Calle Nueva | Asfaltos Duero | 310 |\n| Plaza Chica | Hermanos Rey | 85 |"
    )
    document = parse_document(source, source="table.pdf")
    claim = "La obra de la Calle Mayor costó {} y la de la Plaza Chica {}."
    assert verify(claim.format(140, 85), document, question="Cost?").supported
    assert not verify(claim.format(85, 140), document, question="Cost?").supported


FULL = (
    "| Ward | Beds | Patients | Discharged |\n| --- | --- | --- | --- |\n| Ward 2 | 18 | 15 | 9 |\n"
    "| Ward 11 | 24 | 21 | 4 |\n| Ward 12 | 16 | 16 | 7 |\n\n"
    "| Shift | Ward | Nurse |\n| --- | --- | --- |\n| Day | Ward 11 | Amira Osei |\n"
    "| Night | Ward 11 | Jonas Pohl |"
)


def test_a_hundred_percent_is_the_same_figure_twice_in_a_row() -> None:
    document = parse_document(FULL, source="table.pdf")
    assert verify("Ward 12 was 100 % occupied.", document).supported
    assert not verify("Ward 11 was 100 % occupied.", document).supported
    assert not verify("Ward 2 was 100 % occupied.", document).supported


def test_a_share_may_be_of_two_columns_of_which_one_is_named_in_part() -> None:
    document = parse_document(
        "| Hall | Seats | Tickets sold |\n| --- | --- | --- |\n| Hall A | 120 | 90 |\n"
        "| Hall B | 80 | 80 |",
        source="table.pdf",
    )
    assert verify("75 % of the seats of Hall A were sold.", document).supported
    assert not verify("75 % of the seats of Hall B were sold.", document).supported


def test_a_word_at_the_beginning_may_be_inflected_or_have_its_article() -> None:
    farm = "| Gård | Ägare |\n| --- | --- |\n| Norrgård | Elsa Lundin |\n| Backa | Nils Ahlgren |"
    work = (
        "| Opera | Autore |\n| --- | --- |\n| La vigna | Irma Costa |\n| Il mercato | Livio Sarti |"
    )
    assert verify("Ägaren till Norrgård är Elsa Lundin.", farm).supported
    assert not verify("Ägaren till Norrgård är Nils Ahlgren.", farm).supported
    assert verify("L'autore di Il mercato è Livio Sarti.", work).supported
    assert not verify("L'autore di Il mercato è Irma Costa.", work).supported


def test_a_name_with_a_number_in_a_row_does_not_move_its_columns() -> None:
    source = (
        "| Day | 09:00 | 11:00 |\n| --- | --- | --- |\n| Monday | Room 12 | 30 |\n"
        "| Tuesday | Room 14 | 30 |"
    )
    document = parse_document(source, source="table.pdf")
    assert not verify("Monday had 100 % of its rooms.", document).supported


def test_names_of_columns_in_two_rows_are_no_texts_of_a_cell() -> None:
    source = (
        "<table><tr><td></td><td colspan='2'>Heart disease</td><td colspan='2'>Stroke</td></tr>"
        "<tr><td>State</td><td>cases</td><td>Rate</td><td>cases</td><td>Rate</td></tr>"
        "<tr><td>Ohio</td><td>1,300</td><td>154.0</td><td>410</td><td>45.2</td></tr>"
        "<tr><td>Iowa</td><td>900</td><td>149.1</td><td>320</td><td>44.7</td></tr></table>"
    )
    document = parse_document(source, source="table.pdf")
    asked = "What is the stroke rate of Ohio?"
    assert verify("The stroke rate of Ohio is 45.2.", document, question=asked).supported
    assert not verify("The stroke rate of Ohio is 154.0.", document, question=asked).supported
    assert not verify("The stroke rate of Ohio is 44.7.", document, question=asked).supported


def test_a_label_with_a_comma_is_one_name() -> None:
    source = (
        "| | 2023 | 2022 |\n| --- | --- | --- |\n| Shares outstanding | 218.6 | 225.4 |\n"
        "| Dilution | 0.4 | 0.7 |\n| Shares outstanding, assuming dilution | 219.0 | 226.1 |"
    )
    document = parse_document(source, source="table.pdf")
    assert verify("Shares outstanding, assuming dilution were 219.0 in 2023.", document).supported
    assert not verify(
        "Shares outstanding, assuming dilution were 218.6 in 2023.", document
    ).supported


def test_a_label_with_a_number_is_in_no_group_of_columns() -> None:
    source = (
        "<table><tr><td></td><td colspan='2'>Boys</td><td colspan='2'>Girls</td></tr>"
        "<tr><td>Class</td><td>present</td><td>absent</td><td>present</td><td>absent</td></tr>"
        "<tr><td>7a</td><td>14</td><td>2</td><td>12</td><td>1</td></tr>"
        "<tr><td>7b</td><td>11</td><td>3</td><td>15</td><td>0</td></tr></table>"
    )
    document = parse_document(source, source="table.pdf")
    assert verify("In class 7b 15 girls were present.", document).supported
    assert not verify("In class 7b 15 boys were present.", document).supported
    assert not verify("In class 7b 11 girls were present.", document).supported
