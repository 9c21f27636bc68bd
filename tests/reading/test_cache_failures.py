"""The page cache where its file or the system fails: what is tried again, what is told, what goes on."""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from deepseek_ocr_rag import PageCache
from deepseek_ocr_rag.errors import ForeignDatabaseError, OutputError
from deepseek_ocr_rag.reading import cache as cache_module
from deepseek_ocr_rag.reading.cache_database import count_pages

WRITE_VERSION = 18
"""The byte of SQLite's header that makes a file read-only if it is greater than 2."""


def one_page(folder: Path) -> Path:
    with PageCache(folder) as cache:
        cache.put("a", "text")
    return folder / "pages" / "pages-1.sqlite3"


def test_without_a_folder_it_takes_the_one_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DSOCR_CACHE_DIR", str(tmp_path))
    assert PageCache().folder == tmp_path


def test_why_a_file_is_set_aside_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = one_page(tmp_path)
    file.write_bytes(b"no header of a database" * 100)
    with caplog.at_level(logging.WARNING, "deepseek_ocr_rag"), PageCache(tmp_path) as cache:
        assert cache.get("a") is None
    (record,) = caplog.records
    assert record.getMessage() == f"the page cache {file} is set aside: file is not a database"


def test_a_failure_is_told_once_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = 0.5  # A machine that has just started.
    monkeypatch.setattr(cache_module, "time", SimpleNamespace(monotonic=lambda: now))
    folder = tmp_path / "file"
    folder.write_text("")
    with caplog.at_level(logging.WARNING, "deepseek_ocr_rag"), PageCache(folder) as cache:
        for _ in range(3):
            assert cache.get("a") is None
            now += 40.0
    (record,) = caplog.records
    reason = f"[Errno 17] File exists: '{folder}'"
    assert record.getMessage() == f"finished pages cannot be stored in {folder}: {reason}"


def fail(times: int, calls: list[object], error: Exception):
    def step(connection: sqlite3.Connection) -> int:
        calls.append(connection)
        if len(calls) <= times:
            raise error
        return count_pages(connection)

    return step


def test_two_damaged_files_are_followed_by_a_third(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one_page(tmp_path)
    calls: list[object] = []
    step = fail(2, calls, ForeignDatabaseError("damaged"))
    monkeypatch.setattr(cache_module, "count_pages", step)
    with PageCache(tmp_path) as cache:
        assert cache.status().pages == 0
        assert cache._number == 3
    assert len(set(map(id, calls))) == 3


def test_a_third_damaged_file_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one_page(tmp_path)
    calls: list[object] = []
    step = fail(9, calls, ForeignDatabaseError("damaged"))
    monkeypatch.setattr(cache_module, "count_pages", step)
    monkeypatch.setattr(cache_module, "read_text", lambda connection, key: step(connection))
    with PageCache(tmp_path) as cache:
        with pytest.raises(OutputError, match="cannot be used"):
            cache.status()
        assert len(calls) == 3
        assert cache.get("a") is None


def test_a_file_whose_header_forbids_writing_is_set_aside(tmp_path: Path) -> None:
    file = one_page(tmp_path)
    data = bytearray(file.read_bytes())
    data[WRITE_VERSION] = 3
    file.write_bytes(data)
    with PageCache(tmp_path) as cache:
        cache.put("a", "new")
        assert cache.get("a") == "new"
        assert cache.status().set_aside == (file,)


@pytest.mark.parametrize("forbidden", ["pages", "pages-1.sqlite3"])
def test_a_file_system_that_forbids_writing_sets_nothing_aside(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    forbidden: str,
) -> None:
    """Simulated: whoever runs the tests may be allowed to write everywhere."""
    file = one_page(tmp_path)
    data = bytearray(file.read_bytes())
    data[WRITE_VERSION] = 3
    file.write_bytes(data)

    def access(path: Path, mode: int) -> bool:
        return not (path.name == forbidden and mode == os.W_OK)

    monkeypatch.setattr(cache_module.os, "access", access)
    with caplog.at_level(logging.WARNING, "deepseek_ocr_rag"), PageCache(tmp_path) as cache:
        cache.put("a", "new")
    assert [path.name for path in file.parent.glob("*.sqlite3")] == ["pages-1.sqlite3"]
    (record,) = caplog.records
    assert record.getMessage().endswith("attempt to write a readonly database")


def test_a_forked_process_neither_uses_nor_closes_what_it_inherited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fork is detected by its process id, which is simulated here."""
    inherited: list[sqlite3.Connection] = []
    monkeypatch.setattr(cache_module, "_inherited", inherited)
    with PageCache(tmp_path) as cache:
        cache.put("a", "text")
        before, lock, owner = cache._connection, cache._lock, cache._owner
        assert owner == os.getpid()
        child = owner + 1
        monkeypatch.setattr(cache_module.os, "getpid", lambda: child)
        lock.acquire()  # By a thread that does not exist in the child.
        assert cache.get("a") == "text"
        assert inherited == [before]
        assert cache._connection is not before
        assert isinstance(cache._lock, type(threading.Lock()))
        assert cache._owner == child
        again = cache._connection
        assert cache.get("a") == "text"
        assert cache._connection is again
        assert before is not None
        assert before.execute("SELECT 1").fetchone() == (1,)  # Still open.
        before.close()


def test_in_a_forked_process_an_unused_cache_inherits_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inherited: list[sqlite3.Connection] = []
    monkeypatch.setattr(cache_module, "_inherited", inherited)
    with PageCache(tmp_path) as cache:
        monkeypatch.setattr(cache_module.os, "getpid", lambda: -1)
        cache.put("a", "text")
        assert cache.get("a") == "text"
        assert inherited == []
