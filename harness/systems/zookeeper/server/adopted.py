"""A ZooKeeper that is already there: clients alone, below a node that is removed at the end."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from kazoo.protocol.serialization import Delete

from quorate.harness.core.node import Node
from quorate.harness.core.outcome import OutcomeError, Refused
from quorate.harness.systems import access
from quorate.harness.systems.adopting import Adopting
from quorate.harness.systems.zookeeper.client.access import Access, place
from quorate.harness.systems.zookeeper.client.caller import Caller, ClientOptions
from quorate.harness.systems.zookeeper.client.connection import Link
from quorate.harness.systems.zookeeper.server.installing import Installed
from quorate.harness.systems.zookeeper.server.settings import ZooKeeperSettings

log = logging.getLogger(__name__)

OF_CLIENTS: Final = access.OF_USERS
ADOPTING: Final = Adopting(
    settings=ZooKeeperSettings,
    of_clients=OF_CLIENTS | {"reads", "session", "value_size"},
    beyond={},
    denied=("not-authenticated", "denied", "certificate"),
    unfit={"recipes": "kazoo's clients keep to no prefix, so not on servers that are not quorate's"},
)
_REMOVE_S: Final = 30.0
_NODES_MAX: Final = 1_000_000


def below(found: Access, run_id: str) -> Access:
    """Return the same, fenced in by a root: the one given, or one of the run's own, whose parent is everybody's."""
    return msgspec.structs.replace(found, root=found.root or f"/quorate-{run_id}", fenced=True)


def installed(versions: Mapping[str, str]) -> dict[str, Installed]:
    """Return what runs on each node, of which nothing is known but its version."""
    return {
        node: Installed("", f"{version} (set up by somebody else)", version)
        for node, version in versions.items()
    }


async def remove(nodes: Sequence[Node], found: Access) -> None:
    """Remove the root and all nodes below it, through the first server that does it; log why where none does."""
    said = []
    options = ClientOptions(access=found)
    for node in nodes:
        caller = Caller("remove", {node.name: place(node)}, _REMOVE_S, options)
        try:
            async with caller, caller.operation("remove") as link:
                count = await _remove(caller, link, found.root)
        except OutcomeError as error:
            said.append(f"{node.name}: {error}")
            continue
        log.info("removed %d nodes from %s on", count, found.root)
        return
    log.warning("nodes below %s are left: %s", found.root, "; ".join(said))


async def _remove(caller: Caller, link: Link, root: str) -> int:
    """Delete children before their parents; what somebody else has deleted meanwhile is as well."""
    found = [root]
    for node in found:
        if len(found) > _NODES_MAX:
            raise Refused("too-many", f"more than {_NODES_MAX} nodes below {root}")
        names, _ = await caller.children(link, node, fresh=False)
        found += [f"{node}/{name}" for name in names]
    for node in reversed(found):
        try:
            await link.request(Delete(node, -1))
        except Refused as error:
            if error.code != "not-found":
                raise
    return len(found)
