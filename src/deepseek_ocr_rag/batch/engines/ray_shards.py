"""Writes the shards of a part on any machine of a Ray cluster: :func:`write_elsewhere`."""

from __future__ import annotations

from typing import Final

from ...errors import DeepSeekOCRError, EngineLostError
from ...text.visible import visible_line
from ..batch_settings import BatchSettings
from ..output.shards import ShardWriter
from ..output.staged_units import StagedUnits
from ..planning import PlannedPart
from ..run_account import PartAccount
from ..storage.run_folder import RunFolder

__all__ = ["write_elsewhere", "write_part"]

MOST_SHOWN: Final = 400
"""Characters of an error of Ray, which is a traceback; its end says what happened."""


def write_part(planned: PlannedPart, folder: RunFolder, settings: BatchSettings) -> PartAccount:
    """Write the shards of a part, and then its mark, in this process."""
    staged = StagedUnits(folder, settings.part_documents)
    return ShardWriter(folder, staged, settings.chunk_tokens).write(planned)


def write_elsewhere(
    planned: PlannedPart, folder: RunFolder, settings: BatchSettings
) -> PartAccount:
    """Do the same in a task of Ray, and wait for it.

    A task whose machine dies is run again, and writes the same bytes.

    Raises:
        EngineLostError: If Ray gives up.
        OutputError: If a page is missing, or the folder cannot be written.
    """
    import ray
    from ray.exceptions import RayError, RayTaskError

    # The task reserves no processor, because all of the cluster's draw and read.
    task = ray.remote(num_cpus=0, max_retries=-1)(write_part)
    try:
        written: PartAccount = ray.get(task.remote(planned, folder, settings))
    except RayError as error:
        cause = error.cause if isinstance(error, RayTaskError) else None
        if isinstance(cause, DeepSeekOCRError):
            raise cause from error
        raise EngineLostError(
            f"Ray could not write {planned.part.name} ({visible_line(str(error))[-MOST_SHOWN:]})",
            remedy="The same command goes on where it stopped.",
        ) from error
    return written
