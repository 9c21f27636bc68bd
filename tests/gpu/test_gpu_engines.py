"""The table of cases of tests/backends/test_every_engine.py, on the engines that need a GPU.

One checkpoint of the published sizes, written here (1.5 GB), is read by ``local`` on CUDA, by
``official``, which runs the published code unmodified, and by ``server`` on vLLM. Each engine
comes out of environment variables, and is skipped without its own:

* ``DSOCR_PUBLISHED_FILES``: the published configuration and tokenizer; by default those in
  ``../shared/deepseek-ocr-files``.
* ``DSOCR_SCRIPTED_CHECKPOINT``: where the checkpoint is, or is to be written. vLLM must serve this
  folder, so write it first:
  ``PYTHONPATH=src:tests/support python tests/gpu/test_gpu_engines.py FOLDER``.
* ``DSOCR_OFFICIAL_CODE``: a folder with the published ``*.py`` files; ``DSOCR_OFFICIAL_PYTHON``: an
  interpreter with the packages of the extra ``official``.
* ``DSOCR_VLLM_URL``: a vLLM that serves the checkpoint with ``--max-model-len 420``, and without
  the n-gram processor, which would take part in the loop. On the same card it needs
  ``--gpu-memory-utilization 0.2``, or the others find no memory.

The last test prints one table: engine by case, with the card and the versions.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path

import httpx
import pytest
import torch
from engine_cases import CASES, LOOPING, RULED, TINY, UNIT, Case, blocks_seen, script
from PIL.Image import Image
from scripted_checkpoint import PUBLISHED, published_files, write_checkpoint

from deepseek_ocr_rag import LocalBackend, OfficialBackend, ServerBackend, open_source, parse_page
from deepseek_ocr_rag.backends import Backend, PageRequest, Reply
from deepseek_ocr_rag.model.ngrams import NoRepeat
from deepseek_ocr_rag.model.prompts import mode_named, task_named

if not torch.cuda.is_available():
    pytest.skip("no GPU", allow_module_level=True)

POSITIONS = 420
"""Of the model: a picture has 73 tokens, in vLLM 273, and the longest case does not fit."""

ENGINES = ("local", "official", "server")

SAMPLE = Path(__file__).parents[2] / "src" / "deepseek_ocr_rag" / "samples" / "sample.pdf"


def made_checkpoint(folder: Path) -> Path:
    """The checkpoint in a folder, written if it is not there."""
    named = os.environ.get("DSOCR_PUBLISHED_FILES")
    files = Path(named) if named else published_files()
    if files is None:
        pytest.skip("DSOCR_PUBLISHED_FILES names no folder with the published tokenizer")
    if not (folder / "config.json").is_file():
        write_checkpoint(folder, script(), files, sizes=replace(PUBLISHED, positions=POSITIONS))
    return folder


@pytest.fixture(scope="module")
def scripted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    named = os.environ.get("DSOCR_SCRIPTED_CHECKPOINT")
    return made_checkpoint(Path(named) if named else tmp_path_factory.mktemp("scripted") / "model")


@pytest.fixture(scope="module")
def picture() -> Image:
    with open_source(SAMPLE) as source:
        return source.render(1, mode_named("tiny").long_side)


@pytest.fixture(scope="module")
def local(scripted: Path) -> Iterator[Backend]:
    # The other engines are on the same card.
    backend = LocalBackend(
        scripted, device="cuda", attempts=1, no_repeat=NoRepeat(0), gpu_memory_limit=40
    )
    yield backend
    backend.close()


@pytest.fixture(scope="module")
def official(scripted: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    code, python = (os.environ.get(f"DSOCR_OFFICIAL_{name}") for name in ("CODE", "PYTHON"))
    if not code or not python:
        pytest.skip("DSOCR_OFFICIAL_CODE and DSOCR_OFFICIAL_PYTHON are not set")
    folder = tmp_path_factory.mktemp("official")
    for file in scripted.iterdir():
        (folder / file.name).symlink_to(file)
    for file in Path(code).glob("*.py"):
        shutil.copyfile(file, folder / file.name)
    backend = OfficialBackend(folder, allow_remote_code=True, python=python)
    yield backend
    backend.close()


@pytest.fixture(scope="module")
def server() -> Iterator[Backend]:
    url = os.environ.get("DSOCR_VLLM_URL")
    if not url:
        pytest.skip("DSOCR_VLLM_URL is not set")
    backend = ServerBackend(url, attempts=1)
    yield backend
    backend.close()


@pytest.fixture(scope="module")
def replies() -> dict[str, dict[str, Reply]]:
    """What each engine said, by the case's name; read when it is first wanted."""
    return {}


@pytest.fixture(scope="module")
def equal() -> dict[str, dict[str, bool]]:
    """Which cases each engine has read as it should."""
    return {}


def read_cases(backend: Backend, picture: Image) -> dict[str, Reply]:
    found = backend.read(map(partial(asked, picture), range(len(CASES))))
    return {CASES[reply.key].name: reply for reply in found}


def asked(picture: Image, key: int) -> PageRequest:
    task = task_named(CASES[key].task)
    return PageRequest(
        key, 1, "sample.pdf", "", picture, text_layer=None, task=task, resolution=mode_named("tiny")
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_reads_the_same_page(
    engine: str,
    case: Case,
    replies: dict[str, dict[str, Reply]],
    equal: dict[str, dict[str, bool]],
    picture: Image,
    request: pytest.FixtureRequest,
) -> None:
    if engine not in replies:
        replies[engine] = read_cases(request.getfixturevalue(engine), picture)
    verdicts = equal.setdefault(engine, {})
    verdicts[case.name] = False
    reply = replies[engine][case.name]
    page = parse_page(reply.text)
    assert reply.error is None
    assert blocks_seen(page.blocks) == case.blocks
    if case.finish_reason == "length" and engine == "official":
        # It ignores the limits in the configuration.
        assert (reply.finish_reason, page.markdown) == ("stop", case.markdown)
    elif case.finish_reason == "length":
        assert reply.finish_reason == "length"
        assert len(page.markdown) > 500
        assert case.markdown.startswith(page.markdown)
    elif case is LOOPING and engine == "official":
        # Its rule against repeats ends the loop: whatever else is as probable comes, then the end.
        assert reply.finish_reason == "stop"
        assert reply.text.startswith(RULED)
        assert len(reply.text) < len(RULED) + len(UNIT)
    else:
        assert (reply.finish_reason, page.markdown) == (case.finish_reason, case.markdown)
    verdicts[case.name] = True


@pytest.mark.parametrize("engine", ENGINES)
def test_forty_pages_at_once(engine: str, picture: Image, request: pytest.FixtureRequest) -> None:
    backend: Backend = request.getfixturevalue(engine)
    pages = [replace(asked(picture, CASES.index(TINY)), key=key) for key in range(40)]
    found = sorted(backend.read(pages), key=lambda reply: reply.key)
    assert [reply.key for reply in found] == list(range(40))
    assert {(reply.error, reply.text) for reply in found} == {(None, TINY.writes)}


def test_what_was_compared(equal: dict[str, dict[str, bool]]) -> None:
    if not equal:
        pytest.skip("no engine")
    print(f"\n{torch.cuda.get_device_name()}, torch {torch.__version__}")
    versions = {name: engine_version(name) for name in equal}
    print("\n".join(f"{name}: {said}" for name, said in versions.items()))
    print(f"{'case':<28}" + "".join(f"{name:>10}" for name in equal))
    for case in CASES:
        marks = ("equal" if verdicts.get(case.name) else "OTHER" for verdicts in equal.values())
        print(f"{case.name:<28}" + "".join(f"{mark:>10}" for mark in marks))
    assert all(all(verdicts.values()) for verdicts in equal.values())


def engine_version(engine: str) -> str:
    """The program that ran, and its version."""
    if engine == "server":
        url = os.environ["DSOCR_VLLM_URL"].rstrip("/").removesuffix("/v1")
        found = httpx.get(f"{url}/version", timeout=10, trust_env=False)
        return f"vLLM {found.json().get('version', '?')}" if found.is_success else "?"
    if engine == "official":
        command = [os.environ["DSOCR_OFFICIAL_PYTHON"], "-c"]
        command += ["import torch, transformers as t; print(t.__version__, torch.__version__)"]
        run = subprocess.run(command, capture_output=True, text=True, check=True)
        return f"published code, transformers and torch {run.stdout.strip()}"
    return f"Triton {version('triton')}"


if __name__ == "__main__":
    print(made_checkpoint(Path(sys.argv[1])))
