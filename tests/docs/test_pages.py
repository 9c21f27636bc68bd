"""What the documentation lists is what there is: names, settings, errors, options, files."""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import inspect
import re
from collections import Counter
from pathlib import Path

import pytest
from docs_pages import ROOT, pages

import deepseek_ocr_rag
from deepseek_ocr_rag import Block, Box, OcrDocument, Page, errors, records
from deepseek_ocr_rag.cli.arguments import argument_parser
from deepseek_ocr_rag.cli.exit_codes import report_error

DOCS = ROOT / "docs"
SRC = ROOT / "src"
TEXT = {page: page.read_text("utf-8") for page in pages()}
REFERENCE = "".join(text for page, text in TEXT.items() if page.parent == DOCS / "reference")
SETTINGS = TEXT[DOCS / "reference" / "settings.md"]

INTEGRATIONS = (
    "langchain_deepseek_ocr",
    "llama_index.readers.deepseek_ocr",
    "llama_index.retrievers.deepseek_ocr",
    "llama_index.tools.deepseek_ocr",
)


def rows(page: str) -> list[list[str]]:
    """The cells of all rows of all tables of a page, heads and rules left out."""
    found = []
    lines = (DOCS / page).read_text("utf-8").splitlines()
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("|") and not line.startswith("|--") and not following.startswith("|--"):
            found.append(cells)
    return found


def code(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


# --- the reference -----------------------------------------------------------------------


def public_modules() -> list[str]:
    """Every module of ours right below the top that says what is public in it."""
    folder = SRC / "deepseek_ocr_rag"
    names = {path.stem for path in folder.glob("*.py")} | {
        path.parent.name for path in folder.glob("*/__init__.py")
    }
    modules = ["deepseek_ocr_rag", *(f"deepseek_ocr_rag.{n}" for n in sorted(names - {"__init__"}))]
    internal = {
        f"deepseek_ocr_rag.{name}"
        for name in (
            *("__main__", "certificates", "hosts", "http_replies", "installing"),
            *("interface_words", "ollama_address", "ollama_server", "setting_names"),
            *("threads", "version"),
        )
    }
    return [
        name
        for name in [*modules, *INTEGRATIONS]
        if name not in internal and hasattr(importlib.import_module(name), "__all__")
    ]


def described_names(module: str) -> list[str]:
    """What the pages of the reference describe of a module."""
    directives = re.findall(
        rf"^\.\. public-names:: {re.escape(module)}\n((?:(?: .*)?\n)*)", REFERENCE, re.MULTILINE
    )
    public = importlib.import_module(module).__all__
    return [name for listed in directives for name in (listed.split() or public)]


@pytest.mark.parametrize("module", public_modules())
def test_every_public_name_is_described_once(module: str) -> None:
    assert Counter(described_names(module)) == Counter(importlib.import_module(module).__all__)


def test_the_site_imports_every_public_module_before_it_describes_one() -> None:
    listed = re.findall(r'^    "([\w.]+)",$', (DOCS / "conf.py").read_text("utf-8"), re.MULTILINE)
    assert set(public_modules()) <= set(listed)


def test_every_class_with_settings_has_its_table() -> None:
    made_by_others = {"Conversation"}
    top = {
        name: value
        for name in deepseek_ocr_rag.__all__
        if inspect.isclass(value := getattr(deepseek_ocr_rag, name))
        and not issubclass(value, Exception)
    }
    wanted = {n for n, value in top.items() if not dataclasses.is_dataclass(value)}
    wanted |= {"Limits", "FetchPolicy"}
    listed = set(re.findall(r"^\.\. settings:: deepseek_ocr_rag\.(\w+)$", SETTINGS, re.MULTILINE))
    assert wanted - made_by_others <= listed


def test_every_environment_variable_is_explained() -> None:
    read = {
        name
        for path in SRC.rglob("*.py")
        for name in re.findall(r"\bDSOCR_[A-Z_]+\b", path.read_text("utf-8"))
    }
    listed = {name for cells in rows("reference/settings.md") for name in code(cells[0])}
    assert read == {name for name in listed if name.startswith("DSOCR_")}


# --- errors ------------------------------------------------------------------------------


def test_every_error_has_its_cause_and_its_cure() -> None:
    told = {code(cells[0])[0]: cells[1:] for cells in rows("reference/errors.md")}
    assert set(told) | {"DeepSeekOCRError"} == set(errors.__all__)
    roots = {
        "SourceError",
        "BackendError",
        "LanguageModelError",
        "EmbeddingModelError",
        "ServiceError",
    }
    assert {name for name, cells in told.items() if not all(cells)} <= roots


# --- the command -------------------------------------------------------------------------


def commands() -> dict[str, argparse.ArgumentParser]:
    actions = argument_parser()._actions
    (choices,) = (a.choices for a in actions if isinstance(a, argparse._SubParsersAction))
    return dict(choices)


def test_the_page_lists_every_command() -> None:
    listed = [code(cells[0])[0] for cells in rows("reference/cli.md") if code(cells[0])]
    assert set(commands()) <= set(listed)


@pytest.mark.parametrize("command", commands())
def test_the_page_has_every_option_with_its_default_and_choices(command: str) -> None:
    sections = re.split(r"^#{2,3} ", (DOCS / "reference/cli.md").read_text("utf-8"), flags=re.M)
    mine = [s for s in sections if f"`{command}`" in s.partition("\n")[0]]
    table = {
        name: line
        for section in mine
        for line in section.splitlines()
        if line.startswith("|")
        for name in re.findall(r"`(--?[a-z-]+|[A-Z]+)\b", line.split("|")[1])
    }
    options = [a for a in commands()[command]._actions if a.dest != "help"]
    for option in options:
        names = option.option_strings or [str(option.metavar or option.dest).upper()]
        assert set(names) <= set(table), f"{command} {names}"
        line = table[names[0]]
        for choice in option.choices or ():
            assert f"`{choice}`" in line
        if option.default not in (None, True, False, argparse.SUPPRESS):
            assert f"`{option.default}`" in line.split("|")[2], f"{command} {names}"
    extra = set(table) - {name for a in options for name in a.option_strings}
    assert {name for name in extra if name.startswith("-")} == set()


def test_the_page_has_every_exit_code() -> None:
    listed = {number for cells in rows("reference/cli.md") for number in cells[0].split(", ")}
    codes = {report_error(getattr(errors, name)("a problem")) for name in errors.__all__}
    assert {str(code) for code in codes} | {"0", "6", "129", "130", "143"} <= listed


# --- metadata ----------------------------------------------------------------------------


def test_the_tables_have_exactly_the_keys_of_the_metadata() -> None:
    block = Block("text", "lamp", (Box(0, 0, 1, 1),), (0, 4), confidence=0.9, original="lump")
    page = Page(
        1, "lamp.", (block,), finish_reason="error", warnings=("dim",), error="dark", confidence=0.9
    )
    written = [
        *records.page_records(page, source="a.pdf", total_pages=1),
        *records.page_records(page, source="a.pdf", total_pages=1, split="block"),
        records.document_record(OcrDocument("a.pdf", (page,), 1)),
    ]
    boxes = {key for record in written for box in record.metadata["boxes"] for key in box}
    listed = {name for cells in rows("reference/metadata.md") for name in code(cells[0])}
    # "layout" is LangChain's.
    assert listed == {key for record in written for key in record.metadata} | boxes | {"layout"}


@pytest.mark.filterwarnings("ignore:pages are read by the built-in")
def test_real_metadata_has_no_key_that_the_table_lacks(sample_pdf: Path) -> None:
    from langchain_deepseek_ocr import DeepSeekOCRLoader, boxes_for

    listed = {name for cells in rows("reference/metadata.md") for name in code(cells[0])}
    for mode in ("page", "block", "document"):
        documents = DeepSeekOCRLoader(sample_pdf, pages="1,3", backend="lite", mode=mode).load()
        for document in documents:
            assert set(document.metadata) <= listed
            assert {key for box in boxes_for(document) for key in box} <= listed


# --- files and links ---------------------------------------------------------------------


def test_rooms_are_the_folders_of_the_package() -> None:
    folder = SRC / "deepseek_ocr_rag"
    rooms = {f"{path.parent.name}/" for path in folder.glob("*/__init__.py")}
    rooms |= {path.name for path in folder.glob("*.py")} - {"__init__.py"}
    for page in (DOCS / "architecture" / "index.md", ROOT / "CONTRIBUTING.md"):
        named = set(re.findall(r"`(\w+(?:/|\.py))`", page.read_text("utf-8")))
        assert rooms - named == set(), page


def test_the_page_of_the_benchmarks_names_every_script() -> None:
    folder = ROOT / "benchmarks"
    text = (folder / "README.md").read_text("utf-8")
    scripts = {path.relative_to(folder).as_posix() for path in folder.rglob("*.py")}
    assert {name for name in scripts if name not in text and Path(name).name not in text} == set()


def test_the_chinese_readme_has_what_the_english_one_has() -> None:
    """Its links, the commands and figures of its tables, its headings: prose cannot be compared."""

    def content(name: str) -> list[list[str]]:
        text = (ROOT / name).read_text("utf-8")
        tables = "\n".join(line for line in text.splitlines() if line.startswith("|"))
        return [
            sorted({link for link in re.findall(r"\]\(([^)]+)\)", text) if "README" not in link}),
            sorted(re.findall(r"`([^`]+)`", tables)),
            sorted(re.findall(r"\d+\.\d+", tables)),
            re.findall(r"^#+ ", text, re.MULTILINE),
        ]

    assert content("README.zh-CN.md") == content("README.md")


@pytest.mark.parametrize("page", TEXT, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_a_page_names_exist(page: Path) -> None:
    named = re.findall(r"`((?:src|tests|benchmarks|tools|docs|integrations)/[^`\s]*)`", TEXT[page])
    named += re.findall(
        r"(?:python|pytest)[^\n]*? ((?:tests|benchmarks|tools)/[^\s`]+)", TEXT[page]
    )
    rooms = re.findall(r"\(`((?:\w+/)+(?:\w+\.py)?)`(?:, `((?:\w+/)+(?:\w+\.py)?)`)?\)", TEXT[page])
    named += [f"src/deepseek_ocr_rag/{name}" for pair in rooms for name in pair if name]
    missing = {n for n in named if "<" not in n and not (ROOT / n.partition("::")[0]).exists()}
    assert missing == set()


def test_the_map_of_the_engine_names_its_files() -> None:
    folder = SRC / "deepseek_ocr_rag" / "engine"
    named = {name for cells in rows("engine.md") for name in code(cells[0])}
    assert {name for name in named if not (folder / name).exists()} == set()
    assert {path.name for path in folder.glob("[a-z]*.py")} - named == set()


@pytest.mark.parametrize("page", TEXT, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_files_lead_somewhere(page: Path) -> None:
    prose = re.sub(r"`[^`\n]*`", "", TEXT[page])
    links = re.findall(r"\]\(([^)\s:]+)\)", prose)
    missing = [link for link in links if not (page.parent / link.partition("#")[0]).exists()]
    assert missing == []


def test_the_readmes_are_short_and_their_picture_is_light() -> None:
    assert len(TEXT[ROOT / "README.md"].splitlines()) <= 120
    assert len(TEXT[ROOT / "README.zh-CN.md"].splitlines()) <= 120
    assert (DOCS / "images" / "front.webp").stat().st_size < 150_000


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda p: p.stem)
def test_notebooks_show_no_path_of_the_machine_that_ran_them(path: Path) -> None:
    text = path.read_text("utf-8")
    assert "/ipykernel_" not in text
    assert re.findall(r"-e [\\\"]*/\S*", text) == []
    assert str(ROOT) not in text
