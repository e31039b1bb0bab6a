"""What each ZooKeeper server says of itself (`srvr`), and its whole tree as it alone holds it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection, Sequence
from typing import Any, Final

import msgspec
from kazoo.protocol.serialization import GetChildren2, GetData

from quorate.harness.core.clock import until
from quorate.harness.core.node import Node
from quorate.harness.core.outcome import OutcomeError
from quorate.harness.core.system import NodeDump, NodeStatus
from quorate.harness.systems.divergence import MOVED, settled
from quorate.harness.systems.values import told
from quorate.harness.systems.zookeeper.client.access import Access, located, place
from quorate.harness.systems.zookeeper.client.caller import Caller, ClientOptions
from quorate.harness.systems.zookeeper.client.connection import Link

_PROBE_S: Final = 0.3
_SERVES_S: Final = 1.0
_DUMP_S: Final = 5.0
_AT_ONCE: Final = 200  # nodes that are asked for before the first of them has answered
_PAUSE_S: Final = 0.1
_NODES_MAX: Final = 200_000
_MODE: Final = re.compile(r"^Mode: ([\w-]+)", re.MULTILINE)
_ZXID: Final = re.compile(r"^Zxid: 0x([0-9a-f]+)", re.MULTILINE)
_VERSION: Final = re.compile(r"^Zookeeper version: ([\w.]+)", re.MULTILINE)
_ROLES: Final = {
    "leader": "leader",
    "standalone": "leader",
    "follower": "follower",
    "observer": "learner",
}


async def status(nodes: Sequence[Node], access: Access) -> list[NodeStatus]:
    """Ask every server, each within 300 ms, all at once; never raises."""
    return list(await asyncio.gather(*(_status(node, access) for node in nodes)))


def voting(statuses: Sequence[NodeStatus], without: Collection[str]) -> list[NodeStatus]:
    """Report those that do not vote yet as learners: out of the ensemble, a server still calls itself a follower."""
    return [
        msgspec.structs.replace(one, role="learner")
        if one.node in without and one.role == "follower"
        else one
        for one in statuses
    ]


async def unserved(nodes: Sequence[Node], options: ClientOptions) -> str:
    """Which servers take no session and no write, and why; makes the root of all keys as well."""

    async def asked(node: Node) -> str:
        caller = Caller("ready", {node.name: place(node)}, _SERVES_S, options)
        try:
            async with caller, caller.operation("ready") as link:
                await caller.create(link, options.access.root, None)
        except OutcomeError as error:
            return "" if error.code == "exists" else f"{node.name}: {error}"
        return ""

    return "; ".join(filter(None, await asyncio.gather(*(asked(node) for node in nodes))))


async def dump(nodes: Sequence[Node], access: Access, deadline_s: float) -> list[NodeDump]:
    """Dump every server, again until all that answer are at one zxid or the deadline has passed.

    Sessions are transactions too: those of the dump are opened on all servers before the first is read.
    """
    options = ClientOptions(access=access)
    callers = [Caller("dump", {node.name: node.address}, _DUMP_S, options) for node in nodes]

    async def dumps() -> list[NodeDump]:
        await asyncio.gather(*(_opened(caller) for caller in callers))
        return list(await asyncio.gather(*(_dump(caller) for caller in callers)))

    try:
        return await until(dumps, settled, deadline_s=deadline_s, poll_s=_PAUSE_S)
    finally:
        await asyncio.gather(*(caller.close() for caller in callers))


async def _opened(caller: Caller) -> None:
    try:
        async with caller.operation("open"):
            pass
    except OutcomeError:
        return  # reported again, with its reason, by the dump itself


async def _dump(caller: Caller) -> NodeDump:
    """One server's tree at one zxid: every reply carries the server's zxid, and all must be the same."""
    contents: dict[str, Any] = {}
    zxids: set[int] = set()
    try:
        async with caller.operation("dump") as link:
            waiting = ["/"]
            while waiting and len(contents) < _NODES_MAX:
                visited, waiting = waiting[:_AT_ONCE], waiting[_AT_ONCE:]
                found = await asyncio.gather(*(_visit(link, node, contents, zxids) for node in visited))
                for node, below in zip(visited, found, strict=True):
                    waiting += [f"{node.rstrip('/')}/{name}" for name in below]
    except OutcomeError as error:
        # A node that went away while it was walked is movement, not an error of the server.
        return NodeDump(caller.member, error=MOVED if error.code == "not-found" else str(error))
    if len(zxids) != 1:
        return NodeDump(caller.member, error=MOVED)
    return NodeDump(caller.member, zxids.pop(), contents)


async def _visit(link: Link, node: str, contents: dict[str, Any], zxids: set[int]) -> list[str]:
    names = link.request(GetChildren2(node, False))
    data = link.request(GetData(node, False))
    (children, _), found = (await names).value, await data
    value, stat = found.value
    zxids.add(found.zxid)
    contents[node] = [
        None if value is None else told(value),
        stat.czxid,
        stat.mzxid,
        stat.pzxid,
        stat.version,
        stat.cversion,
        stat.ephemeralOwner,
    ]
    return list(children)


async def _status(node: Node, access: Access) -> NodeStatus:
    try:
        async with asyncio.timeout(_PROBE_S):
            host, port = located(place(node))
            context = access.pems.context()
            name = access.pems.name or host if context is not None else None
            reader, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=name)
            try:
                writer.write(b"srvr")
                said = (await reader.read()).decode(errors="replace")
            finally:
                writer.close()
    except (OSError, TimeoutError) as error:
        return NodeStatus(node.name, healthy=False, error=str(error) or type(error).__name__)
    mode, zxid, version = _MODE.search(said), _ZXID.search(said), _VERSION.search(said)
    role = _ROLES.get(mode.group(1)) if mode is not None else None
    if role is None:
        return NodeStatus(node.name, healthy=False, error=said.strip()[:200] or "no answer to srvr")
    number = int(zxid.group(1), 16) if zxid else 0
    return NodeStatus(
        node=node.name,
        healthy=True,
        role=role,
        term=number >> 32,
        applied=number,
        version=version.group(1) if version else None,
    )
