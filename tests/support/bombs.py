"""Documents built to break a reader: each a few lines that expand into much work.

Used by the tests and by ``benchmarks/safety/hostile.py``. Every entry of :func:`bombs`
is a name, a function that returns the file's bytes, and a password if it
has one.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterable
from functools import partial

from PIL import Image

__all__ = ["Bomb", "bombs", "pdf_of", "stream"]

Bomb = Callable[[], bytes]

MEGABYTE = 2**20
GIGABYTE = 2**30


def pdf_of(objects: Iterable[bytes], *, root: int = 1, trailer: bytes = b"") -> bytes:
    """A PDF of these objects, numbered from 1, with a cross-reference table."""
    out = bytearray(b"%PDF-1.7\n")
    places = []
    for number, body in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    table = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(places) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer\n<</Size %d /Root %d 0 R %b>>\n" % (len(places) + 1, root, trailer)
    out += b"startxref\n%d\n%%%%EOF\n" % table
    return bytes(out)


def stream(data: bytes, entries: bytes = b"") -> bytes:
    """A stream object."""
    return b"<<%b /Length %d>>\nstream\n%b\nendstream" % (entries, len(data), data)


CATALOG = b"<</Type /Catalog /Pages 2 0 R>>"
PAGES = b"<</Type /Pages /Kids [3 0 R] /Count 1>>"


def one_page(
    content: bytes,
    *more: bytes,
    size: tuple[float, float] = (612, 792),
    resources: bytes = b"",
    entries: bytes = b"",
) -> bytes:
    """A PDF page whose content stream is object 4; further objects start at 5."""
    box = b"[0 0 %.1f %.1f]" % size
    page = b"<</Type /Page /Parent 2 0 R /MediaBox %b /Contents 4 0 R /Resources <<%b>> %b>>"
    return pdf_of([CATALOG, PAGES, page % (box, resources, entries), content, *more])


def zeros(count: int, byte: bytes = b" ", times: int = 1) -> bytes:
    """This many equal bytes (whole MiB), deflated ``times`` times."""
    packer = zlib.compressobj(9, wbits=-15)
    # After a full flush, nothing refers to earlier data, so the block can be repeated.
    block = packer.compress(byte * MEGABYTE) + packer.flush(zlib.Z_FULL_FLUSH)
    value, checked = byte[0], 65521
    low = (1 + count * value) % checked
    high = (count + value * count * (count + 1) // 2) % checked
    end = b"\x03\x00" + struct.pack("!HH", high, low)
    packed = b"\x78\xda" + block * -(-count // MEGABYTE) + end
    for _ in range(times - 1):
        packed = zlib.compress(packed, 9)
    return packed


def flate(count: int, byte: bytes = b" ", times: int = 1) -> bytes:
    filters = b"/FlateDecode " * times
    return stream(zeros(count, byte, times), b"/Filter [%b]" % filters)


def square(side: float) -> bytes:
    return one_page(stream(b"0 0 m 100 100 l S"), size=(side, side))


def pages(count: int) -> bytes:
    kids = b" ".join(b"%d 0 R" % (4 + n) for n in range(count))
    page = b"<</Type /Page /Parent 2 0 R /MediaBox [0 0 200 200] /Contents 3 0 R>>"
    tree = b"<</Type /Pages /Kids [%b] /Count %d>>" % (kids, count)
    return pdf_of([CATALOG, tree, stream(b"10 10 m 90 90 l S"), *[page] * count])


def nested_forms(depth: int, width: int) -> bytes:
    """Each form draws the next one several times: ``width ** depth`` lines in total."""
    forms = [
        stream(
            b"/F Do " * width,
            b"/Type /XObject /Subtype /Form /BBox [0 0 612 792] "
            b"/Resources <</XObject <</F %d 0 R>>>>" % (number + 1),
        )
        for number in range(5, 5 + depth)
    ]
    last = stream(b"0 0 m 9 9 l S", b"/Type /XObject /Subtype /Form /BBox [0 0 612 792]")
    return one_page(stream(b"/F Do"), *forms, last, resources=b"/XObject <</F 5 0 R>>")


def form_in_itself() -> bytes:
    form = stream(
        b"/F Do /F Do",
        b"/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources <</XObject <</F 5 0 R>>>>",
    )
    return one_page(stream(b"/F Do"), form, resources=b"/XObject <</F 5 0 R>>")


def giant_shading() -> bytes:
    """A mesh of a million triangles, each as large as the page."""
    corner = [
        b"\x00" + struct.pack("!HH", x, y) + b"\xff\x00\x80"
        for x, y in ((0, 0), (65535, 0), (65535, 65535))
    ]
    mesh = zlib.compress(b"".join(corner) * 1_000_000, 9)
    shading = stream(
        mesh,
        b"/ShadingType 4 /ColorSpace /DeviceRGB /BitsPerCoordinate 16 /BitsPerComponent 8 "
        b"/BitsPerFlag 8 /Decode [0 612 0 792 0 1 0 1 0 1] /Filter /FlateDecode",
    )
    return one_page(stream(b"/S sh"), shading, resources=b"/Shading <</S 5 0 R>>")


def slow_function() -> bytes:
    """A shading whose colour function takes a hundred thousand steps for every pixel."""
    program = stream(
        b"{ " + b"dup mul sqrt " * 33_000 + b" add dup dup }",
        b"/FunctionType 4 /Domain [0 1 0 1] /Range [0 1 0 1 0 1]",
    )
    shading = b"<</ShadingType 1 /ColorSpace /DeviceRGB /Matrix [612 0 0 792 0 0] /Function 6 0 R>>"
    return one_page(stream(b"/S sh"), shading, program, resources=b"/Shading <</S 5 0 R>>")


def tiling() -> bytes:
    """A pattern of tiles of a hundredth of a point, over the whole page."""
    tile = stream(
        b"0 0 0.005 0.005 re f",
        b"/PatternType 1 /PaintType 1 /TilingType 1 /BBox [0 0 0.01 0.01] /XStep 0.01 "
        b"/YStep 0.01 /Resources <<>>",
    )
    content = stream(b"/Pattern cs /P scn 0 0 612 792 re f")
    return one_page(content, tile, resources=b"/Pattern <</P 5 0 R>>")


def dashes() -> bytes:
    return one_page(stream(b"[0.00001] 0 d 0.1 w 0 0 m " + b"600 700 l 0 0 l " * 2000 + b"S"))


def image(side: int, filters: bytes = b"/FlateDecode") -> bytes:
    data = stream(
        zeros(side * side * 3, b"\x80"),
        b"/Type /XObject /Subtype /Image /Width %d /Height %d /ColorSpace /DeviceRGB "
        b"/BitsPerComponent 8 /Filter %b" % (side, side, filters),
    )
    return one_page(stream(b"612 0 0 792 0 0 cm /I Do"), data, resources=b"/XObject <</I 5 0 R>>")


def outlines(depth: int) -> bytes:
    """A table of contents in which every entry has one below it."""
    entries = []
    for level in range(depth):
        number = 6 + level
        below = b"/First %d 0 R /Last %d 0 R /Count 1" % (number + 1, number + 1)
        entries.append(
            b"<</Title (x) /Parent %d 0 R /Dest [3 0 R /Fit] %b>>"
            % (number - 1, below if level + 1 < depth else b"")
        )
    root = b"<</Type /Outlines /First 6 0 R /Last 6 0 R /Count 1>>"
    catalog = b"<</Type /Catalog /Pages 2 0 R /Outlines 5 0 R>>"
    page = b"<</Type /Page /Parent 2 0 R /MediaBox [0 0 99 99] /Contents 4 0 R>>"
    return pdf_of([catalog, PAGES, page, stream(b"0 0 m 9 9 l S"), root, *entries])


def page_tree(depth: int) -> bytes:
    nodes = [
        b"<</Type /Pages /Parent %d 0 R /Kids [%d 0 R] /Count 1>>" % (number - 1, number + 1)
        for number in range(2, 2 + depth)
    ]
    page = b"<</Type /Page /Parent %d 0 R /MediaBox [0 0 99 99]>>" % (1 + depth)
    return pdf_of([CATALOG, *nodes, page])


def page_tree_loop() -> bytes:
    return pdf_of([CATALOG, b"<</Type /Pages /Kids [2 0 R 2 0 R] /Count 9 /Parent 2 0 R>>"])


def huge_count() -> bytes:
    return pdf_of(
        [CATALOG, b"<</Type /Pages /Kids [3 0 R] /Count 2147483647>>", b"<</Type /Page>>"]
    )


def previous_table_loop() -> bytes:
    """A cross-reference table that names itself as the previous one."""
    whole = one_page(stream(b"0 0 m 9 9 l S"))
    table = whole.rindex(b"xref\n0 ")
    return whole.replace(b"trailer\n<<", b"trailer\n<</Prev %d " % table)


def two_tables_loop() -> bytes:
    """Two cross-reference tables that name each other as the previous one."""
    whole = one_page(stream(b"0 0 m 9 9 l S"))
    first = whole.rindex(b"xref\n0 ")
    second = len(whole) + len(b"/Prev 0000000000 ")
    whole = whole.replace(b"trailer\n<<", b"trailer\n<</Prev %010d " % second)
    return whole + (
        b"xref\n0 0\ntrailer\n<</Size 5 /Root 1 0 R /Prev %d>>\nstartxref\n%d\n%%%%EOF\n"
        % (first, second)
    )


def object_stream_loop() -> bytes:
    """An object stream whose length is an object inside itself."""
    return pdf_of(
        [
            CATALOG,
            PAGES,
            b"<</Type /Page /Parent 2 0 R /Contents 4 0 R>>",
            b"<</Length 4 0 R>>\nstream\nx\nendstream",
        ]
    )


def deep_arrays(depth: int) -> bytes:
    return one_page(stream(b"[" * depth + b"]" * depth + b" TJ"), b"[" * depth + b"]" * depth)


def saved_states(count: int) -> bytes:
    return one_page(stream(zlib.compress(b"q " * count, 9), b"/Filter /FlateDecode"))


def many_letters(count: int) -> bytes:
    """A page of single letters, each a word with its own box."""
    font = b"<</Type /Font /Subtype /Type1 /BaseFont /Courier>>"
    content = b"BT /F 1 Tf 1 0 0 1 9 780 Tm " + b"(a ) Tj " * count + b"ET"
    packed = stream(zlib.compress(content, 9), b"/Filter /FlateDecode")
    return one_page(packed, font, resources=b"/Font <</F 5 0 R>>")


def type_3_recursion() -> bytes:
    font = (
        b"<</Type /Font /Subtype /Type3 /FontBBox [0 0 1 1] /FontMatrix [1 0 0 1 0 0] "
        b"/CharProcs <</a 6 0 R>> /Encoding <</Differences [97 /a]>> /FirstChar 97 /LastChar 97 "
        b"/Widths [1] /Resources <</Font <</F 5 0 R>>>>>>"
    )
    glyph = stream(b"1 0 d0 BT /F 9 Tf (aaaaaaaa) Tj ET")
    content = stream(b"BT /F 9 Tf (aaaaaaaa) Tj ET")
    return one_page(content, font, glyph, resources=b"/Font <</F 5 0 R>>")


def picture(size: tuple[int, int], mode: str, format: str, **options: object) -> bytes:
    file = io.BytesIO()
    Image.new(mode, size).save(file, format, **options)
    return file.getvalue()


def png(width: int, height: int, bits: int = 8, colours: int = 2, data: bytes = b"") -> bytes:
    """A PNG that claims this size, whatever its data."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack("!I", len(body)) + kind + body + struct.pack("!I", zlib.crc32(kind + body))
        )

    header = struct.pack("!IIBBBBB", width, height, bits, colours, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


def text_chunks() -> bytes:
    """A small PNG with two hundred compressed comments of ten megabytes each."""
    body = b"c\0\0" + zeros(10 * 2**20, b"a")
    chunk = (
        struct.pack("!I", len(body))
        + b"zTXt"
        + body
        + struct.pack("!I", zlib.crc32(b"zTXt" + body))
    )
    plain = picture((9, 9), "L", "PNG")
    return plain[:33] + chunk * 200 + plain[33:]


def tiff_frames(count: int) -> bytes:
    """A TIFF with this many frames that all use the same strip."""
    out = bytearray(b"II*\0" + struct.pack("<I", 8))
    for number in range(count):
        tags = [(256, 4, 1), (257, 4, 1), (258, 3, 8), (262, 3, 1), (273, 4, 8), (279, 4, 1)]
        out += struct.pack("<H", len(tags))
        out += b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
        out += struct.pack("<I", len(out) + 4 if number + 1 < count else 0)
    return bytes(out)


def bombs() -> dict[str, Bomb]:
    """All bombs by name."""
    return {
        "page of 14,400 points": partial(square, 14_400),
        "page of 2^31 points": partial(square, 2**31),
        "page of 10^-9 points": partial(square, 1e-9),
        "10,000 pages": partial(pages, 10_000),
        "10,001 pages": partial(pages, 10_001),
        "two billion pages claimed": huge_count,
        "content of 3 GB": lambda: one_page(flate(3 * GIGABYTE)),
        "content of 3 GB, packed twice": lambda: one_page(flate(3 * GIGABYTE, times=2)),
        "content of 400 MB of saved states": partial(saved_states, 200_000_000),
        "forms in forms, 10^12 lines": partial(nested_forms, 12, 10),
        "forms in forms, 2^40 lines": partial(nested_forms, 40, 2),
        "form in itself": form_in_itself,
        "shading of a million triangles": giant_shading,
        "shading with a slow program": slow_function,
        "tiles of a hundredth of a point": tiling,
        "dashes of a hundred-thousandth": dashes,
        "image of 30,000 x 30,000": partial(image, 30_000),
        "image of 9,900 x 9,900": partial(image, 9_900),
        "image with an empty filter chain": partial(image, 1_000, b"[/FlateDecode /FlateDecode]"),
        "400 levels of outlines": partial(outlines, 400),
        "400 levels of pages": partial(page_tree, 400),
        "100,000 levels of pages": partial(page_tree, 100_000),
        "pages that hold themselves": page_tree_loop,
        "table that precedes itself": previous_table_loop,
        "tables that precede each other": two_tables_loop,
        "stream that is its own length": object_stream_loop,
        "million brackets": partial(deep_arrays, 1_000_000),
        "400,000 words of one letter": partial(many_letters, 400_000),
        "two million words of one letter": partial(many_letters, 2_000_000),
        "glyph that writes itself": type_3_recursion,
        "PNG header of 65,535 x 65,535": partial(png, 65_535, 65_535),
        "PNG of 9,999 x 9,999 in 16 bits": lambda: png(
            9_999, 9_999, 16, 6, zeros(9_999 * (9_999 * 8 + 1), b"\0")
        ),
        "PNG with 2 GB of comments": text_chunks,
        "PNG with 1 GB behind one pixel": lambda: png(1, 1, data=zeros(GIGABYTE, b"\0")),
        "GIF of 60,000 x 60,000": lambda: picture((1, 1), "L", "GIF").replace(
            b"\1\0\1\0", b"\x60\xea\x60\xea"
        ),
        "WebP of 9,900 x 9,900": lambda: picture((9_900, 9_900), "RGB", "WEBP", method=0),
        "JPEG of 9,900 x 9,900": lambda: picture((9_900, 9_900), "RGB", "JPEG"),
        "TIFF of 9,900 x 9,900": lambda: picture(
            (9_900, 9_900), "CMYK", "TIFF", compression="tiff_deflate"
        ),
        "TIFF of 100,000 frames": partial(tiff_frames, 100_000),
    }
