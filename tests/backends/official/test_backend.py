"""Runs the published code for real behind our interface, in a process of its own."""

from __future__ import annotations

import gc
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from waiting import LONG, soon, until

from deepseek_ocr_rag.backends.base import Reply
from deepseek_ocr_rag.backends.official.backend import OfficialBackend
from deepseek_ocr_rag.document.types import Box
from deepseek_ocr_rag.errors import (
    BackendError,
    BackendReplyError,
    BackendTimeoutError,
    BackendUnavailableError,
    ConfigurationError,
    PageRenderError,
)
from deepseek_ocr_rag.model.prompts import mode_named, task_named
from deepseek_ocr_rag.reading.reader import Reader

MakeBackend = Callable[..., OfficialBackend]

BEHAVIOUR = """
if page == 2:
    return json.dumps(asked)
if page == 3:
    self.generate(torch.zeros((1, 7), dtype=torch.long), eos_token_id=tokenizer.eos_token_id)
if page == 4:
    zeros = torch.zeros((1, 7), dtype=torch.long)
    self.generate(input_ids=zeros, max_new_tokens=9, eos_token_id=1, ends=False)
if page == 5:
    for _ in range(300):
        print("\\u6587" * 5000)
        sys.stderr.write("noise " * 1000)
    os.write(1, b'{"text": "forged"}\\n')
    sys.__stdout__.write('{"text": "forged"}\\n')
    sys.__stdout__.flush()
if page == 6:
    raise RuntimeError("CUDA out of memory. Tried to allocate 352.00 MiB. GPU 0 has 11.75 GiB")
if page == 7:
    return None
if page == 8:
    return ["not", "text"]
if page == 9:
    return "\\ud800 lone, \\u2028 line, \\x00 nul, {\\"text\\": 1}\\n\\n"
if page == 10:
    return "x" * 9_000_000
if page == 11:
    return ""
if page == 12:
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def nothing_left_behind() -> None:
    """The fixture below checks the whole module instead."""


@pytest.fixture(scope="module", autouse=True)
def nothing_left_at_the_end(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    # A folder of its own, where other programs' folders do not come and go.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(tmp_path_factory.mktemp("tmp")))
        patch.setattr(tempfile, "tempdir", None)
        before = leftovers()
        yield
        gc.collect()
        assert soon(lambda: leftovers() == before)


def leftovers() -> tuple[set[str], list[int], list[str]]:
    """Return our folders, processes and threads."""
    folders = {path.name for path in Path(tempfile.gettempdir()).glob("dsocr-official-*")}
    workers = [
        process.pid
        for process in psutil.Process().children(recursive=True)
        if process.status() != psutil.STATUS_ZOMBIE
        and "official/published_code.py" in str(process.cmdline())
    ]
    return folders, workers, [t.name for t in threading.enumerate() if "official" in t.name]


@pytest.fixture(scope="module")
def published(published_folder: Callable[..., Path]) -> Iterator[OfficialBackend]:
    """A backend that runs the stand-in with the transformers of this environment."""
    backend = OfficialBackend(
        published_folder(BEHAVIOUR), allow_remote_code=True, device="cpu", timeout=LONG
    )
    yield backend
    backend.close()


def read(backend: OfficialBackend, *requests: Any) -> list[Reply]:
    return list(backend.read(requests))


def gone(pid: int, seconds: float = LONG) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.02)
    return False


# --- with transformers itself ---------------------------------------------------------------


def test_the_text_of_infer_comes_back_without_the_end_token(
    published: OfficialBackend, page_request: Any
) -> None:
    (reply,) = read(published, page_request(1, key=17))
    assert reply == Reply(17, "Page 1 ß", "stop", tokens=None)


def test_infer_is_called_as_published(published: OfficialBackend, page_request: Any) -> None:
    request = page_request(2, task=task_named("free"), resolution=mode_named("gundam"))
    asked = json.loads(read(published, request)[0].text)
    assert asked == {
        "prompt": "<image>\nFree OCR.",
        "base_size": 1024,
        "image_size": 640,
        "crop_mode": True,
        "test_compress": False,
        "save_results": False,
        "output": True,
        "weight": 2.0,
        "dtype": "torch.float32",
        "private": 0o700,
    }


@pytest.mark.parametrize(("mode", "side"), [("tiny", 512), ("base", 1024), ("large", 1280)])
def test_modes_without_tiles_are_called_as_published(
    published: OfficialBackend, page_request: Any, mode: str, side: int
) -> None:
    asked = json.loads(read(published, page_request(2, resolution=mode_named(mode)))[0].text)
    assert (asked["base_size"], asked["image_size"], asked["crop_mode"]) == (side, side, False)


def test_tokens_are_counted_where_the_code_generates(
    published: OfficialBackend, page_request: Any
) -> None:
    (reply,) = read(published, page_request(3))
    assert (reply.tokens, reply.finish_reason) == (3, "stop")


def test_a_text_without_the_end_token_was_cut_off(
    published: OfficialBackend, page_request: Any
) -> None:
    (reply,) = read(published, page_request(4))
    assert (reply.tokens, reply.finish_reason) == (9, "length")
    assert reply.warnings == ("the model did not finish: part of the page may be missing",)


def test_megabytes_that_the_code_prints_are_not_a_reply(
    published: OfficialBackend, page_request: Any
) -> None:
    replies = read(published, page_request(5), page_request(1))
    assert [reply.text for reply in replies] == ["Page 5 ß", "Page 1 ß"]


def test_an_error_of_one_page_is_a_failed_page_with_the_cure(
    published: OfficialBackend, page_request: Any
) -> None:
    failed, good = read(published, page_request(6), page_request(1))
    assert failed.finish_reason == "error"
    assert failed.error is not None
    assert "report.pdf, page 6" in failed.error
    assert "CUDA out of memory. Tried to allocate 352.00 MiB" in failed.error
    assert "quantization" in failed.error
    assert good.text == "Page 1 ß"


def test_none_instead_of_the_text_says_that_the_code_is_old(
    published: OfficialBackend, page_request: Any
) -> None:
    failed, good = read(published, page_request(7), page_request(1))
    assert failed.finish_reason == "error"
    assert "infer returned NoneType" in (failed.error or "")
    assert "Download the current code" in (failed.error or "")
    assert good.text == "Page 1 ß"


@pytest.mark.parametrize(("page", "said"), [(8, "returned list"), (10, "9,000,000 characters")])
def test_a_reply_that_is_not_the_text_of_a_page_is_a_failed_page(
    published: OfficialBackend, page_request: Any, page: int, said: str
) -> None:
    (failed,) = read(published, page_request(page))
    assert failed.finish_reason == "error"
    assert said in (failed.error or "")


def test_any_character_survives_the_transfer(published: OfficialBackend, page_request: Any) -> None:
    (reply,) = read(published, page_request(9))
    assert reply.text == '\ud800 lone, \u2028 line, \x00 nul, {"text": 1}\n\n'


def test_an_empty_reply_is_warned_about(published: OfficialBackend, page_request: Any) -> None:
    (reply,) = read(published, page_request(11))
    assert reply.finish_reason == "stop"
    assert reply.warnings == ("the model wrote nothing: part of the page may be missing",)


def test_code_that_reads_its_standard_input_finds_none(
    published: OfficialBackend, page_request: Any
) -> None:
    assert read(published, page_request(12))[0].text == "Page 12 ß"


def test_code_without_infer_raises_with_the_cure(light: MakeBackend, page_request: Any) -> None:
    with pytest.raises(BackendUnavailableError) as caught:
        read(light(loading="del cls.infer"), page_request(1))
    assert "no attribute 'infer'" in caught.value.problem
    assert "needs no infer" in (caught.value.remedy or "")


def test_code_whose_infer_is_older_raises_with_the_cure(
    light: MakeBackend, page_request: Any
) -> None:
    older = (
        "cls.infer = lambda self, tokenizer, prompt='', image_file='', output_path='', "
        "base_size=1, image_size=1, crop_mode=True, test_compress=False, save_results=False: ''"
    )
    with pytest.raises(BackendUnavailableError) as caught:
        read(light(loading=older), page_request(1))
    assert "no argument eval_mode" in caught.value.problem
    assert "hf download" in (caught.value.remedy or "")


def test_code_of_another_repository_is_not_fetched(
    light_transformers: Callable[..., Path], light: MakeBackend, page_request: Any
) -> None:
    elsewhere = {"auto_map": {"AutoModel": "somebody/else--modeling_stand_in.StandIn"}}
    (light_transformers("pass") / "config.json").write_text(json.dumps(elsewhere))
    with pytest.raises(BackendUnavailableError, match="somebody/else"):
        read(light(), page_request(1))


# --- what is asked before anything runs -----------------------------------------------------


@pytest.mark.parametrize("allowed", [False, None, 1, "yes"])
def test_without_permission_nothing_runs_and_the_risk_is_named(
    tmp_path: Path, allowed: Any
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        OfficialBackend(tmp_path, allow_remote_code=allowed)
    assert "runs the Python code" in str(caught.value)
    assert "with all permissions of your user account" in str(caught.value)
    assert "allow_remote_code=True" in str(caught.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"timeout": 0},
        {"load_timeout": float("nan")},
        {"dtype": "int4"},
        {"dtype": "float16"},
        {"attention": "sdpa"},
        {"revision": "main"},
        {"model": "somebody/DeepSeek-OCR"},
        {"model": "somebody/DeepSeek-OCR", "revision": "main"},
        {"model": "missing-folder"},
    ],
)
def test_an_invalid_argument_is_refused_at_once(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        OfficialBackend(**{"model": tmp_path, "allow_remote_code": True, **wrong})


def test_the_published_model_is_pinned_to_a_commit() -> None:
    backend = OfficialBackend(allow_remote_code=True)
    assert backend.model == "deepseek-ai/DeepSeek-OCR"
    assert backend._load_request.revision == "9f30c71f441d010e5429c532364a86705536c53a"


def test_a_page_without_a_picture_is_a_failed_page(light: MakeBackend, page_request: Any) -> None:
    (reply,) = read(light(), page_request(1, image=None))
    assert reply.finish_reason == "error"
    assert "the page has no image" in (reply.error or "")


def test_a_page_that_can_no_longer_be_drawn_is_a_failed_page(
    light: MakeBackend, page_request: Any
) -> None:
    def undrawable() -> Any:
        raise PageRenderError("the file has changed since")

    (reply,) = read(light(), replace(page_request(1, image=None), redraw=undrawable))
    assert reply.error_type == "PageRenderError"


def test_its_text_goes_through_the_same_grammar(light: MakeBackend, sample_pdf: Path) -> None:
    text = "<|ref|>title<|/ref|><|det|>[[0, 0, 999, 500]]<|/det|>\n# Annual report"
    document = Reader(light(f"return {text!r}")).read(sample_pdf, pages="1")
    (block,) = document.pages[0].blocks
    assert (block.kind, block.text) == ("title", "# Annual report")
    assert block.boxes == (Box(0.0, 0.0, 1.0, 500 / 999),)
    assert (document.pages[0].backend, document.pages[0].model) == ("official", "model")


# --- loading ----------------------------------------------------------------------------------


def test_a_transformers_that_is_too_new_raises_with_the_cure(
    light: MakeBackend, page_request: Any
) -> None:
    message = (
        "cannot import name 'LlamaFlashAttention2' from 'transformers.models.llama.modeling_llama'"
    )
    with pytest.raises(BackendUnavailableError) as caught:
        read(light(loading=f"raise ImportError({message!r})"), page_request(1))
    assert "LlamaFlashAttention2" in caught.value.problem
    assert "Install transformers 4.46.3" in (caught.value.remedy or "")


@pytest.mark.parametrize(("version", "noted"), [("4.46.3", False), ("5.23.0", True)])
def test_a_transformers_that_the_code_was_not_tested_with_is_logged(
    light: MakeBackend,
    page_request: Any,
    caplog: pytest.LogCaptureFixture,
    version: str,
    noted: bool,
) -> None:
    backend = light(loading=f"sys.modules['transformers'].__version__ = {version!r}")
    with caplog.at_level(logging.WARNING, logger="deepseek_ocr_rag"):
        read(backend, page_request(1))
    assert (f"transformers {version} is not 4.46.3" in caplog.text) is noted


# --- the process: it dies, hangs, and ends --------------------------------------------------

DIES = "if page == 2: os.write(2, b'the last words'); os._exit(9)"
HANGS = "if page == 2: time.sleep(600)"


def test_a_death_is_one_failed_page_with_the_last_words(
    light: MakeBackend, page_request: Any
) -> None:
    replies = read(light(DIES), *(page_request(n) for n in (1, 2, 3)))
    assert [reply.text for reply in replies] == ["Page 1 ß", "", "Page 3 ß"]
    assert replies[1].finish_reason == "error"
    assert "report.pdf, page 2: the process of the published code ended with exit code 9" in str(
        replies[1].error
    )
    assert "the last words" in str(replies[1].error)


def test_a_process_that_the_system_kills_ran_out_of_memory(
    light: MakeBackend, page_request: Any
) -> None:
    (failed,) = read(light("os.kill(os.getpid(), 9)"), page_request(1))
    assert "terminated by signal SIGKILL" in (failed.error or "")
    assert "quantization" in (failed.error or "")


def test_a_process_that_closes_its_channel_is_not_waited_for(
    light: MakeBackend, page_request: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "deepseek_ocr_rag.backends.official.published_code_process.END_SECONDS", 0.2
    )
    failed, good = read(
        light("if page == 1: os.close(4); time.sleep(600)"), page_request(1), page_request(2)
    )
    assert "no longer responds" in (failed.error or "")
    assert good.text == "Page 2 ß"


def test_a_hang_is_one_failed_page_in_time(light: MakeBackend, page_request: Any) -> None:
    backend = light(HANGS, timeout=LONG)

    def requests() -> Iterator[Any]:
        for number in (1, 2, 3):
            backend.timeout = 0.7 if number == 2 else LONG
            yield page_request(number)

    start = time.monotonic()
    replies = list(backend.read(requests()))
    assert time.monotonic() - start < LONG
    assert [reply.text for reply in replies] == ["Page 1 ß", "", "Page 3 ß"]
    assert "no reply in 0.7 s" in str(replies[1].error)


def test_the_last_words_are_those_of_this_page(light: MakeBackend, page_request: Any) -> None:
    backend = light(
        "if page == 1: raise RuntimeError('CUDA out of memory')\nif page == 2: os._exit(9)"
    )
    first, second = read(backend, page_request(1), page_request(2))
    assert "quantization" in (first.error or "")
    assert "out of memory" not in (second.error or "")
    assert "quantization" not in (second.error or "")


def test_two_deaths_in_a_row_end_the_reading(light: MakeBackend, page_request: Any) -> None:
    backend = light("if page != 3: os._exit(9)")
    replies = backend.read([page_request(1), page_request(2), page_request(3)])
    assert next(replies).finish_reason == "error"
    with pytest.raises(BackendReplyError, match="ended"):
        next(replies)
    assert read(backend, page_request(3))[0].text == "Page 3 ß"


def test_a_good_page_between_two_deaths_resets_the_count(
    light: MakeBackend, page_request: Any
) -> None:
    backend = light("if page % 2 == 0: os._exit(9)")
    replies = read(backend, *(page_request(n) for n in range(1, 7)))
    assert [reply.finish_reason for reply in replies] == ["stop", "error"] * 3


def test_after_an_error_of_the_device_the_next_page_has_a_new_process(
    light: MakeBackend, page_request: Any
) -> None:
    backend = light(
        "if page == 1: raise RuntimeError('CUDA error: an illegal memory access')\n"
        "return str(os.getpid())"
    )
    failed, first, second = read(backend, *(page_request(n) for n in (1, 2, 3)))
    assert "illegal memory access" in (failed.error or "")
    assert first.text == second.text != ""


@pytest.mark.parametrize(
    "written",
    [
        b"no json\n",
        b"[1]\n",
        b"\xff\n",
        b"[" * 100_000 + b"\n",
        b"\n",
        b'{"text": "forged"}\n',
        b'{"text": "of another page", "id": 1}\n',
    ],
)
def test_nonsense_on_the_channel_itself_is_a_failed_page(
    light: MakeBackend, page_request: Any, written: bytes
) -> None:
    # Code that looks for the channel can find it, but must not break this process.
    behaviour = f"if page == 1: os.write(4, {written!r}); time.sleep(0.2)"
    failed, second, third = read(light(behaviour), *(page_request(n) for n in (1, 2, 3)))
    assert failed.finish_reason == "error"
    assert (second.text, third.text) == ("Page 2 ß", "Page 3 ß")


def test_a_line_without_an_end_is_not_kept(
    light: MakeBackend, page_request: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "deepseek_ocr_rag.backends.official.published_code_process.LONGEST_LINE", 2**20
    )
    backend = light("if page == 1:\n    while True: os.write(4, b'x' * 65536)")
    failed, good = read(backend, page_request(1), page_request(2))
    assert failed.finish_reason == "error"
    assert good.text == "Page 2 ß"


def test_lines_without_an_end_are_not_kept(light: MakeBackend, page_request: Any) -> None:
    backend = light("if page == 1:\n    while True: os.write(4, b'{}\\n' * 9000)", timeout=20)
    failed, good = read(backend, page_request(1), page_request(2))
    assert failed.finish_reason == "error"
    assert good.text == "Page 2 ß"


def test_without_a_folder_for_its_files_it_says_so(
    light: MakeBackend, page_request: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(BackendUnavailableError, match="cannot make a private folder"):
        read(light(), page_request(1))


def test_loading_that_dies_raises_with_what_is_known_to_help(
    light: MakeBackend, page_request: Any
) -> None:
    said = "Out of memory: Killed process 7 (python)"
    backend = light(loading=f"sys.stderr.write({said!r}); sys.stderr.flush(); os._exit(9)")
    with pytest.raises(BackendError) as caught:
        read(backend, page_request(1))
    assert "loading the model" in caught.value.problem
    assert said in caught.value.problem
    assert "quantization" in (caught.value.remedy or "")


def test_loading_that_hangs_raises_in_time(light: MakeBackend, page_request: Any) -> None:
    backend = light(loading="time.sleep(600)", load_timeout=0.7)
    with pytest.raises(BackendTimeoutError, match="loading the model") as caught:
        read(backend, page_request(1))
    assert "SSD" in (caught.value.remedy or "")


@pytest.mark.parametrize("python", ["missing/python", "no-such-program-anywhere", "/"])
def test_a_file_that_is_not_an_interpreter_is_an_error_that_says_so(
    light: MakeBackend, page_request: Any, python: str
) -> None:
    with pytest.raises(BackendUnavailableError, match="cannot be started"):
        read(light(python=python), page_request(1))


def test_another_interpreter_is_used_if_it_is_named(
    light: MakeBackend, page_request: Any, tmp_path: Path
) -> None:
    link = tmp_path / "python-of-another-environment"
    link.write_text(f'#!/bin/sh\necho used > {tmp_path}/used\nexec {sys.executable} "$@"\n')
    link.chmod(0o755)
    assert read(light(python=link), page_request(1))[0].text == "Page 1 ß"
    assert (tmp_path / "used").exists()


def test_threads_queue_for_the_one_process(light: MakeBackend, page_request: Any) -> None:
    backend = light("time.sleep(0.01); return f'{page} {os.getpid()}'")

    def pages(first: int) -> list[str]:
        return [
            reply.text for reply in backend.read(page_request(n) for n in range(first, first + 5))
        ]

    with ThreadPoolExecutor(4) as pool:
        texts = [text for some in pool.map(pages, (10, 20, 30, 40)) for text in some]
    numbers, processes = zip(*(text.split() for text in texts), strict=True)
    assert [int(number) for number in numbers] == [
        n for t in (10, 20, 30, 40) for n in range(t, t + 5)
    ]
    assert len(set(processes)) == 1


def test_closing_ends_a_page_that_is_being_read_in_another_thread(
    light: MakeBackend, page_request: Any
) -> None:
    backend = light(HANGS)
    read(backend, page_request(1))
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read, backend, page_request(2))
        time.sleep(0.3)
        backend.close()
        with pytest.raises(BackendUnavailableError, match="closed"):
            reading.result(LONG)
    with pytest.raises(BackendUnavailableError, match="closed"):
        read(backend, page_request(1))


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_after_an_interrupt_the_next_page_gets_its_own_answer(
    light: MakeBackend, page_request: Any
) -> None:
    backend = light(
        "if page == 1:\n"
        "    import signal\n"
        "    os.kill(os.getppid(), signal.SIGALRM)\n"
        "    time.sleep(600)\n"
        "return f'{page} {os.getpid()}'"
    )

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        first = int(read(backend, page_request(2))[0].text.split()[1])
        with pytest.raises(KeyboardInterrupt):
            read(backend, page_request(1))
    finally:
        signal.signal(signal.SIGALRM, before)
    assert gone(first)
    assert read(backend, page_request(3))[0].text.startswith("3 ")


def test_its_folder_is_gone_when_it_is_closed(light: MakeBackend, page_request: Any) -> None:
    backend = light("open('left behind', 'w').close(); return os.getcwd()")
    folder = Path(read(backend, page_request(1))[0].text)
    assert folder.name.startswith("dsocr-official-")
    assert (folder / "left behind").exists()
    backend.close()
    assert not folder.exists()


def test_what_the_code_starts_ends_with_it(light: MakeBackend, page_request: Any) -> None:
    backend = light("import subprocess; return str(subprocess.Popen(['sleep', '600']).pid)")
    pid = int(read(backend, page_request(1))[0].text)
    assert psutil.pid_exists(pid)
    backend.close()
    assert gone(pid)


def test_a_backend_that_is_forgotten_ends_its_process(
    light_transformers: Callable[..., Path], page_request: Any
) -> None:
    backend = OfficialBackend(
        light_transformers("return str(os.getpid())"), allow_remote_code=True, device="cpu"
    )
    pid = int(read(backend, page_request(1))[0].text)
    del backend
    gc.collect()
    assert gone(pid)


PARENT = """
import signal
import sys
from PIL import Image
from deepseek_ocr_rag.backends.base import PageRequest
from deepseek_ocr_rag.backends.official.backend import OfficialBackend
from deepseek_ocr_rag.reading.reader import Reader
from deepseek_ocr_rag.model.prompts import mode_named, task_named

if __name__ == "__main__":
    # Tests started in the background ignore Ctrl-C, and so would this program.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    backend = OfficialBackend(sys.argv[1], allow_remote_code=True, device="cpu")
    picture = Image.new("RGB", (8, 8), (0, 2, 0))
    request = PageRequest(
        2, 2, "r.pdf", "", picture, None, task_named("document"), mode_named("base")
    )
    list(backend.read([request]))
"""

TELLS_AND_HANGS = """
with open(os.environ["TOLD"] + ".part", "w") as file:
    file.write(f"{os.getpid()} {os.getcwd()}")
os.rename(os.environ["TOLD"] + ".part", os.environ["TOLD"])
time.sleep(600)
"""


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize(
    "how",
    [
        signal.SIGKILL,
        pytest.param(signal.SIGINT, marks=pytest.mark.long),
        pytest.param(signal.SIGTERM, marks=pytest.mark.long),
    ],
)
def test_no_process_outlives_its_owner_in_the_middle_of_a_page(
    light_transformers: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    how: signal.Signals,
) -> None:
    folder = light_transformers(TELLS_AND_HANGS)
    monkeypatch.setenv("TOLD", str(tmp_path / "told"))
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    parent = subprocess.Popen([sys.executable, script, folder], stderr=subprocess.PIPE)
    until((tmp_path / "told").exists)
    pid, private = (tmp_path / "told").read_text().split(" ", 1)
    assert psutil.pid_exists(int(pid))
    parent.send_signal(how)
    parent.communicate(timeout=LONG)
    assert gone(int(pid))
    assert not Path(private).exists()
