"""The backend in the reading process: what it writes is counted, and where it may send pages."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace

import pytest
from prometheus_client.parser import text_string_to_metric_families
from service_queue import new_queue, result_of, submit

from deepseek_ocr_rag.backends.replay import ReplayBackend
from deepseek_ocr_rag.cli.arguments import argument_parser
from deepseek_ocr_rag.cli.servers.service_command import service_settings
from deepseek_ocr_rag.errors import BackendUnavailableError
from deepseek_ocr_rag.service import ReaderSettings
from deepseek_ocr_rag.service.api.operations.metrics import ServiceMetrics
from deepseek_ocr_rag.service.engine.counted_backend import CountedBackend
from deepseek_ocr_rag.service.engine.document_reading import Readers
from deepseek_ocr_rag.service.engine.frame_values import settings_values

MODEL = ("dsocr_tokens_total", "dsocr_tokens_per_second", "dsocr_gpu_memory_bytes")


def replayed(folder, **more):
    path = folder / "recording.jsonl"
    lines = [json.dumps({"page": n, "text": f"Page {n}.", **more}) for n in (1, 2, 3)]
    path.write_text("\n".join(lines), encoding="utf-8")
    return f"replay:{path}"


def measured(queue):
    text = ServiceMetrics(queue).text().decode()
    families = text_string_to_metric_families(text)
    return {each.name: each.value for family in families for each in family.samples}


def test_tokens_are_counted_in_the_process_that_reads(tmp_path):
    with new_queue(tmp_path, ReaderSettings(backend=replayed(tmp_path, tokens=70))) as queue:
        result_of(queue, submit(queue, 3))
        values = measured(queue)
    assert values["dsocr_pages_total"] == 3
    assert values["dsocr_tokens_total"] == 210
    assert values["dsocr_tokens_per_second"] > 0
    assert "dsocr_gpu_memory_bytes" not in values


def test_a_backend_that_counts_no_tokens_has_no_such_figures(tmp_path):
    with new_queue(tmp_path, ReaderSettings(backend=replayed(tmp_path))) as queue:
        result_of(queue, submit(queue, 3))
        values = measured(queue)
    assert values["dsocr_pages_total"] == 3
    assert [name for name in MODEL if name in values] == []


def test_gpu_memory_is_what_the_backend_says(tmp_path):
    backend = ReplayBackend.from_file(replayed(tmp_path).removeprefix("replay:"))
    assert CountedBackend(backend).gpu_memory is None
    backend.gpu_memory = 9_000_000_000
    assert CountedBackend(backend).gpu_memory == 9_000_000_000


@pytest.mark.parametrize(("initialized", "known"), [(True, 700), (False, None)])
def test_gpu_memory_is_what_torch_has_taken_in_this_process(
    tmp_path, monkeypatch, initialized, known
):
    """Stands for torch.cuda: two devices, and the answers that its documentation gives."""
    cuda = SimpleNamespace(
        is_initialized=lambda: initialized,
        device_count=lambda: 2,
        memory_reserved=lambda index: (300, 400)[index],
    )
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    backend = ReplayBackend.from_file(replayed(tmp_path).removeprefix("replay:"))
    assert CountedBackend(backend).gpu_memory == known


def test_what_the_other_backend_has_is_there(tmp_path):
    backend = ReplayBackend.from_file(replayed(tmp_path).removeprefix("replay:"))
    counted = CountedBackend(backend)
    assert (counted.name, counted.needs_image) == (backend.name, backend.needs_image)
    assert not hasattr(counted, "sends_png")


@pytest.mark.parametrize("allowed", [True, False])
def test_pages_go_to_an_ollama_elsewhere_only_if_that_is_allowed(monkeypatch, allowed):
    monkeypatch.setenv("OLLAMA_HOST", "http://192.0.2.7:11434")
    settings = ReaderSettings(backend="ollama/deepseek-ocr", allow_remote=allowed)
    readers = Readers(settings_values(settings, 0))
    if allowed:
        assert readers.backend.name == "ollama"
    else:
        with pytest.raises(BackendUnavailableError, match="not this machine"):
            readers.backend.check()


def test_the_command_says_whether_pages_may_go_to_another_machine():
    for given in (True, False):
        words = ["serve", "--llm", "none", *["--allow-remote"] * given]
        reader, _, api = service_settings(argument_parser().parse_args(words))
        assert (reader.allow_remote, api.allow_remote) == (given, given)
