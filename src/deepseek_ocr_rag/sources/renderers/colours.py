"""Converts pictures in any of Pillow's pixel modes to RGB on white."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageCms

__all__ = ["to_rgb"]

_WITH_ALPHA = ("LA", "La", "PA", "RGBA", "RGBa")


def to_rgb(picture: Image.Image, wanted: tuple[int, int]) -> Image.Image:
    """Convert a picture to RGB, on a white background, with 8 bits a channel.

    ``wanted`` is the width and height in pixels that the caller will resize it to. Larger pictures
    are first reduced by a whole factor, so that conversion needs little memory; the result may
    still be larger than ``wanted``.
    """
    if picture.mode.startswith("I;16"):
        picture = _upper_byte(picture)
    elif picture.mode in ("I", "F"):
        picture = _to_eight_bits(picture, wanted)
    if picture.mode in _WITH_ALPHA or "transparency" in picture.info:
        picture = _reduced(picture.convert("RGBA"), wanted)
        white = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(white, picture).convert("RGB")
    if picture.mode in ("1", "P"):
        picture = picture.convert("L" if picture.mode == "1" else "RGB")
    picture = _reduced(picture, wanted)
    return _from_lab(picture) if picture.mode == "LAB" else picture.convert("RGB")


def _reduced(picture: Image.Image, wanted: tuple[int, int]) -> Image.Image:
    # The result keeps twice the size for the final, better filter.
    factor = max(1, max(picture.size) // (2 * max(wanted)))
    return picture.reduce(factor) if factor > 1 else picture


def _upper_byte(picture: Image.Image) -> Image.Image:
    return Image.fromarray(
        (np.asarray(picture).astype(np.uint16, copy=False) >> 8).astype(np.uint8)
    )


def _to_eight_bits(picture: Image.Image, wanted: tuple[int, int]) -> Image.Image:
    """Scale to 8 bits: integers that fit into 16 bits by that range, others by their own range."""
    integers = picture.mode == "I"
    values = np.asarray(_reduced(picture, wanted), dtype=np.float32)
    values = np.nan_to_num(values, posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    if integers and low >= 0 and high <= 0xFFFF:
        low, high = 0.0, 65535.0
    scaled = (values - low) * (255 / (high - low)) if high > low else np.zeros_like(values)
    return Image.fromarray(scaled.astype(np.uint8))


def _from_lab(picture: Image.Image) -> Image.Image:
    result = ImageCms.profileToProfile(
        picture, ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), outputMode="RGB"
    )
    return result if result is not None else picture.convert("RGB")
