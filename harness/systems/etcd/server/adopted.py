"""An etcd that is already there: clients alone, below a prefix that is removed at the end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Final

from quorate.harness.core.clock import until
from quorate.harness.core.node import Cluster, Node
from quorate.harness.core.outcome import Broken, OutcomeError, UsageError
from quorate.harness.core.settings import described
from quorate.harness.core.system import NodeStatus
from quorate.harness.systems.etcd.client.namespace import Namespace
from quorate.harness.systems.etcd.protocol import pb
from quorate.harness.systems.etcd.server.health import Health
from quorate.harness.systems.etcd.server.installing import Installed
from quorate.harness.systems.etcd.server.settings import EtcdSettings

log = logging.getLogger(__name__)

# Of clients that others own the servers of.
OF_CLIENTS: Final = frozenset({"prefix", "ca", "cert", "key", "tls_name", "user", "password_file"})
_ALSO_OURS: Final = frozenset({"reads", "lock", "lease_ttl", "value_size"})
_WHOLE_STORE: Final = frozenset({"watch", "revisions", "kubernetes"})
_DENIED: Final = ("authentication failed", "permission denied", "user name is empty", "handshake")
_LOOK_S: Final = 15.0
_REMOVE_S: Final = 10.0
_POLL_S: Final = 0.1


def check(workloads: Sequence[str], given: Mapping[str, str]) -> None:
    """Raise `UsageError` for what reaches beyond the prefix, and for settings of servers that are not quorate's."""
    if wrong := sorted(_WHOLE_STORE.intersection(workloads)):
        raise UsageError(
            f"-w {', '.join(wrong)} is about the whole store's history and compacts it: not on a cluster "
            "that is already there"
        )
    if wrong := sorted((set(described(EtcdSettings)) - OF_CLIENTS - _ALSO_OURS).intersection(given)):
        raise UsageError(
            f"--set {wrong[0]}: a setting of servers, and those of --cluster running are not quorate's"
        )


def namespace(prefix: str | None, run_id: str) -> Namespace:
    """Return the prefix given, or one of the run's own."""
    return Namespace(prefix or f"/quorate/{run_id}/")


async def look(health: Health, cluster: Cluster) -> dict[str, Installed]:
    """Ask what runs there; raises `Broken` with the reasons where a member does not say, or where none may read."""

    async def asked() -> tuple[list[NodeStatus], str]:
        statuses = await health.status(cluster.nodes)
        silent = [f"{one.node}: {one.error}" for one in statuses if one.version is None]
        return statuses, "; ".join(silent or await health.reads(cluster.nodes))

    def final(found: tuple[list[NodeStatus], str]) -> bool:
        # What is slow may come yet (a password alone takes a tenth of a second); what is denied will not.
        return not found[1] or any(word in found[1] for word in _DENIED)

    statuses, refused = await until(asked, final, deadline_s=_LOOK_S, poll_s=_POLL_S)
    if refused:
        raise Broken("not-there", f"the cluster does not serve: {refused}")
    return {
        one.node: Installed("", str(one.version), f"{one.version} (a cluster that is already there)")
        for one in statuses
    }


async def wait_serving(health: Health, cluster: Cluster, deadline_s: float) -> None:
    """Return once every endpoint answers a linearizable read; its leader may be a member that was not named."""
    why = await until(
        lambda: health.reads(cluster.nodes), lambda why: not why, deadline_s=deadline_s, poll_s=_POLL_S
    )
    if why:
        raise Broken("not-ready", f"etcd did not serve within {deadline_s:g} s: {'; '.join(why)}")


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
