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
from quorate.harness.systems.etcd.protocol import pb
from quorate.harness.systems.etcd.server.health import Health

_ATTEMPT_S: Final = 2.0
_PAUSE_S: Final = 0.05
_STATUS: Final = pb.StatusRequest()
# From the smallest key to the end of all keys, from what this member has applied.
_EVERYTHING: Final = pb.RangeRequest(key=b"\0", range_end=b"\0", serializable=True)


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
        found = await connection.call("Range", _EVERYTHING, deadline)
        after = _applied(await connection.call("Status", _STATUS, deadline))
    except OutcomeError as error:
        return NodeDump(node.name, error=str(error))
    if before != after:
        return NodeDump(node.name, error=MOVED)
    # The revision is state too: two members that applied the same entries must count the same writes.
    contents: dict[str, Any] = {"revision": found.header.revision}
    for kv in found.kvs:
        contents[kv.key.decode(errors="backslashreplace")] = [
            kv.value.decode(errors="backslashreplace"),
            kv.create_revision,
            kv.mod_revision,
            kv.version,
            kv.lease,
        ]
    return NodeDump(node.name, position=after, contents=contents)


def _applied(status: Any) -> int:
    return int(status.raftAppliedIndex or status.raftIndex)
