"""A cluster of network namespaces on this host: no engine, no image, up in a tenth of a second."""

from __future__ import annotations

import asyncio

from quorate.harness.cluster import ledger, subnets
from quorate.harness.cluster.ledger import Ledger
from quorate.harness.cluster.local import plumbing, rootless
from quorate.harness.cluster.local.node import LocalNode
from quorate.harness.cluster.removal import remove_local
from quorate.harness.cluster.standing import Standing
from quorate.harness.cluster.state import data_directory, state_directory
from quorate.harness.cluster.sweep import sweep_async
from quorate.harness.cluster.together import together
from quorate.harness.core.outcome import Broken


class LocalCluster(Standing[LocalNode]):
    """Network namespaces joined by a bridge; satisfies the protocol `Cluster`."""

    def __init__(self, run_id: str, count: int) -> None:
        super().__init__(run_id)
        self._names = tuple(f"n{number}" for number in range(1, count + 1))
        self._book: Ledger | None = None

    async def up(self) -> None:
        """Bring the nodes up; what a failed `up` made is removed before it raises."""
        await sweep_async()
        try:
            await together([asyncio.to_thread(self._up)])
        except BaseException:
            await self.down()
            raise

    async def down(self) -> None:
        """Remove everything, unless the cluster is kept."""
        if self._kept:
            return
        book, self._book = self._book, None
        self._fall()
        if book is not None:
            left = await asyncio.to_thread(remove_local, book.run_id, book.records())
            if left:
                book.release()  # the next sweep tries again
                raise Broken("not-removed", "; ".join(left))
            book.remove()

    def keep(self) -> list[str]:
        """Leave the cluster standing after `down` and after this process; return how to reach its nodes.

        Without root that cannot be: the kernel ends the user namespace with this command.
        """
        if rootless.inside():
            return ["cannot be kept: without root the cluster ends with this command; use root, or Docker"]
        if self._book is not None:
            self._book.keep()
            self._kept = True
        return [
            f"{node.name} at {node.address}: nsenter --net={node.netns} sh, files in {node.directory}"
            for node in self._nodes
        ]

    def _up(self) -> None:
        self._book = book = Ledger.open(self._run_id)
        subnet = subnets.claim(book)
        plan = plumbing.Plan(self._run_id, state_directory() / "netns" / self._run_id, subnet, self._names)
        data = data_directory() / self._run_id
        book.record(ledger.DIRECTORY, str(data))
        book.record(ledger.LINK, plan.host_link)
        for path in [plan.bridge_netns, *map(plan.netns, self._names)]:
            book.record(ledger.NETNS, str(path))
        plumbing.build(plan)
        self._nodes = [
            LocalNode(name, plan.address(name), data / name, plan.netns(name), book) for name in self._names
        ]
        for node in self._nodes:
            node.prepare()
