"""Which URLs lead to this machine."""

from __future__ import annotations

import pytest

from deepseek_ocr_rag.hosts import is_this_machine


@pytest.mark.parametrize(
    "url",
    [
        *("http://localhost:11434", "http://LOCALHOST", "http://ollama.localhost/v1"),
        *("http://127.0.0.1:8000/v1", "http://127.9.9.9", "http://[::1]:8000"),
    ],
)
def test_loopback_addresses_and_localhost_are_this_machine(url: str) -> None:
    assert is_this_machine(url)


@pytest.mark.parametrize(
    "url",
    [
        *("https://example.org", "http://localhost.example.org", "http://notlocalhost"),
        *("http://192.168.1.2", "http://127.0.0.1@example.org", "http://127.0.0.1.nip.io", ""),
    ],
)
def test_all_else_is_another_machine_whatever_its_name_looks_like(url: str) -> None:
    assert not is_this_machine(url)
