"""What a run gets of a Ray cluster: :func:`ray_shares`, and how its actors are kept."""

from __future__ import annotations

from dataclasses import dataclass
from inspect import signature
from typing import Any, Final

from ...errors import ConfigurationError
from ..arrow_extra import check_ray
from ..batch_settings import BatchSettings

__all__ = ["RayShares", "actor_options", "ray_shares", "units_in_batch"]

UNITS_IN_BATCH: Final = 4
"""Units that go to an actor together, at most: each batch costs Ray some milliseconds."""

FEW_CARDS: Final = 16
"""So many cards get single units, and more of them get them together: then Ray has more to do, and
at the end a card that has no unit left costs less."""

BATCHES_AT_ONCE: Final = 2
"""Batches that an actor without a card reads at the same time: when the last pages of one are slow,
there are others."""

BATCHES_AHEAD: Final = 2
"""Batches that wait at an actor beside those that it reads. With more, the first actor that is ready
takes what the others could have read."""

DRAWERS: Final = 4
"""Tasks that draw for one actor, at most. One draws about 16 pages a second, a card reads 25."""


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


def units_in_batch(units: int, shares: RayShares) -> int:
    """How many units go to an actor together: fewer if some actors would get none."""
    if shares.cards:
        return max(1, min(UNITS_IN_BATCH, shares.actors // FEW_CARDS))
    return max(1, min(UNITS_IN_BATCH, units // (BATCHES_AT_ONCE * shares.actors)))


def actor_options(
    shares: RayShares, settings: BatchSettings, together: int, batches: int
) -> dict[str, Any]:
    """What ``map_batches`` is told about the actors.

    Every card has an actor from the start to the end: Ray would start the second one only when
    much waits for the first, and end it when little does, but a model takes long to load. Without
    cards it may be one: where a machine is lost, more could take all processors, so that nobody
    draws. A card that is not free, or that is lost, has an actor that waits for it, while the
    others read.

    Args:
        shares: What the run gets of the cluster.
        settings: What reads.
        together: Units of a batch.
        batches: Batches; Ray warns of actors beyond them.
    """
    import ray.data

    at_once = BATCHES_AT_ONCE
    if shares.cards:
        at_once = max(at_once, -(-settings.units_together // together))
    pool: dict[str, Any] = {
        "min_size": max(1, min(shares.actors, batches)) if shares.cards else 1,
        "max_size": shares.actors,
        "max_tasks_in_flight_per_actor": at_once + BATCHES_AHEAD,
        "enable_true_multi_threading": True,
    }
    options: dict[str, Any] = {"num_gpus": shares.cards, "num_cpus": shares.cores}
    # Ray 2.55 takes it beside the pool, of which Ray 2.60 warns.
    calls = "max_concurrent_calls_per_actor"
    named = calls in signature(ray.data.ActorPoolStrategy).parameters
    (pool if named else options)[calls if named else "max_concurrency"] = at_once
    return {**options, "compute": ray.data.ActorPoolStrategy(**pool)}
