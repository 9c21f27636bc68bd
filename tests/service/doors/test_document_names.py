"""Names of documents that clients send: anything may come, and only a name is left."""

from __future__ import annotations

import pytest

from deepseek_ocr_rag.service.doors.document_names import (
    document_name,
    name_in_url,
    name_of_open_webui,
)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("report.pdf", "report.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\scans\\a b.pdf", "a b.pdf"),
        ("ледник.pdf", "ледник.pdf"),
        ("", "document"),
        (None, "document"),
        ("..", "document"),
        ("a/", "document"),
        ("a\r\nSet-Cookie: b=c.pdf", "a  Set-Cookie: b=c.pdf"),
        ("a\x00b.pdf", "a\N{REPLACEMENT CHARACTER}b.pdf"),
        ("a\ud800.pdf", "a\N{REPLACEMENT CHARACTER}.pdf"),
        ("fdp\N{RIGHT-TO-LEFT OVERRIDE}.exe", "fdp.exe"),
    ],
)
def test_only_the_last_part_of_a_name_and_what_can_be_shown_of_it_is_kept(
    given: str | None, name: str
) -> None:
    assert document_name(given) == name


def test_a_long_name_keeps_its_end_with_the_suffix() -> None:
    name = document_name("x" * 100_000 + ".pdf")
    assert len(name) == 255
    assert name.endswith("x.pdf")


@pytest.mark.parametrize(
    ("header", "name"),
    [
        # As Open WebUI 0.12.4 sends them: quote("<uuid4>_<name>").
        ("0b9e2a4c-51ab-4b0c-9d7e-3f3a1d2c4b5a_report%20%281%29.pdf", "report (1).pdf"),
        ("0b9e2a4c-51ab-4b0c-9d7e-3f3a1d2c4b5a_%D0%B0_b.pdf", "а_b.pdf"),
        ("0b9e2a4c-51ab-4b0c-9d7e-3f3a1d2c4b5a_", "0b9e2a4c-51ab-4b0c-9d7e-3f3a1d2c4b5a_"),
        ("plain.pdf", "plain.pdf"),
        ("0b9e2a4c-51ab-4b0c-9d7e-3f3a1d2c4b5a_..%2F..%2Fetc%2Fpasswd", "passwd"),
        ("%E0%A4%A", "%A"),
        (None, "document"),
    ],
)
def test_open_webui_names_a_file_behind_its_id(header: str | None, name: str) -> None:
    assert name_of_open_webui(header).removeprefix("\N{REPLACEMENT CHARACTER}") == name


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://example.org/papers/a%20b.pdf?download=1#page=2", "a b.pdf"),
        ("https://example.org/", "document"),
        ("https://[::1/a.pdf", "document"),
        ("https://example.org/%2e%2e%2fetc%2fpasswd", "passwd"),
    ],
)
def test_a_url_names_a_document_by_its_last_part(url: str, name: str) -> None:
    assert name_in_url(url) == name
