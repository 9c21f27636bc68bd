"""The real ``dsocr serve``: the lines of the guide, SIGTERM, ``kill -9`` and a start after it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from docs_pages import ROOT, blocks
from running_service import PAGES, finished, send
from served_command import served

from deepseek_ocr_rag import sample_path
from deepseek_ocr_rag.cli.main import main

pytestmark = pytest.mark.long

SAMPLE = Path(sample_path())
GUIDE = ROOT / "docs" / "guides" / "service.md"


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
def test_the_lines_of_the_guide_work(tmp_path: Path) -> None:
    lines = [
        block.code
        for block in blocks(GUIDE)
        if block.language == "sh" and "a test runs it" in block.note
    ]
    assert len(lines) == 4
    shutil.copy(SAMPLE, tmp_path / "report.pdf")
    with served(tmp_path) as server:
        script = "\n".join(lines).replace("http://127.0.0.1:8765", server.url)
        commands = tmp_path / "bin"
        commands.mkdir()
        (commands / "python").symlink_to(sys.executable)
        ran = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=tmp_path,
            env={**os.environ, "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert ran.returncode == 0, ran.stderr
    assert "event: end" in ran.stdout
    assert '"status":"succeeded"' in ran.stdout
    assert "event: citation" in ran.stdout
    assert '"passages":[{' in ran.stdout
    assert "Anna Berg keeps the lamp." in (tmp_path / "report.md").read_text("utf-8")
    assert len(json.loads((tmp_path / "report.json").read_text("utf-8"))["pages"]) == len(PAGES)
    assert (tmp_path / "page-1.png").read_bytes().startswith(b"\x89PNG")
    assert zipfile.is_zipfile(tmp_path / "corrections.zip")


def test_sigterm_ends_it_well_and_nothing_is_lost(tmp_path: Path) -> None:
    with served(tmp_path) as server:
        job = finished(server.http, send(server.http, SAMPLE)["id"])
        result = server.http.get(job["links"]["result"]).content
        begun = time.monotonic()
        assert server.end(signal.SIGTERM) == 0
        assert time.monotonic() - begun < 30
    log = server.log.read_text("utf-8")
    assert "Traceback" not in log
    assert "lamp" not in log
    with served(tmp_path) as again:
        assert again.http.get(job["links"]["self"]).json()["status"] == "succeeded"
        assert again.http.get(job["links"]["result"]).content == result
        assert again.end(signal.SIGINT) == 0


def test_what_was_accepted_is_read_after_a_kill(tmp_path: Path) -> None:
    with served(tmp_path) as server:
        jobs = [send(server.http, SAMPLE, name=f"{number}.pdf")["id"] for number in range(12)]
        assert server.end(signal.SIGKILL) == -signal.SIGKILL
    with served(tmp_path) as again:
        ended = [finished(again.http, job) for job in jobs]
        assert {job["status"] for job in ended} == {"succeeded"}
        assert [job["name"] for job in ended] == [f"{number}.pdf" for number in range(12)]
        results = {again.http.get(job["links"]["result"]).content for job in ended}
        assert len(results) == 1
        assert all(text.encode() in results.copy().pop() for page in PAGES for text in page)


def test_a_second_start_on_the_same_folder_says_so_and_ends(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with served(tmp_path) as server:
        assert (
            main(["serve", "--port", "0", "--llm", "none", "--data", str(tmp_path / "data")]) == 4
        )
        assert "used by another service" in capsys.readouterr().err
        assert server.http.get("/readyz").status_code == 200
        taken = server.url.rpartition(":")[2]
        assert main(["serve", "--port", taken, "--llm", "none", "--data", str(tmp_path)]) == 2
        assert "--port" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--limit", "nonsense=1"), "there is no limit 'nonsense'"),
        (("--limit", "jobs_waiting=-1"), "jobs_waiting"),
        (("--limit", "upload_bytes=0"), "upload_bytes"),
        (("--keys", "/nowhere"), "cannot be read"),
        (("--drain", "0"), "--drain"),
        (("--host", "0.0.0.0"), "DSOCR_API_KEYS"),
        (("--port", "99999"), "cannot listen"),
        (("--host", "no.such.host.invalid"), "API keys"),
    ],
)
def test_a_mistake_is_told_before_anything_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], told: str
) -> None:
    folder = tmp_path / "data"
    assert main(["serve", "--llm", "none", "--data", str(folder), *options]) == 2
    assert told in capsys.readouterr().err
    assert not folder.exists()


def test_keys_of_the_environment_count(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DSOCR_API_KEYS", "anna:short")
    assert main(["serve", "--llm", "none", "--data", str(tmp_path / "data")]) == 2
    assert "16 or more" in capsys.readouterr().err


def test_without_the_extra_the_pip_line_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert main(["serve", "--data", str(tmp_path / "data")]) == 7
    assert "[serve]" in capsys.readouterr().err
