"""An etcd that is already there: clients alone, below a prefix that is removed at the end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Final

from quorate.harness.core.node import Node
from quorate.harness.core.outcome import OutcomeError
from quorate.harness.systems import access
from quorate.harness.systems.adopting import Adopting
from quorate.harness.systems.etcd.client.namespace import Namespace
from quorate.harness.systems.etcd.protocol import pb
from quorate.harness.systems.etcd.server.health import Health
from quorate.harness.systems.etcd.server.installing import Installed
from quorate.harness.systems.etcd.server.settings import EtcdSettings

log = logging.getLogger(__name__)

_WHOLE_STORE: Final = "is about the whole store's history and compacts it"
OF_CLIENTS: Final = access.OF_USERS
ADOPTING: Final = Adopting(
    settings=EtcdSettings,
    of_clients=OF_CLIENTS | {"reads", "lock", "lease_ttl", "value_size"},
    beyond=dict.fromkeys(("watch", "revisions", "kubernetes"), _WHOLE_STORE),
    denied=("authentication failed", "permission denied", "user name is empty", "handshake"),
)
_REMOVE_S: Final = 10.0


def namespace(prefix: str | None, run_id: str) -> Namespace:
    """Return the prefix given, or one of the run's own."""
    return Namespace(prefix or f"/quorate/{run_id}/")


def installed(versions: Mapping[str, str]) -> dict[str, Installed]:
    """Return what runs on each node, of which nothing is known but its version."""
    return {
        node: Installed("", version, f"{version} (set up by somebody else)")
        for node, version in versions.items()
    }


async def remove(health: Health, nodes: Sequence[Node], space: Namespace) -> None:
    """Remove all keys below the prefix, through the first member that does it; says so where none does."""
    request = pb.DeleteRangeRequest(key=b"", range_end=b"\0")  # within the namespace: all of the prefix
    said = []
    for node in nodes:
        try:
            deadline = asyncio.get_running_loop().time() + _REMOVE_S
            gone = await health.connection(node).call("DeleteRange", request, deadline)
        except OutcomeError as error:
            said.append(f"{node.name}: {error}")
            continue
        log.info("removed %d keys below %s", gone.deleted, space.prefix.decode())
        return
    log.warning("keys below %s are left: %s", space.prefix.decode(), "; ".join(said))
