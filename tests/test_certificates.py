"""Certificates are loaded once, and those that the environment names are trusted."""

from __future__ import annotations

import ssl
from pathlib import Path

import certifi
import httpx
import pytest

from deepseek_ocr_rag.certificates import trusted_certificates
from deepseek_ocr_rag.http_replies import PlainTransport


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that certificates are loaded from."""
    files: list[str] = []
    load = ssl.SSLContext.load_verify_locations

    def noted(context: ssl.SSLContext, cafile: str, *more: object, **named: object) -> None:
        files.append(cafile)
        load(context, cafile, *more, **named)

    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", noted)
    return files


def test_they_are_checked_against_the_name_of_the_host() -> None:
    context = trusted_certificates()
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname


def test_a_second_client_loads_none(loads: list[str]) -> None:
    trusted_certificates()
    trusted_certificates(trust_env=False)
    loads.clear()
    PlainTransport().close()
    httpx.Client(trust_env=False, verify=trusted_certificates(trust_env=False)).close()
    assert loads == []


def test_those_of_the_environment_count_from_the_next_client_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, loads: list[str]
) -> None:
    before = trusted_certificates()
    own = tmp_path / "own.pem"
    own.write_bytes(Path(certifi.where()).read_bytes())
    monkeypatch.setenv("SSL_CERT_FILE", str(own))
    named = trusted_certificates()
    assert named is not before
    assert loads[-1] == str(own)
    assert trusted_certificates(trust_env=False) is not named
    assert trusted_certificates() is named
