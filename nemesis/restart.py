"""Rolling restarts: one server after the other is stopped in good order and started again, its data kept.

What every change of a configuration does. The next server follows once the one before serves again; who leads comes
last. With `restart.then=kill` the last of them dies again soon after its start, while it catches up. Proved by the
process table, dead and then running, and by one leader whom all know.
"""

from __future__ import annotations

import asyncio
import signal
from random import Random
from typing import Final

import msgspec

from quorate.harness.core.clock import until
from quorate.harness.core.fault import Plan, Proof, Scene, named
from quorate.harness.core.injection import Turn
from quorate.harness.core.node import Node
from quorate.harness.core.outcome import Broken
from quorate.harness.core.system import NodeStatus
from quorate.nemesis import processes
from quorate.nemesis.aftermath import Aftermath, AftermathSettings
from quorate.nemesis.nodes import ServerFault
from quorate.nemesis.targets import NODE_TARGETS, choose

_DEATH_S: Final = 10.0
_READY_S: Final = 20.0
_POLL_S: Final = 0.05


class Restart(ServerFault):
    """Restart servers in good order, one after the other."""

    name = "restart"
    on_theirs = "outside"
    targets = ("all", *(target for target in NODE_TARGETS if target != "all"))
    deadline_s = 120.0  # nodes are restarted in turn
    settings_type = AftermathSettings

    def __init__(self, options: AftermathSettings) -> None:
        super().__init__(options)
        self._aftermath = Aftermath(options)
        self._steps: list[Turn] = []

    def check(self, scene: Scene) -> None:
        """Raise `UsageError` where what is to come after cannot be."""
        self._aftermath.check(scene)

    async def plan(self, scene: Scene, target: str, rng: Random) -> Plan:
        """Decide the servers and their order, who leads last."""
        after = self._aftermath.drawn(scene, rng)
        resolved, names = await choose(scene, target, rng)
        leads = {one.node for one in await scene.system.status(scene.cluster) if one.role == "leader"}
        order = sorted(names, key=lambda name: (name in leads, names.index(name)))
        return named(names, self.name, resolved, order=order, **after)

    async def inject(self, scene: Scene, plan: Plan) -> None:
        """Restart one after the other."""
        loop = asyncio.get_running_loop()
        begin = loop.time()
        self._steps.clear()
        order = [str(name) for name in plan.detail["order"]]
        for node in processes.nodes_of(scene, order):
            stopped = loop.time()
            await self._stop(scene, node)
            await scene.system.start(scene.cluster, node)
            up = loop.time()
            if plan.detail.get("then") and node.name == order[-1]:
                await self._aftermath.strike(scene, plan, [node.name])
            else:
                await self._serves(scene, node)
            self._steps.append(Turn(node.name, stopped, up, loop.time()).since(begin))

    async def prove(self, scene: Scene, plan: Plan) -> Proof:
        """Report the steps; what came after stands in the process table."""
        order = [str(name) for name in plan.detail["order"]]
        struck, after = await self._aftermath.seen(scene, plan, order[-1:])
        gone = [f"{step.node} away for {step.up_s - step.stopped_s:.2f} s" for step in self._steps]
        text = f"stopped, seen dead and started: {', '.join(gone)}{after}"
        fine = struck and [step.node for step in self._steps] == order
        return Proof(holds=fine, text=text, data={"steps": msgspec.to_builtins(self._steps)})

    async def heal(self, scene: Scene, plan: Plan) -> None:
        """Start what is down, resume what is paused, let in what is cut off."""
        await self._aftermath.undo(scene, plan, list(plan.nodes))
        await processes.signal_all(scene, plan.nodes, signal.SIGCONT)
        await super().heal(scene, plan)

    @staticmethod
    async def _stop(scene: Scene, node: Node) -> None:
        """Stop in good order, and see it dead."""
        await scene.system.stop(node)
        found = await processes.wait_for(scene, [node.name], processes.DEAD, _DEATH_S)
        if not set(found.values()) <= processes.DEAD:
            raise Broken("not-stopped", f"{node.name} did not stop within {_DEATH_S:g} s")

    @staticmethod
    async def _serves(scene: Scene, node: Node) -> None:
        """Wait until the node says that it is well, and somebody leads."""

        def here(statuses: list[NodeStatus]) -> NodeStatus | None:
            return next((one for one in statuses if one.node == node.name), None)

        def well(statuses: list[NodeStatus]) -> bool:
            own = here(statuses)
            return own is not None and own.healthy and any(one.role == "leader" for one in statuses)

        statuses = await until(
            lambda: scene.system.status(scene.cluster), well, deadline_s=_READY_S, poll_s=_POLL_S
        )
        if not well(statuses):
            own = here(statuses)
            said = own.error if own is not None else "nothing"
            raise Broken("not-restarted", f"{node.name} was not well within {_READY_S:g} s: {said}")
