"""Finds the boxes of a chunk by its text, whichever splitter made it.

The offsets that other splitters record cannot be trusted. If lengths are counted in tokens,
LangChain's are -1 or those of another passage; those of LlamaIndex's hierarchical splitters count in
the parent node; and many splitters record none. Therefore the metadata carries the text in which the
offsets of ``boxes`` count, and the chunk is searched for in that text.
"""

from __future__ import annotations

import base64
import binascii
import json
import unicodedata
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

__all__ = [
    "BoxSearch",
    "boxes_between",
    "find_boxes",
    "is_box_entry",
    "is_span_entry",
    "pack_text",
    "read_entries",
    "relocated",
    "unpack_text",
]

LONGEST_TEXT: Final = 16 * 1024 * 1024
"""Most bytes that are unpacked. Metadata comes back from stores, and a few packed bytes could
unfold into gigabytes."""

MOST_MATCHES: Final = 1000
"""A text that occurs this often on one page has no boxes of its own."""

LONG_ENOUGH: Final = 32
"""Fewest characters, not counting spaces, of a text for which one exact match is enough: this many
letters do not occur elsewhere on the page by chance."""


@dataclass(frozen=True, slots=True)
class BoxSearch:
    """The result of a search for the boxes of a text.

    Attributes:
        entries: Entries of ``boxes``, in their order; empty if there are none.
        reason: Why there are none, as a sentence; None if there are some.
        start: Offset of the text in the text in which ``boxes`` count; None if unknown.
        end: Offset after its last character.
    """

    entries: tuple[dict[str, Any], ...] = ()
    reason: str | None = None
    start: int | None = None
    end: int | None = None


def pack_text(text: str) -> str:
    """Compress a text into ASCII, for metadata."""
    packed = zlib.compress(text.encode("utf-8", "replace"), 9)
    return base64.b85encode(packed).decode("ascii")


@lru_cache(maxsize=64)
def unpack_text(packed: str) -> str | None:
    """Undo :func:`pack_text`; None if ``packed`` did not come from it."""
    try:
        unfolding = zlib.decompressobj()
        data = unfolding.decompress(base64.b85decode(packed), LONGEST_TEXT)
        return data.decode("utf-8") if unfolding.eof else None
    except (ValueError, zlib.error, binascii.Error):
        return None


def read_entries(metadata: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Read the entries of ``boxes``, flat or nested; anything of another form is left out."""
    boxes = metadata.get("boxes") or []
    if isinstance(boxes, str):
        try:
            boxes = json.loads(boxes)
        except ValueError:
            return []
    return [entry for entry in boxes if is_box_entry(entry)] if isinstance(boxes, list) else []


def is_box_entry(entry: Any) -> bool:  # noqa: ANN401 - metadata can be anything
    """Whether a value has the form of an entry of ``boxes``."""
    match entry:
        case {"kind": str(), "start": int(), "end": int(), "bbox": [_, _, _, _] as box}:
            return all(isinstance(value, int | float) for value in box)
    return False


def is_span_entry(entry: Any) -> bool:  # noqa: ANN401 - metadata can be anything
    """Whether a value has the form of an entry of ``spans``."""
    match entry:
        case {"page": int(), "start": int(start), "end": int(end), "offset": int(offset)}:
            return 0 <= start <= end and offset >= 0
    return False


def boxes_between(metadata: Mapping[str, Any], start: int, end: int) -> list[dict[str, Any]]:
    """Select the entries of ``metadata["boxes"]`` that belong to a part of the record's text.

    A picture has no text: it belongs to every part that contains or touches its offset.

    Args:
        metadata: The metadata of a record, flat or not, or of a chunk that inherited it.
        start: Offset of the part's first character in the record's text.
        end: Offset after its last character.
    """
    return [
        entry
        for entry in read_entries(metadata)
        if (entry["start"] < end and start < entry["end"])
        or (entry["start"] == entry["end"] and start <= entry["start"] <= end)
    ]


def find_boxes(
    metadata: Mapping[str, Any],
    text: str,
    *,
    original: str | None = None,
    noted: object = None,
) -> BoxSearch:
    """Find the boxes of a record, or of a chunk of one that inherited its metadata.

    The search ignores spaces, case and punctuation, which splitters change. If the text occurs in
    several places with different boxes, none is chosen, unless it fills whole lines in only one of
    them and the splitter recorded just that place.

    Args:
        metadata: Metadata with ``boxes``, flat or not.
        text: The text of the record or chunk.
        original: The text that the offsets in ``boxes`` count in; by default the one that the
            metadata carries.
        noted: The offset at which the text begins, as the splitter recorded it; by default
            ``start_index`` of the metadata.

    Returns:
        The boxes, or why there are none.
    """
    entries = read_entries(metadata)
    if not entries:
        return BoxSearch(reason="its metadata has no boxes")
    if original is None:
        original = _carried_text(metadata)
    if original is None:
        return _of_one_block(entries, text)
    if text == original:
        return BoxSearch(tuple(entries), None, 0, len(text))
    occurrences = _occurrences(original, text)
    if len(occurrences) >= MOST_MATCHES:
        return BoxSearch(reason=f"its text occurs in {MOST_MATCHES} places or more")
    if not occurrences:
        return BoxSearch(reason="its text does not occur in what was read")
    found = {
        tuple(map(_key, boxes_between({"boxes": entries}, *occurrence)))
        for occurrence in occurrences
    }
    if len(found) > 1:
        lines = [occurrence for occurrence in occurrences if _is_whole_lines(original, *occurrence)]
        begin = metadata.get("start_index") if noted is None else noted
        if [start for start, _ in lines] != [begin]:
            return BoxSearch(reason=f"its text occurs in {len(found)} places with different boxes")
        occurrences = lines
    start, end = occurrences[0]
    own = boxes_between({"boxes": entries}, start, end)
    if not own:
        return BoxSearch(reason="the model gave no box for this text", start=start, end=end)
    if len(occurrences) > 1:  # within one block; the exact place is unknown
        return BoxSearch(tuple(own))
    return BoxSearch(tuple(own), None, start, end)


def relocated(metadata: Mapping[str, Any], text: str) -> dict[str, Any]:
    """Return metadata whose ``boxes`` and ``spans`` count in a chunk that another splitter made.

    Boxes and spans that cannot be placed in the chunk are left out.

    Args:
        metadata: The metadata that the chunk inherited from its record.
        text: The text of the chunk.
    """
    original = _carried_text(metadata)
    if original is None:
        whole = _length_of_block(read_entries(metadata)) in (None, len(text))
        if whole and "start_index" not in metadata:
            return dict(metadata)
    elif original == text:
        return {key: value for key, value in metadata.items() if key != "start_index"}
    kept = {key: value for key, value in metadata.items() if key not in _COUNTED_KEYS}
    found = find_boxes(metadata, text)
    boxes = _moved(found, original, text)
    if not boxes:
        return kept
    moved: dict[str, Any] = {"boxes": boxes}
    if spans := _moved_spans(metadata, found, original, text):
        moved |= {"spans": spans, "page": spans[0]["page"]}
        moved["page_label"] = str(spans[0].get("page_label") or spans[0]["page"] + 1)
    if isinstance(metadata["boxes"], str):
        moved |= {key: json.dumps(v) for key, v in moved.items() if isinstance(v, list)}
    return {**kept, **moved}


_COUNTED_KEYS: Final = frozenset({"boxes", "spans", "boxes_text", "start_index"})
"""Metadata whose values are offsets in a text."""


def _key(entry: Mapping[str, Any]) -> tuple[object, ...]:
    return (entry["kind"], tuple(entry["bbox"]), entry.get("page"), entry["start"], entry["end"])


def _carried_text(metadata: Mapping[str, Any]) -> str | None:
    packed = metadata.get("boxes_text")
    return unpack_text(packed) if isinstance(packed, str) and packed else None


def _length_of_block(entries: Sequence[Mapping[str, Any]]) -> int | None:
    """Return the length of the record's text, if all of it is one block."""
    spans = {(entry["start"], entry["end"]) for entry in entries}
    start, end = next(iter(spans), (None, None))
    return end if len(spans) == 1 and start == 0 else None


def _moved(found: BoxSearch, original: str | None, text: str) -> list[dict[str, Any]]:
    """Move the boxes that were found to a text's offsets; none if they cannot be placed in it."""
    if original is None:  # all of it is one block
        return [{**entry, "start": 0, "end": len(text)} for entry in found.entries]
    if found.start is None or found.end is None:
        return []
    first = text.find(original[found.start : found.end])
    if first < 0:  # the splitter changed the text
        return []
    shift = first - found.start
    return [
        {
            **entry,
            "start": min(max(entry["start"] + shift, 0), len(text)),
            "end": min(max(entry["end"] + shift, 0), len(text)),
        }
        for entry in found.entries
    ]


def _moved_spans(
    metadata: Mapping[str, Any], found: BoxSearch, original: str | None, text: str
) -> list[dict[str, Any]]:
    """Move ``spans`` to a text's offsets, if its record holds the texts of several pages."""
    spans = metadata.get("spans")
    try:
        spans = json.loads(spans) if isinstance(spans, str) else spans
    except ValueError:
        return []
    if original is None or found.start is None or found.end is None or not spans:
        return []
    shift = text.find(original[found.start : found.end]) - found.start
    moved = []
    for span in spans if isinstance(spans, list) and all(map(is_span_entry, spans)) else []:
        begin = max(span["offset"], found.start)
        end = min(span["offset"] + span["end"] - span["start"], found.end)
        if begin < end:
            first = span["start"] + begin - span["offset"]
            occurrence = {"start": first, "end": first + end - begin, "offset": begin + shift}
            moved.append({**span, **occurrence})
    return moved


def _of_one_block(entries: Sequence[dict[str, Any]], text: str) -> BoxSearch:
    """Return the block's boxes if the record is one block, because they hold for every part of it."""
    length = _length_of_block(entries)
    if length is not None and len(text) <= length:
        return BoxSearch(tuple(entries))
    return BoxSearch(
        reason="its metadata lacks the text that the boxes belong to (boxes_text), "
        f"or that text is longer than {LONGEST_TEXT >> 20} MiB"
    )


@dataclass(frozen=True, slots=True)
class _Reduced:
    """A text without the characters that splitters change, and the offset of each that is left."""

    text: str
    origins: tuple[int, ...]

    def occurrences(self, other: str) -> Iterator[tuple[int, int]]:
        """Find another reduced text in it; yields offsets in the unreduced text."""
        at = self.text.find(other)
        while at >= 0:
            yield self.origins[at], self.origins[at + len(other) - 1] + 1
            at = self.text.find(other, at + 1)


def _letters(character: str) -> str:
    """Return the letters and digits of a character, normalised (NFKC) and case folded."""
    plain = unicodedata.normalize("NFKC", character).casefold()
    return "".join(each for each in plain if each.isalnum())


def _visible(character: str) -> str:
    """Drop spaces, and the replacement for a character that was cut in two."""
    return "" if character.isspace() or character == "\N{REPLACEMENT CHARACTER}" else character


@lru_cache(maxsize=64)
def _reduced(text: str, letters: bool) -> _Reduced:
    keep = _letters if letters else _visible
    pairs = [(kept, i) for i, character in enumerate(text) for kept in keep(character)]
    return _Reduced("".join(kept for kept, _ in pairs), tuple(i for _, i in pairs))


def _occurrences(original: str, text: str) -> list[tuple[int, int]]:
    """Find the text in the original, each occurrence as precisely as it can be known."""
    letters, visible = _reduced(text, True).text, _reduced(text, False).text
    exact = _first(_reduced(original, False).occurrences(visible)) if visible else []
    if not letters or (len(exact) == 1 and len(visible) >= LONG_ENOUGH):
        return exact
    loose = _first(_reduced(original, True).occurrences(letters))
    # Punctuation at the text's ends belongs to an occurrence that has it too.
    return [
        next((whole for whole in exact if whole[0] <= start and end <= whole[1]), (start, end))
        for start, end in loose
    ]


def _is_whole_lines(text: str, start: int, end: int) -> bool:
    return text[max(start - 1, 0) : start] in ("", "\n") and text[end : end + 1] in ("", "\n")


def _first(occurrences: Iterator[tuple[int, int]]) -> list[tuple[int, int]]:
    return [occurrence for occurrence, _ in zip(occurrences, range(MOST_MATCHES), strict=False)]
