"""The number of tiles that each engine cuts a page into by its rule, and the number it really cut.

The published code decides by the mode and the size of the picture; other engines have rules of
their own and cannot be asked for a mode. Sources: the published code;
``vllm/transformers_utils/processors/deepseek_ocr.py`` of vLLM 0.26;
``model/models/deepseekocr/imageprocessor.go`` of Ollama 0.24; for llama.cpp, its prompt
lengths as measured with builds 10488 to 11549, and ``tools/mtmd/models/deepseekocr.cpp``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from .families import FAMILIES, Family
from .prompts import MODES, Mode, Task
from .views import MIN_TILES, tile_grid

__all__ = ["TILE_RULES", "PictureSeen", "TileRule", "picture_seen", "tile_warning"]

MODEL: Final = FAMILIES["deepseek-ocr"]
"""The rules are for this model; no supported server runs the other two."""

PROMPT_TOKENS: Final[Mapping[str, int]] = {
    "document": 8,
    "ocr": 5,
    "free": 3,
    "figure": 4,
    "describe": 6,
}
"""Tokens of a task's prompt, without the start token and without the newline before it."""

SLACK: Final = 3
"""Most tokens besides picture and prompt: the start token, our newline and the engine's."""


@dataclass(frozen=True, slots=True)
class TileRule:
    """How an engine cuts pages.

    An engine that does not follow the mode reads every page as in mode gundam; there, the mode only
    decides the size of the picture that is sent.
    """

    engine: str
    versions: str  # where the rule was read or measured
    max_tiles: int = MODEL.max_tiles  # of a page
    follows_mode: bool = False
    cuts_small: bool = False  # whether it also cuts a picture that fits into one tile
    larger_sooner: bool = False  # see :func:`~deepseek_ocr_rag.model.views.tile_grid`

    def grid(self, width: int, height: int, mode: Mode) -> tuple[int, int] | None:
        """Compute the columns and rows of tiles for a picture; None if it is not cut.

        Args:
            width: Pixels of the picture that the engine gets.
            height: The same.
            mode: The mode in which the page is read.
        """
        if self.follows_mode and not mode.crop:
            return None
        side = MODEL.tile_side
        if max(width, height) <= side and not self.cuts_small:
            return None
        return tile_grid(
            width,
            height,
            tile_side=side,
            max_tiles=self.max_tiles,
            larger_sooner=self.larger_sooner,
        )

    def picture_tokens(self, width: int, height: int, mode: Mode) -> int:
        """Count the tokens that the picture becomes; the arguments are those of :meth:`grid`."""
        view = mode.base_size if self.follows_mode else MODES["gundam"].base_size
        return MODEL.image_tokens(view, self.grid(width, height, mode))


TILE_RULES: Final[Mapping[str, TileRule]] = {
    "published": TileRule("published code, `transformers`, `local`", "9f30c71", follows_mode=True),
    "vllm": TileRule("vLLM", "0.26", max_tiles=6),
    "ollama-runner": TileRule(
        "Ollama's own runner", "0.13 to 0.24", cuts_small=True, larger_sooner=True
    ),
    "llama.cpp": TileRule(
        "llama.cpp, and Ollama that runs it", "builds 10488 to 11549; Ollama 0.30 to 0.33"
    ),
}
"""By engine; "published" is what the others are compared with."""


@dataclass(frozen=True, slots=True)
class PictureSeen:
    """What an engine made of a page's picture, inferred from its count of prompt tokens."""

    tokens: int  # of the picture
    grid: tuple[int, int] | None  # columns and rows of its tiles, or None if it was not cut

    @property
    def tiles(self) -> int:
        """Number of tiles; 0 if the picture was not cut."""
        return 0 if self.grid is None else self.grid[0] * self.grid[1]


def picture_seen(prompt_tokens: int, task: Task, *, family: Family = MODEL) -> PictureSeen | None:
    """Infer from a server's token count what the engine made of the picture.

    Args:
        prompt_tokens: ``usage.prompt_tokens`` or ``prompt_eval_count``, which includes picture and
            prompt.
        task: The task of the request.
        family: The model's family.

    Returns:
        None if the count fits no known grid, or if the prompt is the user's own, whose length is
        not known.
    """
    if task.name not in PROMPT_TOKENS:
        return None
    most = prompt_tokens - PROMPT_TOKENS[task.name]
    grids = [
        None,
        *(
            (columns, rows)
            for columns in range(1, family.max_tiles + 1)
            for rows in range(1, family.max_tiles // columns + 1)
            if columns * rows >= MIN_TILES
        ),
    ]
    for view in sorted({mode.base_size for mode in MODES.values()}):
        for grid in grids if view == MODES["gundam"].base_size else [None]:
            tokens = family.image_tokens(view, grid)
            if 0 <= most - tokens <= SLACK:
                return PictureSeen(tokens, grid)
    return None


def tile_warning(server: str, seen: PictureSeen, width: int, height: int, mode: Mode) -> str | None:
    """Write the page's warning if the model did not see it as with the published code.

    Args:
        server: The user's name for the server.
        seen: What the engine made of the picture.
        width: Pixels of the picture that was sent.
        height: The same.
        mode: The mode in which the page was read.
    """
    rule = TILE_RULES["published"]
    grid = rule.grid(width, height, mode)
    tokens = rule.picture_tokens(width, height, mode)
    if seen.grid == grid and seen.tokens == tokens:
        return None
    tiles = 0 if grid is None else grid[0] * grid[1]
    return (
        f"{server} showed the model {seen.tokens} tokens of the page ({seen.tiles} tiles); with "
        f"the published code, {mode.name} has {tokens} ({tiles} tiles), and the text may differ"
    )
