"""A backup under load: an operator saves a snapshot of a server, and somebody restores it elsewhere.

The snapshot is saved by the service's own API and restored aside, into a fresh single server of the same release, while
the run continues. What came back is judged with the history (the guarantee `backups-are-prefixes`). With
`backup.then=kill` the server dies while it sends; what had come by then must be refused, unless it is whole by its own
checksum. Proved by the checksum that was verified and by the restored server's answers.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import ClassVar, Final

from quorate.harness.core.backup import Backup as Kept
from quorate.harness.core.backup import Backups, NotRestorableError, Reached, Restored, keep
from quorate.harness.core.capabilities import Queues, Registers, Sets, Transactions
from quorate.harness.core.fault import Plan, Proof, Scene
from quorate.harness.core.node import Node
from quorate.harness.core.outcome import Broken
from quorate.harness.core.system import System, offered
from quorate.harness.core.test import UsageError
from quorate.harness.core.workload import Workload
from quorate.nemesis import processes
from quorate.nemesis.aftermath import AftermathSettings
from quorate.nemesis.operators import Operator
from quorate.nemesis.targets import FOLLOWER

# Whose writes leave what shows by itself whether a backup holds them.
_COMPARED: Final = frozenset({Registers, Sets, Queues, Transactions})
_RESTORE_S: Final = 50.0  # on a busy machine; a server starts in seconds


class Backup(Operator):
    """Save a snapshot, restore it aside, and read what came back."""

    name = "backup"
    targets: ClassVar[tuple[str, ...]] = ("one", "leader", FOLLOWER)
    deadline_s: ClassVar[float] = 75.0

    def __init__(self, options: AftermathSettings) -> None:
        super().__init__(options)
        self._count = 0
        self._kept: list[str] = []
        self._asked_s: dict[str, float] = {}
        self._received_s: dict[str, float] = {}
        self._reached: dict[str, Reached] = {}
        self._ended: dict[str, asyncio.Event] = {}
        self._folder = Path()

    def suits(self, system: System) -> None:
        """Raise `UsageError` for a system, or a release of it, that saves or restores no backups."""
        if system.theirs:
            raise UsageError("backup: on somebody else's servers no backup is restored")
        if (why := _backups(system).missing()) is not None:
            raise UsageError(f"backup: {why}")

    def fits(self, system: System, workload: Workload) -> None:
        """Raise `UsageError` where nothing of what this workload writes could be compared."""
        if not _backups(system).keeps_past and not _COMPARED.intersection(workload.needs):
            raise UsageError(
                f"backup: {system.name} keeps no old states, and nothing that {workload.name} writes can be compared "
                "with its history; register, set, append, rw and queue can"
            )

    async def prepare(self, scene: Scene) -> None:
        """Put on the nodes what restoring needs."""
        await _backups(scene.system).prepare(scene.cluster)

    async def inject(self, scene: Scene, plan: Plan) -> None:
        """Save from all targets at once, strike where the plan says so, and restore what came."""
        self._kept, self._asked_s, self._reached, self._received_s = [], {}, {}, {}
        began_s = _now()
        with tempfile.TemporaryDirectory(prefix="quorate-") as folder:
            self._folder = Path(folder)
            await super().inject(scene, plan)
            restored = [await self._restore(scene, node) for node in processes.nodes_of(scene, plan.nodes)]
        for node, size, whole, back in restored:
            ended_s = _now()
            received_s = self._received_s.get(node.name, ended_s)
            self._keep(
                scene,
                Kept(
                    node.name,
                    asked_s=self._asked_s.get(node.name, began_s) - began_s,
                    received_s=received_s - began_s,
                    left_s=ended_s - received_s,
                    size=size,
                    whole=whole,
                    reached=self._reached.get(node.name, Reached()),
                    refused=back if isinstance(back, str) else "",
                    restored=back if isinstance(back, Restored) else None,
                ),
            )

    async def prove(self, scene: Scene, plan: Plan) -> Proof:
        """Report what was verified and read, and what the process table says where something came after."""
        proof = await super().prove(scene, plan)
        return Proof(proof.holds, proof.text, {**proof.data, "backups": list(self._kept)})

    async def _act(self, scene: Scene, node: Node, plan: Plan) -> str:
        del plan
        backups = _backups(scene.system)
        self._asked_s[node.name] = _now()
        ended = self._ended[node.name] = asyncio.Event()
        try:
            self._reached[node.name] = await backups.save(node, self._folder / node.name)
            self._received_s[node.name] = _now()
        finally:
            ended.set()
        return f"{node.name} has given a snapshot"

    async def _restore(self, scene: Scene, node: Node) -> tuple[Node, int, bool, Restored | str]:
        """Restore what came of one target's snapshot; a text says why it was refused."""
        backups, path = _backups(scene.system), self._folder / node.name
        if (ended := self._ended.get(node.name)) is not None:
            await ended.wait()  # one that was cut short lets go of the file
        size = path.stat().st_size if path.is_file() else 0
        whole = node.name in self._received_s or (size > 0 and await backups.is_whole(path))
        if not size:
            return node, 0, whole, "nothing of it came"
        try:
            async with asyncio.timeout(_RESTORE_S):
                back = await backups.restore(scene.cluster, node, path)
        except NotRestorableError as error:
            self._say(node, f"{size:,} bytes, {'' if whole else 'cut short, '}refused when restored: {error}")
            return node, size, whole, str(error) or "no reason given"
        except TimeoutError:
            raise Broken(
                "not-restored", f"the backup of {node.name} was not restored in {_RESTORE_S:g} s"
            ) from None
        keys = (
            ""
            if back.compared is None
            else f", {back.compared} keys compared with the cluster's own at that position"
        )
        self._say(node, f"{size:,} bytes, {back.verified}, restored at position {back.position}{keys}")
        return node, size, whole, back

    def _say(self, node: Node, what: str) -> None:
        known = self._failed if node.name in self._failed else self._done
        known[node.name] = f"{known[node.name]}: {what}" if node.name in known else f"{node.name}: {what}"

    def _keep(self, scene: Scene, kept: Kept) -> None:
        self._count += 1
        name = f"{self._count:04d}"
        if scene.folder is not None:
            keep(scene.folder, name, kept)
        self._kept.append(name)


def _backups(system: System) -> Backups:
    return offered(system.backups, f"backup: {system.name} has no backups that quorate knows how to restore")


def _now() -> float:
    return asyncio.get_running_loop().time()
