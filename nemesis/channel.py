"""Cut one kind of connection between servers, and leave the others: what hears by one way and not by another.

Consul's servers gossip about who lives and talk raft and requests over RPC; ZooKeeper's elect over one port and follow
over another. Where only one of the two dies, a server is alive to some and dead to others, and none learns it. Packets
with the port at either end are dropped at their receiver, in both directions. Proved by connections: to the cut ports
they are answered by silence, to all others by an answer, be it a refusal.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from random import Random
from typing import Annotated, Final

import msgspec

from quorate.harness.cluster import doctor
from quorate.harness.cluster.kernel import in_netns
from quorate.harness.cluster.network import EnteredNetwork
from quorate.harness.core.fault import Plan, Proof, Scene
from quorate.harness.core.finding import Finding
from quorate.harness.core.node import Node
from quorate.harness.core.outcome import Broken, UsageError
from quorate.harness.core.settings import about
from quorate.harness.core.system import System
from quorate.nemesis import isolating
from quorate.nemesis.nodes import NodeFault

_SILENCE_S: Final = 0.5
_TRIES: Final = 2
Way = tuple[str, str, int]


class ChannelSettings(msgspec.Struct, frozen=True):
    """Settings of cuts by port."""

    name: (
        Annotated[
            str,
            about(
                "which connections die: rpc or gossip of Consul, data or election of ZooKeeper", unset="drawn"
            ),
        ]
        | None
    ) = None


class Channel(NodeFault):
    """Cut one kind of connection between servers, such as Consul's RPC without its gossip."""

    name = "channel"
    settings_type = ChannelSettings
    holds = True

    def __init__(self, options: ChannelSettings) -> None:
        super().__init__(options)
        self._wanted = options.name
        self._channels: dict[str, tuple[int, ...]] = {}

    @classmethod
    def obstacle(cls, target: str, count: int) -> str | None:
        """Return why a cluster of `count` nodes can never have this target, or None."""
        least = 2
        if count < least:
            return f"connections between servers need at least {least} nodes, the cluster has {count}"
        return super().obstacle(target, count)

    def suits(self, system: System) -> None:
        """Raise `UsageError` for a system whose servers have one kind of connection, and for an unknown kind."""
        self._channels = dict(system.channels)
        if not self._channels:
            raise UsageError(
                f"channel: servers of {system.name} have one kind of connection: use partition or client-partition"
            )
        if self._wanted is not None and self._wanted not in self._channels:
            raise UsageError(
                f"--set channel.name={self._wanted}: unknown (known: {', '.join(self._channels)})"
            )

    def probes(self) -> Sequence[Callable[[], Finding]]:
        """Return what it asks of this machine."""
        return (doctor.cuts,)

    def check(self, scene: Scene) -> None:
        """Raise `UsageError` where no connection can be tried from within a node."""
        if not isinstance(scene.cluster.network, EnteredNetwork):
            raise UsageError(
                "channel needs nodes whose network this process can enter (local, or containers as root)"
            )

    def detail(self, rng: Random) -> dict[str, str | list[int]]:
        """Decide which connections die."""
        drawn = sorted(self._channels)[int(rng.random() * len(self._channels))]
        name = drawn if self._wanted is None else self._wanted
        return {"channel": name, "ports": list(self._channels[name])}

    async def inject(self, scene: Scene, plan: Plan) -> None:
        """Cut; raise `Broken` where such a connection is dead before: then nothing could be proved."""
        every = _ways(scene, plan.nodes, _ports(plan))
        if dead := sorted(every - await _answered(scene, every)):
            raise Broken("not-provable", f"dead before the cut: {_told(dead)}")
        await isolating.cut_ports(scene, plan.nodes, _ports(plan))

    async def prove(self, scene: Scene, plan: Plan) -> Proof:
        """Try all ways of the targets: those on the cut ports are silent, all others answer."""
        return await self._try(scene, plan, _ways(scene, plan.nodes, _ports(plan)))

    async def heal(self, scene: Scene, plan: Plan) -> None:
        """Let everything through again."""
        del plan
        await isolating.join_ports(scene)

    async def prove_healed(self, scene: Scene, plan: Plan) -> Proof:
        """Try the cut ways again: all answer. Other faults may have cut the nodes off by now."""
        network = scene.cluster.network
        ways = _ways(scene, plan.nodes, _ports(plan))
        alive = await network.probe(sorted({(source, target) for source, target, _ in ways}))
        free = {(one, other, port) for one, other, port in ways if alive[one, other] and alive[other, one]}
        answered = await _answered(scene, free)
        silent = sorted(free - answered)
        text = f"silent still: {_told(silent)}" if silent else f"{len(answered)} connections answered"
        return Proof(holds=not silent, text=text)

    async def _try(self, scene: Scene, plan: Plan, dead: set[Way]) -> Proof:
        others = sorted({port for ports in self._channels.values() for port in ports} - set(_ports(plan)))
        # Whether other channels live is asked by datagram where a fault cut the nodes off altogether.
        spared = _ways(scene, plan.nodes, others)
        arrived = await scene.cluster.network.probe(sorted({(one, other) for one, other, _ in spared}))
        spared = {way for way in spared if arrived[way[0], way[1]] and arrived[way[1], way[0]]}
        answered = await _answered(scene, dead | spared)
        leaks, lost = sorted(dead & answered), sorted(spared - answered)
        kind = plan.detail["channel"]
        text = f"{kind}: {len(dead)} ways silent, {len(spared)} of other channels answer, by connection"
        if leaks or lost:
            text = f"not as planned: {_told([*leaks, *lost])} {'answer' if leaks else 'are silent'}"
        return Proof(holds=not leaks and not lost, text=text, data={"dead": len(dead), "alive": len(spared)})


def _ports(plan: Plan) -> list[int]:
    return [int(port) for port in plan.detail["ports"]]


def _ways(scene: Scene, names: Sequence[str], ports: Sequence[int]) -> set[Way]:
    return {(one, other, port) for one, other in isolating.ways(scene, names) for port in ports}


def _told(ways: Sequence[Way]) -> str:
    return ", ".join(f"{source}→{target}:{port}" for source, target, port in ways)


async def _answered(scene: Scene, ways: set[Way]) -> set[Way]:
    """Return the ways on which a connection was answered, if only by a refusal; silence is tried twice."""
    nodes = {node.name: node for node in scene.cluster.nodes}
    found: set[Way] = set()
    for _ in range(_TRIES):
        left = sorted(ways - found)
        said = await asyncio.gather(*(_answers(nodes[one], nodes[other], port) for one, other, port in left))
        found |= {way for way, answers in zip(left, said, strict=True) if answers}
    return found


async def _answers(source: Node, target: Node, port: int) -> bool:
    def make() -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        made.bind((source.address, 0))
        return made

    try:
        asking = in_netns(source.netns or "", make)
    except OSError as error:
        raise Broken("probe", f"cannot connect from within {source.name}: {error}") from error
    try:
        async with asyncio.timeout(_SILENCE_S):
            await asyncio.get_running_loop().sock_connect(asking, (target.address, port))
    except TimeoutError:
        return False
    except ConnectionRefusedError:
        return True
    except OSError:  # no way there at all
        return False
    finally:
        asking.close()
    return True
