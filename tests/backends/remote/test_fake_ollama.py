"""The two fake Ollamas say what the real ones were seen to say (``../shared/ollama-wire.md``)."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from waiting import LONG, soon

pytest.importorskip("gguf")

from fake_ollama import (
    FakeModel,
    Ollama024,
    Ollama033,
    Written,
    deepseek_ocr,
    write_small_file,
)

DOCUMENT = "<|grounding|>Convert the document to markdown."
PAGE = (
    "<|ref|>title<|/ref|><|det|>[[108, 62, 489, 95]]<|/det|>\n# Annual Report\n\n"
    "<table><tr><td>Item</td><td>Cost</td></tr><tr><td>Lamps</td><td>31,750</td></tr></table>"
)
SEEN_ON_033 = "title[[108, 62, 489, 95]]\n# Annual Report\n\n<table>ItemCostLamps31,750</table>"
TEXTS = {
    DOCUMENT: Written(PAGE),
    "Free OCR.": Written("It says:", loop=" so"),
    "blanks": Written("End.", loop="\n"),
    "die": Written(PAGE, dies_after=5),
    "fail": Written(PAGE, error_after=5),
    "slow": Written("word ", loop="and another one of them ", pause=0.02),
}


def small_model(name: str, *capabilities: str, **changes: Any) -> FakeModel:
    written = Written('{"sentences": []}', thinking="Let me see. ")
    return replace(FakeModel(f"{name}:latest", None, lambda body: written, capabilities), **changes)


MODELS = (
    small_model("smollm2", "completion"),
    small_model("helper", "completion", "tools"),
    small_model("thinker", "completion", "thinking", template="{{ .Think }}{{ .Prompt }}"),
    small_model("all-minilm", "embedding"),
    small_model(
        "large",
        "completion",
        refusal="model requires more system memory (666.3 MiB) than is available (558.9 MiB)",
    ),
)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_file(tmp_path_factory.mktemp("blobs") / "model.gguf")


@pytest.fixture
def old(file: Path, tmp_path: Path) -> Iterator[Ollama024]:
    with Ollama024(tmp_path, deepseek_ocr(file, TEXTS), *MODELS) as server:
        yield server


@pytest.fixture
def new(file: Path, tmp_path: Path) -> Iterator[Ollama033]:
    with Ollama033(tmp_path, deepseek_ocr(file, TEXTS), *MODELS) as server:
        yield server


@pytest.fixture
def wire(shared: Path) -> str:
    return (shared / "ollama-wire.md").read_text(encoding="utf-8")


def picture() -> str:
    data = io.BytesIO()
    Image.new("RGB", (8, 8)).save(data, "PNG")
    return base64.b64encode(data.getvalue()).decode()


def post(server: Any, path: str, **body: Any) -> httpx.Response:
    return httpx.post(f"{server.url}{path}", json=body, trust_env=False, timeout=LONG)


def parts(server: Any, prompt: str, model: str = "deepseek-ocr", **body: Any) -> list[Any]:
    images = body.pop("images", [picture()])
    reply = post(server, "/api/generate", model=model, prompt=prompt, images=images, **body)
    assert reply.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in reply.text.splitlines()]


def text_of(found: list[Any]) -> str:
    return "".join(part["response"] for part in found)


def test_every_token_arrives_from_024(old: Ollama024) -> None:
    found = parts(old, DOCUMENT)
    assert text_of(found) == PAGE
    assert found[-1]["done_reason"] == "stop"
    # The last part is not a token, and the end token is counted.
    assert found[-1]["eval_count"] == len(found)


def test_033_counts_control_tokens_and_does_not_send_them(new: Ollama033) -> None:
    found = parts(new, DOCUMENT)
    assert text_of(found) == SEEN_ON_033
    marks = PAGE.count("<|") + PAGE.count("td>") + PAGE.count("tr>")
    assert found[-1]["eval_count"] == len(found) + marks


def test_a_model_made_of_a_file_with_other_types_writes_all_tokens(
    new: Ollama033, file: Path, tmp_path: Path
) -> None:
    data = file.read_bytes()
    # The eight layout tokens are the first control tokens, which are the last types.
    types = data.index(b"\3\0\0\0" * 12)
    data = data[:types] + b"\4\0\0\0" * 8 + data[types + 32 :]
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    for status in (201, 200):
        sent = httpx.post(f"{new.url}/api/blobs/{digest}", content=data, trust_env=False)
        assert sent.status_code == status
    made = post(
        new, "/api/create", model="layout", files={"model.gguf": digest}, template="{{ .Prompt }}"
    )
    assert made.json() == {"status": "success"}
    assert text_of(parts(new, DOCUMENT, model="layout")) == PAGE
    shown = post(new, "/api/show", model="layout").json()
    assert shown["capabilities"] == ["completion", "vision"]
    path = Path(shown["modelfile"].partition("FROM ")[2].splitlines()[0])
    assert path.read_bytes() == data


def test_a_stored_blob_must_have_its_digest(new: Ollama033) -> None:
    sent = httpx.post(f"{new.url}/api/blobs/sha256:{'0' * 64}", content=b"x", trust_env=False)
    assert sent.status_code == 400


@pytest.mark.parametrize(
    ("version", "newline", "count"),
    [("old", "\n", 913), ("new", "\n", 914), ("old", "", 912), ("new", "", 913)],
)
def test_the_prompt_of_a_page_has_as_many_tokens_as_were_seen(
    version: str, newline: str, count: int, request: pytest.FixtureRequest, wire: str
) -> None:
    assert str(count) in wire
    found = parts(request.getfixturevalue(version), newline + DOCUMENT)
    assert found[-1]["prompt_eval_count"] == count


@pytest.mark.parametrize("version", ["old", "new"])
@pytest.mark.parametrize("prompt", ["Free OCR.", "blanks"])
def test_thirty_one_equal_parts_end_a_reply_without_a_last_part(
    version: str, prompt: str, request: pytest.FixtureRequest, wire: str
) -> None:
    assert "when 31 parts in a row are equal" in wire
    server = request.getfixturevalue(version)
    found = parts(server, prompt)
    assert not any(part["done"] for part in found)
    equal = {part["response"].strip() for part in found[-31:]}
    assert len(equal) == 1
    assert found[-32]["response"].strip() not in equal
    whole = post(
        server,
        "/api/generate",
        model="deepseek-ocr",
        prompt=prompt,
        images=[picture()],
        stream=False,
    ).json()
    assert whole["done"] is False
    assert whole["response"] == text_of(found)


@pytest.mark.parametrize("version", ["old", "new"])
def test_a_limit_of_tokens_is_the_reason_of_the_end(
    version: str, request: pytest.FixtureRequest
) -> None:
    found = parts(request.getfixturevalue(version), DOCUMENT, options={"num_predict": 7})
    assert (found[-1]["done_reason"], found[-1]["eval_count"]) == ("length", 7)


@pytest.mark.parametrize("version", ["old", "new"])
def test_a_killed_runner_and_an_error_end_a_stream(
    version: str, request: pytest.FixtureRequest
) -> None:
    server = request.getfixturevalue(version)
    assert not any(part["done"] for part in parts(server, "die"))
    assert "error" in parts(server, "fail")[-1]
    asked = {"model": "deepseek-ocr", "prompt": "fail", "stream": False}
    assert post(server, "/api/generate", **asked).status_code == 500


REFUSALS = [
    ("both", "/api/generate", {"model": "nosuch"}, 404, "model 'nosuch' not found"),
    ("new", "/api/show", {"model": "nosuch"}, 404, "model 'nosuch:latest' not found"),
    ("both", "/api/chat", {"model": "all-minilm"}, 400, '"all-minilm" does not support chat'),
    ("both", "/api/generate", {"model": "all-minilm"}, 400, '"all-minilm" does not support generate'),
    ("both", "/api/chat", {"model": "smollm2", "think": True}, 400, '"smollm2" does not support thinking'),
    (
        "both",
        "/api/chat",
        {"model": "smollm2", "tools": [{}]},
        400,
        "registry.ollama.ai/library/smollm2 does not support tools",
    ),
    (
        "both",
        "/api/chat",
        {"model": "large"},
        500,
        "model requires more system memory (666.3 MiB) than is available (558.9 MiB)",
    ),
    ("old", "/api/generate", {"model": "deepseek-ocr", "images": ["eA=="]}, 500, "image: unknown format"),
    ("new", "/api/generate", {"model": "deepseek-ocr", "images": ["eA=="]}, 400, "Failed to load image or audio file"),
    (
        "new",
        "/api/generate",
        {"model": "smollm2", "images": ["eA=="]},
        400,
        "Multimodal data provided, but model does not support multimodal requests.",
    ),
]  # fmt: skip


SHORTENED = {
    "model 'nosuch:latest' not found": "(`/api/show` of 0.33: `'nosuch:latest'`)",
    '"all-minilm" does not support generate': "... generate",
}


@pytest.mark.parametrize(("which", "path", "body", "status", "words"), REFUSALS)
def test_a_request_that_a_model_cannot_serve_is_refused_in_the_words_that_were_seen(
    which: str,
    path: str,
    body: dict[str, Any],
    status: int,
    words: str,
    old: Ollama024,
    new: Ollama033,
    wire: str,
) -> None:
    for server in (old, new) if which == "both" else (old,) if which == "old" else (new,):
        answer = post(server, path, **body)
        assert answer.status_code == status
        assert words in answer.json()["error"].replace("\\", "")
    # The file shortens some of them, and has names of other models.
    own = words.replace("registry.ollama.ai/library/", "").split(str(body["model"]))
    assert SHORTENED.get(words, max(own, key=len).strip('"')) in wire.replace("\\", "")


def test_024_lets_a_model_without_vision_invent_a_page(old: Ollama024) -> None:
    asked = {"model": "smollm2", "prompt": DOCUMENT, "images": [picture()], "stream": False}
    assert post(old, "/api/generate", **asked).json()["response"]


def test_a_thinking_model_thinks_unless_it_is_told_not_to(new: Ollama033) -> None:
    for asked, thinks in ({}, True), ({"think": False}, False):
        reply = post(new, "/api/chat", model="thinker", messages=[], stream=False, **asked).json()
        assert ("thinking" in reply["message"]) is thinks
        assert reply["message"]["content"] == '{"sentences": []}'


def test_a_loaded_model_is_listed_with_its_context(new: Ollama033) -> None:
    post(new, "/api/chat", model="smollm2", messages=[])
    parts(new, DOCUMENT, options={"num_ctx": 8192})
    running = httpx.get(f"{new.url}/api/ps", trust_env=False).json()["models"]
    assert [model["context_length"] for model in running] == [4096, 8192]


def test_a_client_that_disconnects_ends_the_generation(old: Ollama024) -> None:
    asked = {"model": "deepseek-ocr", "prompt": "slow", "images": [picture()]}
    url = f"{old.url}/api/generate"
    with (
        httpx.Client(trust_env=False) as client,
        client.stream("POST", url, json=asked) as reply,
    ):
        next(reply.iter_lines())
    assert soon(lambda: old.stopped)
    assert old.stopped == 1


def test_embeddings(new: Ollama033) -> None:
    answer = post(new, "/api/embed", model="all-minilm", input=["a", "b", "a"]).json()
    first, second, third = answer["embeddings"]
    assert first == third != second


def test_versions_and_lists(old: Ollama024, new: Ollama033) -> None:
    for server, version, capabilities in (old, "0.24.0", None), (new, "0.33.0", ["completion"]):
        said = httpx.get(f"{server.url}/api/version", trust_env=False).json()
        assert said == {"version": version}
        entry = httpx.get(f"{server.url}/api/tags", trust_env=False).json()["models"][0]
        assert entry["model"] == "deepseek-ocr:latest"
        assert entry.get("capabilities") == capabilities
        shown = post(server, "/api/show", model="deepseek-ocr").json()
        assert shown["details"]["family"] == "deepseekocr"
        assert shown["model_info"]["deepseekocr.context_length"] == 8192
