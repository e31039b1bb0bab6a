"""Rolling upgrades: one server after the other is stopped in good order and started as another release, data kept.

What an operator does on a Tuesday, under load: every client must be served before, between and after. An upgrade is
not undone by its healing: the healing only starts what is down. Proved by the version that each server reports of
itself, and by one leader over all of them.

    [[fault]]
    at = "5s"
    for = "10s"
    fault = "upgrade"
    detail = { release = "3.5.16" }

`for` is how long the servers run before the healing looks at them again; `--set upgrade.release=` is the release of
upgrades that name none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import Random
from typing import Annotated, Any, Final

import msgspec

from quorate.harness.core.clock import until
from quorate.harness.core.fault import Plan, Proof, Scene
from quorate.harness.core.injection import Turn
from quorate.harness.core.node import Node, ProcessState
from quorate.harness.core.outcome import Broken, UsageError
from quorate.harness.core.settings import about
from quorate.harness.core.system import NodeStatus
from quorate.harness.systems.releases import resolve_async
from quorate.nemesis import processes
from quorate.nemesis.nodes import NodeFault
from quorate.nemesis.targets import NODE_TARGETS

_RELEASE: Final = "upgrade.release"
_READY_S: Final = 30.0
_POLL_S: Final = 0.1


class UpgradeSettings(msgspec.Struct, frozen=True):
    """Settings of upgrades."""

    release: (
        Annotated[str, about("the release that -f upgrade puts on the nodes, such as 3.5.16", unset="none")]
        | None
    ) = None


class Upgrade(NodeFault):
    """Replace servers by another release, one after the other, each healthy again before the next."""

    name = "upgrade"
    targets = ("all", *(target for target in NODE_TARGETS if target != "all"))
    downs = True
    deadline_s = 150.0  # of one step: nodes are upgraded in turn
    settings_type = UpgradeSettings

    def __init__(self, options: UpgradeSettings) -> None:
        super().__init__(options)
        self._release = options.release
        self._wanted: set[str] = set()
        self._steps: list[Turn] = []  # of the last injection, in seconds since it began

    def expect(self, plans: Sequence[Plan | None]) -> None:
        """Look at what will be asked for; raise `UsageError` for an upgrade to an unknown release."""
        for plan in plans:
            release = (plan.detail.get("release") if plan is not None else None) or self._release
            if not isinstance(release, str) or not release:
                raise UsageError(
                    f"upgrade: to which release? --set {_RELEASE}=3.5.16, or "
                    'detail = { release = "3.5.16" } in the schedule'
                )
            self._wanted.add(release)

    def check(self, scene: Scene) -> None:
        """Raise `UsageError` for a system that knows no upgrade."""
        if not scene.system.upgrades:
            raise UsageError(f"upgrade: {scene.system.name} cannot be upgraded here")

    async def prepare(self, scene: Scene) -> None:
        """Fetch or build the releases before the load: a build takes minutes."""
        for release in sorted(self._wanted):
            await resolve_async(scene.system.name, release)

    def detail(self, rng: Random) -> dict[str, Any]:
        """Name the release where the settings do."""
        del rng
        return {"release": self._release} if self._release else {}

    async def inject(self, scene: Scene, plan: Plan) -> None:
        """Upgrade node after node; who leads comes last, so that the leadership moves once."""
        system, release = scene.system, plan.detail.get("release")
        if not isinstance(release, str):
            raise Broken("no-upgrade", f"{scene.system.name} cannot be upgraded to {release!r}")
        leads = {one.node for one in await scene.system.status(scene.cluster) if one.role == "leader"}
        nodes = processes.nodes_of(scene, plan.nodes)
        loop = asyncio.get_running_loop()
        begin = loop.time()
        self._steps.clear()
        for node in sorted(nodes, key=lambda node: node.name in leads):
            stopped = loop.time()
            await system.upgrade(scene.cluster, node, release)
            up = loop.time()
            await self._serves(scene, node, release)
            self._steps.append(Turn(node.name, stopped, up, loop.time()).since(begin))

    async def prove(self, scene: Scene, plan: Plan) -> Proof:
        """Ask every server for its version; all targets must report the release, and all nodes one leader."""
        statuses = await scene.system.status(scene.cluster)
        release = str(plan.detail.get("release"))
        told = {one.node: one.version for one in statuses}
        wrong = [name for name in plan.nodes if not _is(told.get(name), release)]
        leaders = [one.node for one in statuses if one.role == "leader"]
        words = ", ".join(f"{name} {version or 'silent'}" for name, version in sorted(told.items()))
        text = f"versions as the servers report them: {words}; led by {', '.join(leaders) or 'nobody'}"
        data = {"versions": told, "steps": msgspec.to_builtins(self._steps)}
        return Proof(holds=not wrong and len(leaders) == 1, text=text, data=data)

    async def heal(self, scene: Scene, plan: Plan) -> None:
        """Start what an upgrade that failed in its midst left down."""
        for node in processes.nodes_of(scene, plan.nodes):
            if await node.state(scene.system.daemon) is ProcessState.DEAD:
                await scene.system.start(scene.cluster, node)

    async def prove_healed(self, scene: Scene, plan: Plan) -> Proof:
        """See every target run, answer, and know a leader; a server that refused to start is not waited for."""

        async def silent_and_dead() -> tuple[dict[str, NodeStatus], list[str], bool]:
            found = {one.node: one for one in await scene.system.status(scene.cluster)}
            silent = [name for name in plan.nodes if name not in found or not found[name].healthy]
            dead = processes.DEAD & set((await processes.states(scene, silent)).values())
            return found, silent, bool(dead)

        found, silent, _ = await until(
            silent_and_dead, lambda seen: not seen[1] or seen[2], deadline_s=_READY_S, poll_s=_POLL_S
        )
        words = ", ".join(f"{name} {found[name].version}" for name in plan.nodes if name in found)
        text = f"running and answering: {words}" + (f"; silent: {', '.join(silent)}" if silent else "")
        return Proof(holds=not silent, text=text)

    async def _serves(self, scene: Scene, node: Node, release: str) -> None:
        """Wait until the node reports the release and that it is well, and some node leads."""

        async def look() -> tuple[bool, NodeStatus]:
            statuses = await scene.system.status(scene.cluster)
            silent = NodeStatus(node.name, healthy=False)
            here = next((one for one in statuses if one.node == node.name), silent)
            led = any(one.healthy and one.role == "leader" for one in statuses)
            well = here.healthy and led and _is(here.version, release)
            if not well and await node.state(scene.system.daemon) is ProcessState.DEAD:
                tail = await processes.log_tail(scene, node, processes.STACK_CHARACTERS)
                why = processes.reason(tail)
                raise Broken("not-upgraded", f"{node.name} refused to run as {release}: {why}")
            return well, here

        well, here = await until(look, lambda found: found[0], deadline_s=_READY_S, poll_s=_POLL_S)
        if not well:
            said = here.error or f"version {here.version}"
            raise Broken("not-upgraded", f"{node.name} was not well as {release} in {_READY_S:g} s: {said}")


def _is(version: str | None, release: str) -> bool:
    """Whether what a server says of itself is this release (`v1.12.9`, `1.8.7+dfsg1` are said too)."""
    return (version or "").removeprefix("v").partition("+")[0].partition("-")[0] == release.partition("+")[0]
