"""DeepSeek-OCR, DeepSeek-OCR-2 and Unlimited-OCR behind the backend's contract, with tiny models."""

from __future__ import annotations

import json
import logging
import math
import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from tiny_models import write_model
from waiting import LONG, least

from deepseek_ocr_rag.backends.base import Backend, PageRequest
from deepseek_ocr_rag.backends.transformers import runtime as transformers_runtime
from deepseek_ocr_rag.backends.transformers.backend import TransformersBackend
from deepseek_ocr_rag.backends.transformers.generation import generate
from deepseek_ocr_rag.errors import (
    BackendUnavailableError,
    ConfigurationError,
    MissingExtraError,
    PageRenderError,
)
from deepseek_ocr_rag.installing import install_command
from deepseek_ocr_rag.model.families import FAMILIES
from deepseek_ocr_rag.model.prompts import MODES, TASKS, Mode
from deepseek_ocr_rag.reading.reader import Reader

TOKENS = 6


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A tiny model of every family, by its name."""
    place = tmp_path_factory.mktemp("models")
    return {family: write_model(place / family, family) for family in sorted(FAMILIES)}


@pytest.fixture(scope="module", params=sorted(FAMILIES))
def folder(request: pytest.FixtureRequest, folders: dict[str, Path]) -> Path:
    """All of them, one after the other."""
    return folders[request.param]


@pytest.fixture(scope="module")
def mode(folder: Path) -> str:
    """The smallest mode of the model: a page of another one takes a second."""
    return "base" if folder.name == "deepseek-ocr-2" else "tiny"


@pytest.fixture(scope="module")
def first_folder(folders: dict[str, Path]) -> Path:
    """Only the first one, if the family makes no difference."""
    return folders["deepseek-ocr"]


def make(folder: Path, **options: Any) -> TransformersBackend:
    settings: dict[str, Any] = {
        "device": "cpu",
        "dtype": "float32",
        "max_new_tokens": TOKENS,
        "attempts": 1,
        "batch_size": 3,
    }
    return TransformersBackend(folder, **settings | options)


@pytest.fixture(scope="module")
def backend(folder: Path) -> Iterator[TransformersBackend]:
    made = make(folder)
    yield made
    made.close()


@pytest.fixture(scope="module")
def first(first_folder: Path) -> Iterator[TransformersBackend]:
    made = make(first_folder)
    yield made
    made.close()


def request(key: int, *, mode: str = "tiny", size: tuple[int, int] = (300, 400)) -> PageRequest:
    noise = np.random.default_rng(key).integers(0, 256, (size[1], size[0], 3), np.uint8)
    image = Image.fromarray(noise)
    return PageRequest(
        key=key,
        page=key,
        source="scan.pdf",
        sha256="",
        image=image,
        text_layer=None,
        task=TASKS["document"],
        resolution=MODES[mode],
    )


def test_it_is_a_backend(backend: TransformersBackend) -> None:
    assert isinstance(backend, Backend)
    assert backend.name == "transformers"
    assert backend.needs_image
    assert not backend.reads_text_layer


def test_every_page_gets_one_reply_with_its_key(backend: TransformersBackend, mode: str) -> None:
    replies = list(backend.read(request(key, mode=mode) for key in range(10, 14)))
    assert sorted(reply.key for reply in replies) == list(range(10, 14))
    for reply in replies:
        assert reply.text
        assert reply.tokens == TOKENS
        assert reply.finish_reason == "length"
        assert len(reply.logprobs) == TOKENS
        assert reply.logprobs[-1].end == len(reply.text)
        assert all(token.logprob <= 0 for token in reply.logprobs)


def test_a_batch_gives_the_texts_of_its_pages_one_by_one(folder: Path) -> None:
    """Pages of different grids, so that prompts have different lengths."""
    # The smallest global view that all three models support.
    tiled = Mode("768 and tiles", 768, 640, crop=True, long_side=1300)
    pages = [
        replace(request(key, size=size), resolution=tiled)
        for key, size in ((1, (300, 400)), (2, (500, 1000)), (3, (400, 300)))
    ]
    with_batches = make(folder, batch_size=3, max_tiles=2)
    singly = make(folder, batch_size=1, max_tiles=2)
    together = {reply.key: reply.text for reply in with_batches.read(pages)}
    assert together == {reply.key: reply.text for reply in singly.read(pages)}
    with_batches.close()
    singly.close()


def test_no_pages_load_no_model(first_folder: Path, monkeypatch) -> None:
    monkeypatch.setattr(TransformersBackend, "_load", lambda self: pytest.fail("it was loaded"))
    assert list(make(first_folder).read(iter(()))) == []


def test_it_takes_no_more_pages_than_a_batch(first: TransformersBackend) -> None:
    taken = given = 0

    def requests() -> Iterator[PageRequest]:
        nonlocal taken
        for key in range(7):
            taken += 1
            yield request(key)

    for _ in first.read(requests()):
        assert taken - given <= 3
        given += 1
    assert taken == given == 7


def test_an_error_of_the_requests_comes_out_unchanged(first: TransformersBackend) -> None:
    def requests() -> Iterator[PageRequest]:
        yield request(1)
        raise ZeroDivisionError("the renderer failed")

    with pytest.raises(ZeroDivisionError):
        list(first.read(requests()))


def test_two_documents_may_be_read_at_once(first: TransformersBackend) -> None:
    texts: dict[int, list[str]] = {0: [], 1: []}

    def read(number: int) -> None:
        texts[number] = [r.text for r in first.read(request(key) for key in range(4))]

    threads = [threading.Thread(target=read, args=(n,)) for n in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert texts[0] == texts[1]
    assert len(texts[0]) == 4


def test_a_stream_is_the_text_that_reading_gives(backend: TransformersBackend, mode: str) -> None:
    page = request(1, mode=mode)
    (reply,) = backend.read([page])
    pieces = list(backend.stream(page))
    assert "".join(pieces) == reply.text
    assert len(pieces) > 1


def test_closing_a_stream_ends_the_generation(first_folder: Path) -> None:
    backend = make(first_folder, max_new_tokens=700)

    def seconds() -> float:
        stream = backend.stream(request(1))
        next(stream)
        start = time.monotonic()
        stream.close()
        return time.monotonic() - start

    assert least(seconds, 5) < 5
    backend.close()


def test_closing_the_backend_ends_the_reading(first_folder: Path) -> None:
    backend = make(first_folder, max_new_tokens=700)
    backend.load()
    failed: list[Exception] = []

    def read() -> None:
        try:
            list(backend.read([request(1)]))
        except BackendUnavailableError as error:
            failed.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    time.sleep(0.5)
    backend.close()
    reader.join(LONG)
    assert not reader.is_alive()
    assert "closed" in str(failed[0])


def test_a_cancelled_page_gets_no_reply_and_frees_the_model_within_a_second(
    first_folder: Path,
) -> None:
    backend = make(first_folder, max_new_tokens=4000)
    backend.load()

    def seconds() -> float:
        page, waiting = request(1), request(2)
        with ThreadPoolExecutor(2) as others:
            reading = others.submit(lambda: list(backend.read([page])))
            time.sleep(0.5)
            also = others.submit(lambda: list(backend.read([waiting])))
            time.sleep(0.1)
            start = time.monotonic()
            waiting.cancellation.cancel()
            replies = also.result(LONG)
            page.cancellation.cancel()
            replies += reading.result(LONG)
            # Where this thread stood still, they may have been read to their end.
            return math.inf if replies else time.monotonic() - start

    assert least(seconds, 1) < 1
    backend.close()


def test_closing_the_backend_ends_a_stream(first_folder: Path) -> None:
    backend = make(first_folder, max_new_tokens=4000)
    stream = backend.stream(request(1))
    next(stream)
    closing = threading.Thread(target=backend.close)
    closing.start()
    start = time.monotonic()
    with pytest.raises(BackendUnavailableError, match="closed while it was reading"):
        list(stream)
    closing.join(20)
    assert not closing.is_alive()
    assert time.monotonic() - start < 5


def test_cancelling_a_request_ends_its_stream(first_folder: Path) -> None:
    backend = make(first_folder, max_new_tokens=4000)
    page = request(1)
    stream = backend.stream(page)
    next(stream)
    page.cancellation.cancel()
    assert len(list(stream)) < 2000
    assert list(backend.stream(page)) == []
    backend.close()


def test_a_batch_whose_turn_comes_after_closing_says_so(first_folder: Path) -> None:
    backend = make(first_folder)
    backend.load()
    page = backend._page(request(1), object())
    backend._closed.set()
    with pytest.raises(BackendUnavailableError, match="closed"):
        list(backend._generate([page]))


def test_a_page_without_a_picture_fails_alone(first: TransformersBackend) -> None:
    def undrawable() -> Image.Image:
        raise PageRenderError("the file has changed since")

    bare = replace(request(1), image=None)
    gone = replace(request(2), image=None, redraw=undrawable)
    replies = {reply.key: reply for reply in first.read([bare, gone, request(3)])}
    assert "the page has no image" in (replies[1].error or "")
    assert replies[2].error_type == "PageRenderError"
    assert replies[3].text


def test_a_closed_backend_says_so(first_folder: Path) -> None:
    backend = make(first_folder)
    backend.close()
    backend.close()
    with pytest.raises(BackendUnavailableError, match="closed"):
        list(backend.read([request(1)]))


def test_a_reader_reads_with_it(backend: TransformersBackend, mode: str, tmp_path: Path) -> None:
    page = Image.effect_noise((300, 400), 80).convert("RGB")
    page.save(tmp_path / "scan.pdf", save_all=True, append_images=[page] * 3)
    document = Reader(backend, resolution=mode).read(tmp_path / "scan.pdf")
    assert [page.number for page in document] == [1, 2, 3, 4]
    assert all(page.markdown and page.confidence is not None for page in document)


def test_the_second_model_refuses_modes_that_it_was_not_made_for(folders) -> None:
    backend = make(folders["deepseek-ocr-2"])
    with pytest.raises(ConfigurationError, match="small"):
        list(backend.read([request(1, mode="small")]))
    backend.close()


def test_the_window_of_unlimited_ocr_makes_a_difference(folders, tmp_path: Path) -> None:
    """The text depends only on the prompt and the last tokens."""
    probabilities = []
    for window in (8, 200):
        folder = configured(
            folders["unlimited-ocr"], tmp_path / str(window), {"sliding_window": window}
        )
        backend = make(folder, max_new_tokens=20)
        (reply,) = backend.read([request(1)])
        probabilities.append([token.logprob for token in reply.logprobs])
        backend.close()
    assert probabilities[0][:7] == pytest.approx(probabilities[1][:7])
    assert probabilities[0] != pytest.approx(probabilities[1])


# Loading.


def copy(folder: Path, to: Path) -> Path:
    to.mkdir()
    for file in folder.iterdir():
        (to / file.name).symlink_to(file)
    return to


def configured(folder: Path, to: Path, change: dict[str, Any]) -> Path:
    copied = copy(folder, to)
    config = json.loads((folder / "config.json").read_text())
    (copied / "config.json").unlink()
    (copied / "config.json").write_text(json.dumps(config | change))
    return copied


def with_weights(folder: Path, to: Path, change) -> Path:
    copied = copy(folder, to)
    weights = load_file(folder / "model.safetensors")
    change(weights)
    (copied / "model.safetensors").unlink()
    save_file(weights, copied / "model.safetensors", {"format": "pt"})
    return copied


def test_a_missing_weight_is_an_error_and_not_random(folder: Path, tmp_path: Path) -> None:
    broken = with_weights(
        folder, tmp_path / "broken", lambda w: w.pop("model.layers.1.self_attn.q_proj.weight")
    )
    with pytest.raises(BackendUnavailableError, match=r"missing keys.*q_proj"):
        make(broken).load()


def test_a_weight_too_many_is_an_error(folder: Path, tmp_path: Path) -> None:
    broken = with_weights(
        folder, tmp_path / "broken", lambda w: w.update({"model.layers.7.odd": torch.zeros(2)})
    )
    with pytest.raises(BackendUnavailableError, match=r"unexpected keys.*odd"):
        make(broken).load()


def test_a_weight_of_another_shape_is_an_error(folder: Path, tmp_path: Path) -> None:
    broken = with_weights(
        folder, tmp_path / "broken", lambda w: w.update({"lm_head.weight": torch.zeros(4, 4)})
    )
    with pytest.raises(BackendUnavailableError, match="lm_head"):
        make(broken).load()


def test_a_truncated_file_is_a_typed_error(first_folder: Path, tmp_path: Path) -> None:
    broken = copy(first_folder, tmp_path / "broken")
    (broken / "model.safetensors").unlink()
    whole = (first_folder / "model.safetensors").read_bytes()
    (broken / "model.safetensors").write_bytes(whole[:1000])
    with pytest.raises(BackendUnavailableError, match="cannot be loaded"):
        make(broken).load()


def test_a_configuration_without_sizes_is_a_typed_error(first_folder: Path, tmp_path: Path) -> None:
    broken = copy(first_folder, tmp_path / "broken")
    (broken / "config.json").unlink()
    (broken / "config.json").write_text('{"model_type": "unlimited-ocr"}')
    with pytest.raises(ConfigurationError, match=r"config\.json"):
        make(broken).load()


def test_code_beside_the_weights_is_never_run(first_folder: Path, tmp_path: Path) -> None:
    auto_map = {"AutoConfig": "modeling_deepseekocr.C", "AutoModel": "modeling_deepseekocr.M"}
    folder = configured(first_folder, tmp_path / "remote", {"auto_map": auto_map})
    trace = tmp_path / "trace"
    code = f"open({str(trace)!r}, 'w')\n"
    for name in ("modeling_deepseekocr.py", "configuration_deepseek_v2.py", "tokenization.py"):
        (folder / name).write_text(code)
    backend = make(folder)
    assert list(backend.read([request(1)]))
    backend.close()
    assert not trace.exists()


def test_without_torch_the_pip_line_is_named(first_folder: Path, monkeypatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    for name in list(__import__("sys").modules):
        if "deepseek_ocr_rag.backends.transformers." in name:
            monkeypatch.delitem(__import__("sys").modules, name)
    with pytest.raises(MissingExtraError, match=re.escape(install_command("local"))):
        make(first_folder).load()


@pytest.mark.parametrize(
    "options", [{"batch_size": 0}, {"max_new_tokens": 0}, {"attempts": 0}, {"device": "toaster"}]
)
def test_invalid_arguments_are_refused(first_folder: Path, options) -> None:
    with pytest.raises(ConfigurationError):
        make(first_folder, **options).load()


def test_a_number_format_that_does_not_exist_is_refused(first_folder: Path) -> None:
    with pytest.raises(ConfigurationError, match="bfloat16"):
        make(first_folder, dtype="int3").load()


# When memory runs out.


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch):
    """A device whose memory holds as many pages, and views of as many pixels, as the test says."""
    limits = {"pages": 99, "side": 9999, "batches": []}

    def limited(model, pages, **options):
        limits["batches"].append(len(pages))
        if len(pages) > limits["pages"] or max(p.views.side for p in pages) > limits["side"]:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return generate(model, pages, **options)

    monkeypatch.setattr(transformers_runtime, "generate", limited)
    return limits


def test_a_batch_that_does_not_fit_is_halved_down_to_one_page(first_folder: Path, memory) -> None:
    memory["pages"] = 1
    backend = make(first_folder, batch_size=4)
    replies = list(backend.read(request(key) for key in range(4)))
    backend.close()
    assert sorted(reply.key for reply in replies) == [0, 1, 2, 3]
    assert all(reply.text for reply in replies)
    assert memory["batches"] == [4, 2, 1, 1, 2, 1, 1]


def test_later_batches_recover(first_folder: Path, memory) -> None:
    memory["pages"] = 2
    backend = make(first_folder, batch_size=4)

    def requests() -> Iterator[PageRequest]:
        for key in range(24):
            if key == 4:
                memory["pages"] = 99
            yield request(key)

    assert len(list(backend.read(requests()))) == 24
    backend.close()
    assert memory["batches"][:3] == [4, 2, 2]
    assert memory["batches"][-1] == 4


def test_a_page_that_does_not_fit_alone_is_read_in_a_smaller_mode(first_folder, memory) -> None:
    memory["side"] = 700
    backend = make(first_folder)
    (reply,) = backend.read([request(1, mode="gundam", size=(900, 1300))])
    backend.close()
    assert reply.text
    assert "out of memory at resolution gundam: read at resolution base" in reply.warnings
    assert "out of memory at resolution base: read at resolution small" in reply.warnings


def test_a_page_that_fits_in_no_mode_is_a_failed_page(first_folder: Path, memory) -> None:
    memory["side"] = 100
    backend = make(first_folder, batch_size=1)
    replies = list(backend.read([request(1), request(2)]))
    backend.close()
    assert [reply.finish_reason for reply in replies] == ["error", "error"]
    assert "out of memory" in str(replies[0].error)
    assert "scan.pdf, page 1" in str(replies[0].error)


def test_another_failure_of_the_device_is_a_typed_error(first_folder, monkeypatch) -> None:
    def failing(*_: object, **__: object) -> None:
        raise RuntimeError("CUDA error: device-side assert triggered\nmore lines")

    monkeypatch.setattr(transformers_runtime, "generate", failing)
    backend = make(first_folder)
    with pytest.raises(BackendUnavailableError, match="device-side assert"):
        list(backend.read([request(1)]))
    backend.close()


def test_the_log_says_what_was_loaded(first_folder: Path, caplog) -> None:
    with caplog.at_level(logging.INFO, "deepseek_ocr_rag"):
        backend = make(first_folder)
        backend.load()
        backend.close()
    assert "on cpu in float32, batches of 3" in caplog.text


def test_a_page_that_came_out_badly_is_asked_for_again(first_folder: Path, tmp_path: Path) -> None:
    """The tiny model never ends; its positions do."""
    language = json.loads((first_folder / "config.json").read_text())["language_config"]
    short = {"language_config": language | {"max_position_embeddings": 160}}
    folder = configured(first_folder, tmp_path / "short", short)
    backend = make(folder, attempts=2, max_new_tokens=None)
    (reply,) = backend.read([request(1)])
    backend.close()
    assert reply.attempts == 2
    assert any("asked 2 times" in warning for warning in reply.warnings)


def test_a_limit_that_the_user_set_is_no_reason_to_ask_again(first_folder: Path) -> None:
    backend = make(first_folder, attempts=3)
    (reply,) = backend.read([request(1)])
    backend.close()
    assert (reply.finish_reason, reply.attempts) == ("length", 1)


def test_the_second_model_has_no_smaller_mode_to_fall_back_to(folders, memory) -> None:
    memory["side"] = 100
    backend = make(folders["deepseek-ocr-2"])
    (reply,) = backend.read([request(1, mode="gundam", size=(900, 1300))])
    backend.close()
    assert reply.finish_reason == "error"


def expert_bytes(backend: TransformersBackend) -> int:
    """Return the bytes of the experts' weights; torchao's tensors keep their small form inside."""
    experts = backend._ready()[0]._model.model.language_model.layers[1].mlp.experts
    weights = [getattr(weight, "qdata", weight) for weight in experts.parameters()]
    return sum(weight.element_size() * weight.nelement() for weight in weights)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("form", ["8bit", "4bit"])
def test_quantized_weights_write_nearly_the_same_text(first_folder: Path, form) -> None:
    whole, small = make(first_folder), make(first_folder, quantization=form)
    (expected,) = whole.read([request(1)])
    (reply,) = small.read([request(1)])
    assert reply.tokens == expected.tokens
    assert reply.logprobs[0].logprob == pytest.approx(expected.logprobs[0].logprob, rel=0.2)
    assert expert_bytes(small) <= expert_bytes(whole) / 4
    whole.close()
    small.close()


def test_quantized_weights_are_not_spread_over_several_devices() -> None:
    with pytest.raises(ConfigurationError, match="cannot be spread"):
        TransformersBackend("deepseek-ocr", device="auto", quantization="8bit")


def test_an_unknown_quantization_is_refused(first_folder: Path) -> None:
    with pytest.raises(ConfigurationError, match="8bit"):
        make(first_folder, quantization="2bit").load()
