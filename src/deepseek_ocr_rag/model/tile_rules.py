"""Into how many tiles each engine cuts a page, and how many it really cut.

The published code decides by the mode and by the size of the picture; other engines have
rules of their own and cannot be asked for a mode. Sources: the published code;
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
"""The rules are about this model; the other two run in no server here."""

PROMPT_TOKENS: Final[Mapping[str, int]] = {
    "document": 8,
    "ocr": 5,
    "free": 3,
    "figure": 4,
    "describe": 6,
}
"""Tokens of a task's prompt, without the begin token and without the newline before it."""

SLACK: Final = 3
"""Most tokens beside picture and prompt: the begin token, and a newline of ours and the engine's."""


@dataclass(frozen=True, slots=True)
class TileRule:
    """How an engine cuts pages.

    If it does not follow the mode, it reads every page as in mode gundam, and a mode is only the
    size of the picture that it is sent.
    """

    engine: str
    versions: str  # where the rule was read or measured
    max_tiles: int = MODEL.max_tiles  # of a page
    follows_mode: bool = False
    cuts_small: bool = False  # also a picture that fits into one tile
    larger_sooner: bool = False  # see :func:`~deepseek_ocr_rag.model.views.tile_grid`

    def grid(self, width: int, height: int, mode: Mode) -> tuple[int, int] | None:
        """Columns and rows of tiles for the picture that the engine gets; None: not cut."""
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
        """How many tokens the picture becomes; arguments as in :meth:`grid`."""
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
    """What an engine made of a page's picture, as its count of prompt tokens tells."""

    tokens: int  # of the picture
    grid: tuple[int, int] | None  # columns and rows of its tiles, or None if it was not cut

    @property
    def tiles(self) -> int:
        """How many tiles there were."""
        return 0 if self.grid is None else self.grid[0] * self.grid[1]


def picture_seen(prompt_tokens: int, task: Task, *, family: Family = MODEL) -> PictureSeen | None:
    """What the engine made of the picture; None if its count fits nothing that is known.

    ``prompt_tokens`` is ``usage.prompt_tokens`` or ``prompt_eval_count``: picture, prompt and all.
    A prompt of the user's own has no known length.
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
    """What a page should say where the model saw it otherwise than with the published code.

    ``server`` is what the user calls it; ``width`` and ``height`` are those of the picture that was
    sent, in pixels.
    """
    rule = TILE_RULES["published"]
    grid = rule.grid(width, height, mode)
    tokens = rule.picture_tokens(width, height, mode)
    if seen.grid == grid and seen.tokens == tokens:
        return None
    tiles = 0 if grid is None else grid[0] * grid[1]
    return (
        f"{server} showed the model {seen.tokens} tokens of the page ({seen.tiles} tiles); with "
        f"the published code, {mode.name} has {tokens} ({tiles} tiles), and may read otherwise"
    )
