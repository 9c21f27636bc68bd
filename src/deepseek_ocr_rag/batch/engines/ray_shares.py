"""Divides a Ray cluster among the parts of a run: :func:`ray_shares`."""

from __future__ import annotations

from dataclasses import dataclass
from inspect import signature
from typing import Any, Final

from ...errors import ConfigurationError
from ..arrow_extra import check_ray
from ..batch_settings import BatchSettings

__all__ = ["RayShares", "actor_options", "ray_shares", "units_in_batch"]

UNITS_IN_BATCH: Final = 4
"""Most units that go to an actor together: each batch costs Ray some milliseconds."""

FEW_CARDS: Final = 16
"""Up to this many cards get units one by one. More cards get several at once, because Ray then has
more to do, and a card that is idle at the end costs less."""

BATCHES_AT_ONCE: Final = 2
"""Batches that an actor without a card reads at the same time, so that it has other pages to read
while the last ones of a batch are slow."""

BATCHES_AHEAD: Final = 2
"""Batches that wait at an actor, besides those that it reads. With more, the first actor to be ready
would take what the others could have read."""

DRAWERS: Final = 4
"""Most tasks that draw for one actor. A task draws about 16 pages a second; a card reads 25."""


@dataclass(frozen=True, slots=True)
class RayShares:
    """What each part of a run gets of a cluster.

    Attributes:
        actors: Number of actors that read.
        cards: Cards of each actor.
        cores: CPU cores of each actor, and of each task that draws; below 1 if there are few.
        drawers: Most tasks that draw at the same time.
    """

    actors: int
    cards: float
    cores: float
    drawers: int


def ray_shares(gpus: int | None) -> RayShares:
    """Connect to a cluster, and divide it.

    The cluster is the one that this process is connected to, or the one in ``RAY_ADDRESS``, or else
    one that is started on this machine.

    Args:
        gpus: Cards that read at the same time; None for all, or for one actor per machine if the
            cluster has no card.

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
    # If actors took all cores, none would be left for drawing.
    share = min(1.0, cores / (2 * actors))
    drawers = min(DRAWERS * actors, max(1, int(cores / share) - actors))
    return RayShares(actors, 1.0 if cards else 0.0, share, drawers)


def units_in_batch(units: int, shares: RayShares) -> int:
    """How many units go to an actor together; fewer if some actors would otherwise get none."""
    if shares.cards:
        return max(1, min(UNITS_IN_BATCH, shares.actors // FEW_CARDS))
    return max(1, min(UNITS_IN_BATCH, units // (BATCHES_AT_ONCE * shares.actors)))


def actor_options(
    shares: RayShares, settings: BatchSettings, together: int, batches: int
) -> dict[str, Any]:
    """The options of ``map_batches`` for the actors.

    Every card has an actor from start to end. Ray would start the second one only when
    much work waits for the first, and end it when little does, but a model takes long to load.
    Without cards, one actor is enough to start: if a machine is lost, more actors could take all
    cores, so that none is left for drawing. If a card is busy or lost, its actor waits for it
    while the others read.

    Args:
        shares: The division of the cluster.
        settings: How to read.
        together: Units in a batch.
        batches: Number of batches; Ray warns if there are more actors.
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
    # Ray 2.55 takes this beside the pool; Ray 2.60 warns about that.
    calls = "max_concurrent_calls_per_actor"
    named = calls in signature(ray.data.ActorPoolStrategy).parameters
    (pool if named else options)[calls if named else "max_concurrency"] = at_once
    return {**options, "compute": ray.data.ActorPoolStrategy(**pool)}
