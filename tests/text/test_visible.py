"""Text of a document cannot control the terminal that it is printed to."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deepseek_ocr_rag.cli.main import main
from deepseek_ocr_rag.text.visible import (
    json_line,
    storable,
    visible,
    visible_line,
    without_invisible,
)

COMMANDS = "\x1b]0;owned\x07\x1b[2J\x9b31m\x7f\x08\u202egnp.exe\x00"


def test_terminal_codes_become_visible_and_text_stays() -> None:
    assert visible(f"a{COMMANDS}b\n\tc é") == (
        "a\ufffd]0;owned\ufffd\ufffd[2J\ufffd31m\ufffd\ufffd\ufffdgnp.exe\ufffdb\n\tc é"
    )


def test_json_reads_back_as_it_was_and_has_no_terminal_codes() -> None:
    line = json_line({"text": COMMANDS, "é": [1]})
    assert json.loads(line) == {"text": COMMANDS, "é": [1]}
    assert not any(character in line for character in "\x1b\x9b\x7f\u202e\x07")
    assert "é" in line


def test_the_cli_prints_no_terminal_codes_of_a_reply(tmp_path: Path, capsys) -> None:
    reply = tmp_path / "reply.txt"
    reply.write_text(f"<|ref|>text<|/ref|><|det|>[[1, 2, 3, 4]]<|/det|>\nkept{COMMANDS}")
    assert main(["parse", str(reply)]) == 0
    assert main(["read", str(tmp_path / "no\x1b[2Jthing.pdf"), "--backend", "lite"]) != 0
    printed = "".join(capsys.readouterr())
    assert "kept" in printed
    assert "no\ufffd[2Jthing.pdf" in printed
    assert not any(character in printed for character in "\x1b\x9b\x7f\u202e\x07")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\n\tb", "a\n\tb"),
        (" ~\x7f", " ~ "),
        ("a\x00b\x1bc\x9bd", "a b c d"),
        ("a\u200bb\u00adc\ufeffd", "abcd"),
        ("a\u034fb\u115fc\u3164d\uffa0e\ufe0ff\U000e0041g", "abcdefg"),
        ("a\u2028b\u2029c", "a\nb\nc"),
        ("a\ud800b", "a\ufffdb"),
        ("\u0645\u200c\u0646", "\u0645\u200c\u0646"),
        ("\u0645\u200d\u200c\u200d\u0646", "\u0645\u200d\u0646"),
        ("a\u200d\u0646", "a\u0646"),
        ("\u0646\u200d\u200da", "\u0646a"),
        ("\u00fcber \u00a7 5", "\u00fcber \u00a7 5"),
    ],
)
def test_what_shows_nothing_is_removed_for_a_language_model(text: str, shown: str) -> None:
    assert without_invisible(text) == shown


def test_what_no_store_takes_is_replaced_one_for_one() -> None:
    assert storable("a\x00b\ud800c\udfff\x1b") == "a\ufffdb\ufffdc\ufffd\x1b"


def test_a_name_is_shown_on_one_line() -> None:
    assert visible_line("a\nb\tc\u2028d\u2029e\x1b") == "a b c d e\ufffd"


def test_json_stays_on_one_line_whatever_ends_lines() -> None:
    """A reader of lines such as ``str.splitlines`` also ends them at U+2028 and the like."""
    value = {"name": "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg\nh\ri"}
    line = json_line(value)
    assert line.splitlines() == [line]
    assert json.loads(line) == value
