"""Opening documents: what is one, what is not, and what the message says."""

from __future__ import annotations

import hashlib
import io
import math
import os
import pickle
import re
import stat
import sys
import threading
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms
from reportlab.pdfgen.canvas import Canvas

from deepseek_ocr_rag.errors import (
    ConfigurationError,
    CorruptSourceError,
    DeepSeekOCRError,
    LimitExceededError,
    MissingExtraError,
    PageRenderError,
    SourceError,
    SourceNotAllowedError,
    SourceNotFoundError,
    UnsupportedSourceError,
)
from deepseek_ocr_rag.installing import install_command
from deepseek_ocr_rag.sources import private_file
from deepseek_ocr_rag.sources.fetch_policy import FetchPolicy
from deepseek_ocr_rag.sources.limits import Limits
from deepseek_ocr_rag.sources.source import open_source, render_page
from deepseek_ocr_rag.sources.urls import public_name

pytestmark = pytest.mark.minimum

HOME = FetchPolicy(allow_http=True, allow_private=True, connect_seconds=5, total_seconds=10)


@pytest.fixture(scope="module")
def pdf():
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=(300, 400))
    for number in (1, 2):
        canvas.drawString(50, 200, f"page {number}")
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def picture_bytes(picture, format, **options):
    buffer = io.BytesIO()
    picture.save(buffer, format, **options)
    return buffer.getvalue()


def gradient(width=60, height=40, mode="RGB"):
    ramp = np.linspace(0, 255, width, dtype=np.uint8)[None, :].repeat(height, axis=0)
    return Image.fromarray(ramp).convert(mode)


# What can be a document


def test_paths_bytes_and_file_objects_give_the_same_document(pdf, tmp_path):
    path = tmp_path / "a.pdf"
    path.write_bytes(pdf)
    with path.open("rb") as file:
        for given_source in (path, str(path), pdf, bytearray(pdf), memoryview(pdf), file):
            with open_source(given_source) as source:
                assert source.page_count == 2
                assert source.sha256 == hashlib.sha256(pdf).hexdigest()


def test_a_file_object_is_read_from_its_start(pdf):
    stream = io.BytesIO(pdf)
    stream.seek(0, io.SEEK_END)
    with open_source(stream) as source:
        assert source.page_count == 2


def test_a_stream_that_cannot_be_rewound_is_read_on(pdf):
    class Pipe(io.RawIOBase):
        def __init__(self):
            self.inner = io.BytesIO(pdf)

        def readable(self):
            return True

        def read(self, size=-1):
            return self.inner.read(min(size, 100))

    with open_source(Pipe()) as source:
        assert source.page_count == 2


@pytest.mark.parametrize("nameless", {private_file.NAMELESS, False})
def test_a_large_stream_goes_through_a_temporary_file_that_is_removed(
    pdf, tmp_path, monkeypatch, nameless
):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(private_file, "NAMELESS", nameless)
    padded = pdf + b"\n%" + b" " * (17 * 1024 * 1024)
    source = open_source(io.BytesIO(padded))
    # On Linux it has no name, so that it is gone even if this process is killed.
    assert len(list(tmp_path.rglob("document"))) == (not nameless)
    assert source.render(1, 100).size == (75, 100)
    assert source.sha256 == hashlib.sha256(padded).hexdigest()
    source.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("wrong", [None, 3, 1.5, ["a.pdf"], object()])
def test_other_things_are_no_documents(wrong):
    with pytest.raises(ConfigurationError, match=r"cannot open a .* as a document"):
        open_source(wrong)


def test_a_text_file_object_is_refused_with_the_right_mode():
    with pytest.raises(ConfigurationError, match='"rb"'):
        open_source(io.StringIO("%PDF-1.4"))


def test_a_closed_file_object_is_refused(pdf):
    stream = io.BytesIO(pdf)
    stream.close()
    with pytest.raises(CorruptSourceError, match="cannot read"):
        open_source(stream)


def test_names_come_from_the_user_the_path_or_the_file(pdf, tmp_path):
    path = tmp_path / "a.pdf"
    path.write_bytes(pdf)
    with path.open("rb") as file:
        names = [
            open_source(s, name=n).name
            for s, n in [(path, None), (path, "x"), (pdf, None), (pdf, "y"), (file, None)]
        ]
    assert names == [str(path), "x", "<bytes>", "y", str(path)]


def test_one_page_can_be_drawn_in_one_call(pdf):
    assert render_page(pdf, 2, long_side=200).size == (150, 200)


def test_the_file_ending_does_not_matter(pdf, tmp_path):
    (tmp_path / "a.png").write_bytes(pdf)
    (tmp_path / "b.pdf").write_bytes(picture_bytes(gradient(), "PNG"))
    with open_source(tmp_path / "a.png") as source:
        assert source.text_layer(1).words
    with open_source(tmp_path / "b.pdf") as source:
        assert source.text_layer(1) is None


@pytest.mark.parametrize("junk", [b"\n\n", b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 900])
def test_a_pdf_header_may_stand_a_little_further_in(pdf, junk):
    with open_source(junk + pdf) as source:
        assert source.page_count == 2


# What cannot


def error_of(source, **options):
    with pytest.raises(DeepSeekOCRError) as caught:
        open_source(source, **options)
    assert caught.value.remedy, "every error says what to do"
    assert pickle.loads(pickle.dumps(caught.value)).problem == caught.value.problem
    return caught.value


def test_a_missing_file_is_named(tmp_path):
    error = error_of(tmp_path / "no.pdf")
    assert isinstance(error, SourceNotFoundError)
    assert str(tmp_path / "no.pdf") in str(error)


@pytest.mark.parametrize("path", ["", "a\0b.pdf", "x" * 5000])
def test_a_path_that_no_file_can_have_is_not_found(path):
    assert isinstance(error_of(path), SourceNotFoundError)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("reprot.pdf", "report.pdf"),
        ("Report.PDF", "report.pdf"),
        ("papers", "paper"),
        ("x.pdf", None),
    ],
)
def test_a_misspelled_name_is_told_with_the_file_beside_it(pdf, tmp_path, given, meant):
    (tmp_path / "report.pdf").write_bytes(pdf)
    (tmp_path / "paper").mkdir()
    question = f"Did you mean {str(tmp_path / meant)!r}? " if meant else ""
    assert error_of(tmp_path / given).remedy == f"{question}Check the path."


def test_a_folder_is_refused(tmp_path):
    assert "folder" in str(error_of(tmp_path))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in this file system")
def test_a_pipe_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert isinstance(error_of(tmp_path / "pipe"), UnsupportedSourceError)


@pytest.mark.skipif(sys.platform == "win32", reason="no devices as files")
def test_a_device_is_refused():
    assert isinstance(error_of("/dev/zero"), UnsupportedSourceError)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read all")
def test_a_file_without_permission_is_refused(pdf, tmp_path):
    path = tmp_path / "a.pdf"
    path.write_bytes(pdf)
    path.chmod(stat.S_IWUSR)
    assert isinstance(error_of(path), SourceNotAllowedError)


@pytest.mark.parametrize("source", [b"", io.BytesIO()])
def test_an_empty_file_is_refused(source):
    error = error_of(source, name="e.pdf")
    assert isinstance(error, CorruptSourceError)
    assert str(error).startswith("e.pdf: the file is empty.")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"just some text, no PDF", "neither a PDF nor a picture"),
        (b"PK\x03\x04" + b"\0" * 30, "Office"),
        (b"\0\0\0\x18ftypheic" + b"\0" * 20, "HEIC"),
        (b"\0\0\0\x18ftypavif" + b"\0" * 20, "AVIF"),
        (b"<!DOCTYPE html><html></html>", "web page"),
        (b'<?xml version="1.0"?><svg/>', "SVG"),
        (b"%!PS-Adobe-3.0", "PostScript"),
        (b"BM is how this text starts, which is no bitmap", "neither a PDF nor a picture"),
    ],
)
def test_foreign_formats_are_named_with_what_is_supported(data, words):
    error = error_of(data)
    assert isinstance(error, UnsupportedSourceError)
    assert words in str(error)
    assert "Supported are PDF, PNG" in str(error)


def test_a_real_heic_photo_is_told_to_be_converted(shared):
    error = error_of(shared / "corpus" / "hostile" / "unstructured" / "DA-1p.heic")
    assert "Convert it to JPEG or PNG" in str(error)


def test_a_pdf_header_alone_is_a_damaged_pdf():
    error = error_of(b"%PDF-1.7\nand nothing more")
    assert isinstance(error, CorruptSourceError)
    assert "damaged or truncated" in str(error)


def test_a_file_over_the_size_limit_is_refused(pdf, tmp_path):
    path = tmp_path / "a.pdf"
    path.write_bytes(pdf)
    limits = Limits(file_bytes=len(pdf) - 1)
    for source in (io.BytesIO(pdf), pdf, path):
        error = error_of(source, limits=limits)
        assert isinstance(error, LimitExceededError)
        assert "Limits(file_bytes=...)" in str(error)


def test_an_endless_stream_ends_at_the_limit():
    class Endless(io.RawIOBase):
        def readable(self):
            return True

        def read(self, size=-1):
            return b"\0" * size

    assert isinstance(error_of(Endless(), limits=Limits(file_bytes=10**6)), LimitExceededError)


def test_an_unknown_renderer_is_refused(pdf):
    with pytest.raises(ConfigurationError, match="pdfium, pymupdf"):
        open_source(pdf, renderer="ghostscript")


def test_a_missing_renderer_says_how_to_install_it(pdf, monkeypatch):
    monkeypatch.setitem(sys.modules, "pymupdf", None)
    with pytest.raises(MissingExtraError, match=re.escape(install_command("pymupdf"))):
        open_source(pdf, renderer="pymupdf", isolated=False)


@given(
    st.binary(max_size=200), st.sampled_from([b"", b"%PDF-1.4\n", b"\x89PNG\r\n\x1a\n", b"II*\0"])
)
@settings(deadline=None, max_examples=150)
def test_any_bytes_open_or_end_in_a_typed_error(data, head):
    try:
        with open_source(head + data) as source:
            source.info(1)
    except DeepSeekOCRError:
        pass


# Limits


@pytest.mark.parametrize("value", [0, -1, math.nan, "9", None, True])
@pytest.mark.parametrize("field", ["file_bytes", "pages", "page_seconds"])
def test_a_limit_must_be_a_positive_number(field, value):
    with pytest.raises(ConfigurationError, match=field):
        Limits(**{field: value})


def test_no_limit_can_be_asked_for(pdf):
    endless = dict.fromkeys(("file_bytes", "pages", "page_seconds"), math.inf)
    with open_source(pdf, limits=Limits(**endless)) as source:
        assert source.render(1, 100)


# Pictures


@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF"])
def test_picture_formats_are_read(format):
    with open_source(picture_bytes(gradient(), format)) as source:
        assert source.page_count == 1
        assert source.text_layer(1) is None
        picture = source.render(1, 1000)
    assert (picture.mode, picture.size) == ("RGB", (60, 40))
    assert picture.getpixel((0, 20))[0] < 15
    assert picture.getpixel((59, 20))[0] > 240


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "CMYK", "I;16", "I", "F"])
def test_every_mode_becomes_rgb_with_dark_and_light_where_they_were(mode):
    ramp = gradient()
    if mode in ("I;16", "I"):
        values = np.asarray(ramp.convert("L")).astype(np.uint16) * 257
        ramp = Image.fromarray(values)
        ramp = ramp if mode == "I;16" else Image.fromarray(values.astype(np.int32))
    else:
        ramp = ramp.convert(mode)
    with open_source(picture_bytes(ramp, "TIFF" if mode != "P" else "PNG")) as source:
        picture = source.render(1, 1000)
    assert picture.mode == "RGB"
    left, right = (np.asarray(picture)[:, part].mean() for part in (slice(0, 10), slice(50, 60)))
    assert left < 60
    assert right > 195


def test_lab_becomes_rgb():
    to_lab = ImageCms.buildTransform(
        ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"
    )
    lab = ImageCms.applyTransform(Image.new("RGB", (20, 20), (200, 30, 30)), to_lab)
    with open_source(picture_bytes(lab, "TIFF")) as source:
        colour = source.render(1, 20).getpixel((5, 5))
    assert colour == pytest.approx((200, 30, 30), abs=6)


def test_transparency_is_laid_on_white():
    clear = Image.new("RGBA", (20, 20), (0, 0, 0, 0))
    palette = Image.new("P", (20, 20), 0)
    for data in (
        picture_bytes(clear, "PNG"),
        picture_bytes(clear, "WEBP", lossless=True),
        picture_bytes(palette, "PNG", transparency=0),
        picture_bytes(Image.new("L", (20, 20), 7), "PNG", transparency=7),
    ):
        assert render_page(data).getpixel((3, 3)) == (255, 255, 255)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_the_orientation_tag_is_applied(format, orientation):
    """The upright picture has its dark corner at the top left, whatever was stored."""
    upright = Image.new("L", (60, 40), 255)
    upright.paste(0, (0, 0, 15, 10))
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(undo[orientation]) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    with open_source(picture_bytes(stored.convert("RGB"), format, exif=exif, dpi=(96, 96))) as s:
        info, picture, small = s.info(1), s.render(1, 60), s.render(1, 30)
    assert (info.width, info.height) == pytest.approx((45, 30), abs=0.01)
    assert picture.size == (60, 40)
    assert small.size == (30, 20)
    values = np.asarray(picture.convert("L"))
    assert values[:8, :12].mean() < 40
    assert values[20:, 20:].mean() > 220


def test_pictures_are_reduced_but_never_enlarged():
    data = picture_bytes(gradient(600, 400), "JPEG", quality=95)
    with open_source(data) as source:
        assert [source.render(1, side).size for side in (1, 60, 300, 600, 900)] == [
            (1, 1),
            (60, 40),
            (300, 200),
            (600, 400),
            (600, 400),
        ]


@pytest.mark.parametrize(
    ("dpi", "points"),
    [((144, 144), (30, 20)), (None, (45, 30)), ((1, 1), (45, 30)), ((72, 144), (60, 20))],
)
def test_the_size_in_points_follows_a_believable_resolution(dpi, points):
    options = {} if dpi is None else {"dpi": dpi}
    with open_source(picture_bytes(gradient(), "PNG", **options)) as source:
        info = source.info(1)
    assert (info.width, info.height) == pytest.approx(points, abs=0.1)


def tiff(*frames):
    return picture_bytes(frames[0], "TIFF", save_all=True, append_images=frames[1:])


def test_every_frame_of_a_tiff_is_a_page():
    frames = [Image.new("RGB", (10 * n, 20), (n, 0, 0)) for n in range(1, 6)]
    with open_source(tiff(*frames)) as source:
        assert source.page_count == 5
        # Also backwards, and the same one twice.
        for n in (5, 1, 3, 3):
            assert source.render(n, 100).size == (10 * n, 20)
            assert source.render(n, 100).getpixel((0, 0)) == (n, 0, 0)


def test_a_tiff_with_too_many_frames_is_refused():
    data = tiff(*[Image.new("L", (2, 2))] * 6)
    assert open_source(data, limits=Limits(pages=6)).page_count == 6
    assert isinstance(error_of(data, limits=Limits(pages=5)), LimitExceededError)


def test_a_tiff_whose_frames_loop_ends(shared):
    path = shared / "corpus" / "hostile" / "pillow" / "multipage_multiple_frame_loop.tiff"
    with open_source(path) as source:
        assert 1 <= source.page_count < 10


def test_a_damaged_frame_does_not_take_the_others_with_it():
    frames = [gradient(64, 64) for _ in range(3)]
    buffer = bytearray(picture_bytes(frames[0], "TIFF", save_all=True, append_images=frames[1:]))
    with open_source(bytes(buffer)) as source:
        assert source.page_count == 3
    # The strips of the second frame are moved far beyond the end of the file.
    with Image.open(io.BytesIO(bytes(buffer))) as whole:
        whole.seek(1)
        offset = whole.tag_v2[273][0].to_bytes(4, "little")
    damaged = bytes(buffer).replace(offset, b"\xf0\xff\xff\x0f")
    with open_source(damaged, name="fax.tif") as source:
        assert source.render(1, 64)
        with pytest.raises(PageRenderError, match=r"fax\.tif, page 2"):
            source.render(2, 64)
        assert source.render(3, 64)


def test_animations_are_one_page():
    frames = [Image.new("L", (10, 10), n) for n in (0, 100, 200)]
    for format in ("GIF", "WEBP", "PNG"):
        data = picture_bytes(frames[0], format, save_all=True, append_images=frames[1:])
        with open_source(data) as source:
            assert source.page_count == 1


def png_header(width, height):
    data = picture_bytes(Image.new("L", (1, 1)), "PNG")
    chunk = b"IHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big") + data[24:29]
    return data[:12] + chunk + zlib.crc32(chunk).to_bytes(4, "big") + data[33:]


@pytest.mark.parametrize("size", [(10_001, 10_000), (50_000, 50_000), (2**31 - 1, 2**31 - 1)])
def test_a_picture_over_the_pixel_limit_is_refused_by_its_header(size):
    error = error_of(png_header(*size))
    assert isinstance(error, LimitExceededError)
    assert "Limits(image_pixels=...)" in str(error)


def test_a_decompression_bomb_is_refused(shared):
    error = error_of(shared / "corpus" / "hostile" / "pillow" / "decompression_bomb.gif")
    assert isinstance(error, LimitExceededError)


def test_a_limit_above_pillows_own_counts():
    wide = picture_bytes(Image.new("1", (20_000, 10_000)), "PNG")
    assert isinstance(error_of(wide), LimitExceededError)
    with open_source(wide, limits=Limits(image_pixels=300_000_000)) as source:
        assert source.render(1, 100).size == (100, 50)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF"])
def test_a_truncated_picture_is_called_damaged(format):
    noise = Image.effect_noise((200, 200), 50)
    data = picture_bytes(noise, format)
    with pytest.raises(SourceError, match="damaged or truncated") as caught:
        render_page(data[: len(data) // 2])
    assert isinstance(caught.value, CorruptSourceError)
    assert caught.value.source == "<bytes>"


# URLs


class Handler(BaseHTTPRequestHandler):
    body = b""

    def do_GET(self):
        if self.path == "/loop":
            self.redirect("/loop")
        elif self.path == "/hop":
            self.redirect("/a.pdf")
        elif self.path == "/away":
            self.redirect("file:///etc/passwd")
        elif self.path == "/endless":
            self.send_response(200)
            self.end_headers()
            try:
                while True:
                    self.wfile.write(b"\0" * 65536)
            except OSError:
                pass
        elif self.path == "/a.pdf":
            self.send_response(200)
            self.send_header("Content-Length", str(len(self.body)))
            self.end_headers()
            self.wfile.write(self.body)
        elif self.path == "/short":
            self.send_response(200)
            self.send_header("Content-Length", str(len(self.body)))
            self.end_headers()
            self.wfile.write(self.body[:100])
        else:
            self.send_error(404)

    def redirect(self, target):
        self.send_response(302)
        self.send_header("Location", target)
        self.end_headers()

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def server(pdf):
    Handler.body = pdf
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield f"http://localhost:{http.server_port}"
        http.shutdown()
        thread.join()


def test_urls_are_off_unless_allowed():
    for url in (
        "https://example.org/a.pdf",
        "HTTP://example.org",
        "file:///etc/passwd",
        "s3://b/k",
    ):
        assert isinstance(error_of(url), SourceNotAllowedError)


def test_a_url_is_downloaded_where_it_is_allowed(server, pdf):
    with open_source(f"{server}/a.pdf", allow_urls=HOME) as source:
        assert source.page_count == 2
        assert source.name == f"{server}/a.pdf"
        assert source.sha256 == hashlib.sha256(pdf).hexdigest()


def test_a_redirect_is_followed(server):
    assert open_source(f"{server}/hop", allow_urls=HOME).page_count == 2


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/loop", LimitExceededError),
        ("/away", SourceNotAllowedError),
        ("/missing", SourceNotFoundError),
        ("/short", CorruptSourceError),
    ],
)
def test_what_goes_wrong_with_a_download_is_typed(server, path, kind):
    assert isinstance(error_of(f"{server}{path}", allow_urls=HOME), kind)


def test_a_download_ends_at_the_size_limit(server):
    limits = Limits(file_bytes=1_000_000)
    error = error_of(f"{server}/endless", allow_urls=HOME, limits=limits)
    assert isinstance(error, LimitExceededError)


def test_a_download_ends_at_its_time_limit(server):
    policy = FetchPolicy(allow_http=True, allow_private=True, total_seconds=0.2)
    error = error_of(f"{server}/endless", allow_urls=policy, limits=Limits(file_bytes=10**12))
    assert isinstance(error, LimitExceededError)
    assert "0.2 seconds" in str(error)


def test_an_unreachable_server_is_not_found():
    error = error_of("http://127.0.0.1:9/a.pdf", allow_urls=HOME)
    assert isinstance(error, SourceNotFoundError)


def test_http_needs_to_be_allowed(server):
    error = error_of(f"{server}/a.pdf", allow_urls=True)
    assert "not an https URL" in str(error)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "10.0.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "0.0.0.0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[fe80::1]",
        "[64:ff9b::7f00:1]",
        "2130706433",
        "0x7f.1",
        "100.64.0.1",
        "224.0.0.1",
    ],
)
def test_private_addresses_need_to_be_allowed(host):
    error = error_of(f"https://{host}/a.pdf", allow_urls=True)
    assert isinstance(error, SourceNotAllowedError)
    assert "private network" in str(error)


def test_a_name_that_resolves_to_one_private_address_among_others_is_refused(monkeypatch):
    found = [(2, 1, 6, "", (address, 443)) for address in ("93.184.216.34", "10.1.2.3")]
    monkeypatch.setattr("socket.getaddrinfo", lambda *a, **k: found)
    assert "10.1.2.3" in str(error_of("https://example.org/a.pdf", allow_urls=True))


def test_the_connection_goes_to_the_address_that_was_checked(monkeypatch):
    """A name that resolves to another address the next time gains nothing."""
    monkeypatch.setattr(
        "socket.getaddrinfo", lambda *a, **k: [(2, 1, 6, "", ("93.184.216.34", 443))]
    )
    seen = []

    def send(self, request, **options):
        seen.append(request)
        raise httpx.ConnectError("stop here")

    monkeypatch.setattr(httpx.Client, "send", send)
    error_of("https://example.org/a.pdf?x=1", allow_urls=True)
    (request,) = seen
    assert str(request.url) == "https://93.184.216.34/a.pdf?x=1"
    assert request.headers["host"] == "example.org"
    assert request.extensions["sni_hostname"] == "example.org"


def test_a_password_in_a_url_is_not_repeated():
    assert public_name("https://me:secret@example.org/a@b.pdf") == "https://example.org/a@b.pdf"
    assert "secret" not in str(error_of("https://me:secret@127.0.0.1/", allow_urls=True))


@pytest.mark.parametrize("url", ["https://", "https:///a.pdf", "https://exa mple/", "https://[::1"])
def test_malformed_urls_are_typed(url):
    error_of(url, allow_urls=True)
