"""One error tree: drawn as it is, and every message says where and what to do."""

from __future__ import annotations

import ast
import inspect
import pickle

import pytest
from house import OUR_FILES, parsed

from deepseek_ocr_rag import errors
from deepseek_ocr_rag.errors import DeepSeekOCRError, MissingExtraError, PasswordError

KINDS = [getattr(errors, name) for name in errors.__all__]


def test_the_tree_is_drawn_as_it_is() -> None:
    drawn: dict[str, str] = {}
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        words = line.replace("├──", "    ").replace("└──", "    ").replace("│", " ")
        name = words.split()[0] if words.strip() else ""
        if name in errors.__all__:
            depth = (len(words) - len(words.lstrip())) // 4 - 1
            above[depth:] = [name]
            drawn[name] = above[depth - 1] if depth else "Exception"
    assert drawn == {kind.__name__: kind.__bases__[0].__name__ for kind in KINDS}


OUTSIDE = {
    "ClientGoneError": "an HTTPException, so that the web framework answers with it",
    "NoGpuError": "of the program that runs published code, which imports nothing of ours",
    "OutOfTimeError": "an end of comparing, caught where a sentence gets its status",
    "TerminatedBySignal": "a KeyboardInterrupt, so that nothing catches it on the way",
    "UnusableCodeError": "of the program that runs published code, which imports nothing of ours",
    "_NotJsonError": "a BackendReplyError that one function raises for another",
}
"""Errors that are in no tree, or in no other module, and why."""


def test_the_tree_holds_every_error_of_ours() -> None:
    found = {
        node.name
        for path in OUR_FILES
        if path.name != "errors.py"
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ClassDef)
        and any(
            ast.unparse(base).endswith(("Error", "Exception", "Interrupt")) for base in node.bases
        )
    }
    assert found == set(OUTSIDE)


def test_a_message_says_what_happened_where_and_what_to_do() -> None:
    error = PasswordError(
        "it is encrypted", source="a.pdf", page=3, remedy="Pass the password with password=."
    )
    assert str(error) == "a.pdf, page 3: it is encrypted. Pass the password with password=."
    assert str(DeepSeekOCRError("it failed")) == "it failed"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_errors_cross_process_borders_whole(kind: type[DeepSeekOCRError]) -> None:
    error = kind("problem", source="a.pdf", page=2, remedy="Do this.")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert (str(copy), copy.source, copy.page) == (str(error), "a.pdf", 2)


def test_a_missing_extra_is_an_import_error_too() -> None:
    assert issubclass(MissingExtraError, ImportError)


def test_every_error_is_described() -> None:
    assert all(inspect.getdoc(kind) for kind in KINDS)
