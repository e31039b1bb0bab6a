"""Nodes cut off from all others in both directions, by a separate table: whatever else is cut stays as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from quorate.harness.cluster.network import EnteredNetwork, ExecutedNetwork, rules
from quorate.harness.core.fault import Scene
from quorate.harness.core.outcome import Broken

NEEDED: Final = "a cluster with a packet filter"


def filters(scene: Scene) -> bool:
    """Whether this cluster's network can do it: the simulated one cannot."""
    return isinstance(scene.cluster.network, EnteredNetwork | ExecutedNetwork)


async def isolate(scene: Scene, names: Sequence[str]) -> None:
    """Make these nodes and all others deaf to each other; several of these to each other too."""
    for name, addresses in _peers(scene, names).items():
        await _network(scene).drop(name, rules.alone(addresses))


async def rejoin(scene: Scene) -> None:
    """End it for all nodes; safe to call twice."""
    for node in scene.cluster.nodes:
        await _network(scene).undrop(node.name, rules.ALONE_TABLE)


async def cut_ports(scene: Scene, names: Sequence[str], ports: Sequence[int]) -> None:
    """Do the same for connections with one of these ports alone."""
    for name, addresses in _peers(scene, names).items():
        await _network(scene).drop(name, rules.on_ports(addresses, ports))


async def join_ports(scene: Scene) -> None:
    """End that for all nodes; safe to call twice."""
    for node in scene.cluster.nodes:
        await _network(scene).undrop(node.name, rules.PORTS_TABLE)


def ways(scene: Scene, names: Sequence[str]) -> set[tuple[str, str]]:
    """Return the directions between these nodes and all others."""
    every = [node.name for node in scene.cluster.nodes]
    return {pair for one in names for other in every if one != other for pair in ((one, other), (other, one))}


def _peers(scene: Scene, names: Sequence[str]) -> Mapping[str, list[str]]:
    """Return for each node the addresses that it hears no longer."""
    addresses = {node.name: node.address for node in scene.cluster.nodes}
    found: dict[str, list[str]] = {}
    for source, target in sorted(ways(scene, names)):
        found.setdefault(target, []).append(addresses[source])
    return found


def _network(scene: Scene) -> EnteredNetwork | ExecutedNetwork:
    network = scene.cluster.network
    if not isinstance(network, EnteredNetwork | ExecutedNetwork):
        raise Broken("impossible-cut", f"cutting single nodes off beside other cuts needs {NEEDED}")
    return network
