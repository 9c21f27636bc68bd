"""Pictures as PNG: the pixels stay, and what is not built as ours is refused."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

import pytest
from PIL import Image

from deepseek_ocr_rag.concurrency import png_pictures
from deepseek_ocr_rag.concurrency.png_pictures import (
    PngPicture,
    check_png,
    encode_png,
    longest_png,
)
from deepseek_ocr_rag.errors import BrokenFrameError


def noise(width: int, height: int) -> Image.Image:
    channels = [Image.effect_noise((width, height), 90) for _ in range(3)]
    return Image.merge("RGB", channels)


def coloured_at_the_end(width: int, height: int) -> Image.Image:
    picture = Image.effect_noise((width, height), 90).convert("RGB")
    picture.putpixel((width - 1, height - 1), (1, 2, 3))
    return picture


@pytest.mark.parametrize(
    "picture",
    [
        noise(70, 130),
        noise(1, 1),
        noise(3, 64),
        coloured_at_the_end(70, 130),
        coloured_at_the_end(5, 129),
        Image.effect_noise((70, 130), 90).convert("RGB"),
        Image.effect_noise((70, 130), 90),
    ],
    ids=["colour", "one pixel", "one strip", "last pixel", "last row", "grey as RGB", "grey"],
)
@pytest.mark.parametrize("packed_with", ["isal", "zlib"])
def test_the_pixels_stay_and_any_decoder_reads_them(
    picture: Image.Image, packed_with: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if packed_with == "zlib":
        monkeypatch.setattr(png_pictures, "deflate", zlib)
    assert packed_with in png_pictures.deflate.__name__
    png = encode_png(picture)
    with Image.open(io.BytesIO(png.data)) as opened:
        assert opened.format == "PNG"
        assert (opened.size, (png.width, png.height)) == (picture.size, picture.size)
        assert opened.convert("RGB").tobytes() == picture.convert("RGB").tobytes()
    check_png(png)
    assert len(png.data) <= longest_png(max(picture.size))


def test_a_picture_that_cannot_be_compressed_fits_into_what_is_received() -> None:
    picture = noise(700, 700)
    assert len(encode_png(picture).data) > 700 * 700 * 2
    assert len(encode_png(picture).data) <= longest_png(700)


GOOD = encode_png(noise(20, 30))


def with_chunk(kind: bytes, data: bytes) -> bytes:
    chunk = struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return GOOD.data[:33] + chunk + GOOD.data[33:]


@pytest.mark.parametrize(
    "spoiled",
    [
        lambda: PngPicture(b"", 20, 30),
        lambda: PngPicture(GOOD.data, 20, 31),
        lambda: PngPicture(GOOD.data[:-1], 20, 30),
        lambda: PngPicture(GOOD.data + b"x", 20, 30),
        lambda: PngPicture(b"GIF89a" + GOOD.data[6:], 20, 30),
        lambda: PngPicture(GOOD.data[:60] + b"\0" + GOOD.data[61:], 20, 30),
        lambda: PngPicture(with_chunk(b"tEXt", b"Title\0planted"), 20, 30),
        lambda: PngPicture(GOOD.data[:24] + b"\x10" + GOOD.data[25:], 20, 30),
    ],
    ids=["empty", "size", "cut", "more", "signature", "check sum", "another chunk", "16 bits"],
)
def test_a_file_that_is_not_built_as_ours_is_refused(spoiled: Callable[[], PngPicture]) -> None:
    check_png(GOOD)
    with pytest.raises(BrokenFrameError, match="not the PNG of a page"):
        check_png(spoiled())
