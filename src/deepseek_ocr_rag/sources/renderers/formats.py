"""Detects the format of a file from its content, never from its name."""

from __future__ import annotations

__all__ = ["PICTURES", "READABLE", "name_format", "sniff"]

PICTURES = ("PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF")
"""The picture formats that can be read, by their names in Pillow."""

READABLE = "PDF, PNG, JPEG, TIFF, WebP, BMP and GIF"
"""All formats that can be read, for messages."""

HEADER_WINDOW = 1024
"""Number of first bytes in which PDF readers search for the header (ISO 32000-1, annex H,
note 13)."""

_BMP_HEADER_SIZES = (12, 16, 40, 52, 56, 64, 108, 124)

_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"II+\x00", "TIFF"),
    (b"MM\x00+", "TIFF"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
)

# Traces of a PDF without a header, which pdfium can often open.
_PDF_TRACES = (b"startxref", b"%%EOF")

_FOREIGN = (
    (b"PK\x03\x04", "a ZIP archive or an Office document"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office document"),
    (b"%!PS", "PostScript"),
    (b"AT&TFORM", "DjVu"),
    (b"\x00\x00\x00\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\x00\x00\x00\x0cJXL ", "JPEG XL"),
    (b"\xff\x0a", "JPEG XL"),
    (b"8BPS", "a Photoshop file"),
    (b"{\\rtf", "RTF"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"Rar!", "a RAR archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
)

_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")


def sniff(head: bytes, tail: bytes = b"") -> str | None:
    """Detect the format of a file that can be read.

    Args:
        head: At least the first 1,024 bytes, or the whole file.
        tail: The last bytes, which are searched for traces of a PDF without a header.

    Returns:
        One of :data:`PICTURES`, "PDF", "damaged PDF" (without a header), or None. A picture's
        signature, at the very start, wins over a PDF header after it.
    """
    for signature, name in _SIGNATURES:
        if head.startswith(signature):
            return name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADER_SIZES:
        return "BMP"
    if b"%PDF-" in head[:HEADER_WINDOW]:
        return "PDF"
    if name_format(head) is None and any(trace in head or trace in tail for trace in _PDF_TRACES):
        return "damaged PDF"
    return None


def name_format(head: bytes) -> str | None:
    """Name the format of a file that cannot be read, in words; None if it is unknown."""
    for signature, name in _FOREIGN:
        if head.startswith(signature):
            return name
    if head[4:8] == b"ftyp":
        if head[8:12] in _HEIF_BRANDS:
            return "HEIC"
        return "AVIF" if head[8:12] in (b"avif", b"avis") else "a video or audio file"
    start = head[:HEADER_WINDOW].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return "a web page"
    if b"<svg" in start:
        return "SVG"
    return "XML" if start.startswith(b"<?xml") else None
