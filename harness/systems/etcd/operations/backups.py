"""Backups of etcd: a snapshot of one member, restored by etcd's own tool into a fresh cluster of one.

`etcdutl snapshot restore` of the same release (`etcdctl` below 3.5) checks the SHA-256 that the member put at the end,
and writes a data directory, from which a server of the same release starts on separate ports.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from quorate.harness.core.backup import Difference, Held, NotRestorableError, Reached, Restored
from quorate.harness.core.node import Cluster, Daemon, Node
from quorate.harness.core.outcome import Broken, OutcomeError
from quorate.harness.systems import restoring
from quorate.harness.systems.etcd.client.connection import Connection
from quorate.harness.systems.etcd.operations.dumping import everything
from quorate.harness.systems.etcd.operations.entries import change_of
from quorate.harness.systems.etcd.operations.maintenance import Maintenance
from quorate.harness.systems.etcd.protocol import pb
from quorate.harness.systems.etcd.server.installing import Installed
from quorate.harness.systems.releases import resolve_async, unknown_release
from quorate.harness.systems.releases.way import numbers
from quorate.harness.systems.values import told

CLIENTS: Final = 12379  # where the restored server listens
PEERS: Final = 12380
DAEMON: Final = "etcd-restored"
_ASK_S: Final = 2.0
_TOOL_S: Final = 30.0
_READ_S: Final = 20.0
_HASH_BYTES: Final = 32
_PAGE_BYTES: Final = 512
_SHOWN: Final = 20
# What the tool says of a snapshot that is not whole; anything else may be the machine's doing.
_DAMAGED: Final = (
    "sha256",
    "hash",
    "integrity",
    "invalid database",
    "unexpected EOF",
    "checksum",
    "panic",
    "version mismatch",
)
_READY: Final = pb.RangeRequest(key=b"/quorate/ready")


class _Status(msgspec.Struct, frozen=True):
    """What the tool says of a snapshot, as far as it matters."""

    revision: int


class BackupsOfEtcd:
    """Snapshots by the maintenance service, restored on the machine of the member.

    `installed` says what runs on a node, `connect` opens a connection to a port of it, without certificates.
    """

    keeps_past = True

    def __init__(
        self,
        maintenance: Maintenance,
        asked: Callable[[], Sequence[str]],
        installed: Callable[[Node], Installed],
        connect: Callable[[Node, int], Connection],
    ) -> None:
        self._maintenance = maintenance
        self._asked = asked
        self._installed = installed
        self._connect = connect
        self._tools: set[tuple[str, str]] = set()  # nodes, and where on them

    def missing(self) -> str | None:
        """The tool of a release that was never published."""
        reasons = (unknown_release(tool_of(release), _plain(release)) for release in self._asked())
        return next((f"it is restored by etcd's own tool: {why}" for why in reasons if why is not None), None)

    async def prepare(self, cluster: Cluster) -> None:
        """Put the tool of its release on every node."""
        for node in cluster.nodes:
            await self._tool_on(node)

    async def _tool_on(self, node: Node) -> str:
        """Put the tool on a node, once for each release that runs there: upgrades bring others."""
        release = _plain(self._installed(node).release)
        tool = tool_of(release)
        target = f"{node.directory}/bin/{tool}-{release}"
        if (node.name, target) not in self._tools:
            try:
                found = await resolve_async(tool, release)
            except Broken as error:
                raise Broken("no-tool", f"backups of etcd {release} need its {tool}: {error.text}") from error
            await node.put(found.folder / tool, target, mode=0o755)
            self._tools.add((node.name, target))
        return target

    async def reached(self, node: Node) -> Reached:
        """Ask the member for a linearizable read; where that is not confirmed, for what it has by itself."""
        for serializable in (False, True):
            request = pb.RangeRequest(key=_READY.key, serializable=serializable)
            with contextlib.suppress(OutcomeError):
                answer = await self._maintenance.call(node, "Range", request, _ASK_S)
                return Reached(int(answer.header.revision), confirmed=not serializable)
        return Reached()

    async def save(self, node: Node, target: Path) -> Reached:
        """Stream the member's store into the file."""
        reached = await self.reached(node)
        await self._maintenance.snapshot(node, target)
        return reached

    async def is_whole(self, source: Path) -> bool:
        """Whether its SHA-256 is right."""
        return await asyncio.to_thread(_is_whole, source)

    async def restore(self, cluster: Cluster, node: Node, source: Path) -> Restored:
        """Restore it into an empty directory beside the member's, start a server there, and read all of it."""
        folder = f"{node.directory}/{restoring.FOLDER}"
        try:
            await node.put(source, f"{folder}/snapshot.db")
            revision = await self._restored(node, folder)
            await self._start(node, folder)
            connection = self._connect(node, CLIENTS)
            try:
                return await self._read(cluster, node, connection, revision, folder)
            finally:
                await connection.close()
        finally:
            await restoring.removed(node, DAEMON, folder)

    async def _restored(self, node: Node, folder: str) -> int:
        """Have the tool write the data directory; return the snapshot's revision."""
        peer = f"http://{node.address}:{PEERS}"
        await self._tool(
            node,
            "restore",
            f"{folder}/snapshot.db",
            "--name=restored",
            f"--initial-cluster=restored={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--data-dir={folder}/data",
        )
        said = await self._tool(node, "status", f"{folder}/snapshot.db", "--write-out=json")
        try:
            return msgspec.json.decode(said, type=_Status).revision
        except msgspec.DecodeError as error:
            raise Broken("no-status", f"etcd's tool gives no status: {error}: {said[:200]!r}") from error

    async def _tool(self, node: Node, *words: str) -> str:
        """Run the tool; raise `NotRestorableError` where it finds the snapshot damaged."""
        tool = await self._tool_on(node)
        api = () if self._installed(node).numbers >= (3, 4) else ("env", "ETCDCTL_API=3")
        done = await node.run([*api, tool, "snapshot", *words], timeout_s=_TOOL_S, check=False)
        if done.code == 0:
            return done.stdout
        lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        said = next(
            (line for line in lines if line.startswith(("Error", "panic"))), lines[-1] if lines else ""
        )
        if any(word in said for word in _DAMAGED):
            raise NotRestorableError(f"{tool.rpartition('/')[2]}: {said.removeprefix('Error: ')[:300]}")
        raise Broken("no-restore", f"{tool} snapshot {words[0]} ended with {done.code}: {said[:300]}")

    async def _start(self, node: Node, folder: str) -> None:
        clients, peers = f"http://{node.address}:{CLIENTS}", f"http://{node.address}:{PEERS}"
        flags = {
            "name": "restored",
            "data-dir": f"{folder}/data",
            "listen-client-urls": clients,
            "advertise-client-urls": clients,
            "listen-peer-urls": peers,
            "initial-advertise-peer-urls": peers,
            "initial-cluster": f"restored={peers}",
        }
        argv = (self._installed(node).binary, *(f"--{name}={value}" for name, value in flags.items()))
        await node.start(Daemon(DAEMON, argv, f"{folder}/etcd.log"))

    async def _read(
        self, cluster: Cluster, node: Node, connection: Connection, revision: int, folder: str
    ) -> Restored:
        await restoring.ready(node, DAEMON, f"{folder}/etcd.log", lambda: _serves(connection))
        deadline = asyncio.get_running_loop().time() + _READ_S
        # A compaction may have removed the last deletion: etcd then starts from where it was compacted.
        hashed = await connection.call("HashKV", pb.HashKVRequest(), deadline)
        position = max(revision, int(hashed.compact_revision))
        _, found = await everything(connection, deadline, position)
        past = await self._past(cluster, node, position)
        return Restored(
            position,
            tuple(_held(found)),
            verified="SHA-256 verified",
            compared=None if past is None else len(past),
            differences=() if past is None else _differences(_contents(found), past),
        )

    async def _past(self, cluster: Cluster, node: Node, revision: int) -> dict[str, list[Any]] | None:
        """What the cluster held at the revision, by another member if one knows; None where that is gone."""
        for other in sorted(cluster.nodes, key=lambda one: one.name == node.name):
            with contextlib.suppress(OutcomeError):
                deadline = asyncio.get_running_loop().time() + _READ_S / len(cluster.nodes)
                return _contents(
                    (await everything(self._maintenance.connection(other), deadline, revision))[1]
                )
        return None


def tool_of(release: str) -> str:
    """Return the name of the tool that restores snapshots of a release."""
    return "etcdutl" if numbers(release) >= (3, 5) else "etcdctl"


def _plain(release: str) -> str:
    """The release without what it was built with: `3.6.5+failpoints` is restored by the tool of 3.6.5."""
    return release.partition("+")[0]


def _is_whole(source: Path) -> bool:
    size = source.stat().st_size
    if size % _PAGE_BYTES != _HASH_BYTES:
        return False
    digest = hashlib.sha256()
    with source.open("rb") as file:
        left = size - _HASH_BYTES
        while left and (piece := file.read(min(left, 1 << 20))):
            digest.update(piece)
            left -= len(piece)
        return file.read() == digest.digest()


async def _serves(connection: Connection) -> str:
    """Why the restored server answers no linearizable read; empty where it does."""
    try:
        await connection.call("Range", _READY, asyncio.get_running_loop().time() + _ASK_S)
    except OutcomeError as error:
        return str(error)
    return ""


def _held(kvs: Sequence[Any]) -> list[Held]:
    """The keys that histories can be compared with, in the words of the clients."""
    changes = ((change_of(kv.key, kv.value), int(kv.mod_revision)) for kv in kvs)
    return [
        Held(one.space, one.key, one.value, revision)
        for one, revision in changes
        if one.space in restoring.COMPARED and not one.key.startswith(restoring.FILLED)
    ]


def _contents(kvs: Sequence[Any]) -> dict[str, list[Any]]:
    """Each key with all that etcd keeps of it."""
    return {
        kv.key.decode(errors="backslashreplace"): [
            told(kv.value),
            kv.create_revision,
            kv.mod_revision,
            kv.version,
            kv.lease,
        ]
        for kv in kvs
    }


def _differences(
    of_backup: Mapping[str, list[Any]], of_cluster: Mapping[str, list[Any]]
) -> tuple[Difference, ...]:
    """The first keys that are not the same on both sides."""
    keys = [key for key in sorted({*of_backup, *of_cluster}) if of_backup.get(key) != of_cluster.get(key)]
    return tuple(
        Difference(key, _words(of_backup.get(key)), _words(of_cluster.get(key))) for key in keys[:_SHOWN]
    )


def _words(found: list[Any] | None) -> str:
    return "missing" if found is None else msgspec.json.encode(found).decode()[:200]
