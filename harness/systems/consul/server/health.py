"""What each Consul server says of itself, and its whole store as it alone holds it."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import quote

import aiohttp
import msgspec

from quorate.harness.core.clock import until
from quorate.harness.core.node import Node
from quorate.harness.core.system import NodeDump, NodeStatus
from quorate.harness.systems.consul.client.access import Access
from quorate.harness.systems.divergence import MOVED, settled
from quorate.harness.systems.values import told

_PROBE_S: Final = 0.3
_SERVES_S: Final = 1.0
_DUMP_S: Final = 10.0
_PAUSE_S: Final = 0.05
_SAID: Final = 200  # characters of what a server says in refusing
_OK, _MISSING = 200, 404
_SILENT: Final = (aiohttp.ClientError, TimeoutError, OSError)


async def status(nodes: Sequence[Node], access: Access) -> list[NodeStatus]:
    """Ask every agent about itself, all at once; local answers, none is forwarded."""
    async with access.session(timeout=aiohttp.ClientTimeout(total=_PROBE_S)) as http:
        return list(await asyncio.gather(*(_status(http, access, node) for node in nodes)))


async def unserved(nodes: Sequence[Node], access: Access) -> str:
    """Which servers answer no consistent read, and why: being elected is not yet being ready."""
    async with access.session(timeout=aiohttp.ClientTimeout(total=_SERVES_S)) as http:

        async def asked(node: Node) -> str:
            try:
                where = f"/v1/kv/{quote(access.key('ready', node.name))}?consistent"
                async with _get(http, access, node, where) as answer:
                    if answer.status in {_OK, _MISSING}:
                        return ""
                    said = (await answer.text(errors="replace")).strip()[:_SAID]
                    return f"{node.name}: HTTP {answer.status} to a read" + (f": {said}" if said else "")
            except _SILENT as error:
                return f"{node.name}: {str(error) or type(error).__name__}"

        return "; ".join(filter(None, await asyncio.gather(*(asked(node) for node in nodes))))


async def leader(node: Node, access: Access) -> str:
    """Return who leads by this server's own word, HOST:PORT; empty where it knows no leader, or does not answer."""
    async with access.session(timeout=aiohttp.ClientTimeout(total=_PROBE_S)) as http:
        try:
            async with _get(http, access, node, "/v1/status/leader") as answer:
                return str(msgspec.json.decode(await answer.read())) if answer.status == _OK else ""
        except (*_SILENT, msgspec.DecodeError):
            return ""


async def dump(nodes: Sequence[Node], access: Access, deadline_s: float) -> list[NodeDump]:
    """Dump every server, again until all that answer have applied equally much or the deadline has passed."""
    async with access.session(timeout=aiohttp.ClientTimeout(total=_DUMP_S)) as http:

        async def dumps() -> list[NodeDump]:
            return list(await asyncio.gather(*(_dump(http, access, node) for node in nodes)))

        return await until(dumps, settled, deadline_s=deadline_s, poll_s=_PAUSE_S)


def _get(http: aiohttp.ClientSession, access: Access, node: Node, path: str) -> Any:
    return http.get(access.of(node) + path, server_hostname=access.pems.name)


async def _about(http: aiohttp.ClientSession, access: Access, node: Node) -> dict[str, Any]:
    async with _get(http, access, node, "/v1/agent/self") as answer:
        content = await answer.read()
        if answer.status != _OK:
            said = content.decode(errors="replace").strip()[:_SAID]
            raise aiohttp.ClientPayloadError(f"HTTP {answer.status} {said}".rstrip())
    return dict(msgspec.json.decode(content))


async def _status(http: aiohttp.ClientSession, access: Access, node: Node) -> NodeStatus:
    try:
        about = await _about(http, access, node)
        raft = about["Stats"]["raft"]
        state = raft["state"].lower()
        return NodeStatus(
            node=node.name,
            healthy=state in {"leader", "follower"} and raft["last_contact"] != "never",
            role=state if state in {"leader", "follower"} else "unknown",
            term=int(raft["term"]),
            applied=int(raft["applied_index"]),
            version=about["Config"]["Version"],
        )
    except (*_SILENT, KeyError, ValueError, msgspec.DecodeError) as error:
        return NodeStatus(node.name, healthy=False, error=str(error) or type(error).__name__)


async def _dump(http: aiohttp.ClientSession, access: Access, node: Node) -> NodeDump:
    """One server's keys at one applied index: a stale read between two equal indexes."""
    try:
        before = (await _about(http, access, node))["Stats"]["raft"]["applied_index"]
        async with _get(http, access, node, "/v1/kv/?recurse&stale") as answer:
            content = await answer.read()
            found = msgspec.json.decode(content) if answer.status == _OK else []
            if answer.status not in {_OK, _MISSING}:
                return NodeDump(node.name, error=f"HTTP {answer.status}: {content[:200]!r}")
        after = (await _about(http, access, node))["Stats"]["raft"]["applied_index"]
    except (*_SILENT, KeyError, ValueError, msgspec.DecodeError) as error:
        return NodeDump(node.name, error=str(error) or type(error).__name__)
    if before != after:
        return NodeDump(node.name, error=MOVED)
    return NodeDump(node.name, int(after), {entry["Key"]: _contents(entry) for entry in found})


def _contents(entry: dict[str, Any]) -> list[Any]:
    value = entry.get("Value")
    text = None if value is None else told(base64.b64decode(value))
    return [
        text,
        entry["CreateIndex"],
        entry["ModifyIndex"],
        entry["LockIndex"],
        entry["Flags"],
        entry.get("Session"),
    ]
