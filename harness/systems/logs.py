"""The last lines of servers' logs, for errors that must say why."""

from __future__ import annotations

import asyncio
from typing import Final

from quorate.harness.core.node import Cluster, Node
from quorate.harness.core.outcome import Broken

_LINES: Final = 8
_DEADLINE_S: Final = 5.0


async def tail(cluster: Cluster, name: str, *, only: str | None = None, lines: int = _LINES) -> str:
    """Return the last lines of `<node's directory>/<name>` of all nodes, or of one, each headed by its node."""

    async def one(node: Node) -> str:
        try:
            done = await node.run(
                ["tail", "-n", str(lines), f"{node.directory}/{name}"], timeout_s=_DEADLINE_S, check=False
            )
        except Broken as error:
            return f"{node.name}: its log cannot be read: {error.text}"
        return f"{node.name}: {name} ends with\n{done.stdout.rstrip() or done.stderr.rstrip() or '(nothing)'}"

    wanted = [node for node in cluster.nodes if only is None or node.name == only]
    return "\n".join(await asyncio.gather(*(one(node) for node in wanted)))
