"""What faults that are operators' actions share: targets, an aftermath, proofs, and servers that run again."""

from __future__ import annotations

import abc
import asyncio
from random import Random
from typing import ClassVar, Final

from quorate.harness.core.fault import Plan, Proof, Scene, named
from quorate.harness.core.node import Node
from quorate.harness.core.operating import Operating
from quorate.harness.core.outcome import Broken, OutcomeError
from quorate.harness.core.system import System, offered
from quorate.harness.core.test import UsageError
from quorate.nemesis import processes
from quorate.nemesis.aftermath import Aftermath, AftermathSettings
from quorate.nemesis.nodes import ServerFault
from quorate.nemesis.targets import FOLLOWER, choose_servers

SERVERS: Final = ("one", "leader", FOLLOWER, "all")
_ACT_S: Final = 15.0  # of one action: below the nemesis' own deadline for a step
_STRUCK_S: Final = 0.3  # for the answer of a server that was struck: mostly there is none


class Operator(ServerFault):
    """One action on each target, all at once, with what comes after it."""

    targets: ClassVar[tuple[str, ...]] = SERVERS
    settings_type = AftermathSettings

    def __init__(self, options: AftermathSettings) -> None:
        super().__init__(options)
        self._aftermath = Aftermath(options)
        self.downs = self._aftermath.kills
        self._done: dict[str, str] = {}  # what each action came to
        self._failed: dict[str, str] = {}

    @property
    def holds(self) -> bool:
        """Whether something may come after that a majority must do without."""
        return self._aftermath.strikes

    def check(self, scene: Scene) -> None:
        """Raise `UsageError` where what is to come after cannot be."""
        self._aftermath.check(scene)

    def suits(self, system: System) -> None:
        """Raise `UsageError` for a system, or a release of it, without the action."""
        if self.name not in self.operating(system).actions:
            raise UsageError(f"{self.name}: {system.name} has no such action in this release")

    async def plan(self, scene: Scene, target: str, rng: Random) -> Plan:
        """Decide the servers, and what comes after."""
        after = self._aftermath.drawn(scene, rng)
        resolved, names = await choose_servers(scene, target, rng)
        return named(names, self.name, resolved, **after)

    async def inject(self, scene: Scene, plan: Plan) -> None:
        """Act on all targets at once, and strike while they are at it where the plan says so."""
        self._done, self._failed = {}, {}
        nodes = processes.nodes_of(scene, plan.nodes)
        await asyncio.gather(*(self._one(scene, node, plan) for node in nodes))

    async def prove(self, scene: Scene, plan: Plan) -> Proof:
        """Report what the servers answered, and what the process table says where something came after."""
        struck, after = await self._aftermath.seen(scene, plan, self.victims(plan))
        cut_short = bool(plan.detail.get("then"))
        told = "; ".join([*self._done.values(), *self._failed.values()])
        fine = struck and (cut_short or not self._failed)
        return Proof(holds=fine, text=f"{told}{after}", data={"cut_short": len(self._failed)})

    async def heal(self, scene: Scene, plan: Plan) -> None:
        """Undo what came after, and start the dead; the action itself is not undone."""
        await self._aftermath.undo(scene, plan, self.victims(plan))
        await super().heal(scene, plan)

    @classmethod
    def operating(cls, system: System) -> Operating:
        """Return what operators can do to the system; raise `UsageError` where that is not known."""
        return offered(system.operating, f"{cls.name}: {system.name} has no such action")

    def victims(self, plan: Plan) -> list[str]:
        """Return whom the aftermath strikes."""
        return list(plan.nodes)

    @abc.abstractmethod
    async def _act(self, scene: Scene, node: Node, plan: Plan) -> str:
        """Do it to one server, and return in words what the server answered."""

    async def _one(self, scene: Scene, node: Node, plan: Plan) -> None:
        cut_short = bool(plan.detail.get("then"))
        act = asyncio.ensure_future(self._act(scene, node, plan))
        try:
            # A plan that has an aftermath has it in any case: what was half done is what is looked for.
            await self._aftermath.strike(scene, plan, self._struck_with(node, plan))
            self._done[node.name] = await asyncio.wait_for(act, _STRUCK_S if cut_short else _ACT_S)
        except (OutcomeError, TimeoutError) as error:
            why = str(error) or "no answer in time"
            self._failed[node.name] = f"{node.name} did not come to its end: {why}"
            if not cut_short:
                raise Broken("no-action", self._failed[node.name]) from None
        finally:
            act.cancel()

    def _struck_with(self, node: Node, plan: Plan) -> list[str]:
        return [node.name] if node.name in self.victims(plan) else []
