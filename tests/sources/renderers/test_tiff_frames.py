"""Every frame of a TIFF is reached at once, however many there are before it."""

from __future__ import annotations

import io
import struct
import time

import pytest
from PIL import Image

from deepseek_ocr_rag import Limits, open_source
from deepseek_ocr_rag.errors import CorruptSourceError, DeepSeekOCRError, LimitExceededError

FRAMES = 9000


def tiff(frames, *, order="<", big=False, loop_to=None, last_next=0):
    """A TIFF of one grey pixel a frame, the frame's number modulo 256 (TIFF 6.0, section 2)."""
    word, count, entry = ("Q", "Q", "HHQQ") if big else ("L", "H", "HHLL")
    out = bytearray(b"II" if order == "<" else b"MM")
    out += struct.pack(f"{order}HHHQ", 43, 8, 0, 16) if big else struct.pack(f"{order}HL", 42, 8)
    starts = []
    for number in range(frames):
        start = len(out)
        starts.append(start)
        tags = [
            *((256, 4, 1), (257, 4, 1), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, None)),
            *((277, 3, 1), (278, 4, 1), (279, 4, 1)),
        ]
        size = struct.calcsize(f"={count}") + struct.calcsize(f"={entry}") * len(tags)
        data = start + size + struct.calcsize(f"={word}")
        after = data + 2 if number < frames - 1 else last_next
        if number == frames - 1 and loop_to is not None:
            after = starts[loop_to]
        out += struct.pack(f"{order}{count}", len(tags))
        for tag, kind, value in tags:
            value = data if value is None else value
            if order == ">":  # a short value stands at the left of its field
                value <<= 8 * (struct.calcsize(f"={word}") - {3: 2, 4: 4}[kind])
            out += struct.pack(f"{order}{entry}", tag, kind, 1, value)
        out += struct.pack(f"{order}{word}", after) + bytes([number % 256, 0])
    return bytes(out)


def pixel(source, number):
    return source.render(number, 8).getpixel((0, 0))[0]


@pytest.fixture(scope="module")
def long_tiff():
    return tiff(FRAMES)


@pytest.mark.parametrize("isolated", [True, False])
def test_a_far_frame_takes_no_longer_than_the_first(long_tiff, isolated):
    with open_source(long_tiff, isolated=isolated) as source:
        assert source.page_count == FRAMES
        assert pixel(source, FRAMES) == (FRAMES - 1) % 256  # all is loaded
        began = time.process_time()
        for number in range(FRAMES - 50, FRAMES + 1):
            assert pixel(source, number) == (number - 1) % 256
            assert source.info(number).width == 0.75
        # It was 3.4 seconds for each.
        assert time.process_time() - began < 30


def test_finding_the_frames_takes_linear_time(long_tiff):
    began = time.process_time()
    open_source(long_tiff, isolated=False).close()
    assert time.process_time() - began < 2


# Pillow does not know a BigTIFF with the other byte order.
@pytest.mark.parametrize(("order", "big"), [("<", False), (">", False), ("<", True)])
def test_both_byte_orders_and_big_files_have_their_frames(order, big):
    with open_source(tiff(5, order=order, big=big), isolated=False) as source:
        assert [pixel(source, number) for number in range(1, 6)] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_deflate", "jpeg", "group4"])
@pytest.mark.parametrize("in_a_file", [True, False])
def test_compressed_frames_are_each_read(monkeypatch, compression, in_a_file):
    monkeypatch.setattr(
        "deepseek_ocr_rag.sources.renderers.content._MEMORY_BYTES", 0 if in_a_file else 2**24
    )
    mode = "1" if compression == "group4" else "L"
    frames = [Image.new(mode, (64, 64), 255 * (n % 2) if mode == "1" else 60 * n) for n in range(4)]
    file = io.BytesIO()
    frames[0].save(file, "TIFF", save_all=True, append_images=frames[1:], compression=compression)
    for isolated in (True, False):
        with open_source(io.BytesIO(file.getvalue()), isolated=isolated) as source:
            found = [source.render(n, 64).getpixel((9, 9))[0] for n in (4, 1, 3, 2)]
        expected = [frames[n].convert("L").getpixel((9, 9)) for n in (3, 0, 2, 1)]
        assert all(abs(a - b) < 3 for a, b in zip(found, expected, strict=True)), (found, expected)


@pytest.mark.parametrize("target", [0, 1, 2])
def test_a_chain_that_loops_ends(target):
    with open_source(tiff(3, loop_to=target), isolated=False) as source:
        assert source.page_count == 3


@pytest.mark.parametrize("after", [5_000_000, 2**31 + 1, 2**32 - 1, 3])
def test_a_chain_that_leads_out_of_the_file_is_damage(after):
    with pytest.raises(CorruptSourceError, match="damaged"):
        open_source(tiff(3, last_next=after), isolated=False)


def test_a_big_offset_that_no_file_can_have_is_damage():
    with pytest.raises(CorruptSourceError, match="damaged"):
        open_source(tiff(3, big=True, last_next=2**64 - 1), isolated=False)


def test_more_frames_than_allowed_are_refused_before_one_is_read(long_tiff):
    with pytest.raises(LimitExceededError, match="more than 100 frames"):
        open_source(long_tiff, limits=Limits(pages=100), isolated=False)
    with open_source(tiff(100), limits=Limits(pages=100), isolated=False) as source:
        assert source.page_count == 100


@pytest.mark.parametrize("length", [3, 4, 7, 8, 9, 12, 60, 124, 126])
@pytest.mark.parametrize("big", [False, True])
def test_a_cut_file_is_an_error_of_ours(length, big):
    with pytest.raises(DeepSeekOCRError):
        open_source(tiff(3, big=big)[:length], isolated=False)
