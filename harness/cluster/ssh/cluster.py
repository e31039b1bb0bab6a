"""A cluster of hosts over SSH: each is claimed for one run, prepared, and left as it was."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import msgspec

from quorate.harness.cluster import ledger, shell
from quorate.harness.cluster.ledger import Ledger
from quorate.harness.cluster.ssh.connection import Connection
from quorate.harness.cluster.ssh.hosts import Host, address_of
from quorate.harness.cluster.ssh.leftovers import end_run
from quorate.harness.cluster.ssh.node import SshNode
from quorate.harness.cluster.standing import Standing
from quorate.harness.cluster.sweep import sweep_async
from quorate.harness.cluster.together import together
from quorate.harness.core.outcome import Broken

_THREADS_EACH = 8
_CLAIM_S = 10.0
# `set -C` makes the creation of the file fail if it exists: one run at a time has a host.
_CLAIM = r"""
for tool in timeout setsid base64 tr grep; do
  command -v "$tool" >/dev/null || { echo "$tool is missing" >&2; exit 3; }
done
[ -d "$1" ] || { mkdir -p "$1" && : >"$1/made"; } || exit 4
set -C
{ echo "$2" >"$1/in-use"; } 2>/dev/null && exit 0
cat "$1/in-use"
exit 5
"""
_IN_USE = 5


class SshCluster(Standing[SshNode]):
    """Hosts over SSH; satisfies the protocol `Cluster`."""

    def __init__(self, run_id: str, hosts: Sequence[Host]) -> None:
        super().__init__(run_id)
        self._hosts = list(hosts)
        self._book: Ledger | None = None
        self._connections: list[Connection] = []
        self._claimed: list[Connection] = []
        self._pool = ThreadPoolExecutor(_THREADS_EACH * len(self._hosts), thread_name_prefix="ssh")

    async def up(self) -> None:
        """Log in to all hosts, claim and prepare them; a failed `up` leaves them as they were."""
        await sweep_async()
        try:
            await self._up()
        except BaseException:
            await self.down()
            raise

    async def down(self) -> None:
        """Remove everything from the hosts and log out, unless the cluster is kept."""
        connections, self._connections = self._connections, []
        claimed, self._claimed = self._claimed, []
        book, self._book = self._book, None
        self._fall()
        try:
            if self._kept or book is None:
                return
            ends = [self._on_thread(end_run, connection) for connection in claimed]
            problems = [one for one in await asyncio.gather(*ends, return_exceptions=True) if one is not None]
            if problems:
                book.release()  # the next sweep tries again
                raise Broken("not-removed", "; ".join(map(str, problems)))
            book.remove()
        finally:
            for connection in connections:
                connection.close()

    def keep(self) -> list[str]:
        """Leave daemons and files on the hosts after `down` and after this process; return how to reach them."""
        if self._book is not None:
            self._book.keep()
            self._kept = True
        return [
            f"{node.name} at {node.address}: ssh -p {host.port} {host.user}@{host.host}, files in {node.directory}"
            for node, host in zip(self._nodes, self._hosts, strict=False)
        ]

    async def _up(self) -> None:
        self._book = book = Ledger.open(self._run_id)
        self._connections = [Connection(host) for host in self._hosts]
        for host in self._hosts:
            book.record(ledger.HOST, msgspec.json.encode(host).decode())
        await together(self._on_thread(self._claim, connection) for connection in self._connections)
        self._nodes = [
            SshNode(f"n{number}", address_of(connection.host), connection, self._run_id, self._pool)
            for number, connection in enumerate(self._connections, start=1)
        ]
        await together(node.prepare() for node in self._nodes)

    def _claim(self, connection: Connection, run_id: str) -> None:
        host = connection.host
        done = connection.run(shell.command(_CLAIM, host.directory, run_id), timeout_s=_CLAIM_S)
        if done.code == _IN_USE:
            raise Broken(
                "host-in-use",
                f"{host.shown} is used by the run {done.stdout.strip()}; if that is dead, run `quorate clean --all` "
                f"where it was started, or remove {host.directory}/in-use on the host",
            )
        if done.code != 0:
            raise Broken("host-unfit", f"{host.shown}: {done.stderr.strip() or 'cannot be prepared'}")
        self._claimed.append(connection)

    async def _on_thread(self, work: Callable[[Connection, str], None], connection: Connection) -> None:
        await asyncio.get_running_loop().run_in_executor(self._pool, work, connection, self._run_id)
