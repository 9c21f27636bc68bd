"""A page selection means the same wherever it is given, and what may mean two things is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deepseek_ocr_rag import Reader
from deepseek_ocr_rag.agents.argument_values import pages_value
from deepseek_ocr_rag.cli.main import main
from deepseek_ocr_rag.errors import ConfigurationError, PageRangeError
from deepseek_ocr_rag.sources.page_selection import parse_page_selection
from tests.support.page_forms import ACCEPTED, REFUSED

REPLY = "<|ref|>text<|/ref|><|det|>[[100, 150, 900, 300]]<|/det|>\nThe lamp was lit in 1871."


@pytest.fixture
def backend(tmp_path: Path) -> str:
    path = tmp_path / "replies.jsonl"
    path.write_text("".join(json.dumps({"page": n, "text": REPLY}) + "\n" for n in (1, 2, 3)))
    return f"replay:{path}"


@pytest.mark.parametrize(("selection", "pages"), ACCEPTED)
def test_an_accepted_form_names_the_same_pages_everywhere(
    selection: str,
    pages: tuple[int, ...],
    sample_pdf: Path,
    backend: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert parse_page_selection(selection, 3) == pages
    given = pages_value("pages", selection)
    assert given is not None
    assert parse_page_selection(given, 3) == pages
    command = ["read", str(sample_pdf), "--backend", backend, "--no-cache", "--json", "--quiet"]
    assert main([*command, "--pages", selection]) == 0
    assert [page["number"] for page in json.loads(capsys.readouterr().out)["pages"]] == [*pages]


@pytest.mark.parametrize("selection", REFUSED)
def test_a_refused_form_is_refused_everywhere_with_the_forms_to_use(
    selection: str, sample_pdf: Path, backend: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(PageRangeError) as caught:
        Reader(backend, cache=False).read(sample_pdf, pages=selection)
    with pytest.raises(ConfigurationError, match=r"counted from 1, like '3'.*'5-'"):
        pages_value("pages", selection)
    assert main(["read", str(sample_pdf), "--backend", backend, f"--pages={selection}"]) == 3
    told = capsys.readouterr()
    assert told.out == ""
    for message in (str(caught.value), told.err):
        assert any(form in message for form in ('"1-3,7"', 'Write "1', "Ask for pages from 1 to 3"))


@pytest.mark.parametrize("negative", [-1, [-1], [1, -2]])
def test_a_negative_number_is_refused_with_the_forms_to_use(negative: int | list[int]) -> None:
    with pytest.raises(PageRangeError, match=r'there is no page -[12].*Count from 1.*"5-"'):
        parse_page_selection(negative, 3)
    with pytest.raises(ConfigurationError, match="counted from 1"):
        pages_value("pages", negative)


def test_an_open_beginning_names_both_readings_it_may_have() -> None:
    told = 'does not say on which page it begins.*"1-2" for pages 1 to 2.*not counted from the end'
    with pytest.raises(PageRangeError, match=told):
        parse_page_selection("-2", 3)
