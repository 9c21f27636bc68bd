"""The cache: a page is the one that was stored, or a miss, whatever happens to the file."""

from __future__ import annotations

import logging
import multiprocessing
import os
import random
import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from deepseek_ocr_rag import PageCache
from deepseek_ocr_rag.errors import ConfigurationError
from deepseek_ocr_rag.reading import cache as cache_module
from deepseek_ocr_rag.reading.cache_folder import default_cache_folder, make_private

TEXTS = {f"key-{n}": f"page {n} " + "lorem ipsum " * (n * 7 % 90) for n in range(40)}


def filled(folder: Path) -> Path:
    """Store all of TEXTS in a cache and close it; returns its file."""
    with PageCache(folder) as cache:
        for key, text in TEXTS.items():
            cache.put(key, text)
    return folder / "pages" / "pages-1.sqlite3"


def test_stored_texts_are_found_after_opening_again(tmp_path: Path) -> None:
    filled(tmp_path)
    with PageCache(tmp_path) as cache:
        assert {key: cache.get(key) for key in TEXTS} == TEXTS
        assert cache.get("another key") is None


def test_a_text_is_replaced_under_its_key(tmp_path: Path) -> None:
    with PageCache(tmp_path) as cache:
        cache.put("a", "one")
        cache.put("a", "two")
        assert cache.get("a") == "two"
        assert cache.status().pages == 1


def test_only_the_owner_can_open_the_folder(tmp_path: Path) -> None:
    (tmp_path / "pages").mkdir(mode=0o755)
    filled(tmp_path)
    assert stat.S_IMODE((tmp_path / "pages").stat().st_mode) == 0o700


def test_a_link_instead_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "pages").symlink_to(tmp_path / "elsewhere")
    with PageCache(tmp_path) as cache:
        cache.put("a", "text")
        assert cache.get("a") is None
    assert list((tmp_path / "elsewhere").iterdir()) == []
    with pytest.raises(OSError, match="link"):
        make_private(tmp_path / "pages")


def test_flipped_bytes_are_misses_and_never_other_text(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = filled(tmp_path / "whole").read_bytes()
    dice = random.Random(6)
    hits = misses = 0
    # Every byte of the header, and bytes from everywhere else.
    offsets = [*range(100), *dice.sample(range(100, len(data)), 300)]
    for turn, offset in enumerate(offsets):
        broken = bytearray(data)
        broken[offset] ^= dice.randrange(1, 256)
        hits, misses = _check(tmp_path / str(turn), bytes(broken), hits, misses)
    print(f"{len(offsets)} bytes flipped: {hits} pages found, {misses} missed, 0 wrong")
    assert hits > 5_000, "most pages do not contain the flipped byte"
    assert misses > 100


@pytest.mark.parametrize("rest", [0, 1, 15, 100, 511, 4096, 5000, 8192, 12_288, -4096, -1])
def test_a_truncated_file_is_never_other_text(tmp_path: Path, rest: int) -> None:
    data = filled(tmp_path / "whole").read_bytes()
    _check(tmp_path / "cut", data[:rest], 0, 0)


def test_runs_of_zeros_and_noise_are_never_other_text(tmp_path: Path) -> None:
    data = filled(tmp_path / "whole").read_bytes()
    dice = random.Random(7)
    for turn in range(60):
        broken = bytearray(data)
        start = dice.randrange(len(data))
        size = dice.choice([16, 512, 4096])
        broken[start : start + size] = dice.choice([bytes(size), dice.randbytes(size)])
        _check(tmp_path / str(turn), bytes(broken), 0, 0)


def _check(folder: Path, data: bytes, hits: int, misses: int) -> tuple[int, int]:
    """Look up all keys in a damaged file, and check that storing still works afterwards."""
    (folder / "pages").mkdir(parents=True)
    (folder / "pages" / "pages-1.sqlite3").write_bytes(data)
    with PageCache(folder) as cache:
        for key, text in TEXTS.items():
            found = cache.get(key)
            assert found in (text, None)
            hits, misses = hits + (found is not None), misses + (found is None)
        for key, text in TEXTS.items():
            cache.put(key, text)
            assert cache.get(key) == text
        # If a later put finds damage, texts stored by an earlier one may be lost.
        assert all(cache.get(key) in (text, None) for key, text in TEXTS.items())
    return hits, misses


def test_a_row_swapped_with_another_is_a_miss(tmp_path: Path) -> None:
    file = filled(tmp_path)
    connection = sqlite3.connect(file)
    connection.execute("UPDATE pages SET key = 'spare' WHERE key = 'key-1'")
    connection.execute("UPDATE pages SET key = 'key-1' WHERE key = 'key-2'")
    connection.execute("UPDATE pages SET content = 'other text' WHERE key = 'key-3'")
    connection.execute("UPDATE pages SET content = 7, checksum = NULL WHERE 0")
    connection.commit()
    connection.close()
    with PageCache(tmp_path) as cache:
        assert [cache.get(f"key-{n}") for n in (1, 2, 3)] == [None, None, None]
        assert cache.get("key-4") == TEXTS["key-4"]


def test_a_file_of_another_program_is_left_unchanged(tmp_path: Path) -> None:
    (tmp_path / "pages").mkdir()
    file = tmp_path / "pages" / "pages-1.sqlite3"
    connection = sqlite3.connect(file)
    connection.execute("CREATE TABLE pages (key TEXT, checksum BLOB, content TEXT)")
    connection.commit()
    connection.close()
    before = file.read_bytes()
    with PageCache(tmp_path) as cache:
        cache.put("a", "text")
        assert cache.get("a") == "text"
        assert cache.status().set_aside == (file,)
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    "content", [b"not a database at all", b"\x00" * 8192, b"SQLite format 3\x00"]
)
def test_a_file_that_is_not_a_database_is_set_aside(tmp_path: Path, content: bytes) -> None:
    _check(tmp_path, content, 0, 0)


def test_an_added_trigger_never_runs(tmp_path: Path) -> None:
    file = filled(tmp_path)
    connection = sqlite3.connect(file)
    connection.execute(
        "CREATE TRIGGER t AFTER INSERT ON pages BEGIN DELETE FROM pages WHERE key != new.key; END"
    )
    connection.commit()
    connection.close()
    with PageCache(tmp_path) as cache:
        cache.put("a", "one")
        cache.put("b", "two")
        assert cache.get("a") == "one"


def test_the_oldest_pages_are_evicted_when_the_file_is_full(tmp_path: Path) -> None:
    with PageCache(tmp_path, max_bytes=300_000) as cache:
        for number in range(200):
            cache.put(f"key-{number}", f"{number} " * 2_000)
        found = [number for number in range(200) if cache.get(f"key-{number}")]
        assert found == list(range(found[0], 200))
        assert 10 < len(found) < 60
    file = tmp_path / "pages" / "pages-1.sqlite3"
    assert file.stat().st_size < 400_000


def test_a_text_larger_than_the_cache_leaves_it_empty_and_intact(tmp_path: Path) -> None:
    with PageCache(tmp_path, max_bytes=50_000) as cache:
        cache.put("large", "x" * 500_000)
        cache.put("small", "y")
        assert cache.get("small") == "y"


def test_clearing_leaves_no_text_on_the_disk(tmp_path: Path) -> None:
    with PageCache(tmp_path) as cache:
        cache.put("a", "the secret of the lamp")
        assert cache.clear() == 1
        assert cache.status().pages == 0
    left = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"secret of the lamp" not in left


def test_clearing_a_full_disk_deletes_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen on a tmpfs without a free byte: overwriting needs room for a journal."""

    def full(connection: sqlite3.Connection) -> int:
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise error

    filled(tmp_path)
    monkeypatch.setattr(cache_module, "clear_pages", full)
    with PageCache(tmp_path) as cache:
        assert cache.clear() == len(TEXTS)
        assert cache.status().pages == 0
        assert not (tmp_path / "pages" / "pages-1.sqlite3").exists()
        cache.put("a", "text")
        assert cache.get("a") == "text"


def test_looking_at_an_empty_cache_creates_no_folder(tmp_path: Path) -> None:
    cache = PageCache(tmp_path / "none")
    assert cache.status().pages == 0
    assert cache.clear() == 0
    assert not (tmp_path / "none").exists()


def test_an_invalid_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        PageCache(tmp_path, max_bytes=0)


def _write(folder: str, writer: int, count: int) -> None:
    with PageCache(folder) as cache:
        for number in range(count):
            cache.put(f"{writer}-{number}", f"text {number} of {writer}")
            cache.put("shared", f"{writer}-{number}")


def test_two_processes_write_at_once_and_nothing_is_lost(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    writers = [spawn.Process(target=_write, args=(str(tmp_path), n, 150)) for n in range(2)]
    for process in writers:
        process.start()
    for process in writers:
        process.join(60)
    assert [process.exitcode for process in writers] == [0, 0]
    with PageCache(tmp_path) as cache:
        assert all(
            cache.get(f"{writer}-{number}") == f"text {number} of {writer}"
            for writer in range(2)
            for number in range(150)
        )
        assert cache.get("shared") in {"0-149", "1-149"}
        assert cache.status().set_aside == ()
    check = sqlite3.connect(tmp_path / "pages" / "pages-1.sqlite3")
    assert check.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    check.close()


def test_threads_share_one_cache(tmp_path: Path) -> None:
    with PageCache(tmp_path) as cache:
        wrong: list[str] = []

        def work(name: int) -> None:
            for number in range(50):
                cache.put(f"{name}-{number}", f"{name}/{number}")
                if cache.get(f"{name}-{number}") != f"{name}/{number}":
                    wrong.append(f"{name}-{number}")

        threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []
        assert cache.status().pages == 400


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_gets_its_own_connection(tmp_path: Path) -> None:
    script = """
import os, sys
from deepseek_ocr_rag import PageCache
cache = PageCache(sys.argv[1])
cache.put("parent", "1")
child = os.fork()
if child == 0:
    cache.put("child", "2")
    os._exit(0 if cache.get("parent") == "1" else 1)
assert os.waitpid(child, 0)[1] == 0
assert cache.get("child") == "2"
cache.put("again", "3")
assert cache.get("again") == "3"
"""
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True, timeout=60)


FULL_DISK = """
import resource, signal, sys
from deepseek_ocr_rag import PageCache
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
cache = PageCache(sys.argv[1])
for number in range(30):
    cache.put(f"key-{number}", f"text {number} " * 200)
    assert cache.get(f"key-{number}") in (None, f"text {number} " * 200)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="this system has no file size limit")
def test_a_full_disk_leaves_the_cache_intact(tmp_path: Path) -> None:
    """The system refuses to let any file grow beyond a limit; the limits cover all writes."""
    sizes = [0, 20, 32, 300, 4096, 5000, 8192, 12_320, 20_000, 30_000, 41_232, 61_000]
    running = [
        (
            size,
            subprocess.Popen(
                [sys.executable, "-c", FULL_DISK, str(tmp_path / str(size)), str(size)]
            ),
        )
        for size in sizes
    ]
    for size, process in running:
        assert process.wait(60) == 0, f"limit {size}"
        with PageCache(tmp_path / str(size)) as cache:
            for number in range(30):
                text = f"text {number} " * 200
                assert cache.get(f"key-{number}") in (None, text)
                cache.put(f"key-{number}", text)
                assert cache.get(f"key-{number}") == text


def test_a_folder_that_cannot_be_created_is_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    cache = PageCache(tmp_path / "file")
    with caplog.at_level(logging.WARNING, "deepseek_ocr_rag"):
        for number in range(3):
            cache.put(str(number), "text")
            assert cache.get(str(number)) is None
    assert len(caplog.records) == 1


def test_the_default_folder_comes_from_the_environment_or_the_system(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DSOCR_CACHE_DIR", str(tmp_path / "named"))
    assert default_cache_folder() == tmp_path / "named"
    monkeypatch.delenv("DSOCR_CACHE_DIR")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache_folder() == tmp_path / "deepseek-ocr-rag"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/is/ignored")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert default_cache_folder() == tmp_path / "home" / ".cache" / "deepseek-ocr-rag"
    monkeypatch.setattr(sys, "platform", "darwin")
    expected = tmp_path / "home" / "Library" / "Caches" / "deepseek-ocr-rag"
    assert default_cache_folder() == expected
