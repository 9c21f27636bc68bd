"""Opens picture files as pages, with Pillow.

Every frame of a TIFF is a page; an animation (GIF, APNG, WebP) has one page, its
first frame. After EXIF orientation has been applied, a page's size in points is
pixels * 72 / dpi, where dpi is the file's resolution if it is plausible, otherwise
96 as in CSS. Pictures are reduced if necessary, but never enlarged.

Pillow's plugins are used directly: no other format can be opened, and
:class:`Limits` replaces Pillow's process-wide pixel limit.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from ...errors import CorruptSourceError, DeepSeekOCRError, LimitExceededError, PageRenderError
from ..limits import Limits
from .colours import to_rgb
from .content import Content
from .opened_document import PageInfo
from .sizes import PageChecks
from .tiff_frames import TiffFrames

__all__ = ["PictureDocument"]

_PLUGINS: dict[str, Any] = {
    "BMP": BmpImagePlugin.BmpImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "JPEG": JpegImagePlugin.JpegImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
}

# TIFF 6.0, sections 8 and 23; EXIF 2.3 uses the same tags.
_IMAGE_WIDTH, _IMAGE_LENGTH, _ORIENTATION = 0x0100, 0x0101, 0x0112
_SIDEWAYS = (5, 6, 7, 8)
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""The operation that makes a picture upright, for each value of its orientation tag."""

_DEFAULT_DPI = 96.0
_PLAUSIBLE_DPI = (30.0, 4800.0)
_REDUCING_GAP = 3.0


class PictureDocument:
    """A picture as :class:`~deepseek_ocr_rag.sources.renderers.opened_document.OpenedDocument`.

    Thread-safe. It keeps no pixels between two calls.
    """

    def __init__(self, content: Content, *, format: str, limits: Limits) -> None:
        self._content = content
        self._format = format
        self._limits = limits
        self._lock = threading.Lock()
        self._pages = 1
        self._frames: TiffFrames | None = None
        if format == "TIFF":
            with self._translated(1), self._content.open() as file:
                self._frames = TiffFrames(file, limits.pages)
            self._pages = max(1, self._count(self._frames))
        with self._frame(1):
            pass

    @property
    def page_count(self) -> int:
        """Number of frames of a TIFF, otherwise 1."""
        return self._pages

    def info(self, number: int) -> PageInfo:
        """Return the size of the upright frame in points."""
        with self._frame(number) as picture:
            width, height = _stored_size(picture)
            across, down = _dpi(picture)
            size = (width * 72 / across, height * 72 / down)
            if _orientation(picture) in _SIDEWAYS:
                size = (size[1], size[0])
        return PageInfo(*size)

    def render(self, number: int, long_side: int) -> Image.Image:
        """Render the upright frame in RGB, reduced if it is longer than ``long_side``."""
        checks = PageChecks(self._limits, self._content.name, number)
        with self._frame(number) as picture:
            size = picture.size
            if self._format == "JPEG":
                # Decodes at a half, a quarter or an eighth of the size, if that is large enough.
                share = min(1.0, 2 * long_side / max(size))
                picture.draft(None, (round(size[0] * share), round(size[1] * share)))
            picture.load()
            if self._format == "TIFF":
                # Loading has turned it upright.
                size = picture.size
            checks.check_time()
            wanted = checks.fitted(*size, min(long_side, max(size)))
            # Conversion drops the orientation.
            turn = _TURNS.get(_orientation(picture))
            rgb = to_rgb(picture, wanted)
            if rgb.size != wanted:
                rgb = rgb.resize(wanted, Image.Resampling.LANCZOS, reducing_gap=_REDUCING_GAP)
            checks.check_time()
            return rgb if turn is None else rgb.transpose(turn)

    def text_layer(self, number: int) -> None:
        """Return None: pictures have no text layer."""

    def close(self) -> None:
        """Do nothing: no file stays open."""

    @contextmanager
    def _frame(self, number: int) -> Iterator[ImageFile.ImageFile]:
        """Open a frame, read its header and check its size; translate Pillow's errors."""
        with (
            self._lock,
            self._content.open() as file,
            self._translated(number),
            self._plugin(file, number) as picture,
        ):
            self._check_size(picture.size, number)
            yield picture

    @contextmanager
    def _translated(self, number: int) -> Iterator[None]:
        try:
            yield
        except DeepSeekOCRError:
            raise
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            # Some plugins also check Pillow's own limit.
            raise self._too_large("has far more pixels than a page", number) from error
        except MemoryError as error:
            raise LimitExceededError(
                "the picture needs more memory than is available or allowed",
                source=self._content.name,
                page=number,
                remedy="Reduce it, or raise Limits(worker_bytes=...) if you trust it.",
            ) from error
        except Exception as error:
            # For damaged files Pillow raises nearly every kind of exception.
            raise self._damaged(error, number) from error

    def _plugin(self, file: BinaryIO, number: int) -> ImageFile.ImageFile:
        if self._frames is not None and self._frames.offsets:
            file = self._frames.starting_at(file, number - 1)
        # Without a name, because Pillow would read the pixels from the file that now has that name.
        picture: ImageFile.ImageFile = _PLUGINS[self._format](file, "")
        return picture

    def _count(self, frames: TiffFrames) -> int:
        count = len(frames.offsets)
        if count <= self._limits.pages:
            return count
        raise LimitExceededError(
            f"the TIFF has more than {self._limits.pages:,} frames",
            source=self._content.name,
            remedy="Split it, or raise Limits(pages=...).",
        )

    def _check_size(self, size: tuple[int, int], number: int) -> None:
        if size[0] * size[1] > self._limits.image_pixels:
            raise self._too_large(
                f"has {size[0]:,} x {size[1]:,} pixels and the limit is "
                f"{self._limits.image_pixels:,}",
                number,
            )

    def _too_large(self, what: str, number: int) -> LimitExceededError:
        return LimitExceededError(
            f"the picture {what}",
            source=self._content.name,
            page=number,
            remedy="Reduce it, or raise Limits(image_pixels=...).",
        )

    def _damaged(self, error: Exception, number: int) -> DeepSeekOCRError:
        # Of several frames, the others may be intact.
        kind = PageRenderError if self._pages > 1 else CorruptSourceError
        return kind(
            f"the {self._format} picture is damaged or truncated ({error})",
            source=self._content.name,
            page=number,
            remedy="Get an intact copy, or save it again with an image editor.",
        )


def _orientation(picture: Image.Image) -> int:
    value = picture.getexif().get(_ORIENTATION, 1)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _stored_size(picture: Image.Image) -> tuple[int, int]:
    """Return the size in pixels as stored; Pillow's size of a TIFF is that of the upright one."""
    if isinstance(picture, TiffImagePlugin.TiffImageFile):
        return picture.tag_v2[_IMAGE_WIDTH], picture.tag_v2[_IMAGE_LENGTH]
    return picture.size


def _dpi(picture: Image.Image) -> tuple[float, float]:
    try:
        across, down = (float(value) for value in picture.info["dpi"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError, OverflowError):
        return _DEFAULT_DPI, _DEFAULT_DPI
    low, high = _PLAUSIBLE_DPI
    plausible = all(math.isfinite(v) and low <= v <= high for v in (across, down))
    return (across, down) if plausible else (_DEFAULT_DPI, _DEFAULT_DPI)
