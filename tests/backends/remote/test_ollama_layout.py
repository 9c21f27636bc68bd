"""Pages of Ollama 0.24 and 0.33: hidden layout, the repeat limit, replies that break off,
models without vision, and the line end before the prompt."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

pytest.importorskip("gguf")

from fake_ollama import FakeModel, Ollama024, Ollama033, Written, deepseek_ocr, write_small_file

from deepseek_ocr_rag.backends.auto import probe_backends
from deepseek_ocr_rag.backends.base import Reply
from deepseek_ocr_rag.backends.remote import backoff
from deepseek_ocr_rag.backends.remote.ollama import OllamaBackend
from deepseek_ocr_rag.backends.remote.ollama_reply import PROMPT_TOKENS
from deepseek_ocr_rag.errors import BackendUnavailableError
from deepseek_ocr_rag.model.prompts import TASKS, task_named

GENERATE = "/api/generate"
PAGE = (
    "<|ref|>title<|/ref|><|det|>[[108, 62, 489, 95]]<|/det|>\n# Annual Report\n\n"
    "<table><tr><td>Item</td><td>Cost</td></tr><tr><td>Lamps</td><td>31,750</td></tr></table>"
)
GOOD_TEXT = "Every keeper signed the book. The lamp was lit at six and went out at dawn. "
TEXTS = {
    "<|grounding|>Convert the document to markdown.": Written(PAGE),
    "Free OCR.": Written(
        "It is plain text, without any mark of a layout.\nNothing is hidden here."
    ),
    "Chinese": Written("六点钟点亮了灯。海上有雾，风从东北方来。" * 5),
    "blanks": Written(GOOD_TEXT, loop="\n"),
    "words": Written(GOOD_TEXT, loop=" so"),
    "dies": Written(GOOD_TEXT + "And more that never comes.", dies_after=16),
    "dies at once": Written(GOOD_TEXT, dies_after=0),
}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_file(tmp_path_factory.mktemp("blobs") / "model.gguf")


def blind(name: str = "smollm2:latest") -> FakeModel:
    return FakeModel(name, None, lambda body: Written("An invented page."))


def unversioned(server: type[Any]) -> type[Any]:
    return type("Unversioned", (server,), {"version": "0.0.0"})


@pytest.fixture(params=[Ollama024, Ollama033], ids=["0.24", "0.33"])
def either(request: pytest.FixtureRequest, file: Path, tmp_path: Path) -> Iterator[Any]:
    with request.param(tmp_path, deepseek_ocr(file, TEXTS), blind()) as server:
        yield server


@pytest.fixture
def old(file: Path, tmp_path: Path) -> Iterator[Any]:
    with Ollama024(tmp_path, deepseek_ocr(file, TEXTS)) as server:
        yield server


@pytest.fixture
def new(file: Path, tmp_path: Path) -> Iterator[Any]:
    with Ollama033(tmp_path, deepseek_ocr(file, TEXTS)) as server:
        yield server


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "FIRST_WAIT", 0.01)


def read(server: Any, request: Any, model: str | None = None, **options: Any) -> Reply:
    (reply,) = OllamaBackend(model, host=server.url, **options).read([request])
    assert isinstance(reply, Reply)
    return reply


A4 = Image.new("RGB", (1654, 2339), "white")
"""The picture whose tokens the fakes count."""


def asked(page_request: Any, words: str) -> Any:
    return page_request(1, task=task_named(f"prompt: {words}"))


# --- hidden layout -----------------------------------------------------------------------


def test_a_page_whose_marks_were_kept_back_says_so_and_names_the_cure(
    new: Any, page_request: Any
) -> None:
    reply = read(new, page_request(1, image=A4))
    assert "<|det|>" not in reply.text
    (warning,) = reply.warnings
    assert "16 layout tokens" in warning
    assert "dsocr ollama-model" in warning


def test_a_page_whose_marks_arrive_has_no_warning(old: Any, page_request: Any) -> None:
    reply = read(old, page_request(1, image=A4))
    assert (reply.text, reply.warnings) == (PAGE, ())


@pytest.mark.parametrize("words", ["Free OCR.", "Chinese"])
def test_text_without_layout_has_no_warning(either: Any, page_request: Any, words: str) -> None:
    task = "free" if words == "Free OCR." else f"prompt: {words}"
    assert read(either, page_request(1, task=task_named(task), image=A4)).warnings == ()


# --- ends without a last part ------------------------------------------------------------


@pytest.mark.parametrize("words", ["blanks", "words"])
def test_the_repeat_limit_is_a_loop_and_what_came_before_it_is_kept(
    either: Any, page_request: Any, words: str
) -> None:
    reply = read(either, asked(page_request, words), attempts=1)
    assert (reply.error, reply.finish_reason) == (None, "repetition")
    assert reply.text.startswith(GOOD_TEXT.strip())
    assert reply.text.count(" so") <= 1
    assert reply.text.count("\n") <= 1
    (warning,) = reply.warnings
    assert "repeated itself" in warning
    assert "were cut" in warning


def test_the_repeat_limit_leads_to_the_next_rung(new: Any, page_request: Any) -> None:
    reply = read(new, asked(page_request, "blanks"), attempts=3)
    assert (len(new.asked(GENERATE)), reply.attempts) == (3, 3)


def test_a_reply_that_breaks_off_is_asked_for_again_and_then_kept_with_a_warning(
    either: Any, page_request: Any
) -> None:
    reply = read(either, asked(page_request, "dies"), retries=2)
    assert len(either.asked(GENERATE)) == 3
    assert (reply.error, reply.finish_reason, reply.attempts) == (None, "length", 3)
    assert reply.text
    assert GOOD_TEXT.startswith(reply.text)
    (warning,) = reply.warnings
    assert "end of the page may be missing" in warning


def test_a_reply_that_breaks_off_before_any_text_is_a_failed_page(
    either: Any, page_request: Any
) -> None:
    reply = read(either, asked(page_request, "dies at once"), retries=1)
    assert reply.finish_reason == "error"
    assert "cut off" in (reply.error or "")


# --- vision ------------------------------------------------------------------------------


def test_a_model_without_vision_is_refused_before_the_first_page(
    either: Any, page_request: Any
) -> None:
    with pytest.raises(BackendUnavailableError, match=r"smollm2 cannot read pages.*ollama pull"):
        list(OllamaBackend("smollm2", host=either.url).read([page_request(1), page_request(2)]))
    assert either.asked(GENERATE) == []


def test_a_copy_without_vision_is_not_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Ollama024(tmp_path, blind("deepseek-ocr:text")) as server:
        monkeypatch.setenv("OLLAMA_HOST", server.url)
        (status,) = (each for each in probe_backends() if each.name == "ollama")
    assert not status.works
    assert "takes no pictures" in status.detail


# --- the choice of a model ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("installed", "wanted", "meant"),
    [
        (["deepseek-ocr:3b"], None, "deepseek-ocr:3b"),
        (["deepseek-ocr:3b"], "deepseek-ocr", "deepseek-ocr:3b"),
        (["deepseek-ocr:3b", "deepseek-ocr:latest"], "deepseek-ocr", "deepseek-ocr"),
        (["deepseek-ocr:3b", "deepseek-ocr-layout:latest"], None, "deepseek-ocr-layout:latest"),
        (["deepseek-ocr:3b", "deepseek-ocr-layout:latest"], "deepseek-ocr", "deepseek-ocr:3b"),
        (["hf.co/x/DeepSeek-OCR-GGUF:Q8"], None, "hf.co/x/DeepSeek-OCR-GGUF:Q8"),
    ],
)
def test_one_rule_chooses_among_the_installed_models(
    file: Path,
    tmp_path: Path,
    page_request: Any,
    installed: list[str],
    wanted: str | None,
    meant: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    models = [deepseek_ocr(file, TEXTS, name=name) for name in installed]
    with Ollama024(tmp_path, *models) as server:
        backend = OllamaBackend(wanted, host=server.url)
        (reply,) = backend.read([page_request(1)])
        assert reply.error is None
        assert server.asked(GENERATE)[0]["model"] == backend.model == meant
        assert backend.fingerprint == OllamaBackend(meant, host=server.url).fingerprint
        if wanted is None:
            monkeypatch.setenv("OLLAMA_HOST", server.url)
            (status,) = (each for each in probe_backends() if each.name == "ollama")
            assert meant in status.detail


# --- the line end before the prompt ------------------------------------------------------


def prompts(server: Any) -> list[str]:
    return [body["prompt"] for body in server.asked(GENERATE)]


def test_a_line_end_goes_before_the_prompt_only_where_ollama_adds_none(
    either: Any, page_request: Any
) -> None:
    read(either, page_request(1))
    words = TASKS["document"].prompt
    assert prompts(either) == [f"\n{words}" if either.version == "0.24.0" else words]


@pytest.mark.parametrize("server", [Ollama024, Ollama033], ids=["0.24", "0.33"])
def test_the_first_reply_of_an_unknown_version_decides(
    file: Path, tmp_path: Path, page_request: Any, server: type[Any]
) -> None:
    with unversioned(server)(tmp_path, deepseek_ocr(file, TEXTS)) as ollama:
        list(OllamaBackend(host=ollama.url).read(page_request(page) for page in (1, 2)))
        words = TASKS["document"].prompt
        assert prompts(ollama) == [f"\n{words}", f"\n{words}" if server is Ollama024 else words]


@pytest.mark.parametrize("name", TASKS)
def test_the_tokens_of_the_published_prompts_are_counted_correctly(
    name: str, tokenizer: Any
) -> None:
    words = TASKS[name].prompt
    assert PROMPT_TOKENS[words] == len(tokenizer.encode(words))
    assert len(tokenizer.encode(f"\n{words}")) == PROMPT_TOKENS[words] + 1
