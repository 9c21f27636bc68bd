"""The disk is full at any write: the text is still printed, and the cache stays intact."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from page_server import PageServer, marked_pdf

from deepseek_ocr_rag import PageCache, Reader, ServerBackend

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no file size limit there")

PAGES = 20
SIZES = (0, 100, 4_096, 8_192, 12_000, 33_000, 90_000, 4_000_000)
"""File size limits in bytes: from none to more than the whole cache needs."""


def limited(size):
    """Make the system refuse to let any file of the process grow beyond a size."""

    def limit():
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


@pytest.fixture(scope="module")
def server():
    with PageServer() as made:
        yield made


def command(server, folder, *more, size=None):
    words = ("read", "a.pdf", "--resolution", "tiny", "--backend", f"server:{server.url}/v1", *more)
    return subprocess.Popen(
        [sys.executable, "-m", "deepseek_ocr_rag.cli.main", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env={**os.environ, "DSOCR_CACHE_DIR": str(folder / f"cache-{size}")},
        preexec_fn=None if size is None else limited(size),
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "sizes",
    [SIZES[::7] + SIZES[3:5], pytest.param(SIZES, marks=pytest.mark.long)],
    ids=["four", "all"],
)
def test_the_text_is_printed_whichever_write_fails_and_the_cache_stays_intact(
    server, tmp_path, sizes
):
    (tmp_path / "a.pdf").write_bytes(marked_pdf(PAGES))
    expected, _ = command(server, tmp_path, "--json", "--no-cache").communicate(timeout=60)
    assert f"This is number {PAGES}." in expected
    kept = []
    # Two at a time, because most of the time goes into starting interpreters.
    for pair in zip(sizes[::2], sizes[1::2], strict=True):
        running = {size: command(server, tmp_path, "--json", size=size) for size in pair}
        for size, process in running.items():
            output, said = process.communicate(timeout=120)
            assert (process.returncode, output) == (0, expected), said
            with PageCache(tmp_path / f"cache-{size}") as cache:
                kept.append(cache.status().pages)
                assert cache.status().set_aside == ()
    print(f"pages kept with files of at most {sizes} bytes: {kept}")
    assert min(kept) == 0
    assert max(kept) == PAGES
    # What was stored before the disk was full is intact.
    for size in sizes:
        backend = ServerBackend(f"{server.url}/v1")
        with Reader(backend, resolution="tiny", cache=tmp_path / f"cache-{size}") as reader:
            document = reader.read(tmp_path / "a.pdf", name="a.pdf")
        assert [p.markdown for p in document] == [
            f"## Page {n}\n\nThis is number {n}." for n in range(1, PAGES + 1)
        ]


def test_an_unwritable_folder_is_reported(server, tmp_path):
    (tmp_path / "a.pdf").write_bytes(marked_pdf(2))
    process = command(server, tmp_path, "-o", "out", size=300)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "File too large" in said
    assert "free space" in said
    assert "Traceback" not in said
    assert [path for path in tmp_path.rglob("*") if path.name.startswith(".writing")] == []


LARGE_STREAM = """
import io, resource, sys
from deepseek_ocr_rag import SourceError, open_source
resource.setrlimit(resource.RLIMIT_FSIZE, (2**20,) * 2)
try:
    open_source(io.BytesIO(b"%PDF-1.7" + bytes(20 * 2**20)), name="large.pdf")
except SourceError as error:
    print(error)
"""


def test_a_stream_too_large_for_temporary_files_is_reported(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", LARGE_STREAM],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert done.stdout.startswith(
        f"large.pdf: it is too large for memory and cannot be written to {tmp_path}"
    )
    assert "TMPDIR" in done.stdout
    assert list(tmp_path.iterdir()) == []
