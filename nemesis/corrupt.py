"""Damaged disks: a torn end of a log, a flipped bit, a file that ends early - and the server is started upon it.

It may refuse to start, or repair what it can; it must not serve what is wrong. Only a minority is corrupted, and only
when all others know what it knows, so whatever it forgets is safe with them: a lost write is the server's own doing.
Proved by the bytes read back. At the healing the server is rebuilt from the others on an empty disk, as a new member
where the service wants that.
"""

from __future__ import annotations

import asyncio
from random import Random
from typing import Annotated, Any, Final

import msgspec

from quorate.harness.core.clock import until
from quorate.harness.core.damage import Corruption
from quorate.harness.core.fault import Plan, Proof, Scene, named
from quorate.harness.core.node import Node, ProcessState
from quorate.harness.core.outcome import Broken, UsageError
from quorate.harness.core.registry import did_you_mean
from quorate.harness.core.settings import about
from quorate.harness.core.system import System
from quorate.nemesis import processes, rebuild
from quorate.nemesis.member import Member, MemberSettings
from quorate.nemesis.nodes import NodeFault
from quorate.nemesis.targets import ANY

_SIZE_MOST: Final = 200
_VERDICT_S: Final = 8.0  # a JVM on a busy machine needs some seconds for either
_POLL_S: Final = 0.1


class CorruptSettings(msgspec.Struct, frozen=True):
    """Settings of damaged disks."""

    kind: Annotated[
        str,
        about(
            "what is wrong. etcd: wal-tail, wal-bit, wal-cut, snap-bit, db-bit; Consul: db-meta, db-cut, snap-bit, "
            "db-bit; ZooKeeper: log-tail, log-bit, log-cut, snap-bit; any that the service promises to notice"
        ),
    ] = ANY


class Corrupt(NodeFault):
    """Damage the disks of a minority while their servers are stopped, and start them upon it."""

    name = "corrupt"
    targets = Member.targets
    downs = True
    crashes = "any"  # a server may refuse a damaged disk, and the others may raise an alarm about it
    needs_majority = True
    deadline_s = 100.0
    settings_type = CorruptSettings

    def __init__(self, options: CorruptSettings) -> None:
        super().__init__(options)
        self._kind = options.kind
        self._members = Member(MemberSettings())
        self._rebuild = rebuild.Rebuild()
        self._proofs: dict[str, tuple[bool, str]] = {}

    @classmethod
    def obstacle(cls, target: str, count: int) -> str | None:
        """Return why a cluster of `count` nodes can never have this target, or None."""
        return Member.obstacle(target, count)

    def suits(self, system: System) -> None:
        """Raise `UsageError` for a system whose disks are not known, or for a kind of damage that they cannot have."""
        kinds = [ANY, *rebuild.damage_of(system).kinds]
        if self._kind not in kinds:
            hint = did_you_mean(self._kind, kinds)
            raise UsageError(f"--set corrupt.kind={self._kind}: unknown{hint} (known: {', '.join(kinds)})")

    async def prepare(self, scene: Scene) -> None:
        """Where servers come back as new members, see that they can."""
        if not self._in_place(scene):
            self._members.suits(scene.system)
            await self._members.prepare(scene)

    async def plan(self, scene: Scene, target: str, rng: Random) -> Plan:
        """Decide whose disk is corrupted, how, and where."""
        usual = rebuild.damage_of(scene.system).usual
        drawn = usual[int(rng.random() * len(usual))]
        kind = drawn if self._kind == ANY else self._kind
        at, size = round(rng.uniform(0.25, 0.95), 6), rng.randint(8, _SIZE_MOST)
        chosen = await self._members.plan(scene, target, rng)
        how = {} if self._in_place(scene) else {"way": chosen.detail["way"]}
        return named(chosen.nodes, self.name, chosen.target, kind=kind, at=at, size=size, **how)

    async def inject(self, scene: Scene, plan: Plan) -> None:
        """Kill, wait until the others need them no more, corrupt the disks, and start."""
        self._proofs.clear()
        await rebuild.end(scene, plan)
        for node in processes.nodes_of(scene, plan.nodes):
            self._proofs[node.name] = await self._hurt(scene, plan, node)
        await asyncio.gather(
            *(scene.system.start(scene.cluster, node) for node in processes.nodes_of(scene, plan.nodes))
        )

    async def prove(self, scene: Scene, plan: Plan) -> Proof:
        """Say what was read back from the disks, and what the servers made of it."""
        nodes = processes.nodes_of(scene, plan.nodes)
        made = await asyncio.gather(*(self._outcome_after_restart(scene, node) for node in nodes))
        proofs = [self._proofs.get(name, (False, "not corrupted")) for name in plan.nodes]
        told = [
            f"{name}: {words}; {what}"
            for name, (_, words), what in zip(plan.nodes, proofs, made, strict=True)
        ]
        data: dict[str, Any] = {"kind": plan.detail["kind"]}
        return Proof(holds=all(fine for fine, _ in proofs), text="\n".join(told), data=data)

    async def heal(self, scene: Scene, plan: Plan) -> None:
        """Rebuild the servers from the others: in place, or removed, wiped, and added as new members."""
        if self._in_place(scene):
            await self._rebuild.heal(scene, plan)
            return
        members = self._members
        try:
            await members.inject(scene, plan)
        except Broken as error:
            members.failed(plan, error.text)
            return
        await members.heal(scene, plan)

    async def prove_healed(self, scene: Scene, plan: Plan) -> Proof:
        """See the new ones as far as the others, and those that were removed listed as voters."""
        way = self._rebuild if self._in_place(scene) else self._members
        return await way.prove_healed(scene, plan)

    @staticmethod
    def _in_place(scene: Scene) -> bool:
        return rebuild.damage_of(scene.system).folder_to_empty(scene.cluster.nodes[0]) is not None

    async def _hurt(self, scene: Scene, plan: Plan, node: Node) -> tuple[bool, str]:
        """Do the damage; return whether the bytes are other ones now, and what was done, in words."""
        detail = plan.detail
        corruption = await rebuild.damage_of(scene.system).find(
            node, str(detail["kind"]), float(detail["at"]), int(detail["size"])
        )
        before = await _look(node, corruption)
        if corruption.new is None:
            await node.run(["truncate", "-s", str(corruption.offset), corruption.path])
        else:
            argv = ["dd", f"of={corruption.path}", "bs=1", f"seek={corruption.offset}", "conv=notrunc"]
            await node.run(argv, stdin=corruption.new)
        after = await _look(node, corruption)
        return before != after, f"{corruption.path.rpartition('/')[2]}: {corruption.about}"

    async def _outcome_after_restart(self, scene: Scene, node: Node) -> str:
        """Return what a server does that was started on a damaged disk."""

        async def outcome() -> str:
            if await node.state(scene.system.daemon) is ProcessState.DEAD:
                tail = await processes.log_tail(scene, node, processes.STACK_CHARACTERS)
                return f"it refuses to start: {processes.reason(tail)}"
            statuses = await scene.system.status(scene.cluster)
            return "it serves" if any(one.node == node.name and one.healthy for one in statuses) else ""

        return (
            await until(outcome, bool, deadline_s=_VERDICT_S, poll_s=_POLL_S) or "it runs, and does not serve"
        )


async def _look(node: Node, corruption: Corruption) -> str:
    """Return size and checksum of the file."""
    done = await node.run(["sh", "-c", 'wc -c <"$1" && cksum <"$1"', "quorate", corruption.path])
    return done.stdout
