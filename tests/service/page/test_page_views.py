"""What only the page asks for: places of a text, cells of tables, what is known of each page."""

from __future__ import annotations

from typing import Any

import pytest

from deepseek_ocr_rag.service.page.text_hits import find_hits


def page_of(*texts: str) -> dict[str, Any]:
    return {"number": 7, "blocks": [{"text": text} for text in texts]}


@pytest.mark.parametrize(
    ("text", "words", "places"),
    [
        ("The lamp. THE LAMP!", "the lamp", [(0, 8), (10, 18)]),
        ("the\n  lamp", "the lamp", [(0, 10)]),
        ("a.c abc", "a.c", [(0, 3)]),
        ("Straße 灯塔", "灯塔", [(7, 9)]),
        ("(((", "((", [(0, 2)]),
        ("nothing", " \n ", []),
    ],
)
def test_a_text_is_found_whatever_its_case_and_white_space(
    text: str, words: str, places: list[tuple[int, int]]
) -> None:
    hits = list(find_hits(page_of("", text), words))
    assert [(each.start, each.end) for each in hits] == places
    assert {(each.page, each.block) for each in hits} <= {(7, 1)}


def test_hits_are_listed_by_page_and_block(service: Any, read_report: str) -> None:
    reply = service.get(f"/v1/jobs/{read_report}/find", params={"text": "TOWER"}).json()
    assert reply["complete"] is True
    assert [(each["page"], each["block"]) for each in reply["hits"]] == [(3, 0), (3, 2), (3, 3)]
    page = service.get(f"/v1/jobs/{read_report}/pages/3").json()
    hit = reply["hits"][1]
    assert page["blocks"][hit["block"]]["text"][hit["start"] : hit["end"]] == "tower"


@pytest.mark.parametrize("text", ["", "x" * 401])
def test_what_cannot_be_searched_is_refused(service: Any, read_report: str, text: str) -> None:
    assert service.get(f"/v1/jobs/{read_report}/find", params={"text": text}).status_code == 422


def test_the_cells_of_a_table_have_their_spans(service: Any, read_report: str) -> None:
    (table,) = service.get(f"/v1/jobs/{read_report}/pages/2/tables").json()["tables"]
    assert table["block"] == 1
    assert table["rows"][0] == [
        {"text": "Light", "colspan": 1, "rowspan": 2, "header": False},
        {"text": "Visits", "colspan": 2, "rowspan": 1, "header": False},
    ]
    assert table["csv"].splitlines()[-1] == "Vannet Rock,'=1+1,-12"


@pytest.mark.parametrize("path", ["find?text=a", "pages/1/tables"])
def test_a_job_that_does_not_exist_is_not_found(service: Any, path: str) -> None:
    assert service.get(f"/v1/jobs/not-there/{path}").status_code == 404


def test_a_list_of_pages_says_how_each_was_read(service: Any, read_report: str) -> None:
    first = service.get(f"/v1/jobs/{read_report}/pages").json()["pages"][0]
    assert (first["width"], first["height"]) == (595, 842)
    assert (first["finish_reason"], first["error"], first["warnings"]) == ("stop", None, [])
    assert first["label"] is None
    assert first["confidence"] is None
