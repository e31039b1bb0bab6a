"""Cut clients from their server: both ways, or one way only.

Where requests arrive and answers do not, everything that clients asked for was done and none learned it: the richest
source of unknown outcomes. The server stays in its cluster, leads and commits. Proved by a datagram each way between
this host, where clients live, and every node: exactly the cut directions die.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Annotated, Any, Final

import msgspec

from quorate.harness.cluster import doctor
from quorate.harness.cluster.network.clients import CLIENTS
from quorate.harness.core.fault import Plan, Proof, Scene
from quorate.harness.core.finding import Finding
from quorate.harness.core.node import ClientWays
from quorate.harness.core.outcome import Broken, UsageError
from quorate.harness.core.settings import about
from quorate.nemesis.nodes import NodeFault
from quorate.nemesis.targets import ANY

BOTH, REQUESTS, ANSWERS = "both", "requests", "answers"
WAYS: Final[Mapping[str, str]] = {
    BOTH: "nothing arrives in either direction",
    REQUESTS: "requests do not arrive",
    ANSWERS: "requests arrive, answers do not",
}
# Answers alone are lost twice as often: it is what tests clients and checkers most.
_DRAWN: Final = (BOTH, REQUESTS, ANSWERS, ANSWERS)
Pair = tuple[str, str]


class ClientPartitionSettings(msgspec.Struct, frozen=True):
    """Settings of client partitions."""

    way: Annotated[str, about("what is lost", choices={**WAYS, ANY: "drawn"})] = ANY


class ClientPartition(NodeFault):
    """Cut clients from servers, in one or both directions; servers reach each other all the time."""

    name = "client-partition"
    on_theirs = "inside"
    settings_type = ClientPartitionSettings

    def __init__(self, options: ClientPartitionSettings) -> None:
        super().__init__(options)
        self._way = options.way

    def probes(self) -> Sequence[Callable[[], Finding]]:
        """Return what it asks of this machine."""
        return (doctor.cuts,)

    def check(self, scene: Scene) -> None:
        """Raise `UsageError` for a network in which clients and the harness cannot be distinguished from all else."""
        _network(scene)

    def detail(self, rng: Random) -> dict[str, Any]:
        """Decide which way is cut."""
        drawn = _DRAWN[int(rng.random() * len(_DRAWN))]
        return {"way": drawn if self._way == ANY else self._way}

    async def inject(self, scene: Scene, plan: Plan) -> None:
        """Cut; raise `Broken` where a way is dead before: then nothing could be proved."""
        network = _network(scene)
        dead = sorted(pair for pair, alive in (await network.probe_clients()).items() if not alive)
        if dead:
            told = ", ".join(f"{one}→{other}" for one, other in dead)
            raise Broken(
                "not-provable", f"dead before the cut: {told} (does this host drop datagrams of its nodes?)"
            )
        await network.cut_clients(_cut(plan))

    async def prove(self, scene: Scene, plan: Plan) -> Proof:
        """Probe all ways: the cut ones are dead, all others alive."""
        return await self._probe(scene, _cut(plan))

    async def heal(self, scene: Scene, plan: Plan) -> None:
        """Remove the cuts."""
        del plan
        await _network(scene).cut_clients(frozenset())

    async def prove_healed(self, scene: Scene, plan: Plan) -> Proof:
        """Probe all ways: all alive."""
        del plan
        return await self._probe(scene, frozenset())

    @staticmethod
    async def _probe(scene: Scene, dead: frozenset[Pair]) -> Proof:
        arrived = await _network(scene).probe_clients()
        wrong = [f"{one}→{other} still alive" for one, other in sorted(dead) if arrived[one, other]]
        lost = sorted(pair for pair, alive in arrived.items() if not alive and pair not in dead)
        wrong += [f"{one}→{other} dead" for one, other in lost]
        text = f"{len(dead)} ways of clients dead, {len(arrived) - len(dead)} alive, by probe"
        if wrong:
            text = f"not as planned: {', '.join(wrong)}"
        return Proof(holds=not wrong, text=text, data={"dead": len(dead), "probed": len(arrived)})


def _cut(plan: Plan) -> frozenset[Pair]:
    way = plan.detail["way"]
    pairs = {(CLIENTS, name) for name in plan.nodes if way in {BOTH, REQUESTS}}
    return frozenset(pairs | {(name, CLIENTS) for name in plan.nodes if way in {BOTH, ANSWERS}})


def _network(scene: Scene) -> ClientWays:
    ways = scene.cluster.network.client_ways
    if ways is None:
        raise UsageError(
            "client-partition needs nodes whose network this process can enter (local, or containers as root): "
            "elsewhere the harness would cut itself off with the clients"
        )
    return ways
