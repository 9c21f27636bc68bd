"""Layout tokens that a server withholds: with a real llama.cpp server, and the rule on texts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("gguf")

from engine_cases import CASES, SHORT, Case, blocks_seen, script
from gguf_files import write_language_model, write_projector
from llama_server import FIRST_BUILD, LlamaServer, llama_build
from PIL import Image
from scripted_checkpoint import SMALL, published_files, write_checkpoint

from deepseek_ocr_rag import Page, Reader, ServerBackend
from deepseek_ocr_rag.backends.layout_model.shown_file import open_model_file
from deepseek_ocr_rag.backends.remote.hidden_tokens import hidden_tokens

TABLE = next(case for case in CASES if case.name == "table-with-cells")
PLAIN = next(case for case in CASES if case.name == "text-without-layout")
CHINESE = next(case for case in CASES if case.name == "chinese")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both files of a model as it is published."""
    published = published_files()
    if published is None:
        pytest.skip("no ../shared/deepseek-ocr-files: the published tokenizer is not here")
    if llama_build() < FIRST_BUILD:
        pytest.skip(f"no llama.cpp of build {FIRST_BUILD} or newer: pip install -U xllamacpp")
    folder = tmp_path_factory.mktemp("hidden")
    checkpoint = write_checkpoint(
        folder / "deepseek-ocr", script(), published, sizes=replace(SMALL, positions=640)
    )
    write_language_model(checkpoint, folder / "model.gguf", context=640)
    write_projector(checkpoint, folder / "mmproj.gguf")
    return folder


@pytest.fixture(scope="module")
def plain(folder: Path) -> Iterator[str]:
    with LlamaServer(folder / "model.gguf", folder / "mmproj.gguf", context=640) as server:
        yield server.url


@pytest.fixture(scope="module")
def shown(folder: Path) -> Iterator[str]:
    """The same server with the file that ``dsocr ollama-model`` would store."""
    file = folder / "shown.gguf"
    with open_model_file(folder / "model.gguf") as model, file.open("wb") as out:
        assert model.hides_layout
        out.writelines(model.shown())
    with open_model_file(file) as model:
        assert not model.hides_layout
    with LlamaServer(file, folder / "mmproj.gguf", context=640) as server:
        yield server.url


def read(url: str, case: Case, tmp_path: Path) -> Page:
    picture = tmp_path / "page.png"
    Image.new("RGB", (320, 400), "white").save(picture)
    # A white page is not read at all.
    with Image.open(picture) as image:
        image.paste("black", (40, 40, 200, 60))
        image.save(picture)
    backend = ServerBackend(url, attempts=1, concurrency=1)
    with Reader(backend, resolution="tiny", task=case.task, cache=False) as reader:
        (page,) = reader.read(picture).pages
    return page


def about_hidden(page: Page) -> list[str]:
    return [text for text in page.warnings if "withheld" in text]


@pytest.mark.parametrize("case", [SHORT, TABLE], ids=lambda case: case.name)
def test_a_server_that_keeps_marks_back_is_noticed_and_a_cure_is_named(
    plain: str, case: Case, tmp_path: Path
) -> None:
    (warning,) = about_hidden(read(plain, case, tmp_path))
    assert "--special" in warning


@pytest.mark.parametrize("case", [PLAIN], ids=lambda case: case.name)
def test_a_page_without_layout_has_no_warning(plain: str, case: Case, tmp_path: Path) -> None:
    assert about_hidden(read(plain, case, tmp_path)) == []


@pytest.mark.parametrize("case", [SHORT, TABLE, CHINESE], ids=lambda case: case.name)
def test_with_the_changed_file_everything_arrives(shown: str, case: Case, tmp_path: Path) -> None:
    page = read(shown, case, tmp_path)
    assert (page.markdown, blocks_seen(page.blocks)) == (case.markdown, case.blocks)
    assert about_hidden(page) == []


# --- the rule ----------------------------------------------------------------------------

BARE = "title[[108, 62, 489, 95]]\n# Annual Report"
GLUED = "<table>ItemCostLamps31,750</table>"
MARKED = "<|ref|>title<|/ref|><|det|>[[108, 62, 489, 95]]<|/det|>\n# Annual Report"


@pytest.mark.parametrize(
    ("text", "tokens", "pieces", "token_a_piece", "hidden"),
    [
        (BARE, 20, 15, True, 4),
        (BARE, 20, 15, False, 4),
        (BARE, None, 15, False, 1),
        (BARE, 16, 15, True, 0),
        (GLUED, 20, 9, False, 10),
        (GLUED, None, 9, False, 1),
        (MARKED, 20, 9, True, 0),
        ("<table><tr><td>Item</td></tr></table>", 20, 9, True, 0),
        ("The lamp", 9, 2, True, 6),
        # vLLM sends several tokens at once where it is busy.
        ("The lamp is lit.", 9, 2, False, 0),
        # Three pieces of three bytes each.
        ("灯塔志", 10, 3, True, 0),
        ("see[[1, 2, 3, 4]] for more", 9, 2, False, 0),
        ("It says see[[1, 2, 3, 4]] here", 9, 2, False, 0),
    ],
)
def test_tokens_that_count_as_kept_back(
    text: str, tokens: int | None, pieces: int, token_a_piece: bool, hidden: int
) -> None:
    found = hidden_tokens(text, tokens, pieces, ended=True, token_a_piece=token_a_piece)
    assert found == hidden
