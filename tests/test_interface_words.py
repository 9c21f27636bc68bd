"""What an error says of Python, in the words of the command and of the service."""

from __future__ import annotations

import argparse
import ast
import re
from functools import cache

import pytest
from house import MODULE_FILES, parsed

from deepseek_ocr_rag.cli.arguments import argument_parser
from deepseek_ocr_rag.interface_words import command_words, service_words


def parsers() -> list[argparse.ArgumentParser]:
    (choices,) = (
        action.choices
        for action in argument_parser()._actions
        if isinstance(action, argparse._SubParsersAction)
    )
    return list(choices.values())


@cache
def texts_of_errors() -> set[str]:
    """Every text in the package that says what to do, f-strings with their gaps as ``x``."""
    found = set()
    for module, path in MODULE_FILES.items():
        if ".cli." in module or ".agents." in module:
            continue
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.keyword) and node.arg in ("remedy", "cure"):
                parts = [n for n in ast.walk(node.value) if isinstance(n, ast.Constant)]
                found.add("".join(str(part.value) for part in parts))
    return found


def test_every_option_that_an_error_names_exists() -> None:
    known = {word for parser in parsers() for word in parser._option_string_actions}
    for text in texts_of_errors():
        said = command_words(text)
        new = set(re.findall(r"--[a-z-]+", said)) - set(re.findall(r"--[a-z-]+", text))
        assert new <= known, text


def test_what_has_an_option_is_not_told_in_python() -> None:
    python = re.compile(
        r"\b(password|allow_\w+|cache|backend|num_ctx|wait)=(?!\"fp8|\"model)|(Limits|FetchPolicy)\("
    )
    left = {text for text in texts_of_errors() if python.search(command_words(text))}
    assert left == set()


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        # Only the servers' backends take --timeout, and only for a whole page.
        ("Raise the timeout.", "Raise --timeout."),
        (
            "Look at its log, or raise stall_timeout.",
            "Look at its log, or raise stall_timeout in Python (the command has no option for it).",
        ),
        (
            "Raise OfficialBackend(load_timeout=...). Keep the folder on a local SSD.",
            "Raise OfficialBackend(load_timeout=...) in Python (the command has no option for it)."
            " Keep the folder on a local SSD.",
        ),
        ("Raise its timeout, or take a smaller model.", "Take a smaller model."),
    ],
)
def test_a_timeout_is_raised_with_an_option_only_where_one_does_it(said: str, shown: str) -> None:
    words = said.removesuffix("Keep the folder on a local SSD.")
    assert any(
        isinstance(node, ast.Constant) and words in str(node.value)
        for path in MODULE_FILES.values()
        for node in ast.walk(parsed(path))
    )
    assert command_words(said) == shown


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Pass the right password=... to open it.", "Send it again with its password."),
        (
            "Split it, or raise Limits(pages=...).",
            "Split it, or run `dsocr serve --limit pages=NUMBER`.",
        ),
        (
            'Get an intact copy, repair it, for example with qpdf, or try renderer="pymupdf", which'
            " repairs more.",
            "Get an intact copy, repair it, for example with qpdf, or try `dsocr serve --renderer"
            " pymupdf`, which repairs more.",
        ),
        (
            "Use a local model, or set allow_remote=True.",
            "Use a local model, or run `dsocr serve --allow-remote`.",
        ),
        (
            "Add it with FetchPolicy(hosts=...) if you trust it, or download the file first.",
            "Send the file itself.",
        ),
        (
            "Allow it with FetchPolicy(allow_private=True) if you trust the URL.",
            "Send the file itself.",
        ),
    ],
)
def test_who_sends_a_document_to_a_service_is_told_what_helps_there(said: str, shown: str) -> None:
    assert said in texts_of_errors()
    assert service_words(said) == shown


def test_every_option_that_the_service_names_exists() -> None:
    (serve,) = (parser for parser in parsers() if parser.prog.endswith(" serve"))
    for text in texts_of_errors():
        for options in re.findall(r"`dsocr serve (--[^`]*)`", service_words(text)):
            assert options.split()[0] in serve._option_string_actions, text


def test_nobody_is_told_python_over_http() -> None:
    python = re.compile(
        r"\b(password|allow_\w+|backend|renderer|num_ctx)=(?!\"model)|(Limits|FetchPolicy)\("
    )
    left = {text for text in texts_of_errors() if python.search(service_words(text))}
    assert left == set()
