"""The servers' logs, brought home from their nodes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from pathlib import Path
from typing import Final

from quorate.harness.core.node import Cluster, Node
from quorate.harness.core.outcome import Broken
from quorate.harness.core.system import System
from quorate.harness.run import member_logs

log = logging.getLogger(__name__)

_LOGS_S: Final = 20.0


async def collect(system: System, cluster: Cluster, folder: Path) -> None:
    """Copy each node's logs into the run's folder, all nodes at once; what cannot be fetched is logged."""
    with contextlib.suppress(Broken):
        wanted = [(node, path) for node in cluster.nodes for path in system.logs(node)]
        ours = () if system.theirs else cluster.nodes
        await asyncio.gather(
            *(_fetch(node, path, folder) for node, path in wanted),
            *(member_logs.keep(system, node, folder) for node in ours),
        )


async def _fetch(node: Node, path: str, folder: Path) -> None:
    target = folder / "nodes" / node.name / Path(path).name
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        async with asyncio.timeout(_LOGS_S):
            await node.get(path, target)
    except (Broken, TimeoutError, OSError) as error:
        log.info("no %s from %s: %s", path, node.name, error)
