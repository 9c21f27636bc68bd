"""``--engine ray``: reads the units of a run on a Ray cluster.

If a backend needs only pictures, drawing and reading are separate operators: tasks
draw units anywhere in the cluster, and actors with a loaded model read them. A picture goes from
task to actor once, as a PNG file; the document's bytes stay where they are drawn.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any, Final

from ...errors import DeepSeekOCRError, EngineLostError
from ...text.visible import visible_line
from ..batch_progress import OnPages, PagesDone
from ..batch_settings import BatchSettings
from ..drawn.unit_drawer import can_be_drawn_apart
from ..page_units import PageUnit
from ..storage.run_folder import RunFolder
from .ray_readers import DrawnStoringReader, StoringReader, draw_batch
from .ray_shares import RayShares, actor_options, units_in_batch

__all__ = ["ray_units"]

WINDOW_UNITS: Final = 16_384
"""How many units Ray gets at once: half a million pages. The driver keeps their names in memory."""

PICTURE_BYTES: Final = 512 * 2**20
"""Bytes of pictures that may wait for each actor: about a thousand pages."""

DRAWN_BATCHES: Final = 1000
"""A drawing process is replaced after this many batches. Without such a difference between the two
operators, Ray 2.60 would move drawing into the reading actors if these have no cards."""

PATIENCE_SECONDS: Final = 600.0
"""The run ends if no known actor can read, and no other actor has appeared for this many seconds."""

MOST_SHOWN: Final = 400
"""Characters kept of an error of Ray, which is a traceback; its end says what happened."""


_log = logging.getLogger("deepseek_ocr_rag")


@dataclass(frozen=True, slots=True)
class _ToldUnit:
    """What an actor reports about a unit; if it has a ``problem``, the unit was not read."""

    name: str
    done: PagesDone
    problem: str


class _Readers:
    """Knows which actors can read and which cannot."""

    def __init__(self, actors: int) -> None:
        self._actors = actors
        self._reading: set[str] = set()
        self._broken: set[str] = set()
        self._stored = time.monotonic()

    def read(self, reader: str) -> None:
        """Note that an actor has read a unit."""
        self._stored = time.monotonic()
        self._reading.add(reader)
        self._broken.discard(reader)

    def failed(self, reader: str, problem: str) -> None:
        """Note that an actor's backend cannot read.

        Raises:
            EngineLostError: If no actor can read.
        """
        if reader not in self._broken:
            _log.warning("%s reads nothing: %s", reader, visible_line(problem))
        self._broken.add(reader)
        self._reading.discard(reader)
        waited = time.monotonic() - self._stored
        if len(self._broken) >= self._actors or (not self._reading and waited > PATIENCE_SECONDS):
            raise _nothing_read(problem)


def _nothing_read(problem: str) -> EngineLostError:
    """The error for a run in which no actor can read."""
    return EngineLostError(
        f"no actor of Ray can read ({visible_line(problem)[-MOST_SHOWN:]})",
        remedy="The same command goes on where it stopped.",
    )


def ray_units(
    units: Iterator[PageUnit],
    settings: BatchSettings,
    folder: RunFolder,
    on_pages: OnPages,
    shares: RayShares,
) -> Iterator[PageUnit]:
    """Read units on a cluster, and yield each when it is stored, in any order.

    An actor or a machine that dies is replaced, and what it had not stored is read again. If an
    actor returns units because its backend cannot read, the others read them.

    Args:
        units: What to read.
        settings: How to read.
        folder: The folder of the run, which every machine must reach.
        on_pages: Called with the pages of each unit.
        shares: The division of the cluster, from :func:`ray_shares`.

    Raises:
        EngineLostError: If Ray gives up, or no actor can read.
        OutputError: If the results cannot be stored.
    """
    _log.info("%d actors of Ray read pages", shares.actors)
    again: list[PageUnit] = []
    while window := again + list(islice(units, WINDOW_UNITS - len(again))):
        again, stored, problem = [], 0, ""
        waiting = {unit.file_name: unit for unit in window}
        # Without cards, all actors use the same server, so what one cannot read, no other can.
        readers = _Readers(shares.actors if shares.cards else 1)
        for told in _acknowledged(window, settings, folder, shares):
            unit = waiting.pop(told.name, None)
            if told.problem:
                again += [] if unit is None else [unit]
                problem = told.problem
                readers.failed(told.done.reader, problem)
                continue
            readers.read(told.done.reader)
            stored += 1
            on_pages(told.done)
            if unit is not None:
                yield unit
        if again and not stored:
            raise _nothing_read(problem)


def _acknowledged(
    window: list[PageUnit], settings: BatchSettings, folder: RunFolder, shares: RayShares
) -> Iterator[_ToldUnit]:
    """What the actors report about each unit."""
    from ray.exceptions import RayError

    try:
        read = _dataset(window, settings, folder, shares)
        for batch in read.iter_batches(batch_size=None, prefetch_batches=0):
            columns = (batch[each] for each in ("unit", "pages", "errors", "reader", "problem"))
            for name, pages, errors, reader, problem in zip(*columns, strict=True):
                kinds = json.loads(errors)
                done = PagesDone(str(reader), int(pages) - sum(kinds.values()), kinds)
                yield _ToldUnit(str(name), done, str(problem))
    except RayError as error:
        cause = _cause_of_ours(error)
        if cause is not None:
            raise cause from error
        raise EngineLostError(
            f"Ray has ended the run ({visible_line(str(error))[-MOST_SHOWN:]})",
            remedy="The logs of its actors say why; the same command goes on where it stopped.",
        ) from error


def _cause_of_ours(error: BaseException) -> DeepSeekOCRError | None:
    """Our own error inside an error of Ray, such as a full disk."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        if isinstance(cause, DeepSeekOCRError):
            # Ray's copy is also an instance of our class, but its text is a traceback.
            wrapped = getattr(cause, "cause", None)
            return wrapped if isinstance(wrapped, DeepSeekOCRError) else cause
        cause = getattr(cause, "cause", None) or cause.__cause__
    return None


def _dataset(
    window: list[PageUnit], settings: BatchSettings, folder: RunFolder, shares: RayShares
) -> Any:  # noqa: ANN401 - a dataset of Ray
    import ray.data

    rows = [asdict(unit) for unit in window]
    together = units_in_batch(len(rows), shares)
    blocks = max(1, -(-len(rows) // together))
    dataset: Any = ray.data.from_items(rows, override_num_blocks=blocks)
    apart = can_be_drawn_apart(settings.backend)
    if apart:
        dataset = dataset.map_batches(
            draw_batch,
            fn_kwargs={"settings": json.dumps(settings.to_dict())},
            batch_size=together,
            compute=ray.data.TaskPoolStrategy(size=shares.drawers),
            num_cpus=shares.cores,
            max_calls=DRAWN_BATCHES,
        )
    # Ray restarts an actor that died, and repeats its task, without end.
    dataset = dataset.map_batches(
        DrawnStoringReader if apart else StoringReader,
        fn_constructor_args=(settings.to_dict(), folder.uri),
        batch_size=together,
        batch_format="pyarrow" if apart else "default",
        **actor_options(shares, settings, together, blocks),
    )
    options = dataset.context.execution_options
    dataset.context.enable_progress_bars = False  # there is one already
    options.resource_limits = ray.data.ExecutionResources.for_limits(
        object_store_memory=PICTURE_BYTES * shares.actors
    )
    return dataset
