"""The files of the page cache: which one is used, what becomes of the others, what is told."""

from __future__ import annotations

import gc
import logging
import pickle
import sqlite3
import stat
from pathlib import Path
from types import SimpleNamespace

import pytest
from open_files import open_below

from deepseek_ocr_rag import PageCache
from deepseek_ocr_rag.errors import ConfigurationError, OutputError
from deepseek_ocr_rag.reading import cache as cache_module


def stored(folder: Path, count: int = 3) -> PageCache:
    cache = PageCache(folder)
    for number in range(count):
        cache.put(str(number), f"text {number}")
    return cache


def damage(folder: Path, number: int) -> Path:
    path = folder / "pages" / f"pages-{number}.sqlite3"
    path.write_bytes(b"not a database, though as long as the header of one " * 100)
    return path


def test_its_name_says_where_it_is_and_how_large_it_may_be(tmp_path: Path) -> None:
    assert repr(PageCache(tmp_path, max_bytes=5)) == f"PageCache({str(tmp_path)!r}, max_bytes=5)"


def test_a_copy_in_another_process_has_the_same_folder_and_limit(tmp_path: Path) -> None:
    with PageCache(tmp_path, max_bytes=10**6) as cache:
        cache.put("a", "text")
        copy = pickle.loads(pickle.dumps(cache))
        assert (copy.folder, copy.max_bytes) == (tmp_path, 10**6)
        assert copy.get("a") == "text"
        copy.close()


def test_the_folder_is_absolute_and_may_be_in_the_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert PageCache("~/cache").folder == PageCache("cache").folder == tmp_path / "cache"


def test_the_smallest_size_is_one_byte(tmp_path: Path) -> None:
    assert PageCache(tmp_path, max_bytes=1).max_bytes == 1
    with pytest.raises(ConfigurationError) as caught:
        PageCache(tmp_path, max_bytes=0)
    assert str(caught.value) == "max_bytes=0 is too small. Give 1 or more."


def test_the_state_counts_pages_and_bytes(tmp_path: Path) -> None:
    with stored(tmp_path) as cache:
        state = cache.status()
        size = sum(path.stat().st_size for path in (tmp_path / "pages").iterdir())
        assert (state.folder, state.pages, state.size) == (tmp_path, 3, size)
        assert (state.max_bytes, state.set_aside) == (2**30, ())


def test_an_empty_cache_has_its_limit(tmp_path: Path) -> None:
    state = PageCache(tmp_path, max_bytes=7).status()
    assert (state.folder, state.pages, state.size) == (tmp_path, 0, 0)
    assert (state.max_bytes, state.set_aside) == (7, ())


def test_of_the_damaged_files_the_last_is_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stored(tmp_path).close()
    damage(tmp_path, 1)
    with caplog.at_level(logging.WARNING, "deepseek_ocr_rag"), stored(tmp_path) as cache:
        assert cache.status().set_aside == (tmp_path / "pages" / "pages-1.sqlite3",)
        assert cache.get("0") == "text 0"
        cache.close()
        damage(tmp_path, 2)
        assert cache.get("0") is None
        cache.put("0", "again")
        assert cache.status().set_aside == (tmp_path / "pages" / "pages-2.sqlite3",)
        assert cache.status().pages == 1
    first, second = (record.getMessage() for record in caplog.records)
    assert first.startswith(f"the page cache {tmp_path}/pages/pages-1.sqlite3 is set aside: ")
    assert second.startswith(f"the page cache {tmp_path}/pages/pages-2.sqlite3 is set aside: ")


def test_clearing_counts_the_pages_and_removes_what_was_set_aside(tmp_path: Path) -> None:
    stored(tmp_path).close()
    damage(tmp_path, 1)
    for suffix in ("-wal", "-shm"):
        (tmp_path / "pages" / f"pages-1.sqlite3{suffix}").touch()
    with stored(tmp_path, 2) as cache:
        assert cache.clear() == 2
        assert cache.status().pages == 0
        assert cache.status().set_aside == ()
    names = {path.name for path in (tmp_path / "pages").iterdir()}
    assert {name for name in names if name.startswith("pages-1.")} == set()


def test_the_file_with_the_highest_number_is_used_and_foreign_names_are_not(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "pages"
    folder.mkdir(mode=0o700)
    for name in ("pages-3.sqlite3", "pages-12.sqlite3", "pages-x.sqlite3", "pages-99.sqlite3.bak"):
        (folder / name).touch()
    with stored(tmp_path) as cache:
        assert cache.status().set_aside == (folder / "pages-3.sqlite3",)
    assert (folder / "pages-12.sqlite3").stat().st_size > 0
    assert (folder / "pages-x.sqlite3").stat().st_size == 0


def test_it_may_be_used_again_after_it_was_closed(tmp_path: Path) -> None:
    cache = stored(tmp_path)
    cache.close()
    cache.close()
    assert cache.get("0") == "text 0"
    cache.close()


def test_its_file_is_closed_when_nobody_has_it_any_more(tmp_path: Path) -> None:
    cache = stored(tmp_path)
    assert open_below(tmp_path)
    del cache
    gc.collect()
    assert open_below(tmp_path) == []


def test_it_waits_for_other_processes_and_writes_at_once(tmp_path: Path) -> None:
    with stored(tmp_path) as cache:
        connection = cache._connected()
        assert connection.execute("PRAGMA busy_timeout").fetchone() == (5000,)
        assert connection.isolation_level is None
        assert cache._connected() is connection


@pytest.mark.parametrize("ask", ["status", "clear"])
def test_a_cache_that_cannot_be_opened_is_told(tmp_path: Path, ask: str) -> None:
    (tmp_path / "pages" / "pages-1.sqlite3").mkdir(parents=True, mode=0o700)
    with pytest.raises(OutputError) as caught:
        getattr(PageCache(tmp_path), ask)()
    assert caught.value.problem == "the page cache cannot be used (unable to open database file)"
    assert caught.value.source == str(tmp_path)
    assert isinstance(caught.value.__cause__, sqlite3.Error)


def test_after_a_failure_the_cache_rests_for_half_a_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = 1000.0
    monkeypatch.setattr(cache_module, "time", SimpleNamespace(monotonic=lambda: now))
    folder = tmp_path / "cache"
    folder.write_text("")
    with caplog.at_level(logging.WARNING, "deepseek_ocr_rag"), PageCache(folder) as cache:
        cache.put("a", "text")
        folder.unlink()
        now += 29.5
        cache.put("a", "text")
        assert not folder.exists()
        now += 0.5
        cache.put("a", "text")
        assert cache.get("a") == "text"
    (record,) = caplog.records
    assert record.getMessage().startswith(f"finished pages cannot be stored in {folder}: ")


def test_a_new_file_is_private_and_empty(tmp_path: Path) -> None:
    with stored(tmp_path) as cache:
        cache._start_new_file()
        made = tmp_path / "pages" / "pages-2.sqlite3"
        assert (made.stat().st_size, stat.S_IMODE(made.stat().st_mode)) == (0, 0o600)
        assert cache.get("0") is None
        assert cache.status().set_aside == (tmp_path / "pages" / "pages-1.sqlite3",)
