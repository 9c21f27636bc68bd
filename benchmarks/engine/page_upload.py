"""What it costs to encode a page image for a server: time, size, and time to decode.

    python benchmarks/engine/page_upload.py PDF_OR_PICTURE...

The picture is the first page, as large as in gundam mode.
"""

from __future__ import annotations

import io
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import pypdfium2
from PIL import Image

from deepseek_ocr_rag.backends.base import PageRequest
from deepseek_ocr_rag.backends.page_images import png_bytes
from deepseek_ocr_rag.model.prompts import MODES, task_named

LONG_SIDE = MODES["gundam"].long_side
FORMATS: dict[str, dict[str, Any]] = {
    "PNG (sent)": {},
    "PNG level 1, Pillow": {"format": "PNG", "compress_level": 1},
    "PNG level 6": {"format": "PNG", "compress_level": 6},
    "PNG level 0": {"format": "PNG", "compress_level": 0},
    "JPEG 95 4:4:4": {"format": "JPEG", "quality": 95, "subsampling": 0},
    "JPEG 90": {"format": "JPEG", "quality": 90},
}


def first_page(path: Path) -> Image.Image:
    if path.suffix.lower() != ".pdf":
        with Image.open(path) as picture:
            scale = LONG_SIDE / max(picture.size)
            size = (round(picture.width * scale), round(picture.height * scale))
            return picture.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    document = pypdfium2.PdfDocument(path)
    try:
        page = document[0]
        rendered = page.render(scale=LONG_SIDE / max(page.get_size()))
        return rendered.to_pil().convert("RGB")
    finally:
        document.close()


def encoded(page: Image.Image, options: dict[str, Any]) -> io.BytesIO:
    """The page in one format; without options as our backends send it."""
    if options:
        buffer = io.BytesIO()
        page.save(buffer, **options)
        return buffer
    task, mode = task_named("document"), MODES["gundam"]
    return io.BytesIO(png_bytes(PageRequest(0, 1, "", "", page, None, task, mode)))


def main(names: list[str]) -> int:
    if not names:
        print(__doc__, file=sys.stderr)
        return 2
    pages = [first_page(Path(name)) for name in names]
    print(f"{len(pages)} pages, medians")
    print(f"{'format':<20}{'encode ms':>10}{'decode ms':>10}{'MB':>8}")
    for label, options in FORMATS.items():
        encode, decode, sizes = [], [], []
        for page in pages:
            started = time.perf_counter()
            buffer = encoded(page, options)
            encode.append(time.perf_counter() - started)
            sizes.append(len(buffer.getvalue()))
            started = time.perf_counter()
            with Image.open(buffer) as image:
                image.load()
            decode.append(time.perf_counter() - started)
        print(
            f"{label:<20}{statistics.median(encode) * 1e3:>10.0f}"
            f"{statistics.median(decode) * 1e3:>10.0f}{statistics.median(sizes) / 1e6:>8.2f}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
