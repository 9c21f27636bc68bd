"""Nothing leaves this machine unless requested, and no log repeats a document."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
from contextlib import closing
from io import BytesIO
from pathlib import Path

import pytest
from pypdfium2 import PdfDocument

from deepseek_ocr_rag import DocumentQA, Reader, chunk_document, render_page, write_folder
from deepseek_ocr_rag.backends.local import process_pair
from deepseek_ocr_rag.backends.official import published_code_process as official_process
from deepseek_ocr_rag.concurrency.offline import NO_TELEMETRY, OFFLINE
from deepseek_ocr_rag.sources.isolation import process as isolation_process

# Python imports a module of this name at startup in every process that finds it,
# also in those that we start.
WATCH = """
import os, sys
LOG = {log!r}
def note(text):
    with open(LOG, "a") as file:
        file.write(f"{{os.getpid()}} {{text}}\\n")
def watch(event, arguments):
    network = event.startswith(("socket.", "urllib.", "http.client.", "ftplib.", "smtplib."))
    # When urllib3 is imported it tries whether this machine has IPv6: a socket that is bound
    # to ::1, and closed. A socket that does nothing else is no more than an object.
    probe = event == "socket.__new__" or (event, arguments[1:]) == ("socket.bind", (("::1", 0),))
    if network and not probe:
        note(f"{{event}} {{arguments!r}}")
sys.addaudithook(watch)
note("started")
"""


@pytest.fixture(scope="module")
def kept_pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pages of both programs, so that the scan is read once."""
    return tmp_path_factory.mktemp("pages")


@pytest.fixture(scope="module")
def report(sample_pdf: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample, with a part of its scan: reading all of that takes a small OCR five seconds."""
    letter = render_page(sample_pdf, 2, long_side=1920)
    width, height = letter.size
    scan = BytesIO()
    part = (width // 10, height * 3 // 10, width * 11 // 20, height // 2)
    letter.crop(part).save(scan, "PDF", resolution=200)
    file = tmp_path_factory.mktemp("given") / "given.pdf"
    with (
        closing(PdfDocument(sample_pdf)) as sample,
        closing(PdfDocument(scan.getvalue())) as scanned,
        closing(PdfDocument.new()) as pages,
    ):
        pages.import_pages(sample, [0])
        pages.import_pages(scanned)
        pages.import_pages(sample, [2])
        pages.save(file)
    return file


def watched(
    tmp_path: Path, program: str, pages: Path | None = None, report: Path | None = None
) -> list[str]:
    """Run a program; returns a line for every network access, also of its child processes."""
    folder = tmp_path / "watch"
    folder.mkdir()
    log = folder / "log.txt"
    (folder / "sitecustomize.py").write_text(WATCH.format(log=str(log)))
    done = subprocess.run(
        [sys.executable, "-c", program, str(report)],
        capture_output=True,
        text=True,
        timeout=240,
        cwd=tmp_path,
        env={
            "PYTHONPATH": os.pathsep.join([str(folder), *filter(None, sys.path)]),
            "PATH": "",
            "HOME": str(tmp_path),
            "DSOCR_CACHE_DIR": str(pages or tmp_path / "cache"),
        },
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return log.read_text().splitlines()


READ_AND_ASK = """
import sys, warnings
from pathlib import Path
warnings.simplefilter("ignore")
from deepseek_ocr_rag import *
from deepseek_ocr_rag.agents import AgentReader
from deepseek_ocr_rag.cli.main import main
path = Path(sys.argv[1])
with Reader("lite") as reader:
    document = reader.read(path)
    chunk_document(document)
    Retriever.from_documents([document]).search("lamp")
    DocumentQA(document).ask("When did the harbour board decide?").show()
    write_folder(document, "out")
    agent = AgentReader(reader, root_dir=path.parent)
    agent.read("given.pdf")
    agent.search("given.pdf", "lamp")
    agent.locate("given.pdf", "the lamp")
    agent.look_at("given.pdf", 1)
    assert main(["read", str(path), "--backend", "lite", "-o", "out2"]) == 0
"""

FRAMEWORKS = """
import sys, warnings
from pathlib import Path
warnings.simplefilter("ignore")
from langchain_deepseek_ocr import DeepSeekOCRLoader, DeepSeekOCRTool
from llama_index.readers.deepseek_ocr import DeepSeekOCRReader
from llama_index.tools.deepseek_ocr import DeepSeekOCRToolSpec
path = Path(sys.argv[1])
assert len(DeepSeekOCRLoader(path, backend="lite").load()) == 3
assert "page 1" in DeepSeekOCRTool(root_dir=path.parent, backend="lite").invoke({"path": "given.pdf"})
assert len(DeepSeekOCRReader(backend="lite").load_data(path)) == 3
assert "page 1" in DeepSeekOCRToolSpec(path.parent, backend="lite").read_document("given.pdf")
"""


@pytest.mark.slow
@pytest.mark.parametrize("program", [READ_AND_ASK, FRAMEWORKS], ids=["core", "frameworks"])
def test_reading_asking_and_exporting_connect_to_nothing_in_any_process(
    tmp_path: Path, kept_pages: Path, report: Path, program: str
) -> None:
    lines = watched(tmp_path, program, kept_pages, report)
    processes = {line.split()[0] for line in lines if line.endswith("started")}
    assert len(processes) > 1, "the rendering processes were not watched"
    assert [line for line in lines if not line.endswith("started")] == []


def test_looking_for_a_backend_asks_only_this_machine(tmp_path: Path) -> None:
    lines = watched(
        tmp_path,
        "import warnings; warnings.simplefilter('ignore')\n"
        "from deepseek_ocr_rag.backends import probe_backends\nprobe_backends()",
    )
    asked = [line for line in lines if "socket.connect" in line or "getaddrinfo" in line]
    assert asked
    assert [line for line in asked if not re.search(r"127\.0\.0\.1|::1|localhost", line)] == []


def test_our_own_processes_are_told_to_stay_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[dict[str, str]] = []

    class ToldError(Exception):
        pass

    def start(*arguments: object, env: dict[str, str], **options: object) -> None:
        told.append(env)
        raise ToldError

    monkeypatch.setattr(subprocess, "Popen", start)
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    for run in (
        isolation_process._start,
        lambda: process_pair.start_pair("tokenizer.json"),
        lambda: official_process._start("python", Path(), OFFLINE),
    ):
        with pytest.raises(ToldError):
            run()
    assert [{name: env.get(name) for name in OFFLINE} for env in told] == [dict(OFFLINE)] * 3
    assert OFFLINE["HF_HUB_OFFLINE"] == "1"
    assert NO_TELEMETRY["HF_HUB_DISABLE_TELEMETRY"] == "1"


def test_the_hub_client_stays_offline_and_silent(tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub")
    done = subprocess.run(
        [
            *(sys.executable, "-c"),
            "import json; from huggingface_hub import constants as c; "
            "print(json.dumps([c.HF_HUB_OFFLINE, c.HF_HUB_DISABLE_TELEMETRY]))",
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={**OFFLINE, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PATH": ""},
    )
    assert json.loads(done.stdout) == [True, True]


@pytest.mark.filterwarnings("ignore::deepseek_ocr_rag.backends.LiteBackendWarning")
def test_no_log_repeats_what_a_document_says(
    report: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """At the most verbose level, for our loggers and all others, scans included."""
    with caplog.at_level(logging.DEBUG), Reader("lite") as reader:
        document = reader.read(report)
        assert "29 January 2025" in document.pages[1].markdown
        chunk_document(document)
        answer = DocumentQA(document).ask("When did the harbour board decide?")
        write_folder(document, tmp_path / "out")
        logging.getLogger("deepseek_ocr_rag").debug("the end")
    words = {word.lower() for word in re.findall(r"[A-Za-z]{6,}", document.to_markdown())}
    assert len(words) > 150
    assert answer.found
    logged = {word.lower() for record in caplog.records for word in spoken(record)}
    assert "end" in caplog.text
    assert sorted(words & logged - ORDINARY) == []


def spoken(record: logging.LogRecord) -> list[str]:
    return re.findall(r"[A-Za-z]{6,}", record.getMessage())


ORDINARY: set[str] = set()
"""Words of the sample that libraries also log by themselves."""
