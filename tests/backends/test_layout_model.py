"""``dsocr ollama-model``: stores the same file with eight token types changed, beside the old one."""

from __future__ import annotations

import hashlib
import io
import shutil
import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

pytest.importorskip("gguf")

from fake_ollama import FakeModel, Ollama024, Ollama033, Written, deepseek_ocr, write_small_file
from fake_ollama.models import hidden_tokens
from gguf_files import LAYOUT_TOKENS

from deepseek_ocr_rag.backends.auto import choose_backend
from deepseek_ocr_rag.backends.layout_model import gguf_header, layout_model
from deepseek_ocr_rag.backends.layout_model.gguf_header import read_layout_tokens
from deepseek_ocr_rag.backends.layout_model.layout_model import make_layout_model
from deepseek_ocr_rag.backends.layout_model.modelfile import parameters
from deepseek_ocr_rag.backends.remote.ollama import OllamaBackend
from deepseek_ocr_rag.cli.doctor.check import Check
from deepseek_ocr_rag.cli.doctor.ollama_checks import ollama_checks
from deepseek_ocr_rag.cli.main import main
from deepseek_ocr_rag.errors import BackendError, BackendReplyError, ConfigurationError

PAGE = (
    "<|ref|>title<|/ref|><|det|>[[108, 62, 489, 95]]<|/det|>\n# Annual Report\n\n"
    "<table><tr><td>Item</td><td>Cost</td></tr><tr><td>Lamps</td><td>31,750</td></tr></table>"
)
TEXTS = {"<|grounding|>Convert the document to markdown.": Written(PAGE)}
NEW = "deepseek-ocr-layout:latest"
WRITES = ("/api/blobs", "/api/create")


@pytest.fixture
def blob(tmp_path: Path) -> Path:
    """A file as Ollama keeps it, named after its digest."""
    (tmp_path / "blobs").mkdir()
    file = write_small_file(tmp_path / "blobs" / "new")
    return file.rename(file.with_name(f"sha256-{hashlib.sha256(file.read_bytes()).hexdigest()}"))


def model(blob: Path, name: str = "deepseek-ocr:3b") -> FakeModel:
    settings: dict[str, object] = {"temperature": 0, "stop": '"<|im_end|>"'}
    return replace(
        deepseek_ocr(blob, TEXTS, name=name),
        template="{{ .System }}{{ .Prompt }}",
        parameters=settings,
    )


@pytest.fixture
def new(blob: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with Ollama033(blob.parent, model(blob)) as server:
        monkeypatch.setenv("OLLAMA_HOST", server.url)
        yield server


@pytest.fixture
def old(blob: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with Ollama024(blob.parent, model(blob)) as server:
        monkeypatch.setenv("OLLAMA_HOST", server.url)
        yield server


def writes(server: Any) -> list[str]:
    return [path for path, _ in server.received if path.startswith(WRITES)]


# --- what it makes -----------------------------------------------------------------------


def test_the_new_model_writes_every_mark(new: Any, page_request: Any) -> None:
    made = make_layout_model()
    assert made.made
    page = page_request(1, image=Image.new("RGB", (1654, 2339), "white"))  # as the fakes count
    (reply,) = OllamaBackend().read([page])
    assert (reply.text, reply.warnings) == (PAGE, ())
    assert new.asked("/api/generate")[0]["model"] == NEW


def test_the_new_file_differs_in_eight_numbers_only(new: Any, blob: Path) -> None:
    before = blob.read_bytes()
    make_layout_model()
    after = new.models[NEW].file.read_bytes()
    assert blob.read_bytes() == before
    assert len(after) == len(before)
    different = [place for place in range(len(before)) if before[place] != after[place]]
    assert [(before[place], after[place]) for place in different] == [(3, 4)] * 8
    assert hidden_tokens(blob) - hidden_tokens(new.models[NEW].file) == set(LAYOUT_TOKENS)


def test_template_and_parameters_go_with_it(new: Any) -> None:
    make_layout_model()
    (body,) = new.asked("/api/create")
    assert body["template"] == "{{ .System }}{{ .Prompt }}"
    assert body["parameters"] == {"temperature": 0, "stop": "<|im_end|>"}


def test_nothing_else_is_written_and_a_second_run_writes_nothing(new: Any, blob: Path) -> None:
    make_layout_model()
    assert len(writes(new)) == 2
    again = make_layout_model()
    assert not again.made
    assert "already" in again.reason
    assert len(writes(new)) == 2
    assert set(new.models) == {"deepseek-ocr:3b", NEW}


def test_a_file_that_ollama_has_already_is_not_sent_again(new: Any) -> None:
    make_layout_model()
    del new.models[NEW]
    assert make_layout_model().made
    assert [path for path in writes(new) if "blobs" in path] == writes(new)[:1]


def test_the_encoder_in_a_second_file_goes_with_it(
    new: Any, blob: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = blob.with_name(f"sha256-{'ab' * 32}")
    encoder.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, 0))
    show, created = new.show, []

    def show_two(shown: FakeModel) -> dict[str, Any]:
        data = show(shown)
        return {**data, "modelfile": f"FROM {encoder}\n{data['modelfile']}"}

    def create(body: dict[str, Any]) -> dict[str, str]:
        created.append(body["files"])
        new.models[NEW] = model(blob, NEW)
        return {"status": "success"}

    monkeypatch.setattr(new, "show", show_two)
    monkeypatch.setattr(new, "create", create)
    assert make_layout_model().made
    (files,) = created
    assert f"sha256:{'ab' * 32}" in files.values()
    assert len(files) == 2


# --- where nothing is done ---------------------------------------------------------------


def test_nothing_is_done_if_ollama_writes_every_token(old: Any) -> None:
    made = make_layout_model()
    assert not made.made
    assert made.name == "deepseek-ocr:3b"
    assert "nothing to do" in made.reason
    assert writes(old) == []


def test_nothing_is_done_for_a_file_whose_tokens_are_shown(new: Any) -> None:
    make_layout_model()
    again = make_layout_model(source="deepseek-ocr-layout", name="third")
    assert not again.made
    assert len(writes(new)) == 2


# --- what goes wrong ---------------------------------------------------------------------


def test_for_a_model_that_is_not_installed_the_error_says_how_to_get_it(new: Any) -> None:
    with pytest.raises(BackendError, match="ollama pull deepseek-ocr2"):
        make_layout_model(source="deepseek-ocr2")


@pytest.mark.parametrize("name", ["deepseek-ocr", "deepseek-ocr:3b"])
def test_the_old_model_is_never_replaced(new: Any, name: str) -> None:
    with pytest.raises(ConfigurationError, match="--as"):
        make_layout_model(name=name)
    assert writes(new) == []


def test_another_model_of_that_name_is_never_replaced(new: Any, blob: Path) -> None:
    new.models[NEW] = model(blob, NEW)
    with pytest.raises(ConfigurationError, match="ollama rm"):
        make_layout_model()
    assert writes(new) == []


@pytest.fixture
def contained(new: Any, blob: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An Ollama in a container: its file lies where this machine has none."""
    show = new.show

    def show_inside(shown: FakeModel) -> dict[str, Any]:
        data = show(shown)
        inside = data["modelfile"].replace(str(blob.parent), "/inside/models/blobs")
        return {**data, "modelfile": inside}

    monkeypatch.setattr(new, "show", show_inside)
    return new


def test_for_a_file_that_cannot_be_read_the_error_names_both_ways(
    contained: Any, blob: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(BackendError, match=r"cannot be read here.*sudo.*docker cp.*--file"):
        make_layout_model()
    copy = shutil.copy(blob, tmp_path / "copy.gguf")
    assert main(["ollama-model", "--file", str(copy)]) == 0
    assert "free space on Ollama's disk is unknown" in capsys.readouterr().err
    assert NEW in contained.models


def test_a_copy_of_another_file_is_refused(new: Any, tmp_path: Path) -> None:
    other = write_small_file(tmp_path / "other.gguf", kilobytes=1)
    with pytest.raises(ConfigurationError, match="not the file of the installed model"):
        make_layout_model(file=other)
    assert writes(new) == []


def test_an_ollama_on_another_machine_is_not_asked() -> None:
    with pytest.raises(BackendError, match="another machine"):
        make_layout_model(host="http://ollama.example:11434")


def test_a_full_disk_is_reported_before_anything_is_sent(
    new: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout_model, "SPARE_BYTES", shutil.disk_usage("/").total * 1000)
    with pytest.raises(BackendError, match=r"needs .* GB in .* only .* GB are free"):
        make_layout_model()
    assert writes(new) == []


def test_a_path_that_is_not_a_file_of_ollama_is_not_opened(new: Any, blob: Path) -> None:
    new.models["deepseek-ocr:3b"] = replace(model(blob), file=Path("/etc/passwd"))
    with pytest.raises(BackendError, match="does not name the model's file"):
        make_layout_model()


# --- the header of a file ----------------------------------------------------------------


def test_the_types_are_those_that_the_gguf_package_reads(blob: Path) -> None:
    with blob.open("rb") as file:
        found = read_layout_tokens(file)
    assert {each.token for each in found} == set(LAYOUT_TOKENS)
    assert {each.kind for each in found} == {3}


def damaged(data: bytes, change: str) -> bytes:
    if change == "cut":
        return data[:200]
    if change == "no gguf":
        return b"MZ" + data[2:]
    if change == "version 9":
        return data[:4] + struct.pack("<I", 9) + data[8:]
    if change == "endless values":
        return data[:16] + struct.pack("<Q", 2**63) + data[24:]
    if change == "endless text":
        return data[:24] + struct.pack("<Q", 2**40) + data[32:]
    token = data.index(b"<|ref|>")
    return data[:token] + b"<|fer|>" + data[token + 7 :]


@pytest.mark.parametrize(
    "change", ["cut", "no gguf", "version 9", "endless values", "endless text", "other tokens"]
)
def test_a_damaged_file_is_refused_fast_and_with_little_memory(blob: Path, change: str) -> None:
    with pytest.raises(BackendReplyError):
        read_layout_tokens(io.BytesIO(damaged(blob.read_bytes(), change)))


def test_an_endless_array_is_refused(monkeypatch: pytest.MonkeyPatch, blob: Path) -> None:
    monkeypatch.setattr(gguf_header, "MOST_TEXTS", 5)
    with blob.open("rb") as file, pytest.raises(BackendReplyError, match="too long"):
        read_layout_tokens(file)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("", {}),
        ("temperature                    0", {"temperature": 0}),
        ('stop  "a b"\nstop  "c"\nnum_ctx 4096', {"stop": ["a b", "c"], "num_ctx": 4096}),
        ("top_p 0.9\npenalize_newline true", {"top_p": 0.9, "penalize_newline": True}),
    ],
)
def test_parameters_are_read_as_ollama_shows_them(text: str, read: dict[str, object]) -> None:
    assert parameters(text) == read


# --- the command, doctor and auto --------------------------------------------------------


def layout_check() -> Check:
    (check,) = ollama_checks()
    return check


def test_doctor_says_whether_the_layout_model_is_still_needed(new: Any) -> None:
    assert not layout_check().ok
    assert "dsocr ollama-model" in layout_check().remedy
    assert main(["ollama-model"]) == 0
    assert layout_check().ok


def test_doctor_accepts_an_ollama_that_writes_all_tokens(old: Any) -> None:
    assert layout_check().ok


def test_doctor_goes_by_version_and_name_if_the_file_cannot_be_read(
    contained: Any, blob: Path
) -> None:
    assert not layout_check().ok
    main(["ollama-model", "--file", str(blob)])
    assert layout_check().ok


def test_auto_prefers_the_new_model(new: Any) -> None:
    before = choose_backend()
    assert "dsocr ollama-model" in before.reason
    main(["ollama-model"])
    after = choose_backend()
    assert after.backend.model == NEW  # type: ignore[attr-defined]
    assert "ollama-model" not in after.reason


@pytest.mark.parametrize("name", ["deepseek-ocr-layout", "mine"])
def test_the_command_says_what_it_did_and_how_to_continue(
    new: Any, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert main(["ollama-model", "--from", "deepseek-ocr:3b", "--as", name]) == 0
    said = capsys.readouterr().out
    assert f"made {name} from deepseek-ocr:3b" in said
    assert ("--backend ollama/mine" in said) == (name == "mine")
