"""The whole store of each member as it alone holds it, for divergence checks."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from quorate.harness.core.clock import until
from quorate.harness.core.node import Node
from quorate.harness.core.outcome import OutcomeError
from quorate.harness.core.system import NodeDump
from quorate.harness.systems.divergence import MOVED, settled
from quorate.harness.systems.etcd.client.connection import Connection
from quorate.harness.systems.etcd.protocol import pb
from quorate.harness.systems.etcd.server.health import Health
from quorate.harness.systems.values import told

_ATTEMPT_S: Final = 8.0
_PAUSE_S: Final = 0.05
_STATUS: Final = pb.StatusRequest()
# Keys of the first page: of the longest values that are written a page stays below what a reply may have (64 MiB).
_PAGE: Final = 50
_SMALL_BYTES: Final = 4 << 20  # a page that is not larger is followed by one of twice as many keys
_PAGES_MAX: Final = 100_000


async def dump(health: Health, nodes: Sequence[Node], deadline_s: float) -> list[NodeDump]:
    """Dump every member, again until all that answer have applied equally much or the deadline has passed."""

    async def dumps() -> list[NodeDump]:
        return list(await asyncio.gather(*(_dump(health, node) for node in nodes)))

    return await until(dumps, settled, deadline_s=deadline_s, poll_s=_PAUSE_S)


async def _dump(health: Health, node: Node) -> NodeDump:
    """One member's store at one applied index: read between two equal indexes."""
    connection = health.connection(node)
    deadline = asyncio.get_running_loop().time() + _ATTEMPT_S
    try:
        before = _applied(await connection.call("Status", _STATUS, deadline))
        revisions, kvs = await everything(connection, deadline)
        after = _applied(await connection.call("Status", _STATUS, deadline))
    except OutcomeError as error:
        return NodeDump(node.name, error=str(error))
    if before != after or len(revisions) != 1:
        return NodeDump(node.name, error=MOVED)
    # The revision is state too: two members that applied the same entries must count the same writes.
    contents: dict[str, Any] = {"revision": revisions.pop()}
    for kv in kvs:
        contents[kv.key.decode(errors="backslashreplace")] = [
            told(kv.value),
            kv.create_revision,
            kv.mod_revision,
            kv.version,
            kv.lease,
        ]
    return NodeDump(node.name, position=after, contents=contents)


async def everything(
    connection: Connection, deadline: float, revision: int = 0
) -> tuple[set[int], list[Any]]:
    """Every key from what this member has applied, in pages, and the revisions that these were read at.

    With a `revision` as of that one; raises `Refused` where it is compacted, or not yet applied there.
    """
    key, limit, kvs, revisions = b"\0", _PAGE, [], set()
    for _ in range(_PAGES_MAX):
        # To the end of all keys.
        request = pb.RangeRequest(key=key, range_end=b"\0", serializable=True, limit=limit, revision=revision)
        found = await connection.call("Range", request, deadline)
        revisions.add(int(found.header.revision))
        kvs += found.kvs
        if not found.more:
            break
        key = found.kvs[-1].key + b"\0"
        limit *= 1 + (found.ByteSize() <= _SMALL_BYTES)
    return revisions, kvs


def _applied(status: Any) -> int:
    return int(status.raftAppliedIndex or status.raftIndex)
