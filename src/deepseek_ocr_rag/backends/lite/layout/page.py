"""Lays out the text layer of a page as blocks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ....document.text_layer import TextLayer, Word
from ....document.types import Block, Box
from .aligned_tables import with_aligned_tables
from .blocks import build_blocks, page_style
from .columns import reading_order
from .margins import line_numbers, with_struck_words
from .pieces import UprightFrame, typical_height, union_box, without
from .ruled_tables import find_tables
from .rules import RulePiece

__all__ = ["lay_out"]

DEFAULT_SIZE = (595.0, 842.0)
"""A4 in points, for a layer without a page size."""

MIN_PICTURE = 0.004
"""Least share of the page; a smaller picture is an ornament, a line or a bullet."""


def lay_out(layer: TextLayer, *, skew: float = 0.0, measured: bool = False) -> tuple[Block, ...]:
    """Put the words of a page into blocks, in reading order.

    Args:
        layer: Words, rules and pictures.
        skew: Angle of the text lines to the horizontal in radians, positive
            if they fall to the right. The order is found on the levelled page;
            the blocks' boxes are those of the page as displayed.
        measured: Whether the words were read from a picture, so that their sizes are
            inexact and their drawing order is unknown.

    Returns:
        Blocks of the kinds title, sub_title, text, code, table, image, image_caption
        and table_caption. Every word is in exactly one of them. Text that runs in
        another direction than most of the page is in separate blocks at the end.
    """
    words = [w for w in layer.words if w.text.strip()]
    turned = Counter((w.rotation % 360, w.mirrored) for w in words for _ in w.text)
    directions = [direction for direction, _ in turned.most_common()] or [(0, False)]
    width, height = (layer.width, layer.height) if layer.width and layer.height else DEFAULT_SIZE
    blocks: list[Block] = []
    margin: list[Block] = []
    for direction in directions:
        main = direction == directions[0]
        turn, mirrored = direction
        frame = UprightFrame(width, height, turn if turn in (90, 180, 270) else 0, skew, mirrored)
        pieces = [
            frame.piece(w.box, word=w, order=None if measured else i)
            for i, w in enumerate(words)
            if (w.rotation % 360, w.mirrored) == direction
        ]
        usual = typical_height(pieces)
        all_words = pieces
        if main:
            rules = [_rule_piece(frame, rule.box, rule.horizontal) for rule in layer.rules]
            pictures = _pictures(layer.pictures, words)
            numbers = line_numbers(pieces, usual)
            if numbers:
                pieces = without(pieces, numbers)
            pieces = with_struck_words(pieces, rules)
            pieces, tables = find_tables(pieces, rules, usual)
            pieces += tables
            pieces += [frame.piece(b, block=Block("image", "", (b,))) for b in pictures]
        regions = reading_order(pieces, frame.upright_height, rules if main else ())
        if main:
            regions = with_aligned_tables(regions, rules, usual)
        blocks.extend(build_blocks(regions, page_style(regions, loose=measured, whole=all_words)))
        if main and numbers:
            text = " ".join(p.text for p in numbers)
            margin.append(Block("text", text, (union_box(numbers),)))
    blocks.extend(margin)
    return tuple(blocks)


def _rule_piece(frame: UprightFrame, box: Box, horizontal: bool) -> RulePiece:
    piece = frame.piece(box)
    level = horizontal if frame.rotation in (0, 180) else not horizontal
    if level:
        return RulePiece(True, piece.y_centre, piece.x0, piece.x1)
    return RulePiece(False, (piece.x0 + piece.x1) / 2, piece.y0, piece.y1)


def _pictures(boxes: Sequence[Box], words: Sequence[Word]) -> list[Box]:
    """Find the figures of a page: join their parts, leave out ornaments and backgrounds."""
    joined: list[Box] = []
    for box in sorted(boxes)[:500]:
        whole = box
        while True:
            touching = [b for b in joined if b.intersection(whole) is not None]
            if not touching:
                break
            for other in touching:
                joined.remove(other)
                whole = whole.union(other)
        joined.append(whole)
    return [b for b in joined if b.area >= MIN_PICTURE and not _has_words(b, words)]


def _has_words(box: Box, words: Sequence[Word]) -> bool:
    """Return whether there is text on the picture, which is then a background and not a figure."""
    return any(
        box.x0 < (w.box.x0 + w.box.x1) / 2 < box.x1 and box.y0 < (w.box.y0 + w.box.y1) / 2 < box.y1
        for w in words
    )
