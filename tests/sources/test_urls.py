"""URLs: how they are recognized, and how they are named."""

from __future__ import annotations

import pytest

from deepseek_ocr_rag.sources.urls import is_url, public_name


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://a/b", True),
        ("x+y-1.z://", True),
        ("a.pdf", False),
        ("C:/a", False),
        ("://a", False),
    ],
)
def test_a_url_is_known_by_its_scheme(text: str, url: bool) -> None:
    assert is_url(text) is url


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://ann:secret@a.example:1/b", "https://a.example:1/b"),
        ("https://ann:s@cret@a.example/b@c/d", "https://a.example/b@c/d"),
        ("https://a.example", "https://a.example"),
        ("https://a.example/to/https://b", "https://a.example/to/https://b"),
        ("https://ann:secret@a.example/to/https://b", "https://a.example/to/https://b"),
        ("https://a.example?mail=a@b.org/x", "https://a.example?mail=a@b.org/x"),
        ("https://a.example#a@b.org/x", "https://a.example#a@b.org/x"),
        ("https://[::1]:80/a@b", "https://[::1]:80/a@b"),
        ("https://ann:se/cret@a.example/b", "https://a.example/b"),
        ("https://ann:se/cret", "https://ann:se/cret"),
    ],
)
def test_a_url_is_shown_without_its_password(url: str, shown: str) -> None:
    assert public_name(url) == shown
