"""``--engine ray``: reads the units of a run on a Ray cluster."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from itertools import islice
from typing import Any, Final

from ...errors import ConfigurationError, EngineLostError
from ...text.visible import visible_line
from ..arrow_extra import check_ray
from ..batch_settings import BatchSettings
from ..page_reader import PageReader, units_of
from ..page_units import PageUnit
from ..storage.run_folder import RunFolder
from .unit_runner import UnitRunner

__all__ = ["StoringReader", "ray_units"]

WINDOW_UNITS: Final = 16_384
"""Units that Ray gets together: half a million pages. The driver keeps their names in memory."""

UNITS_IN_BATCH: Final = 4

MOST_SHOWN: Final = 400
"""Characters of an error of Ray, which is a traceback; its end says what happened."""

_log = logging.getLogger("deepseek_ocr_rag")

OnPage = Callable[[bool], object]


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
        with ThreadPoolExecutor(self._reader.settings.units_at_once) as pool:
            failed = list(pool.map(self._runner.run, units))
        return {
            "unit": [unit.file_name for unit in units],
            "pages": [len(unit.numbers) for unit in units],
            "failed": failed,
        }


def ray_units(
    units: Iterator[PageUnit],
    settings: BatchSettings,
    folder: RunFolder,
    on_page: OnPage,
    gpus: int | None,
) -> Iterator[PageUnit]:
    """Read units on a cluster, and yield each when it is stored, in any order.

    The cluster is the one that this process is connected to, else the one in ``RAY_ADDRESS``, else
    one that is started on this machine. An actor or a machine that dies is replaced, and what it
    had not stored is read again.

    Args:
        units: What to read.
        settings: What reads.
        folder: The folder of the run, which every machine must reach.
        on_page: Called for each page with whether it was read.
        gpus: Cards that read at the same time; None for all, or for one processor a machine.

    Raises:
        ConfigurationError: If the cluster has fewer cards.
        EngineLostError: If Ray gives up.
        MissingExtraError: If Ray Data is not installed.
    """
    check_ray()
    import ray.data

    if not ray.is_initialized():
        ray.init(log_to_driver=False)
    ray.data.DataContext.get_current().enable_progress_bars = False  # there is one already
    actors, share = _actors(gpus)
    _log.info("%d actors of Ray read pages", actors)
    while window := list(islice(units, WINDOW_UNITS)):
        waiting = {unit.file_name: unit for unit in window}
        for name, pages, failed in _acknowledged(window, settings, folder, actors, share):
            for index in range(pages):
                on_page(index >= failed)
            unit = waiting.pop(name, None)
            if unit is not None:
                yield unit


def _acknowledged(
    window: list[PageUnit],
    settings: BatchSettings,
    folder: RunFolder,
    actors: int,
    share: float,
) -> Iterator[tuple[str, int, int]]:
    """Name, pages and failed pages of each unit that was stored."""
    from ray.exceptions import RayError

    try:
        read = _dataset(window, settings, folder, actors, share)
        for batch in read.iter_batches(batch_size=None, prefetch_batches=0):
            columns = (batch["unit"], batch["pages"], batch["failed"])
            for name, pages, failed in zip(*columns, strict=True):
                yield str(name), int(pages), int(failed)
    except RayError as error:
        raise EngineLostError(
            f"Ray has ended the run ({visible_line(str(error))[-MOST_SHOWN:]})",
            remedy="The logs of its actors say why; the same command goes on where it stopped.",
        ) from error


def _actors(gpus: int | None) -> tuple[int, float]:
    """How many actors read, and how many cards each of them has."""
    import ray.data

    cards = int(ray.cluster_resources().get("GPU", 0))
    if gpus is not None and gpus > cards:
        raise ConfigurationError(
            f"the cluster has {cards} cards, not {gpus}",
            remedy="Leave --gpus out to use all of them.",
        )
    if cards:
        return gpus or cards, 1.0
    machines = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
    return max(1, len(machines)), 0.0


def _dataset(
    window: list[PageUnit],
    settings: BatchSettings,
    folder: RunFolder,
    actors: int,
    share: float,
) -> Any:  # noqa: ANN401 - a dataset of Ray
    import ray.data

    rows = [asdict(unit) for unit in window]
    blocks = max(1, -(-len(rows) // UNITS_IN_BATCH))
    dataset = ray.data.from_items(rows, override_num_blocks=blocks)
    return dataset.map_batches(
        StoringReader,
        fn_constructor_args=(settings.to_dict(), folder.uri),
        batch_size=UNITS_IN_BATCH,
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=actors),
        num_gpus=share,
        num_cpus=1,  # Ray starts an actor that died again, and repeats its task, without end
    )
