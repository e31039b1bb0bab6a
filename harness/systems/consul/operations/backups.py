"""Backups of Consul: an archive from `GET /v1/snapshot`, restored by `PUT /v1/snapshot` into a fresh single server.

The request goes to whom the server asked thinks the leader. The archive is a compressed tar with what raft knows of the
snapshot (meta.json), its content (state.bin) and the SHA-256 of both, which `consul snapshot save` verifies after the
transfer and a server before it restores.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import aiohttp
import msgspec

from quorate.harness.core.backup import Held, NotRestorableError, Reached, Restored
from quorate.harness.core.node import Cluster, Daemon, Node
from quorate.harness.core.outcome import Broken, Unknown
from quorate.harness.systems import restoring
from quorate.harness.systems.consul.client.access import Access
from quorate.harness.systems.consul.operations.entries import change_of
from quorate.harness.systems.consul.server import health
from quorate.harness.systems.consul.server.installing import Installed
from quorate.harness.systems.releases.way import numbers

HTTP: Final = 18500  # where the restored server listens, and next to it for its own kind
DAEMON: Final = "consul-restored"
_SAVE_S: Final = 60.0
_READ_S: Final = 20.0
_OK, _MISSING = 200, 404
_FILE_MOST: Final = 256 << 20
_SAID: Final = 300
_SILENT: Final = (aiohttp.ClientError, TimeoutError, OSError)
_GRPC_TLS_SINCE: Final = (1, 14)
# What a server says of an archive that is not whole; anything else may be the machine's doing.
_DAMAGED: Final = ("snapshot file", "checksum", "hash", "gzip", "EOF", "archive", "decompress", "corrupt")


class _Meta(msgspec.Struct, frozen=True, rename="pascal"):
    """What raft knows of a snapshot, as far as it matters."""

    index: int
    term: int


class BackupsOfConsul:
    """Snapshots over HTTP, restored on the machine of the server that was asked."""

    keeps_past = False

    def __init__(self, installed: Callable[[Node], Installed], access: Callable[[], Access]) -> None:
        self._installed = installed
        self._access = access
        self._nodes: tuple[Node, ...] = ()

    @staticmethod
    def missing() -> str | None:
        """Every release has what is needed."""
        return None

    async def prepare(self, cluster: Cluster) -> None:
        """Take note of the servers: the leader may be another than the one that is asked."""
        self._nodes = tuple(cluster.nodes)

    async def save(self, node: Node, target: Path) -> Reached:
        """Save an archive and verify it, as `consul snapshot save` does; raise `Unknown` where it is not whole."""
        access = self._access()
        timeout = aiohttp.ClientTimeout(total=_SAVE_S)
        try:
            async with access.session(timeout=timeout) as http:
                before = await self._leads(node)
                confirmed = before is not None and not await health.unserved([node], access)
                where = f"{access.of(node)}/v1/snapshot"
                async with http.get(where, server_hostname=access.pems.name) as answer:
                    await restoring.received(answer, target)
        except _SILENT as error:
            raise Unknown("cut-short", str(error) or type(error).__name__) from None
        if not await self.is_whole(target):
            raise Unknown("cut-short", "the archive does not match its checksums")
        return Reached(confirmed=confirmed and before == await self._leads(node))

    async def _leads(self, node: Node) -> tuple[str, int] | None:
        """The leader, in its own view and in the node's, and their term; None where these are not the same.

        Where that is so before and after, the request went to that leader and no further, and whatever a quorum had
        confirmed before was in its state: a new leader may not yet have applied all of it.
        """
        access = self._access()
        told = {one.node: one for one in await health.status(self._nodes, access)}
        leaders = [one for one in told.values() if one.healthy and one.role == "leader"]
        own = told.get(node.name)
        if len(leaders) != 1 or own is None or not own.healthy or own.term != leaders[0].term:
            return None
        address = next(each.address for each in self._nodes if each.name == leaders[0].node)
        known = await health.leader(node, access)
        return (leaders[0].node, leaders[0].term or 0) if known.partition(":")[0] == address else None

    async def is_whole(self, source: Path) -> bool:
        """Whether all files of the archive are there, with the SHA-256 that it lists for them."""
        return await asyncio.to_thread(_meta, source) is not None

    async def restore(self, cluster: Cluster, node: Node, source: Path) -> Restored:
        """Start an empty server beside, have it restore the archive, and read all keys."""
        del cluster
        folder = f"{node.directory}/{restoring.FOLDER}"
        try:
            await self._start(node, folder)
            url = f"http://{node.address}:{HTTP}"
            timeout = aiohttp.ClientTimeout(total=_READ_S)
            async with aiohttp.ClientSession(timeout=timeout) as http:
                await restoring.ready(node, DAEMON, f"{folder}/consul.log", lambda: _serves(http, url))
                await _put(http, url, await asyncio.to_thread(source.read_bytes))
                entries = await _entries(http, url)
            meta = await asyncio.to_thread(_meta, source)
            # One that was accepted though it is damaged: judged by what it holds.
            index = (
                meta.index if meta is not None else max((each["ModifyIndex"] for each in entries), default=0)
            )
            return Restored(index, tuple(_held(entries)), verified="SHA-256 verified")
        finally:
            await restoring.removed(node, DAEMON, folder)

    async def _start(self, node: Node, folder: str) -> None:
        server = self._installed(node)
        ports = {
            "http": HTTP,
            "server": HTTP + 1,
            "serf_lan": HTTP + 2,
            "serf_wan": HTTP + 3,
            "dns": -1,
            "grpc": -1,
        }
        if numbers(server.title.split(maxsplit=1)[0]) >= _GRPC_TLS_SINCE:
            ports["grpc_tls"] = -1
        configuration = {
            "server": True,
            "bootstrap_expect": 1,
            "node_name": "restored",
            "datacenter": "quorate",
            "data_dir": f"{folder}/data",
            "bind_addr": node.address,
            "client_addr": node.address,
            "disable_update_check": True,
            "disable_host_node_id": True,
            "ports": ports,
            "performance": {"raft_multiplier": 1},
        }
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(configuration, file)
            file.flush()
            await node.put(Path(file.name), f"{folder}/consul.json")
        argv = (server.binary, "agent", f"-config-file={folder}/consul.json")
        await node.start(Daemon(DAEMON, argv, f"{folder}/consul.log"))


async def _serves(http: aiohttp.ClientSession, url: str) -> str:
    """Why it answers no consistent read; empty where it does."""
    try:
        async with http.get(f"{url}/v1/kv/{quote('quorate/ready')}?consistent") as answer:
            return "" if answer.status in {_OK, _MISSING} else f"HTTP {answer.status}"
    except _SILENT as error:
        return str(error) or type(error).__name__


async def _put(http: aiohttp.ClientSession, url: str, archive: bytes) -> None:
    try:
        async with http.put(f"{url}/v1/snapshot", data=archive) as answer:
            if answer.status == _OK:
                return
            said = (await answer.text(errors="replace")).strip()[:_SAID]
    except _SILENT as error:
        raise Broken("not-restored", f"PUT /v1/snapshot: {error or type(error).__name__}") from error
    if any(word in said for word in _DAMAGED):
        raise NotRestorableError(f"HTTP {answer.status}: {said}")
    raise Broken("not-restored", f"PUT /v1/snapshot: HTTP {answer.status}: {said}")


async def _entries(http: aiohttp.ClientSession, url: str) -> list[Mapping[str, Any]]:
    """All keys, as a read that is confirmed by the restored server alone has them."""
    try:
        async with http.get(f"{url}/v1/kv/?recurse&consistent") as answer:
            content = await answer.read()
            if answer.status == _MISSING:
                return []
            if answer.status != _OK:
                raise Broken(
                    "not-restored", f"the restored server answers HTTP {answer.status}: {content[:_SAID]!r}"
                )
            return list(msgspec.json.decode(content))
    except _SILENT as error:
        raise Broken("not-restored", f"the restored server: {error or type(error).__name__}") from error


def _held(entries: list[Mapping[str, Any]]) -> list[Held]:
    found = []
    for each in entries:
        value = each.get("Value")
        change = change_of(each["Key"], None if value is None else base64.b64decode(value))
        if change.space in restoring.COMPARED and not change.key.startswith(restoring.FILLED):
            found.append(Held(change.space, change.key, change.value, int(each["ModifyIndex"])))
    return found


def _meta(source: Path) -> _Meta | None:
    """Read what raft knows of the snapshot; None where the archive is not whole."""
    files: dict[str, bytes] = {}
    try:
        with tarfile.open(source, "r:gz") as archive:
            for member in archive:
                content = archive.extractfile(member)
                if member.size <= _FILE_MOST and content is not None:
                    files[member.name] = content.read()
        sums = dict(line.split()[::-1] for line in files["SHA256SUMS"].decode().splitlines() if line.strip())
        fine = {"meta.json", "state.bin"} <= set(sums) and all(
            hashlib.sha256(files[name]).hexdigest() == digest for name, digest in sums.items()
        )
        return msgspec.json.decode(files["meta.json"], type=_Meta) if fine else None
    except (tarfile.TarError, OSError, EOFError, zlib.error, KeyError, ValueError, msgspec.DecodeError):
        return None
