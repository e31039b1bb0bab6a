"""Members leave the cluster and come back empty: what operators do when they replace a machine, under load.

The others remove the member; its server is ended and its disk emptied. At the healing it is added again, catches up
from the others, and votes. Proved by the list of members as a majority agrees on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Annotated, Final

import msgspec

from quorate.harness.core.clock import until
from quorate.harness.core.fault import Plan, Proof, Scene, named
from quorate.harness.core.membership import LEARNER, VOTER, Listing, Membership
from quorate.harness.core.node import ProcessState
from quorate.harness.core.outcome import Broken, UsageError
from quorate.harness.core.settings import about
from quorate.harness.core.system import System, offered
from quorate.nemesis import processes, progress
from quorate.nemesis.nodes import NodeFault
from quorate.nemesis.targets import ANY, FOLLOWER, choose_servers

_VARIED: Final = ("leader", FOLLOWER, "one", "minority")
_LEAST: Final = 3  # below that no member can go without the others losing their majority
_STEP_S: Final = 25.0
_LISTED_S: Final = 10.0
_MAJORITY_S: Final = 3.0
_POLL_S: Final = 0.1


class MemberSettings(msgspec.Struct, frozen=True):
    """Settings of members that leave."""

    way: Annotated[
        str,
        about(
            "how a member comes back",
            choices={LEARNER: "then promoted", VOTER: "at once", ANY: "drawn from those that there are"},
        ),
    ] = ANY


class Member(NodeFault):
    """Take members out of the cluster, wipe them, and bring them back empty."""

    name = "member"
    targets = (ANY, *_VARIED)
    downs = True
    crashes = "own"  # a server that finds itself removed says so as it ends
    needs_majority = True  # its healing does: it comes after those of other faults
    deadline_s = 100.0
    settings_type = MemberSettings

    def __init__(self, options: MemberSettings) -> None:
        super().__init__(options)
        self._way = options.way
        self._failures: dict[str, str] = {}

    @classmethod
    def obstacle(cls, target: str, count: int) -> str | None:
        """Return why a cluster of `count` nodes can never have this target, or None."""
        if count < _LEAST:
            return f"a member can leave from {_LEAST} nodes on, the cluster has {count}"
        return super().obstacle(target, count)

    def suits(self, system: System) -> None:
        """Raise `UsageError` for a system whose members are fixed."""
        if (why := _membership(system).missing()) is not None:
            raise UsageError(f"member: {why}")

    async def prepare(self, scene: Scene) -> None:
        """Have the servers configured so that their members can change."""
        await _membership(scene.system).prepare(scene.cluster)

    async def plan(self, scene: Scene, target: str, rng: Random) -> Plan:
        """Decide who leaves, and how they come back."""
        ways = _membership(scene.system).ways
        drawn = ways[int(rng.random() * len(ways))]
        way = self._way if self._way in ways else drawn
        if target == ANY:
            target = _VARIED[int(rng.random() * len(_VARIED))]
        resolved, names = await choose_servers(scene, target, rng)
        most = (len(scene.cluster.nodes) - 1) // 2
        if len(names) > most:
            raise Broken("impossible-target", f"{len(names)} members cannot leave: a majority must stay")
        return named(names, self.name, resolved, way=way)

    async def inject(self, scene: Scene, plan: Plan) -> None:
        """Remove one after the other, as etcd and its like demand."""
        for node in processes.nodes_of(scene, plan.nodes):
            await _membership(scene.system).remove(scene.cluster, node, _STEP_S)

    async def prove(self, scene: Scene, plan: Plan) -> Proof:
        """Ask for the members, and see the removed ones without process."""
        listed = await self._listed(scene, plan.nodes, _LISTED_S, gone=True)
        found = await processes.states(scene, plan.nodes)
        gone = listed is not None and not set(plan.nodes) & set(listed.roles)
        dead = set(found.values()) <= {ProcessState.DEAD}
        text = f"members: {_told(listed)}; removed and wiped: {processes.told(found)}"
        return Proof(holds=gone and dead, text=text, data={"members": _roles(listed)})

    async def heal(self, scene: Scene, plan: Plan) -> None:
        """Bring them back one after the other; the proof reports one that does not come, and nothing is raised."""
        self._failures.clear()
        nodes = processes.nodes_of(scene, plan.nodes)
        if await self._listed(scene, (), _MAJORITY_S) is None:
            # Another fault holds the majority: that is healed first, and this is tried again.
            self.failed(plan, "no majority of the others answers now")
            return
        for node in nodes:
            try:
                await _membership(scene.system).add(
                    scene.cluster, node, str(plan.detail.get("way", VOTER)), _STEP_S
                )
            except Broken as error:
                self._failures[node.name] = error.text

    def failed(self, plan: Plan, why: str) -> None:
        """Note why these could not be brought back, for the proof to report."""
        self._failures = dict.fromkeys(plan.nodes, why)

    async def prove_healed(self, scene: Scene, plan: Plan) -> Proof:
        """See all nodes listed as voters, and the new ones as far as the others were when they were asked."""
        if self._failures:
            text = "; ".join(f"{name} did not come back: {why}" for name, why in self._failures.items())
            return Proof(holds=False, text=text)
        listed = await self._listed(scene, plan.nodes, _LISTED_S)
        names = {node.name for node in scene.cluster.nodes}
        roles = _roles(listed)
        voters = {name for name, role in roles.items() if role == VOTER}
        caught_up, far = await progress.caught_up(scene, plan.nodes)
        text = f"members: {_told(listed)}; {far}"
        fine = set(plan.nodes) <= voters and set(roles) <= names and caught_up
        return Proof(holds=fine, text=text, data={"members": roles})

    async def _listed(
        self, scene: Scene, names: Sequence[str], patience_s: float, *, gone: bool = False
    ) -> Listing | None:
        """Return the members, asked again until these are listed (or gone), or the deadline has passed."""
        return await until(
            lambda: _membership(scene.system).members(scene.cluster),
            lambda listed: listed is not None and all((name in listed.roles) != gone for name in names),
            deadline_s=patience_s,
            poll_s=_POLL_S,
        )


def _membership(system: System) -> Membership:
    return offered(system.membership, f"member: the members of {system.name} cannot be changed here")


def _roles(listed: Listing | None) -> dict[str, str]:
    return dict(listed.roles) if listed is not None else {}


def _told(listed: Listing | None) -> str:
    if listed is None:
        return "unknown"
    roles = sorted(listed.roles.items())
    names = ", ".join(name if role == VOTER else f"{name} ({role})" for name, role in roles)
    return f"{names} ({listed.source})" if listed.source else names
