"""The doctor finds what is there and has a remedy for what is not."""

from __future__ import annotations

import json

import pytest

from deepseek_ocr_rag.doctor import diagnose


@pytest.fixture(autouse=True)
def nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", "http://127.0.0.1:9")
    monkeypatch.delenv("DSOCR_SERVER_URL", raising=False)


def test_what_is_installed_is_found_with_its_version() -> None:
    checks = {check.name: check for check in diagnose()}
    assert checks["python"].ok
    assert checks["rapidocr"].ok
    assert checks["rapidocr"].detail[0].isdigit()


def test_without_servers_lite_is_what_auto_takes() -> None:
    checks = {check.name: check for check in diagnose()}
    assert checks["backend lite"].ok
    assert not checks["backend ollama"].ok
    assert checks["backend auto"].detail.startswith("lite: ")


def test_whatever_does_not_work_has_a_remedy() -> None:
    assert all(check.remedy for check in diagnose() if not check.ok)


def test_findings_are_json_ready() -> None:
    assert json.dumps([check.to_dict() for check in diagnose()])
