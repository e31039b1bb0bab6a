"""Backups of ZooKeeper (3.9 and later): the admin server's `snapshot`, restored by the `restore` of a fresh server.

A snapshot is written while the tree may keep changing, and names the zxid that it begins with: everything up to there
is in it, and what was changed meanwhile may be. It ends in a checksum (Adler-32). The admin server needs jars of Jetty
and Jackson, which Maven's way to a server leaves out; they are added for runs with backups alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import aiohttp
import msgspec
from kazoo.protocol.serialization import GetChildren2, GetData

from quorate.harness.core.backup import Held, NotRestorableError, Reached, Restored
from quorate.harness.core.node import Cluster, Daemon, Node
from quorate.harness.core.outcome import Broken, OutcomeError, Unknown
from quorate.harness.systems import restoring
from quorate.harness.systems.releases import resolve_async
from quorate.harness.systems.releases.way import numbers
from quorate.harness.systems.zookeeper.client.access import ROOT
from quorate.harness.systems.zookeeper.client.caller import Caller, ClientOptions
from quorate.harness.systems.zookeeper.client.connection import Link
from quorate.harness.systems.zookeeper.operations import snapshots
from quorate.harness.systems.zookeeper.operations.jute import JuteError
from quorate.harness.systems.zookeeper.operations.memberlogs import change_of
from quorate.harness.systems.zookeeper.server import health
from quorate.harness.systems.zookeeper.server.installing import Installed, unpack

ADMIN: Final = 18080  # where the admin server of a member listens
CLIENTS, RESTORED_ADMIN = 12181, 18081  # and where the restored server does
DAEMON: Final = "zookeeper-restored"
SINCE: Final = (3, 9)
_JARS: Final = "jars-admin"
_TOOL, _TOOL_RELEASE = "zookeeper-admin", "9.4.57.v20241219"
_WANTED: Final = (
    "jetty-",
    "javax.servlet-",
    "jackson-",
)  # Maven brings a logger as well, which would be a second
# Whoever shows a user of this scheme may do what the root's access list lets everybody do.
_HEADERS: Final = {"Authorization": "digest quorate:quorate"}
_SAVE_S: Final = 60.0
_RESTORE_S: Final = 40.0
_READ_S: Final = 20.0
_ASK_S: Final = 2.0
_OK: Final = 200
_AT_ONCE: Final = 200
_NODES_MAX: Final = 200_000
_SAID: Final = 300
_SILENT: Final = (aiohttp.ClientError, TimeoutError, OSError)


class _Answer(msgspec.Struct, frozen=True):
    """What the admin server answers to `restore`; without a zxid it has not restored."""

    last_zxid: int | None = None
    error: str | None = None


class BackupsOfZooKeeper:
    """Snapshots over the admin server, restored on the machine of the server."""

    keeps_past = False

    def __init__(
        self,
        releases: Callable[[], Sequence[str]],
        installed: Callable[[Node], Installed],
        options: Callable[[], ClientOptions],
        java: Callable[[], str],
        *,
        secured: bool,
    ) -> None:
        self._releases = releases
        self._installed = installed
        self._options = options
        self._java = java
        self._secured = secured
        self._prepared: set[str] = set()
        self._zxids: dict[Path, int] = {}

    def missing(self) -> str | None:
        """Releases below 3.9 have no such commands; a user's access lists would keep the restored nodes closed."""
        old = [release for release in self._releases() if numbers(release) and numbers(release) < SINCE]
        if old:
            return f"zookeeper@{old[0]} has no snapshots by its admin server; 3.9 and later have"
        return "--set auth=yes: a restored server would let no client at its nodes" if self._secured else None

    async def prepare(self, cluster: Cluster) -> None:
        """Put on every node the jars that its admin server needs, where its own lack them."""
        for node in cluster.nodes:
            server = self._installed(node)
            there = await node.run(["ls", server.jars])
            if numbers(server.release) < SINCE:
                raise Broken(
                    "no-backup", f"{server.title} has no snapshots by its admin server; 3.9 and later have"
                )
            if "jetty-servlet" not in there.stdout:
                found = await resolve_async(_TOOL, _TOOL_RELEASE)
                jars = await asyncio.to_thread(_wanted, found.jars)
                await unpack(node, {f"{_JARS}/{jar.name}": jar for jar in jars})
            self._prepared.add(node.name)

    def flags(self, node: Node) -> list[str]:
        """Return what the member's JVM is started with: an admin server only where backups are to be taken."""
        if node.name not in self._prepared:
            return ["-Dzookeeper.admin.enableServer=false"]
        return _admin(node, ADMIN)

    def jars(self, node: Node) -> str:
        """Return what the class path of a member has behind its own jars."""
        return f":{node.directory}/{_JARS}/*" if node.name in self._prepared else ""

    async def save(self, node: Node, target: Path) -> Reached:
        """Save a snapshot; raise `Unknown` where it does not come whole."""
        # A write that went through this server: it has applied all that had been acknowledged before.
        confirmed = not await health.unserved([node], self._options())
        timeout = aiohttp.ClientTimeout(total=_SAVE_S)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, headers=_HEADERS) as http,
                http.get(_url(node, ADMIN, "snapshot?streaming=true")) as answer,
            ):
                await restoring.received(answer, target)
                self._zxids[target] = int(answer.headers.get("last_zxid", "0"), 16)
        except _SILENT as error:
            raise Unknown("cut-short", str(error) or type(error).__name__) from None
        if not await self.is_whole(target):
            raise Unknown("cut-short", "the snapshot does not match its checksum")
        return Reached(confirmed=confirmed)

    async def is_whole(self, source: Path) -> bool:
        """Whether its checksum is right."""
        return await asyncio.to_thread(_is_whole, source)

    async def restore(self, cluster: Cluster, node: Node, source: Path) -> Restored:
        """Start an empty server beside, have it restore the snapshot, and walk its tree."""
        del cluster
        folder = f"{node.directory}/{restoring.FOLDER}"
        try:
            await self._start(node, folder)
            async with aiohttp.ClientSession(headers=_HEADERS) as http:
                await restoring.ready(node, DAEMON, f"{folder}/zookeeper.log", lambda: _serves(http, node))
                await _put(http, node, await asyncio.to_thread(source.read_bytes))
            held = await _walked(node)
            # What was changed while it was written may be in it: it has no position but the one that it began with.
            return Restored(
                self._zxids.get(source, 0), tuple(held), verified="checksum verified", exact=False
            )
        finally:
            await restoring.removed(node, DAEMON, folder)

    async def _start(self, node: Node, folder: str) -> None:
        configuration = {
            "tickTime": 2000,
            "dataDir": f"{folder}/data",
            "clientPort": CLIENTS,
            "clientPortAddress": node.address,
            "maxClientCnxns": 0,
        }
        text = "".join(f"{name}={value}\n" for name, value in configuration.items())
        await unpack(node, {f"{restoring.FOLDER}/zoo.cfg": text})
        argv = (
            self._java(),
            "-Xmx256m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-Dzookeeper.extendedTypesEnabled=true",
            *_admin(node, RESTORED_ADMIN),
            "-cp",
            f"{node.directory}/conf:{self._installed(node).jars}/*{self.jars(node)}",
            "org.apache.zookeeper.server.quorum.QuorumPeerMain",
            f"{folder}/zoo.cfg",
        )
        await node.start(Daemon(DAEMON, argv, f"{folder}/zookeeper.log", cwd=folder))


def _admin(node: Node, port: int) -> list[str]:
    return [
        "-Dzookeeper.admin.enableServer=true",
        f"-Dzookeeper.admin.serverAddress={node.address}",
        f"-Dzookeeper.admin.serverPort={port}",
        "-Dzookeeper.admin.rateLimiterIntervalInMS=0",
    ]


def _wanted(folder: Path) -> list[Path]:
    return [jar for jar in sorted(folder.glob("*.jar")) if jar.name.startswith(_WANTED)]


def _url(node: Node, port: int, command: str) -> str:
    return f"http://{node.address}:{port}/commands/{command}"


def _is_whole(source: Path) -> bool:
    try:
        snapshots.read(source.read_bytes())
    except (JuteError, OSError):
        return False
    return True


async def _serves(http: aiohttp.ClientSession, node: Node) -> str:
    """Why the restored server does not serve yet; empty where it does."""
    try:
        timeout = aiohttp.ClientTimeout(total=_ASK_S)
        async with http.get(_url(node, RESTORED_ADMIN, "ruok"), timeout=timeout) as answer:
            said = await answer.read()
            return "" if answer.status == _OK and b'"error" : null' in said else f"HTTP {answer.status}"
    except _SILENT as error:
        return str(error) or type(error).__name__


async def _put(http: aiohttp.ClientSession, node: Node, content: bytes) -> None:
    """Have it restore; raise `NotRestorableError` where it says that the snapshot is amiss."""
    where = _url(node, RESTORED_ADMIN, "restore")
    headers = {"Content-Type": "application/octet-stream"}
    timeout = aiohttp.ClientTimeout(total=_RESTORE_S)
    try:
        async with http.post(where, data=content, headers=headers, timeout=timeout) as answer:
            said = await answer.read()
    except _SILENT as error:
        raise Broken("not-restored", f"restore: {error or type(error).__name__}") from error
    try:
        found = msgspec.json.decode(said, type=_Answer)
    except msgspec.DecodeError:
        found = _Answer(error=said.decode(errors="replace").strip()[:_SAID])
    if answer.status == _OK and found.last_zxid is not None and found.error is None:
        return
    # It answers 500 without a word where it cannot read the stream; other refusals have one.
    if found.error is None:
        raise NotRestorableError(f"HTTP {answer.status} to restore")
    raise Broken("not-restored", f"restore: HTTP {answer.status}: {found.error}")


async def _walked(node: Node) -> list[Held]:
    """Walk what clients of a run wrote, as the restored server answers."""
    caller = Caller("restored", {node.name: f"{node.address}:{CLIENTS}"}, _READ_S, ClientOptions())
    found: list[Held] = []
    try:
        async with caller, caller.operation("walk") as link:
            waiting, seen = [ROOT], 0
            while waiting and seen < _NODES_MAX:
                visited, waiting = waiting[:_AT_ONCE], waiting[_AT_ONCE:]
                seen += len(visited)
                for path, below in zip(
                    visited,
                    await asyncio.gather(*(_visit(link, path, found) for path in visited)),
                    strict=True,
                ):
                    waiting += [f"{path}/{name}" for name in below]
    except OutcomeError as error:
        raise Broken("not-restored", f"the restored server: {error}") from error
    return found


async def _visit(link: Link, path: str, found: list[Held]) -> list[str]:
    """Take note of a node, and return the names below it; one that went away meanwhile was of a session."""
    children, data = link.request(GetChildren2(path, False)), link.request(GetData(path, False))
    answers: Any = await asyncio.gather(children, data, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, OutcomeError) and answer.code == "not-found":
            return []
        if isinstance(answer, BaseException):
            raise answer
    (names, _), (value, stat) = answers[0].value, answers[1].value
    change = change_of(path, value)
    if value and change.space in restoring.COMPARED and not change.key.startswith(restoring.FILLED):
        # A node's name holds no slash: clients write it so.
        found.append(Held(change.space, change.key.replace("+", "/"), change.value, int(stat.mzxid)))
    return list(names)
