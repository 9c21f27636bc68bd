"""The models that share DeepSeek-OCR's design, and how they differ.

Sources: the published configurations and preprocessing code of
deepseek-ai/DeepSeek-OCR, deepseek-ai/DeepSeek-OCR-2 and baidu/Unlimited-OCR.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..errors import ConfigurationError
from .ngrams import NoRepeat
from .prompts import MODES, Mode, Task

__all__ = ["FAMILIES", "Family", "family_of"]

TOKEN_SIDE: Final = 64
"""Pixels of a view's side that become one token: patches of 16, then two strided convolutions."""

TABLE_CELLS: Final = frozenset({128821, 128822})
"""``<td>`` and ``</td>``, which the published vLLM scripts allow to repeat."""


@dataclass(frozen=True, slots=True)
class Family:
    """One of the published models."""

    name: str  # also the start of its folder's usual name
    hub_id: str
    revision: str  # the commit of ``hub_id`` that is loaded by default
    tile_side: int  # pixels; only a page larger than one tile is cut into tiles
    max_tiles: int  # of a page
    row_ends: bool  # whether a newline token ends every row of tokens
    sides: tuple[int, ...]  # supported sides of the global view in pixels; empty for any
    document_prompt: str | None  # the only prompt it was published with; None: the first model's
    no_repeat: NoRepeat  # the default rule
    max_positions: int  # longest sequence in tokens, prompt included

    def has_mode(self, mode: Mode) -> bool:
        """Whether the model supports the mode's view size."""
        return not self.sides or mode.base_size in self.sides

    def view_sides(self, mode: Mode) -> tuple[int, int | None]:
        """Return the sides of the global view and of the tiles in pixels; None for no tiles.

        Raises:
            ConfigurationError: If the model does not have the mode.
        """
        if not self.has_mode(mode):
            usable = " or ".join(name for name, one in MODES.items() if self.has_mode(one))
            raise ConfigurationError(
                f"{self.name} has no resolution {mode.name!r}", remedy=f"Use {usable}."
            )
        return mode.base_size, self.tile_side if mode.crop else None

    def prompt(self, task: Task) -> str:
        """Return the text that follows the image, as the published code sends it.

        No line break precedes the prompt of a model that has its own, nor a user's prompt to such a
        model. For its other tasks it gets the first model's prompts, with :meth:`prompt_warnings`.
        """
        if self.document_prompt is None:
            return f"\n{task.prompt}"
        if task.name == "document":
            return self.document_prompt
        return task.prompt if task.custom else f"\n{task.prompt}"

    def prompt_warnings(self, task: Task) -> tuple[str, ...]:
        """Return a warning for the page if the model was not published for the task."""
        if self.document_prompt is None or task.name == "document" or task.custom:
            return ()
        return (f"{self.name} was published for the task 'document' only, not {task.name!r}",)

    def image_tokens(self, global_side: int, grid: tuple[int, int] | None) -> int:
        """Count the tokens of a page's views.

        Args:
            global_side: Side of the global view in pixels.
            grid: Columns and rows of tiles, or None for a page without tiles.
        """
        row_end = int(self.row_ends)
        side = -(-global_side // TOKEN_SIDE)
        count = side * (side + row_end) + 1
        if grid is not None:
            columns, rows = grid
            tile = -(-self.tile_side // TOKEN_SIDE)
            count += rows * tile * (columns * tile + row_end)
        return count


FAMILIES: Final[dict[str, Family]] = {
    family.name: family
    for family in (
        Family(
            name="deepseek-ocr",
            hub_id="deepseek-ai/DeepSeek-OCR",
            revision="9f30c71f441d010e5429c532364a86705536c53a",
            tile_side=640,
            max_tiles=9,
            row_ends=True,
            sides=(),
            document_prompt=None,
            no_repeat=NoRepeat(size=30, window=90, exempt=TABLE_CELLS),
            max_positions=8192,
        ),
        Family(
            name="deepseek-ocr-2",
            hub_id="deepseek-ai/DeepSeek-OCR-2",
            revision="aaa02f3811945a91062062994c5c4a3f4c0af2b0",
            tile_side=768,
            max_tiles=6,
            row_ends=False,
            sides=(768, 1024),
            document_prompt=None,
            no_repeat=NoRepeat(size=30, window=90, exempt=TABLE_CELLS),
            max_positions=8192,
        ),
        Family(
            name="unlimited-ocr",
            hub_id="baidu/Unlimited-OCR",
            revision="84757cb04b4d9b74adc65dc31cdf52fca7dc2a97",
            tile_side=640,
            max_tiles=32,
            row_ends=True,
            sides=(),
            document_prompt="document parsing.",
            no_repeat=NoRepeat(size=35, window=128),
            max_positions=32768,
        ),
    )
}
"""By name."""


def family_of(config: Mapping[str, Any]) -> Family:
    """Recognise the family of a checkpoint by its ``config.json``.

    Raises:
        ConfigurationError: If it is none of :data:`FAMILIES`.
    """
    kind = str(config.get("model_type", "")).replace("_", "-")
    vision = config.get("vision_config") or {}
    if kind == "unlimited-ocr":
        return FAMILIES["unlimited-ocr"]
    if kind == "deepseek-ocr2" or vision.get("model_name") == "deepencoderv2":
        return FAMILIES["deepseek-ocr-2"]
    # The first model shares its model_type with DeepSeek-VL2, which has another vision tower.
    if kind == "deepseek-vl-v2" and vision.get("model_name") == "deeplip_b_l":
        return FAMILIES["deepseek-ocr"]
    raise ConfigurationError(
        f"cannot read pages with a model of type {config.get('model_type')!r}",
        remedy=f"Name a folder or hub id of {', '.join(f.hub_id for f in FAMILIES.values())}.",
    )
