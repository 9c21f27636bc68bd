"""``--engine ray``: reads the units of a run on a Ray cluster.

Where a backend sees nothing but pictures, drawing and reading are operators of their own: tasks
draw units anywhere in the cluster, and actors with a loaded model read them. A picture goes from
the one to the other once, as a PNG file; the document's bytes stay where they are drawn.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import islice
from typing import Any, Final

from ...errors import ConfigurationError, EngineLostError
from ...text.visible import visible_line
from ..arrow_extra import check_ray
from ..batch_settings import BatchSettings
from ..drawn.drawn_unit import DrawnUnit, drawn_table, drawn_units
from ..drawn.unit_drawer import UnitDrawer, can_be_drawn_apart
from ..page_reader import PageReader, units_of
from ..page_units import PageUnit
from ..storage.run_folder import RunFolder
from .unit_runner import UnitRunner

__all__ = [
    "DrawnStoringReader",
    "RayShares",
    "StoringReader",
    "draw_batch",
    "ray_shares",
    "ray_units",
]

WINDOW_UNITS: Final = 16_384
"""Units that Ray gets together: half a million pages. The driver keeps their names in memory."""

UNITS_IN_BATCH: Final = 4

BATCHES_AT_ONCE: Final = 2
"""Batches that an actor reads at the same time: when the last pages of one are slow, the other has
pages for the card."""

DRAWERS: Final = 4
"""Tasks that draw for one actor, at most. One draws about 16 pages a second, a card reads 25."""

PICTURE_BYTES: Final = 512 * 2**20
"""Bytes of pictures, for each actor, that may be drawn and not yet read: about a thousand pages."""

MOST_SHOWN: Final = 400
"""Characters of an error of Ray, which is a traceback; its end says what happened."""

_log = logging.getLogger("deepseek_ocr_rag")

OnPage = Callable[[bool], object]


@dataclass(frozen=True, slots=True)
class RayShares:
    """What each part of a run gets of a cluster.

    Attributes:
        actors: Actors that read.
        cards: Cards of each of them.
        cores: Processors of each of them, and of each task that draws; below 1 where there are few.
        drawers: Tasks that draw at the same time, at most.
    """

    actors: int
    cards: float
    cores: float
    drawers: int


class StoringReader:
    """A :class:`PageReader` that stores each unit where it was read, as an actor of Ray.

    Only names and counts go back to the driver, and no page passes through Ray's object store.

    Args:
        settings: What :meth:`BatchSettings.to_dict` gives.
        folder: The folder of the run, which every machine must reach.
    """

    def __init__(self, settings: dict[str, Any], folder: str) -> None:
        self._reader = PageReader(settings)
        self._runner = UnitRunner(self._reader, RunFolder(folder))

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[Any]]:
        """Read and store a batch of units; returns their names, pages and failed pages."""
        units = units_of(batch)
        return self._stored(units, [None] * len(units))

    def _stored(
        self, units: Sequence[PageUnit], drawn: Sequence[DrawnUnit | None]
    ) -> dict[str, list[Any]]:
        with ThreadPoolExecutor(self._reader.settings.units_at_once) as pool:
            failed = list(pool.map(self._runner.run, units, drawn))
        return {
            "unit": [unit.file_name for unit in units],
            "pages": [len(unit.numbers) for unit in units],
            "failed": failed,
        }


class DrawnStoringReader(StoringReader):
    """A :class:`StoringReader` of units that :func:`draw_batch` has drawn."""

    def __call__(self, batch: Any) -> dict[str, list[Any]]:  # noqa: ANN401 - a pyarrow.Table
        """Read and store a batch; returns the same, and the bytes of the pictures."""
        drawn = list(drawn_units(batch))
        result = self._stored([each.unit for each in drawn], drawn)
        return {**result, "picture_bytes": [_picture_bytes(each) for each in drawn]}


def draw_batch(batch: dict[str, Any], settings: str) -> Iterator[Any]:
    """Draw a batch of units, as a task of Ray; yields a table with one row for each.

    Args:
        batch: Columns of units.
        settings: What :meth:`BatchSettings.to_dict` gives, as JSON.
    """
    drawer = _drawer(settings)
    for unit in units_of(batch):
        yield drawn_table(drawer.draw(unit))


@lru_cache(maxsize=1)
def _drawer(settings: str) -> UnitDrawer:
    # One for each process, so that a document of another machine is fetched once.
    return UnitDrawer(json.loads(settings))


def _picture_bytes(drawn: DrawnUnit) -> int:
    return sum(len(page.png.data) for page in drawn.pages if page.png is not None)


def ray_units(
    units: Iterator[PageUnit],
    settings: BatchSettings,
    folder: RunFolder,
    on_page: OnPage,
    shares: RayShares,
) -> Iterator[PageUnit]:
    """Read units on a cluster, and yield each when it is stored, in any order.

    An actor or a machine that dies is replaced, and what it had not stored is read again.

    Args:
        units: What to read.
        settings: What reads.
        folder: The folder of the run, which every machine must reach.
        on_page: Called for each page with whether it was read.
        shares: What :func:`ray_shares` says of the cluster.

    Raises:
        EngineLostError: If Ray gives up.
    """
    _log.info("%d actors of Ray read pages", shares.actors)
    while window := list(islice(units, WINDOW_UNITS)):
        waiting = {unit.file_name: unit for unit in window}
        for name, pages, failed in _acknowledged(window, settings, folder, shares):
            for index in range(pages):
                on_page(index >= failed)
            unit = waiting.pop(name, None)
            if unit is not None:
                yield unit


def _acknowledged(
    window: list[PageUnit], settings: BatchSettings, folder: RunFolder, shares: RayShares
) -> Iterator[tuple[str, int, int]]:
    """Name, pages and failed pages of each unit that was stored."""
    from ray.exceptions import RayError

    try:
        read = _dataset(window, settings, folder, shares)
        for batch in read.iter_batches(batch_size=None, prefetch_batches=0):
            columns = (batch["unit"], batch["pages"], batch["failed"])
            for name, pages, failed in zip(*columns, strict=True):
                yield str(name), int(pages), int(failed)
    except RayError as error:
        raise EngineLostError(
            f"Ray has ended the run ({visible_line(str(error))[-MOST_SHOWN:]})",
            remedy="The logs of its actors say why; the same command goes on where it stopped.",
        ) from error


def ray_shares(gpus: int | None) -> RayShares:
    """Connect to a cluster, and divide it.

    It is the one that this process is connected to, else the one in ``RAY_ADDRESS``, else one that
    is started on this machine.

    Args:
        gpus: Cards that read at the same time; None for all, or for one processor a machine.

    Raises:
        ConfigurationError: If it has fewer cards.
        MissingExtraError: If Ray Data is not installed.
    """
    check_ray()
    import ray.data

    if not ray.is_initialized():
        ray.init(log_to_driver=False)

    resources = ray.cluster_resources()
    cards, cores = int(resources.get("GPU", 0)), resources.get("CPU", 1.0)
    if gpus is not None and gpus > cards:
        raise ConfigurationError(
            f"the cluster has {cards} cards, not {gpus}",
            remedy="Leave --gpus out to use all of them.",
        )
    actors = gpus or cards
    if not cards:
        machines = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
        actors = max(1, len(machines))
    # Where actors took all processors, nobody could draw for them.
    share = min(1.0, cores / (2 * actors))
    drawers = min(DRAWERS * actors, max(1, int(cores / share) - actors))
    return RayShares(actors, 1.0 if cards else 0.0, share, drawers)


def _dataset(
    window: list[PageUnit], settings: BatchSettings, folder: RunFolder, shares: RayShares
) -> Any:  # noqa: ANN401 - a dataset of Ray
    import ray.data

    rows = [asdict(unit) for unit in window]
    blocks = max(1, -(-len(rows) // UNITS_IN_BATCH))
    dataset: Any = ray.data.from_items(rows, override_num_blocks=blocks)
    apart = can_be_drawn_apart(settings.backend)
    if apart:
        dataset = dataset.map_batches(
            draw_batch,
            fn_kwargs={"settings": json.dumps(settings.to_dict())},
            batch_size=UNITS_IN_BATCH,
            compute=ray.data.TaskPoolStrategy(size=shares.drawers),
            num_cpus=shares.cores,
        )
    # Ray starts an actor that died again, and repeats its task, without end.
    dataset = dataset.map_batches(
        DrawnStoringReader if apart else StoringReader,
        fn_constructor_args=(settings.to_dict(), folder.uri),
        batch_size=UNITS_IN_BATCH,
        batch_format="pyarrow" if apart else "default",
        compute=ray.data.ActorPoolStrategy(
            min_size=1, max_size=shares.actors, enable_true_multi_threading=True
        ),
        num_gpus=shares.cards,
        num_cpus=shares.cores,
        max_concurrency=BATCHES_AT_ONCE,
    )
    options = dataset.context.execution_options
    dataset.context.enable_progress_bars = False  # there is one already
    options.resource_limits = ray.data.ExecutionResources.for_limits(
        object_store_memory=PICTURE_BYTES * shares.actors
    )
    return dataset
