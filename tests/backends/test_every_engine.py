"""One checkpoint that writes known text, one table of pages, every engine: the pages are equal.

The engines are real: transformers and our own on the CPU, and llama.cpp's server. The model
writes what its script says, whatever the picture shows (``support/scripted_checkpoint.py``).
"""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import httpx
import pytest
from engine_cases import (
    CASES,
    LOOPING,
    PLAIN,
    RULED,
    SHORT,
    TINY,
    UNIT,
    Case,
    blocks_seen,
    script,
)
from gguf_files import write_language_model, write_projector
from llama_server import FIRST_BUILD, LlamaServer, llama_build
from page_server import marked_pdf
from PIL.Image import Image
from reportlab.pdfgen.canvas import Canvas
from scripted_checkpoint import SMALL, published_files, write_checkpoint
from thread_leaks import new_threads
from tokenizers import Tokenizer

pytest.importorskip("torch")
pytest.importorskip("transformers", minversion="5.20")

from deepseek_ocr_rag import (
    BackendError,
    LocalBackend,
    OcrDocument,
    Page,
    Reader,
    ServerBackend,
    TransformersBackend,
    open_source,
    parse_page,
)
from deepseek_ocr_rag.backends import Backend, PageRequest, Reply
from deepseek_ocr_rag.backends.local import backend as local_backend
from deepseek_ocr_rag.model.ngrams import NoRepeat
from deepseek_ocr_rag.model.prompts import mode_named, task_named
from deepseek_ocr_rag.reading.reader import Progress

POSITIONS = 220
"""Of the model: 73 tokens of a picture in mode tiny, and the loop until it is cut."""

SLOT = 420
"""Of llama.cpp's server, whose picture has at least 273 tokens."""

NO_RULE = NoRepeat(0)
"""llama.cpp has no rule against repeated n-grams, so none has one here."""

MANY = 40

ENGINES = ("transformers", "local", "llama_special", "llama_plain")
"""Fixtures; the last is a server that withholds special tokens."""

EXACT = ENGINES[:-1]


@pytest.fixture(scope="session")
def scripted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    published = published_files()
    if published is None:
        pytest.skip("no ../shared/deepseek-ocr-files: the published tokenizer is not here")
    folder = tmp_path_factory.mktemp("scripted") / "deepseek-ocr"
    return write_checkpoint(folder, script(), published, sizes=replace(SMALL, positions=POSITIONS))


@dataclass(frozen=True, slots=True)
class GgufFiles:
    model: Path
    projector: Path


@pytest.fixture(scope="session")
def gguf_files(scripted: Path) -> GgufFiles:
    if llama_build() < FIRST_BUILD:
        pytest.skip(f"no llama.cpp of build {FIRST_BUILD} or newer: pip install -U xllamacpp")
    return GgufFiles(
        write_language_model(scripted, scripted.parent / "model.gguf", context=SLOT),
        write_projector(scripted, scripted.parent / "mmproj.gguf"),
    )


@pytest.fixture(scope="module")
def transformers(scripted: Path) -> Iterator[Backend]:
    backend = TransformersBackend(
        scripted, device="cpu", attempts=1, no_repeat=NO_RULE, batch_size=MANY
    )
    yield backend
    backend.close()


@pytest.fixture(scope="module")
def local(scripted: Path) -> Iterator[LocalBackend]:
    backend = LocalBackend(scripted, device="cpu", attempts=1, no_repeat=NO_RULE)
    yield backend
    backend.close()


@pytest.fixture(scope="module")
def special_server(gguf_files: GgufFiles) -> Iterator[LlamaServer]:
    files = (gguf_files.model, gguf_files.projector)
    with LlamaServer(*files, special=True, slots=4, context=SLOT) as server:
        yield server


@pytest.fixture(scope="module")
def plain_server(gguf_files: GgufFiles) -> Iterator[LlamaServer]:
    """As ``llama-server`` starts by default, with one slot."""
    with LlamaServer(gguf_files.model, gguf_files.projector, context=SLOT) as server:
        yield server


@pytest.fixture(scope="module")
def llama_special(special_server: LlamaServer) -> Backend:
    return ServerBackend(special_server.url, attempts=1, concurrency=4)


@pytest.fixture(scope="module")
def llama_plain(plain_server: LlamaServer) -> Backend:
    return ServerBackend(plain_server.url, attempts=1, concurrency=1)


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Checks that no test leaves a thread of this package; the shared engine's end with it."""
    yield
    engines = [each for each in threading.enumerate() if each.name.startswith("dsocr-engine")]
    assert new_threads(engines, ours=True) == []


@pytest.fixture(scope="session")
def picture(sample_pdf: Path) -> Image:
    with open_source(sample_pdf) as source:
        return source.render(1, mode_named("tiny").long_side)


@pytest.fixture(scope="module")
def replies(picture: Image) -> dict[str, dict[str, Reply]]:
    """The replies of each engine by the case's name, read when a test first needs them."""
    return {}


def read_cases(backend: Backend, picture: Image) -> dict[str, Reply]:
    """Read all cases together, the long ones by themselves: a batch waits for its longest text."""
    found: dict[str, Reply] = {}
    for long in (False, True):
        cases = [case for case in CASES if (case.finish_reason != "stop") is long]
        for reply in backend.read(map(partial(asked, picture, cases), range(len(cases)))):
            found[cases[reply.key].name] = reply
    return found


def asked(picture: Image, cases: Sequence[Case], key: int) -> PageRequest:
    task = task_named(cases[key].task)
    assert task.prompt == cases[key].prompt
    return PageRequest(
        key, 1, "sample.pdf", "", picture, text_layer=None, task=task, resolution=mode_named("tiny")
    )


def read(
    backend: Backend, source: Path | bytes, case: Case, on_page: Progress | None = None
) -> OcrDocument:
    with Reader(backend, resolution="tiny", task=case.task, cache=False) as reader:
        return reader.read(source, on_page=on_page)


def check(page: Page, case: Case) -> None:
    assert (page.error, page.finish_reason) == (None, case.finish_reason)
    assert (page.markdown, blocks_seen(page.blocks)) == (case.markdown, case.blocks)


TABLES = [case for case in CASES if any(block.cells for block in case.blocks)]

PAIRS = [
    pytest.param(engine, case, id=f"{engine}-{case.name}")
    for engine in ENGINES
    for case in CASES
    if engine in EXACT or case not in TABLES
]


@pytest.mark.parametrize(("engine", "case"), PAIRS)
def test_every_engine_reads_the_same_page(
    engine: str,
    case: Case,
    replies: dict[str, dict[str, Reply]],
    picture: Image,
    request: pytest.FixtureRequest,
) -> None:
    if engine not in replies:
        replies[engine] = read_cases(request.getfixturevalue(engine), picture)
    reply = replies[engine][case.name]
    page = parse_page(reply.text)
    assert (reply.error, reply.finish_reason) == (None, case.finish_reason)
    if case.finish_reason == "length":
        # How much text fits depends on the tokens of the picture.
        assert len(page.markdown) > 500
        assert case.markdown.startswith(page.markdown)
    else:
        assert page.markdown == case.markdown
    assert blocks_seen(page.blocks) == case.blocks


def test_the_published_rule_ends_a_loop_in_its_third_round(
    scripted: Path, local: LocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The rule goes with each page, so that the engines that run already will do.
    loaded = local._ready()
    assert isinstance(loaded, local_backend._LoadedEngine)
    monkeypatch.setattr(local_backend, "CardEngines", lambda *told: loaded.engines)
    ruled = LocalBackend(scripted, device="cpu", attempts=1, no_repeat=NoRepeat(35))
    page = read(ruled, marked_pdf(1), LOOPING).pages[0]
    assert (page.error, page.finish_reason) == (None, "stop")
    assert page.markdown.startswith(RULED)
    assert len(page.markdown) < len(RULED) + len(UNIT)


@pytest.mark.parametrize("case", TABLES, ids=lambda case: case.name)
def test_a_table_without_its_cells_is_left_out_and_the_page_says_so(
    case: Case,
    replies: dict[str, dict[str, Reply]],
    picture: Image,
    request: pytest.FixtureRequest,
) -> None:
    if "llama_plain" not in replies:
        replies["llama_plain"] = read_cases(request.getfixturevalue("llama_plain"), picture)
    reply = replies["llama_plain"][case.name]
    page = parse_page(reply.text)
    found = blocks_seen(page.blocks)
    assert [(block.kind, block.boxes) for block in found] == [
        (block.kind, block.boxes) for block in case.blocks
    ]
    glued = "".join(word for block in case.blocks for row in block.cells or () for word in row)
    assert glued not in page.markdown
    assert any("--special" in warning for warning in reply.warnings)


@pytest.mark.parametrize("engine", EXACT)
def test_several_pages_come_in_order(
    engine: str, sample_pdf: Path, request: pytest.FixtureRequest
) -> None:
    pages = read(request.getfixturevalue(engine), sample_pdf, TINY).pages
    assert [page.number for page in pages] == [1, 2, 3]
    for page in pages:
        check(page, TINY)


def equal_pages(count: int) -> bytes:
    """Equal pages, whose picture llama.cpp then encodes once for each slot."""
    file = io.BytesIO()
    canvas = Canvas(file, pagesize=(200, 200), invariant=1)
    for _ in range(count):
        canvas.rect(80, 80, 60, 60, stroke=0, fill=1)
        canvas.showPage()
    canvas.save()
    return file.getvalue()


@pytest.mark.parametrize(
    ("engine", "count"),
    [
        # Three times as many as the engine writes at once on a CPU.
        ("local", 12),
        *(pytest.param(engine, MANY, marks=pytest.mark.long) for engine in EXACT),
    ],
)
def test_many_pages_at_once(engine: str, count: int, request: pytest.FixtureRequest) -> None:
    pages = read(request.getfixturevalue(engine), equal_pages(count), PLAIN).pages
    assert [page.number for page in pages] == list(range(1, count + 1))
    for page in pages:
        check(page, PLAIN)


def test_llama_cpp_cuts_text_into_the_published_tokens(
    special_server: LlamaServer, scripted: Path
) -> None:
    tokenizer = Tokenizer.from_file(str(scripted / "tokenizer.json"))
    text = "\n".join([case.prompt + case.writes for case in CASES])
    url = f"{special_server.url}/tokenize"
    asked = {"content": text, "add_special": True, "parse_special": True}
    found = httpx.post(url, json=asked, trust_env=False, timeout=60).json()["tokens"]
    assert found == tokenizer.encode(text).ids


@pytest.mark.parametrize(
    ("slots", "pages", "at_once"),
    [
        pytest.param(1, 20, 20, marks=pytest.mark.long),
        (2, 8, None),
        pytest.param(2, 20, None, marks=pytest.mark.long),
        pytest.param(1, 100, 100, marks=pytest.mark.long),
        pytest.param(4, 100, None, marks=pytest.mark.long),
    ],
)
def test_many_pages_are_read_whatever_the_slots(
    gguf_files: GgufFiles, picture: Image, slots: int, pages: int, at_once: int | None
) -> None:
    """With all of them sent at once, the last waits in the server's queue and is not silent there.

    The picture is the same each time, so that the server encodes it once.
    """
    files = (gguf_files.model, gguf_files.projector)
    with LlamaServer(*files, special=True, slots=slots, context=SLOT) as server:
        backend = ServerBackend(server.url, attempts=1, concurrency=at_once, stall_timeout=15)
        replies = list(backend.read(asked(picture, [TINY], 0) for _ in range(pages)))
    assert [(reply.error, reply.text) for reply in replies] == [(None, TINY.writes)] * pages


def test_a_server_that_is_killed_and_started_again_loses_no_page(
    special_server: LlamaServer,
) -> None:
    def restart(_page: Page, done: int, _total: int) -> None:
        if done == 2:
            special_server.kill()
            time.sleep(5)
            special_server.start()

    backend = ServerBackend(special_server.url, attempts=1, concurrency=2)
    pages = read(backend, marked_pdf(6), TINY, on_page=restart).pages
    assert len(pages) == 6
    for page in pages:
        check(page, TINY)


def test_a_server_without_a_picture_encoder_is_refused_before_any_page(
    gguf_files: GgufFiles, sample_pdf: Path
) -> None:
    with (
        LlamaServer(gguf_files.model, special=True, context=SLOT) as server,
        pytest.raises(BackendError, match=r"picture|image"),
    ):
        read(ServerBackend(server.url), sample_pdf, SHORT)


def test_a_loop_on_a_server_without_a_rule_against_repeats_ends_on_a_later_rung(
    special_server: LlamaServer, sample_pdf: Path
) -> None:
    page = read(ServerBackend(special_server.url, attempts=2), marked_pdf(1), LOOPING).pages[0]
    assert (page.finish_reason, page.attempts) == ("stop", 2)


@pytest.mark.parametrize(
    ("engine", "context"),
    [("transformers", POSITIONS), ("local", POSITIONS), ("llama_special", SLOT)],
)
def test_a_full_context_is_reported_with_its_size(
    engine: str,
    context: int,
    replies: dict[str, dict[str, Reply]],
    picture: Image,
    request: pytest.FixtureRequest,
) -> None:
    if engine not in replies:
        replies[engine] = read_cases(request.getfixturevalue(engine), picture)
    (case,) = (case for case in CASES if case.finish_reason == "length")
    assert any(str(context) in warning for warning in replies[engine][case.name].warnings)
