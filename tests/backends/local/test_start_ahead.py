"""What the engine's process does during the import of torch, and that it works without any of it."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from waiting import LONG

from deepseek_ocr_rag.backends.local import start_ahead
from deepseek_ocr_rag.backends.local.start_ahead import create_context, read_files
from deepseek_ocr_rag.concurrency.child_process import python_path

STARTUP = {
    "folder": "nowhere",
    "tokenizer": "nowhere",
    "device": None,
    "cache": "model",
    "memory_limit": None,
    "slots": None,
    "weights": "model",
    "vision": "model",
}


class Driver:
    """Notes what CUDA's driver is asked for; a call that is named fails."""

    def __init__(self, failing: str = "") -> None:
        self.calls: list[str] = []
        self._failing = failing

    def _call(self, name: str) -> int:
        self.calls.append(name)
        return 100 if name == self._failing else 0

    def cuInit(self, flags: int) -> int:  # noqa: N802
        return self._call(f"init {flags}")

    def cuDeviceGet(self, card: object, index: int) -> int:  # noqa: N802
        return self._call(f"card {index}")

    def cuDevicePrimaryCtxRetain(self, context: object, card: object) -> int:  # noqa: N802
        return self._call("context")


@pytest.mark.parametrize(("device", "index"), [("cuda", 0), ("cuda:0", 0), ("cuda:12", 12)])
def test_the_context_is_that_of_the_named_card(device: str, index: int) -> None:
    driver, names = Driver(), []
    create_context(device, lambda name: names.append(name) or driver)
    assert driver.calls == ["init 0", f"card {index}", "context"]
    assert names == ["libcuda.so.1"]


@pytest.mark.parametrize("failing", ["init 0", "card 1", "context"])
def test_nothing_follows_a_call_that_failed(failing: str) -> None:
    driver = Driver(failing)
    create_context("cuda:1", lambda _: driver)
    assert driver.calls[-1] == failing


def missing(name: str) -> Any:
    raise OSError(f"{name}: cannot open shared object file")


def test_a_machine_without_a_driver_is_left_alone() -> None:
    create_context("cuda", missing)


@pytest.mark.parametrize("device", ["cpu", "mps", "cuda:", "cuda:x", "cuda:1x", "xcuda", ""])
def test_any_other_device_is_left_to_torch(device: str) -> None:
    def open_library(name: str) -> Any:
        pytest.fail("a library was opened")

    create_context(device, open_library)


def open_files() -> int:
    """Count this process's open files; 0 where that is not known."""
    listed = Path("/proc/self/fd")
    return len(list(listed.iterdir())) if listed.exists() else 0


@pytest.mark.skipif(not hasattr(os, "posix_fadvise"), reason="not on this system")
def test_whole_files_are_read_and_those_that_cannot_be_are_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = tmp_path / "weights"
    there.write_bytes(b"weights")
    advice: list[tuple[bytes, int, int, int]] = []

    def advised(file: int, offset: int, length: int, kind: int) -> None:
        advice.append((os.read(file, 100), offset, length, kind))

    monkeypatch.setattr(os, "posix_fadvise", advised)
    before = open_files()
    read_files([tmp_path / "missing", there, tmp_path])
    assert advice[0] == (b"weights", 0, 0, os.POSIX_FADV_WILLNEED)
    assert open_files() == before


def test_a_system_that_cannot_be_told_is_left_alone(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.delattr(os, "posix_fadvise", raising=False)
    read_files([tmp_path])


def started(monkeypatch: pytest.MonkeyPatch, device: str | None) -> list[str]:
    """Return what is begun for a device."""
    begun: list[str] = []

    def note(what: str) -> Callable[..., None]:
        return lambda *_: begun.append(what)

    monkeypatch.setattr(start_ahead, "create_context", lambda name: begun.append(name))
    monkeypatch.setattr(start_ahead, "_key_of_triton", lambda: note("key"))
    monkeypatch.setattr(start_ahead, "read_files", note("files"))
    before = set(threading.enumerate())
    start_ahead.start_ahead({**STARTUP, "device": device})
    for thread in set(threading.enumerate()) - before:
        thread.join(LONG)
    return sorted(begun)


@pytest.mark.parametrize(
    ("device", "begun"),
    [(None, ["cuda", "key"]), ("cuda:1", ["cuda:1", "key"]), ("cpu", []), ("cuda:x", [])],
)
def test_only_a_card_is_prepared(monkeypatch, device: str | None, begun: list[str]) -> None:
    assert started(monkeypatch, device) == begun


def test_the_weights_that_will_be_loaded_are_read(monkeypatch, golden_checkpoint: Path) -> None:
    read: list[Path] = []
    monkeypatch.setattr(start_ahead, "read_files", read.extend)
    startup = {
        **STARTUP,
        "folder": str(golden_checkpoint),
        "tokenizer": str(golden_checkpoint / "tokenizer.json"),
    }
    start_ahead._read_weights(startup)
    assert [path.name for path in read] == ["model.safetensors"]


def test_what_fails_is_left_to_the_engine(monkeypatch, capsys) -> None:
    def fail(*_: object) -> None:
        raise ValueError("anything")

    failed: list[object] = []
    monkeypatch.setattr(threading, "excepthook", failed.append)
    monkeypatch.setattr(start_ahead, "create_context", fail)
    monkeypatch.setattr(start_ahead, "_key_of_triton", lambda: fail)
    before = set(threading.enumerate())
    start_ahead.start_ahead(STARTUP)  # whose folder is missing, too
    for thread in set(threading.enumerate()) - before:
        thread.join(LONG)
    assert failed == []


def test_without_a_thread_nothing_is_begun(monkeypatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(start_ahead, "_key_of_triton", lambda: lambda: None)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    start_ahead.start_ahead(STARTUP)


@pytest.mark.parametrize("error", ["ImportError", "RuntimeError", "OSError"])
def test_an_installation_of_triton_that_is_broken_is_left_to_the_engine(
    tmp_path: Path, error: str
) -> None:
    (tmp_path / "triton.py").write_text(f"raise {error}('broken')")
    code = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
from deepseek_ocr_rag.backends.local.start_ahead import _key_of_triton
print(_key_of_triton()(), "triton" in sys.modules)
"""
    assert run(code, {}).stdout == b"None False\n"


def run(code: str, message: dict[str, Any]) -> subprocess.CompletedProcess[bytes]:
    """Run the engine's process with one message, and then the end of its requests."""
    text = json.dumps(message).encode()
    return subprocess.run(
        [sys.executable, "-P", "-c", code],
        input=struct.pack("!IQ", len(text), 0) + text,
        env={**os.environ, "PYTHONPATH": python_path()},
        capture_output=True,
        timeout=LONG,
        check=False,
    )


def test_all_of_it_is_begun_before_torch_is_imported() -> None:
    code = """
import sys
from deepseek_ocr_rag.backends.local import engine_entry
def begin(startup):
    print("begun for", startup["device"], "torch" in sys.modules, file=sys.stderr)
    sys.exit()
engine_entry.start_ahead = begin
engine_entry.main()
"""
    assert b"begun for None False" in run(code, STARTUP).stderr


def test_an_engine_that_is_ready_looks_for_garbage_again_but_seldom(
    golden_checkpoint: Path,
) -> None:
    pytest.importorskip("torch")
    code = """
import gc
import sys
from deepseek_ocr_rag.backends.local import engine_entry
from deepseek_ocr_rag.backends.local import start_ahead
begun = start_ahead.start_ahead
def begin(startup):
    print("at first", gc.isenabled(), file=sys.stderr)
    begun(startup)
engine_entry.start_ahead = begin
engine_entry.main()
print("at last", gc.isenabled(), gc.get_freeze_count() > 100_000, file=sys.stderr)
print("after", gc.get_threshold()[0], "objects", file=sys.stderr)
"""
    startup = {
        **STARTUP,
        "folder": str(golden_checkpoint),
        "tokenizer": str(golden_checkpoint / "tokenizer.json"),
        "device": "cpu",
    }
    ended = run(code, startup)
    assert b'{"slots": ' in ended.stdout
    assert b"at first False" in ended.stderr
    assert b"at last True True" in ended.stderr
    assert b"after 50000 objects" in ended.stderr
