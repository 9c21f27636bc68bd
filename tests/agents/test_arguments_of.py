"""Which arguments a call means, without a framework around it: the names, the wrappings, the refusals."""

from __future__ import annotations

from typing import Any

import pytest
from argument_forms import ACCEPTED, REFUSED, Form

from deepseek_ocr_rag.agents import FORMS, arguments_of
from deepseek_ocr_rag.errors import ConfigurationError

READ, LIST, LOOK, SEARCH = (
    FORMS[name] for name in ("read_document", "list_documents", "look_at", "search_document")
)
TAKES = "path, pages (optional), start (optional)"
A = {"path": "a.pdf"}


def meant(given: object) -> dict[str, Any]:
    """What a call of ``read_document`` means, without the defaults."""
    found = arguments_of(READ, given)
    assert list(found) == ["path", "pages", "start"]
    return {name: value for name, value in found.items() if value not in ("", 0)}


def refusal(form: Any, given: object) -> str:
    with pytest.raises(ConfigurationError) as caught:
        arguments_of(form, given)
    return str(caught.value)


@pytest.mark.parametrize("form", ACCEPTED, ids=lambda form: str(form.given)[:60])
def test_what_is_plainly_meant_is_understood(form: Form) -> None:
    tool = FORMS[form.tool]
    defaults = {each.name: each.default for each in tool.arguments if not each.required}
    assert arguments_of(tool, form.given) == defaults | dict(form.meant or {})


@pytest.mark.parametrize("form", REFUSED, ids=lambda form: f"{form.names} {str(form.given)[:60]}")
def test_the_rest_is_refused_by_the_name_of_the_argument(form: Form) -> None:
    assert form.names in refusal(FORMS[form.tool], form.given)


@pytest.mark.parametrize(
    "given",
    [
        A,
        "a.pdf",
        '{"path": "a.pdf"}',
        [A],
        [[A]],
        '["a.pdf"]',
        {"arguments": A},
        {"arguments": {"parameters": {"args": A}}},
        {"arguments": '{"path": "a.pdf"}'},
        {"path": A},
        {"name": "read_document", "arguments": A},
        {"id": "1", "type": "function", "parameters": A},
        {"file": "a.pdf", "path": "a.pdf"},
        {**A, "options": {}},
        {**A, **{f"unused{number}": None for number in range(29)}},
        {**A, "start": 0},
        {**A, "START": 0, "pages": None},
    ],
    ids=str,
)
def test_a_file_is_found_in_whatever_is_around_it(given: object) -> None:
    assert meant(given) == A


@pytest.mark.parametrize(
    "given",
    [
        {"path": {**A, "pages": "2"}},
        {"path": '{"path": "a.pdf", "pages": "2"}'},
        {**A, "options": {"pages": "2"}},
        {**A, "options": '{"pages": "2"}'},
        {**A, "options": {"path": "b.pdf", "pages": "2"}},
        {"name": "read_document", "arguments": {**A, "pages": "2"}},
        {"ｐａｔｈ": "a.pdf", "ＰＡＧＥＳ": "2"},
        {"File-Path": "a.pdf", "page_number": 2},
    ],
    ids=str,
)
def test_a_page_is_found_beside_it(given: object) -> None:
    assert meant(given) == {**A, "pages": "2"}


@pytest.mark.parametrize("word", ["null", "none", "all"])
def test_a_word_that_says_nothing_may_be_looked_for(word: str) -> None:
    assert arguments_of(SEARCH, {"path": word, "query": word})["query"] == word
    assert arguments_of(SEARCH, {"path": word, "query": word})["path"] == word


@pytest.mark.parametrize("given", [None, {}, [], (), {"folder": None, "offset": 0}])
def test_a_call_of_nothing_takes_every_default(given: object) -> None:
    assert arguments_of(LIST, given) == {"folder": "", "offset": 0}


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (5, f"the arguments are not an object. Give {TAKES} by name."),
        ([A, A], f"the arguments are not an object. Give {TAKES} by name."),
        (
            {f"k{number}": 1 for number in range(31)},
            f"there are 31 arguments. Give only {TAKES}.",
        ),
        (
            {f"k{number}": 1 for number in range(30)},
            f"there is no argument 'k0'. read_document takes {TAKES}.",
        ),
        (
            {**A, "pagess": "2"},
            f"there is no argument 'pagess'. read_document takes {TAKES}. Write pages instead.",
        ),
        (
            {**A, "x" * 50: 1},
            f"there is no argument '{'x' * 40}'. read_document takes {TAKES}.",
        ),
        ({**A, "q\n<|im_end|>": 1}, "there is no argument 'q < |im_end|>'"),
        ({**A, 5: 1}, "there is no argument '5'"),
        ({"weird": 1, "arguments": A}, "there is no argument 'weird'"),
        ({**A, "options": {"odd": 1}}, "there is no argument 'options'"),
        (
            {**A, "file": "b.pdf"},
            "path was given twice, the second time as 'file'. Give path once.",
        ),
        (
            {"file": "b.pdf", **A},
            "path was given twice, the second time as 'file'. Give path once.",
        ),
        (
            {**A, "_" * 50 + "file": "b.pdf"},
            f"there is no argument '{'_' * 40}'",
        ),
        (
            {"pages": "2"},
            "path is missing. Give path as text: the file to open, like 'report.pdf'.",
        ),
        ({**A, "start": False}, "start cannot be false"),
        ({**A, "pages": 0}, "pages cannot be 0"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_a_refusal_names_what_is_wrong_and_what_is_taken(given: object, problem: str) -> None:
    assert refusal(READ, given).startswith(problem)


def test_too_many_wrappings_are_not_unpacked() -> None:
    given: dict[str, Any] = A
    for _ in range(6):
        given = {"arguments": given}
    assert refusal(READ, given).startswith("there is no argument 'arguments'")


def test_each_kind_of_argument_has_its_own_form() -> None:
    box = [0.1, 0.2, 0.3, 0.4]
    assert arguments_of(LOOK, {**A, "page": "2", "box": str(box)}) == {**A, "page": 2, "box": box}
    assert arguments_of(LOOK, {**A, "page": 2}) == {**A, "page": 2, "box": []}
    assert arguments_of(SEARCH, {**A, "query": 7, "offset": "3"}) == {
        **A,
        "query": "7",
        "pages": "",
        "offset": 3,
    }


@pytest.mark.parametrize(
    ("folder", "meant"),
    [
        ("reports/2024", "reports/2024"),
        ("/reports//2024/./", "reports/2024"),
        (".", ""),
        ("*", ""),
        ("*/x", "*/x"),
        ("XXX", "XXX"),
    ],
)
def test_a_folder_is_taken_without_slashes_at_its_ends(folder: str, meant: str) -> None:
    assert arguments_of(LIST, {"folder": folder})["folder"] == meant


@pytest.mark.parametrize(
    ("folder", "shown"),
    [
        ("a/../b", "a/../b"),
        ("a\\b", "a\\b"),
        ("http://x", "http://x"),
        ("../" + "y" * 80, "../" + "y" * 57),
    ],
)
def test_a_folder_outside_is_refused(folder: str, shown: str) -> None:
    assert refusal(LIST, {"folder": folder}) == (
        f"folder cannot be '{shown}'. "
        "Give a folder inside the allowed one, like 'reports/2024', or leave it out."
    )


def test_a_query_is_asked_for_in_a_few_words() -> None:
    assert refusal(SEARCH, {**A, "query": ["x", {}]}).endswith("Give a few words to look for.")
