"""A file that is replaced or changed while it is read never gives pages of both, nor to the cache."""

from __future__ import annotations

import io
import mmap
import os
import subprocess
import sys
import threading
import time

import pytest
from PIL import Image
from reportlab.pdfgen.canvas import Canvas
from waiting import LONG

from deepseek_ocr_rag import Reader, SourceError, open_source
from deepseek_ocr_rag.backends import Reply
from deepseek_ocr_rag.sources import inputs
from deepseek_ocr_rag.sources.allowed_paths import FileInside
from deepseek_ocr_rag.sources.renderers import content

PAGES = 8
COLOURS = {"first": 77, "second": 128}


def coloured_pdf(blue):
    file = io.BytesIO()
    canvas = Canvas(file, pagesize=(200, 200), invariant=1, pageCompression=0)
    for number in range(1, PAGES + 1):
        canvas.setFillColorRGB(0.1, 0.1, blue / 255)
        canvas.rect(0, 0, 200, 200, stroke=0, fill=1)
        canvas.setFillColorRGB(1, 1, 1)
        canvas.drawString(80, 80, f"page {number}")
        canvas.showPage()
    canvas.save()
    return file.getvalue()


FIRST, SECOND = map(coloured_pdf, COLOURS.values())
assert len(SECOND) == len(FIRST)


class Colours:
    """Reads which of the two documents a page is of; its pages may be cached."""

    name, model, fingerprint = "colours", "eye", "1"
    needs_image, reads_text_layer = True, False

    def __init__(self):
        self.before_page = {}

    def read(self, requests):
        for request in requests:
            self.before_page.pop(request.page, lambda: None)()
            blue = request.redraw().getpixel((1, 1))[2]
            (found,) = (name for name, value in COLOURS.items() if abs(value - blue) < 3)
            yield Reply(request.key, f"page {request.page} of the {found}")

    def close(self):
        pass


def rename_over(path, data):
    other = path.with_name("other")
    other.write_bytes(data)
    other.replace(path)


def rewrite(path, data):
    path.write_bytes(data)  # truncates the same file


def rewrite_with_the_old_time(path, data):
    status = path.stat()
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def write_through_a_mapping(path, data):
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
        mapped[:] = data


def append(path, data):
    with path.open("ab") as file:
        file.write(data)


def cut(path, data):
    os.truncate(path, 100)


CHANGES = (
    *(rename_over, rewrite, rewrite_with_the_old_time, write_through_a_mapping, append, cut),
)


@pytest.fixture(params=[2**24, 0], ids=["in memory", "in a file"])
def kept(request, monkeypatch):
    """Whether the copy is small enough for memory."""
    monkeypatch.setattr(content, "_MEMORY_BYTES", request.param)


@pytest.fixture
def path(tmp_path):
    made = tmp_path / "a.pdf"
    made.write_bytes(FIRST)
    return made


def texts(document):
    assert [page.error for page in document] == [None] * PAGES
    return [page.markdown for page in document]


def all_of(which):
    return [f"page {number} of the {which}" for number in range(1, PAGES + 1)]


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize("change", CHANGES)
def test_a_file_changed_while_its_pages_are_read_gives_those_of_the_first(path, tmp_path, change):
    backend = Colours()
    backend.before_page[2] = lambda: change(path, SECOND)
    with Reader(backend, cache=tmp_path / "cache", resolution="tiny") as reader:
        assert texts(reader.read(path)) == all_of("first")
        # Asked for by hash, the cache knows each document by its own pages.
        assert texts(reader.read(FIRST)) == all_of("first")
        assert texts(reader.read(SECOND)) == all_of("second")


@pytest.mark.parametrize("renderer", ["pdfium", "pymupdf"])
@pytest.mark.parametrize("isolated", [True, False])
@pytest.mark.usefixtures("kept")
def test_pages_hash_and_page_count_belong_together(path, renderer, isolated):
    if renderer == "pymupdf":
        pytest.importorskip("pymupdf")
    with open_source(path, renderer=renderer, isolated=isolated) as opened:
        rename_over(path, SECOND)
        blue = opened.render(PAGES, 64).getpixel((1, 1))[2]
        assert abs(blue - COLOURS["first"]) < 3
        with open_source(FIRST) as same:
            assert opened.sha256 == same.sha256


def opened_in_three_ways(path):
    yield lambda: open_source(path)
    yield lambda: open_source(FileInside.named(path.parent, path.name))

    def as_file():
        with path.open("rb") as file:
            return open_source(file)

    yield as_file


@pytest.mark.parametrize("change", [rewrite, rewrite_with_the_old_time, append, cut])
@pytest.mark.parametrize("way", range(3))
def test_a_file_changed_while_it_is_copied_is_an_error(path, monkeypatch, change, way):
    monkeypatch.setattr(inputs, "_CHUNK", 1000)
    copied = content.Content.from_stream

    def changed_in_the_middle(name, chunks, limits):
        def pieces():
            for index, piece in enumerate(chunks):
                if index == 1:
                    change(path, SECOND)
                yield piece

        return copied(name, pieces(), limits)

    monkeypatch.setattr(content.Content, "from_stream", changed_in_the_middle)
    with pytest.raises(SourceError, match="changed the file while it was read"):
        list(opened_in_three_ways(path))[way]()


def test_a_change_that_leaves_the_time_as_it_was_is_seen_in_the_bytes(path, monkeypatch):
    """Two changes within a tick of the clock have one time."""
    now = path.stat()
    monkeypatch.setattr(inputs, "_written", lambda status: now.st_size)
    copied = content.Content.from_stream

    def changed_afterwards(name, chunks, limits):
        made = copied(name, chunks, limits)
        rewrite(path, SECOND)
        return made

    monkeypatch.setattr(content.Content, "from_stream", changed_afterwards)
    os.utime(path)  # just changed
    with pytest.raises(SourceError, match="changed the file while it was read"):
        open_source(path)


def test_another_name_or_other_permissions_are_no_change(path, monkeypatch):
    copied = content.Content.from_stream

    def moved_in_the_middle(name, chunks, limits):
        path.chmod(0o600)
        path.rename(path.with_name("b.pdf"))
        return copied(name, chunks, limits)

    monkeypatch.setattr(content.Content, "from_stream", moved_in_the_middle)
    with open_source(path) as opened:
        assert opened.page_count == PAGES


@pytest.mark.parametrize("change", [rename_over, rewrite])
def test_a_file_that_is_replaced_all_the_time_is_read_whole_or_not_at_all(path, change):
    ended = threading.Event()

    def replace():
        while not ended.is_set():
            for data in (SECOND, FIRST):
                change(path, data)

    writer = threading.Thread(target=replace)
    writer.start()
    hashes = set()
    whole = 0
    try:
        begun = time.monotonic()
        # For half a second, and as long as it takes to find one that is whole.
        while time.monotonic() < begun + (0.5 if whole or change is rewrite else LONG):
            try:
                copy = inputs.read_input(path, content.Limits(), allow_urls=False, name=None)
            except SourceError:
                continue
            if copy.size == len(FIRST):  # a rewritten file is shorter for a moment
                hashes.add(copy.sha256())
                whole += 1
    finally:
        ended.set()
        writer.join()
    with open_source(FIRST) as first, open_source(SECOND) as second:
        assert hashes <= {first.sha256, second.sha256}
    assert whole > 0 or change is rewrite


KILLED = """
import os, signal, sys
from deepseek_ocr_rag import open_source
from deepseek_ocr_rag.sources.renderers import content
content._MEMORY_BYTES = 0
opened = open_source(sys.argv[1])
opened.render(1, 64)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the copy has a name")
def test_a_killed_process_leaves_no_copy_behind(path, tmp_path):
    (tmp_path / "temporary").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(path)],
        timeout=60,
        env={**os.environ, "TMPDIR": str(tmp_path / "temporary")},
    )
    assert done.returncode < 0
    assert list((tmp_path / "temporary").iterdir()) == []


def pictures(format, value):
    file = io.BytesIO()
    frames = [Image.new("L", (40, 40), value + index) for index in range(3)]
    more = {"save_all": True, "append_images": frames[1:]} if format == "TIFF" else {}
    frames[0].save(file, format, **more)
    return file.getvalue()


@pytest.mark.parametrize("format", ["TIFF", "BMP"])
@pytest.mark.parametrize("isolated", [True, False])
@pytest.mark.usefixtures("kept")
def test_a_picture_that_is_not_compressed_is_read_from_the_copy_too(tmp_path, format, isolated):
    """Pillow reads such pixels by the name of the file."""
    path = tmp_path / "a.tif"
    path.write_bytes(pictures(format, 50))
    with open_source(path, isolated=isolated) as opened:
        path.write_bytes(pictures(format, 200))
        for number in range(1, opened.page_count + 1):
            assert opened.render(number, 40).getpixel((0, 0)) == (49 + number,) * 3


def test_a_name_that_somebody_gives_to_bytes_opens_no_file(tmp_path):
    (tmp_path / "secret.bmp").write_bytes(pictures("BMP", 200))
    data = pictures("BMP", 50)
    with open_source(data, name=str(tmp_path / "secret.bmp"), isolated=False) as opened:
        assert opened.render(1, 40).getpixel((0, 0)) == (50, 50, 50)
