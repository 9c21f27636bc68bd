"""The doctor finds what works, and has a remedy for what does not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from deepseek_ocr_rag.backends.known_failures import LONGEST_TEXT, failure_named
from deepseek_ocr_rag.cli import main as cli
from deepseek_ocr_rag.cli.doctor import doctor_command
from deepseek_ocr_rag.cli.doctor.diagnose import Check, _optional, diagnose, failure_text


@pytest.fixture(scope="module")
def checks() -> Iterator[dict[str, Check]]:
    """The checks of this machine, without any server."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OLLAMA_HOST", "http://127.0.0.1:9")
        patch.delenv("DSOCR_SERVER_URL", raising=False)
        yield {check.name: check for check in diagnose()}


def test_what_is_installed_is_found_with_its_version(checks: dict[str, Check]) -> None:
    assert checks["python"].ok
    assert checks["rapidocr"].ok
    assert checks["rapidocr"].detail[0].isdigit()


def test_without_servers_auto_chooses_lite(checks: dict[str, Check]) -> None:
    assert checks["backend lite"].ok
    assert not checks["backend ollama"].ok
    assert checks["backend auto"].detail.startswith("lite: ")


def test_versions_torch_and_disk_are_checked(checks: dict[str, Check]) -> None:
    pytest.importorskip("torch")
    assert checks["torch"].ok
    assert {"versions for transformers", "versions for official", "disk"} <= set(checks)
    assert any(name.startswith("gpu") for name in checks)


def test_every_failed_check_has_a_remedy(checks: dict[str, Check]) -> None:
    assert all(check.remedy for check in checks.values() if not check.ok)


def test_checks_are_json_ready(checks: dict[str, Check]) -> None:
    assert json.dumps([check.to_dict() for check in checks.values()])


# --- the text of a failure ------------------------------------------------------------------


def test_a_file_is_read_and_anything_else_is_taken_as_text(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    log.write_bytes(b"CUDA out of memory\xff")
    assert failure_text(str(log)) == "CUDA out of memory\ufffd"
    assert failure_text(str(tmp_path / "missing.log")) == str(tmp_path / "missing.log")
    assert failure_text(str(tmp_path)) == str(tmp_path)


@pytest.mark.parametrize("said", ["", "\0", "x" * 100_000, "a\nb" * 5000, "CUDA out of memory"])
def test_any_text_is_accepted(said: str) -> None:
    assert failure_text(said) == said


def test_the_end_of_a_long_log_is_read(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    log.write_text("x" * LONGEST_TEXT + "CUDA out of memory", "utf-8")
    text = failure_text(str(log))
    assert len(text) == LONGEST_TEXT
    assert text.endswith("CUDA out of memory")


# --- what may be missing, and memory ---------------------------------------------------------


def test_what_everything_else_works_without_is_shown_as_optional(
    checks: dict[str, Check], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = _optional("docling-core-that-is-missing", "export", "pip install x")
    assert (missing.ok, missing.optional) == (False, True)
    extras = {"pymupdf", "docling-core", "versions for official", "backend ollama", "answers"}
    assert all(checks[name].optional for name in extras)
    assert not any(checks[name].optional for name in ("python", "pypdfium2", "backend lite"))
    monkeypatch.setattr(
        doctor_command, "diagnose", lambda: (missing, Check("python", False, "3.9", "x"))
    )
    assert cli.main(["doctor"]) == 0
    optional, _, needed, _ = capsys.readouterr().out.splitlines()
    assert optional.startswith("-   docling-core-that-is-missing: optional, not installed")
    assert needed == "no  python: 3.9"


def test_out_of_memory_names_what_makes_room() -> None:
    cure = failure_named("out of memory").cure
    for setting in ("gpu_memory_limit", 'cache="fp8"', 'weights="int8"', 'quantization="8bit"'):
        assert setting in cure
