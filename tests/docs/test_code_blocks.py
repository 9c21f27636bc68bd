"""Every block of code in the documentation runs as printed, or says why it is not run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from ast import PyCF_ALLOW_TOP_LEVEL_AWAIT
from contextlib import closing
from pathlib import Path

import pypdfium2
import pytest
from docs_pages import ROOT, RUN, SHOWN, CodeBlock, blocks, pages, same_output

from deepseek_ocr_rag import render_page

PAGES = pages()
BLOCKS = [block for page in PAGES for block in blocks(page)]


def runs(block: CodeBlock) -> bool:
    return block.language in RUN and not block.reason_not_to_run


TRANSLATED = ROOT / "README.zh-CN.md"
"""It has the code of README.md, which is run once."""

WITH_CODE = [
    page for page in PAGES if page != TRANSLATED and any(runs(block) for block in blocks(page))
]


@pytest.fixture
def folder(tmp_path: Path, sample_pdf: Path) -> Path:
    """What a reader of the documentation has: a report, and a folder of papers."""
    shutil.copy(sample_pdf, tmp_path / "report.pdf")
    papers = tmp_path / "papers"
    papers.mkdir()
    # Without the page that is a scan: reading it by OCR is what takes long, and report.pdf has it.
    with closing(pypdfium2.PdfDocument(sample_pdf)) as sample:
        typed = pypdfium2.PdfDocument.new()
        typed.import_pages(sample, [0, 2, 2])
        typed.save(papers / "report.pdf")
        typed.close()
    letter = render_page(sample_pdf, 2, long_side=1600)
    # The left of its first lines: reading all of it takes a small OCR a quarter of a minute, and a
    # picture that is low and wide nearly as long, since it is enlarged.
    letter.crop((0, 0, letter.width // 2, letter.height // 4)).save(papers / "letter.png")
    return tmp_path


@pytest.fixture
def environment(folder: Path, documented_pages: Path) -> dict[str, str]:
    """The commands of this checkout, no server, and nobody who listens where Ollama would."""
    commands = folder / ".bin"
    commands.mkdir()
    for name, module in (("dsocr", "-m deepseek_ocr_rag.cli.main"), ("python", "")):
        script = commands / name
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" {module} "$@"\n')
        script.chmod(0o755)
    paths = ["tests/support", "src", "integrations/langchain", "integrations/llama_index"]
    kept = {key: value for key, value in os.environ.items() if not key.startswith("DSOCR_")}
    return {
        **kept,
        "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(str(ROOT / path) for path in paths),
        "DSOCR_CACHE_DIR": str(documented_pages),
        "OLLAMA_HOST": "127.0.0.1:9",
        "OMP_NUM_THREADS": "1",
    }


@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_runs_as_printed(page: Path, folder: Path, environment: dict[str, str]) -> None:
    if "dsocr cache clear" in page.read_text("utf-8"):
        # Not the cache of the pages after it, which would read the sample's scan again.
        shared = environment["DSOCR_CACHE_DIR"]
        environment["DSOCR_CACHE_DIR"] = str(shutil.copytree(shared, folder / ".cache"))
    ran = subprocess.run(
        [sys.executable, str(ROOT / "tests/support/run_docs_page.py"), str(page)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert ran.returncode == 0, ran.stderr


def test_every_block_says_what_it_is() -> None:
    unknown = [
        block.where
        for block in BLOCKS
        if block.language not in (*RUN, *SHOWN) and not block.language.startswith("{")
    ]
    assert unknown == []


def test_only_code_is_excused_from_running() -> None:
    excused = {block.language for block in BLOCKS if block.reason_not_to_run}
    assert excused <= set(RUN)
    notes = [block for block in BLOCKS if block.note.startswith("<!-- not run")]
    assert [block.where for block in notes if not block.reason_not_to_run] == []


def test_code_that_is_not_run_is_at_least_code() -> None:
    for block in BLOCKS:
        if block.language == "python":
            compile(block.code, block.where, "exec", PyCF_ALLOW_TOP_LEVEL_AWAIT)
        elif block.language == "json":
            json.loads(block.code)


def test_most_code_is_run() -> None:
    python = [block for block in BLOCKS if block.language == "python"]
    assert sum(map(runs, python)) > 3 * sum(bool(block.reason_not_to_run) for block in python)


def test_the_chinese_readme_has_the_code_of_the_english_one() -> None:
    english, chinese = (
        [block.code for block in blocks(ROOT / name) if block.language in RUN]
        for name in ("README.md", TRANSLATED.name)
    )

    def without_comments(code: str) -> list[str]:
        return [line.split("#")[0].rstrip() for line in code.splitlines()]

    assert list(map(without_comments, english)) == list(map(without_comments, chinese))


def test_the_readme_has_three_blocks_of_python() -> None:
    python = [block for block in blocks(ROOT / "README.md") if block.language == "python"]
    assert len(list(filter(runs, python))) == 3


def test_the_comparison_of_outputs_sees_differences() -> None:
    assert same_output("a\n…\nd\n", "a\nb\nc\nd")
    assert not same_output("a\n…\nd\n", "a\nb\nc\n")
    assert not same_output("a", "a\nb")


def test_a_page_that_fails_is_seen(folder: Path, environment: dict[str, str]) -> None:
    def failure(text: str, name: str = "page.md") -> str:
        page = folder / name
        page.write_text(text)
        ran = subprocess.run(
            [
                sys.executable,
                "-c",
                "import sys, docs_pages; from pathlib import Path;"
                "docs_pages.ROOT = Path.cwd(); import run_docs_page;"
                "sys.exit(run_docs_page.run_page(Path.cwd() / sys.argv[1]) or 0)",
                name,
            ],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        return ran.stderr

    assert failure("```python\nx = 1\n```\n\n```python\nassert x == 1\n```\n") == ""
    assert "line 5" in failure("one\ntwo\n\n```python\nassert False\n```\n")
    assert "exit code 3" in failure("```sh\nfalse || exit 3\n```\n")
    assert "prints\n\n2" in failure(
        "```python\nprint(2)\n```\n\n<!-- output -->\n\n```text\n3\n```\n"
    )
    alone = "```python\nx = 1\nprint(x)\n```\n\n```python\nprint(x)\n```\n"
    assert failure(alone) == ""
    assert "NameError" in failure(alone, "README.md")
    assert "prints something" in failure("```python\nx = 1\n```\n", "README.md")
