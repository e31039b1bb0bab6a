"""Which nodes a fault acts on: names that mean the same for every fault, decided from a seeded source."""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random
from typing import Final

from quorate.harness.core.clock import until
from quorate.harness.core.fault import Scene
from quorate.harness.core.outcome import Broken
from quorate.harness.core.system import NodeStatus

ANY: Final = "any"
# What `any` draws from. `all` and `random` are asked for by name: they are rarely what finds a bug.
VARIED: Final = ("leader", "one", "minority", "majority", "followers")
NODE_TARGETS: Final = (ANY, *VARIED, "random", "all")

FOLLOWER: Final = "follower"  # one of the followers: `choose_servers` knows it
_SMALLEST: Final = {"minority": 3, "majority": 2, "followers": 2, FOLLOWER: 2}
_LEADER_PATIENCE_S: Final = 3.0
_LEADER_POLL_S: Final = 0.1
_NAMED = re.compile(r"[A-Za-z0-9][\w.-]*(\+[A-Za-z0-9][\w.-]*)*")


def names_of(target: str) -> tuple[str, ...] | None:
    """Return the nodes of an explicit target (`n1+n3`), or None where it has not that form.

    A single word counts as a node's name only with a digit or a dot in it, so that a misspelt target is not taken
    for a node.
    """
    if not _NAMED.fullmatch(target) or not ("+" in target or re.search(r"[\d.]", target)):
        return None
    return tuple(dict.fromkeys(target.split("+")))


def obstacle(target: str, count: int) -> str | None:
    """Return why a cluster of `count` nodes can never have this target, or None."""
    least = _SMALLEST.get(target, 1)
    if count < least:
        return f"{target} needs at least {least} nodes, the cluster has {count}"
    return None


async def choose(scene: Scene, target: str, rng: Random) -> tuple[str, list[str]]:
    """Return the target as it was resolved (`any` becomes one that is possible) and the names of its nodes.

    Draws from `rng` are the same whoever leads. Raises `Broken` for a target that this cluster cannot have.
    """
    names = present(scene)
    if target == ANY:
        target = rng.choice([name for name in VARIED if obstacle(name, len(names)) is None])
    reason = obstacle(target, len(names))
    if reason is not None:
        raise Broken("impossible-target", reason)
    explicit = None if target in NODE_TARGETS else names_of(target)
    if explicit is not None:
        return target, check_names(explicit, names)
    order = rng.sample(names, len(names))
    if target in ("leader", "followers"):
        leader = await leader_of(scene)
        return target, [leader] if target == "leader" else [name for name in names if name != leader]
    sizes = {
        "one": 1,
        "minority": (len(names) - 1) // 2,
        "majority": len(names) // 2 + 1,
        "all": len(names),
        "random": rng.randint(1, len(names)),
    }
    if target not in sizes:
        raise Broken("impossible-target", f'unknown target "{target}"')
    return target, order[: sizes[target]]


async def choose_servers(scene: Scene, target: str, rng: Random) -> tuple[str, list[str]]:
    """Choose as `choose` does, and for `follower` one of the followers."""
    picked = rng.random()
    if target != FOLLOWER:
        return await choose(scene, target, rng)
    _, names = await choose(scene, "followers", rng)
    return FOLLOWER, [sorted(names)[int(picked * len(names))]]


def present(scene: Scene) -> list[str]:
    """Return the nodes that belong to the cluster: one that a fault has taken out of it is not a target for another."""
    membership = scene.system.membership
    away = membership.away if membership is not None else frozenset()
    return [node.name for node in scene.cluster.nodes if node.name not in away]


def check_names(wanted: Sequence[str], names: Sequence[str]) -> list[str]:
    """Return the wanted names; raise `Broken` where the cluster has no such node."""
    strangers = [name for name in wanted if name not in names]
    if strangers:
        raise Broken(
            "impossible-target", f"no node is called {', '.join(strangers)}; there are {', '.join(names)}"
        )
    return list(wanted)


async def leader_of(scene: Scene) -> str:
    """Return who leads, by the highest term; waits through an election, and raises `Broken` if none comes of it."""

    def leading(statuses: Sequence[NodeStatus]) -> list[NodeStatus]:
        return [status for status in statuses if status.healthy and status.role == "leader"]

    statuses = await until(
        lambda: scene.system.status(scene.cluster),
        lambda found: bool(leading(found)),
        deadline_s=_LEADER_PATIENCE_S,
        poll_s=_LEADER_POLL_S,
    )
    if leaders := leading(statuses):
        return max(leaders, key=lambda status: status.term or 0).node
    told = "; ".join(f"{status.node}: {status.error or status.role}" for status in statuses)
    raise Broken("no-leader", f"no node leads ({told})")
